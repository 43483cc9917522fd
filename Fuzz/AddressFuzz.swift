// fuzzes: Sources/Addressing
// libFuzzer target: no bytes may trap a parser of Addressing, and whatever is accepted comes back from its own text.

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzAddress(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let text = String(decoding: UnsafeBufferPointer(start: start, count: count), as: UTF8.self)
  if let address = IPAddress(text) {
    precondition(IPAddress(address.description) == address, "\(address) does not come back")
    precondition(address.description.utf8.count <= 39, "\(address) is too long")
  }
  if let prefix = try? Prefix(parsing: text) {
    precondition(try! Prefix(parsing: prefix.description) == prefix, "\(prefix) does not come back")
    precondition(prefix.contains(prefix.hosts.first) && prefix.contains(prefix.hosts.last), "hosts outside \(prefix)")
  }
  if let range = try? AddressRange(parsing: text), !range.contains(AddressRange.ipv4Mapped.first) {
    precondition(range.contains(range.first) && range.contains(range.last), "\(range) without its ends")
    // A prefix may end in the mapped block, whose text is refused.
    if !AddressRange.ipv4Mapped.contains(range.last) {
      precondition(try! AddressRange(parsing: range.description) == range, "\(range) does not come back")
    }
  }
  if let address = MACAddress(text) {
    precondition(MACAddress(address.description) == address, "\(address) does not come back")
  }
  return 0
}
