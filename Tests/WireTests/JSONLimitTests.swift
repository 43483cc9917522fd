import Testing
import Wire

@Suite struct JSONLimitTests {
  private func kind(_ text: String, _ limits: JSONLimits) -> JSONFault.Kind? { fault(parse(text, limits))?.kind }

  private func nested(_ depth: Int) -> String {
    String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
  }

  @Test func depthIsLimitedTo32UnlessSaidOtherwise() {
    #expect(kind(nested(32), .standard) == nil)
    #expect(kind(nested(33), .standard) == .tooDeep)
    #expect(kind(String(repeating: "[", count: 1_000_000), .standard) == .tooDeep)
    #expect(kind(String(repeating: "{\"a\":", count: 33), .standard) == .tooDeep)
    #expect(kind(nested(2), JSONLimits(depth: 1)) == .tooDeep)
    #expect(kind("[\(nested(1)),\(nested(1))]", JSONLimits(depth: 2)) == nil)
  }

  @Test func stringsAndKeysAreLimitedByTheBytesTheyStandFor() {
    let limits = JSONLimits(stringBytes: 4)
    #expect(kind(#""abcd""#, limits) == nil)
    #expect(kind(#""abcde""#, limits) == .stringTooLong)
    #expect(kind(#""\u0041\u0042\n\t""#, limits) == nil)
    #expect(kind(#""\ud83d\ude00""#, limits) == nil)
    #expect(kind(#""\ud83d\ude00a""#, limits) == .stringTooLong)
    #expect(kind(#""€€""#, limits) == .stringTooLong)
    #expect(kind(#"{"abcde":1}"#, limits) == .stringTooLong)
    let long = String(repeating: "x", count: 64 << 10)
    #expect(kind("\"\(long)\"", .standard) == nil)
    #expect(kind("\"\(long)x\"", .standard) == .stringTooLong)
  }

  @Test func elementsAreLimited() {
    #expect(kind("[1,2,3]", JSONLimits(elements: 3)) == nil)
    #expect(kind("[1,2,3,4]", JSONLimits(elements: 3)) == .tooManyElements)
    #expect(kind("[[1],[1],[1]]", JSONLimits(elements: 3)) == nil)
    #expect(kind("[" + String(repeating: "0,", count: 10_000) + "0]", .standard) == .tooManyElements)
  }

  @Test func keysAreLimited() {
    #expect(kind(#"{"a":1,"b":2}"#, JSONLimits(keys: 2)) == nil)
    #expect(kind(#"{"a":1,"b":2,"c":3}"#, JSONLimits(keys: 2)) == .tooManyKeys)
    #expect(kind(#"[{"a":1,"b":2},{"a":1,"b":2}]"#, JSONLimits(keys: 2)) == nil)
  }

  @Test func digitsAreLimited() {
    #expect(kind("1234", JSONLimits(numberBytes: 4)) == nil)
    #expect(kind("12345", JSONLimits(numberBytes: 4)) == .numberTooLong)
    #expect(kind("-1.5e10", JSONLimits(numberBytes: 6)) == .numberTooLong)
  }
}
