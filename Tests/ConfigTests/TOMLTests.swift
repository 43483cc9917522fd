@testable import Config
import TestSupport
import Testing

@Suite struct TOMLTests {
  private func fault(_ text: String) -> String? {
    do {
      _ = try TOMLReader.read(text, name: "f")
      return nil
    } catch {
      return error.description
    }
  }

  @Test func entriesHaveTableValueAndLine() throws {
    let text = """
      # A comment.
      listen = "127.0.0.1:80"   # behind a value
      workers=-4
        debug\t=  true

      [tls]
      certificate = 'C:\\no\\escapes'
      names = [ "a" , 'b', # one

        "c", ]
      none = []
      [a.b-c]
      text = "\\"\\\\\\n\\t\\u00e9\\U0001F600"
      """
    #expect(
      try TOMLReader.read(text, name: "f") == [
        TOMLEntry(key: "listen", value: .string("127.0.0.1:80"), line: 2),
        TOMLEntry(key: "workers", value: .integer(-4), line: 3),
        TOMLEntry(key: "debug", value: .boolean(true), line: 4),
        TOMLEntry(key: "tls.certificate", value: .string(#"C:\no\escapes"#), line: 7),
        TOMLEntry(key: "tls.names", value: .array(["a", "b", "c"]), line: 8),
        TOMLEntry(key: "tls.none", value: .array([]), line: 11),
        TOMLEntry(key: "a.b-c.text", value: .string("\"\\\n\té😀"), line: 13)
      ])
    #expect(try TOMLReader.read("", name: "f").isEmpty)
    #expect(try TOMLReader.read("a = 1\r\nb = 2", name: "f").map(\.line) == [1, 2])
  }

  @Test(arguments: [
    ("a = 1\na = 2", "f:2: a was given in line 1 already; leave one out"),
    ("[t]\nb = 1\n[u]\n[t]", "f:4: [t] was given in line 1 already; leave one out"),
    ("a", "f:1: after a there must be = and a value; write a = ..."),
    ("\na = ", "f:2: there is no value; put text in quotes: \"\""),
    ("a = yes", "f:1: yes is no string, whole number, boolean or array; put text in quotes: \"yes\""),
    ("a = 1.5", "f:1: 1.5 is no string, whole number, boolean or array; put text in quotes: \"1.5\""),
    ("a = 010", "f:1: 010 is no string, whole number, boolean or array; put text in quotes: \"010\""),
    ("a = 1 2", "f:1: something stands behind the value; one key = value per line"),
    ("a = \"x\" b = 1", "f:1: something stands behind the value; one key = value per line"),
    ("a = \"x", "f:1: a string has no end; close the quote"),
    ("a = \"x\ny\"", "f:1: a string ends on its line and has no control characters; close the quote, or write \\n"),
    ("a = \"\"\"x\"\"\"", "f:1: strings over several lines are not read here; write one line"),
    ("a = \"\\q\"", "f:1: a string holds an unknown \\ escape; write \\\\ for a backslash, or use '...'"),
    ("a = \"\\ud800\"", "f:1: a string holds an unknown \\ escape; write \\\\ for a backslash, or use '...'"),
    ("a = \"\\u00\"", "f:1: a string holds an unknown \\ escape; write \\\\ for a backslash, or use '...'"),
    ("a.b = 1", "f:1: dotted keys are not read here; write [a] above it"),
    ("a = {}", "f:1: inline tables are not read here; write a [table]"),
    ("[[a]]", "f:1: arrays of tables are not read here; write one [table]"),
    ("[a", "f:1: a table's name must end in ]; write [name]"),
    ("\"a\" = 1", "f:1: a key has letters, digits, _ and -; quoted keys are not read here"),
    ("a = [1]", "f:1: an array holds strings and ends in ]; write [\"a\", \"b\"]"),
    ("a = [\"x\" \"y\"]", "f:1: between strings there must be ,; write [\"a\", \"b\"]"),
    ("a = [\"x\",", "f:1: an array holds strings and ends in ]; write [\"a\", \"b\"]")
  ])
  func whatIsNotReadIsRefusedByName(text: String, message: String) { #expect(fault(text) == message) }

  @Test func tooLongIsRefused() {
    let text = String(repeating: "#", count: TOMLReader.bytesMax)
    #expect(fault(text) == nil)
    #expect(fault(text + "#") == "f is longer than 1048576 bytes; is it the right file?")
  }

  @Test func noTextTrapsTheReader() {
    var random = SeededRandom(announcedAs: "noTextTrapsTheReader")
    let alphabet = Array("ab[]=\"'\\\n\r\t #,.{}-+0129truefalsu\u{0}é")
    var accepted = 0
    for _ in 0..<20_000 {
      let text = String((0..<Int.random(in: 0...12, using: &random)).map { _ in random.pick(alphabet) })
      if fault(text) == nil { accepted += 1 }
    }
    #expect(accepted > 0, "seed \(random.seed)")
  }
}
