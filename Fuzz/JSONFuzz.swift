// fuzzes: Sources/Wire
// Fuzz target of the JSON reader and writer (libFuzzer).
//
// Any bytes are either refused at a place inside them, or a document that, written again, reads back the same and
// is written the same the second time. The first two bytes choose the limits, so that those are walked through too.

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzJSON(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let input = unsafe Array(UnsafeBufferPointer(start: start, count: count))
  guard input.count >= 2 else { return 0 }
  let narrow = JSONLimits(
    depth: Int(input[0] & 15), stringBytes: Int(input[0] >> 4), elements: Int(input[1] & 15), keys: Int(input[1] >> 4),
    numberBytes: 8)
  let document = Array(input[2...])
  check(document, narrow)
  check(document, .standard)
  return 0
}

private func check(_ document: [UInt8], _ limits: JSONLimits) {
  let value: JSONValue
  do throws(JSONFault) {
    value = try JSONValue(parsing: document, limits: limits)
  } catch {
    precondition((0...document.count).contains(error.offset), "the fault lies outside the document")
    precondition(!error.description.isEmpty, "the fault has no sentence")
    return
  }
  let written = value.encoded()
  do throws(JSONFault) {
    let again = try JSONValue(parsing: written, limits: limits)
    precondition(again == value && again.encoded() == written, "the document changed on its way")
    let indented = try JSONValue(parsing: value.encoded(indented: true), limits: limits)
    precondition(indented == value, "indentation changed the document")
  } catch {
    preconditionFailure("our own document was refused: \(error)")
  }
}
