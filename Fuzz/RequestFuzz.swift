// fuzzes: Sources/Addressing Sources/Domain Sources/Wire Sources/APITypes
// What clients send: query strings, cursors, times, and the bodies of all routes. The first byte chooses the reader.
// Nothing may trap, and what is accepted keeps to the limits and comes back from its own text.

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzRequest(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let input = Array(UnsafeBufferPointer(start: start, count: count))
  guard let choice = input.first else { return 0 }
  let bytes = Array(input.dropFirst())
  switch choice % 10 {
  case 0: query(bytes)
  case 1: cursor(String(decoding: bytes, as: UTF8.self))
  case 2: pool(bytes)
  case 3: _ = try? decodePoolPatch(bytes, extentOnly: choice > 128)
  case 4: _ = try? decodeAllocate(bytes, choice > 128 ? .choose : .pool(.simple))
  case 5: _ = try? decodeAllocationPatch(bytes)
  case 6: if let seconds = try? decodeRenew(bytes) { precondition(seconds <= Limits.maxSeconds, "a lease too long") }
  case 7: imports(bytes)
  case 8: _ = try? ReserveBody(decoding: bytes)
  default: _ = try? SimpleAllocateBody(decoding: bytes)
  }
  return 0
}

private func query(_ bytes: [UInt8]) {
  guard let items = try? HTTPTarget.parseQuery(bytes[...]) else { return }
  precondition(items.count <= HTTPTarget.queryParameterLimit, "too many parameters")
  for item in items { precondition(!item.name.utf8.contains(0) && !item.value.utf8.contains(0), "a NUL came through") }
  let parts = bytes.split(separator: 0x26).count
  precondition(items.count == parts, "\(parts) parts became \(items.count) parameters")
}

private func cursor(_ text: String) {
  guard let cursor = Cursor(text: text) else { return }
  precondition(cursor.text == text, "a cursor does not come back")
  if let place = AllocationPlace(cursor) {
    precondition(AllocationPlace(place.cursor) == place, "a place does not come back")
  }
}

private func pool(_ bytes: [UInt8]) {
  guard let pool = try? decodePool(bytes) else { return }
  var out = JSONWriter()
  out.pool(PoolView(pool, nil))
  var reader = JSONReader(out.finish())
  precondition((try? reader.poolView())?.pool == pool, "a pool does not come back from its own JSON")
}

private func imports(_ bytes: [UInt8]) {
  guard let body = try? ImportBody(decoding: bytes) else { return }
  let again = try? ImportBody(decoding: body.encoded)
  precondition(again?.rows == body.rows, "an inventory does not come back from its own JSON")
}
