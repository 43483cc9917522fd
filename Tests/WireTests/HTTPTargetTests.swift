import Testing
import Wire

@Suite struct HTTPTargetTests {
  private func segment(_ text: String) -> String? { try? HTTPTarget.decodeSegment(Array(text.utf8)[...]) }

  private func query(_ text: String) -> [String]? {
    try? HTTPTarget.parseQuery(Array(text.utf8)[...]).map { "\($0.name)=\($0.value)" }
  }

  @Test func segmentsAreDecodedStrictly() {
    #expect(segment("a%2Fb%20c+d") == "a/b c+d")
    #expect(segment("%c3%A9") == "é")
    #expect(segment("") == "")
    for bad in ["%", "%4", "%g0", "%00", "%FF", "%C0%AF", "%ED%A0%80", "a%"] { #expect(segment(bad) == nil, "\(bad)") }
  }

  @Test func queriesKeepOrderAndRepeats() {
    #expect(query("label=a=b&limit=10&label=c%26d&flag&&x=+") == ["label=a=b", "limit=10", "label=c&d", "flag=", "x= "])
    #expect(query("") == [])
    #expect(query("a=%0") == nil)
    #expect(query("%00=1") == nil)
  }

  @Test func queriesHaveALimit() {
    let most = HTTPTarget.queryParameterLimit
    #expect(query(Array(repeating: "a=1", count: most).joined(separator: "&"))?.count == most)
    #expect(query(Array(repeating: "a=1", count: most + 1).joined(separator: "&")) == nil)
  }

  @Test(arguments: [
    ("127.0.0.1", true), ("127.0.0.1:80", true), ("[::1]:8080", true), ("[::1]", true), ("localhost", false),
    ("1.2.3", false), ("1.2.3.256", false), ("1.2.3.4.5", false), ("1.2.3.4a", false), ("0001.2.3.4", false)
  ])
  func addressesAreTold(_ text: String, _ isAddress: Bool) throws {
    let bytes = Array(text.utf8)
    #expect(try #require(HTTPHost(ByteRange(0, bytes.count), in: bytes)).isAddress(in: bytes) == isAddress)
  }

  @Test(arguments: ["", ":80", "a:", "a:123456", "a b", "a/b", "a@b", "[::1", "[]", "[::1]x", "a:8x", "[g::1]"])
  func malformedHostsAreRefused(_ text: String) {
    let bytes = Array(text.utf8)
    #expect(HTTPHost(ByteRange(0, bytes.count), in: bytes) == nil)
  }
}
