// fuzzes: Sources/Addressing Sources/Domain
// The rows and entries of the log. Any bytes are refused, or mean something whose own bytes are these: two encodings of
// one row would be two hashes of one state.

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzRow(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let bytes = Array(UnsafeBufferPointer(start: start, count: count))
  if let row = try? Row(decoding: bytes) {
    precondition(row.encoded == bytes, "a row has two encodings")
    precondition("\(row.key)".isEmpty == false, "a row without a key")
  }
  if let entry = try? Entry(decoding: bytes) {
    precondition(entry.encoded == bytes, "an entry has two encodings")
    _ = entry.outcome
  }
  return 0
}
