import Testing
import Wire

/// The document, or why it was refused.
func parse(_ bytes: [UInt8], _ limits: JSONLimits = .standard) -> Result<JSONValue, JSONFault> {
  Result { () throws(JSONFault) in try JSONValue(parsing: bytes, limits: limits) }
}

func parse(_ text: String, _ limits: JSONLimits = .standard) -> Result<JSONValue, JSONFault> {
  parse(Array(text.utf8), limits)
}

func fault<T>(_ result: Result<T, JSONFault>) -> JSONFault? {
  if case .failure(let fault) = result { fault } else { nil }
}

@Suite struct JSONSyntaxTests {
  /// What is accepted, and how it looks when written again.
  static let accepted: [(String, String)] = [
    ("{}", "{}"), ("[]", "[]"), (" \t\r\n[ \t\r\n] \t\r\n", "[]"), ("[[],{}]", "[[],{}]"),
    ("null", "null"), ("true", "true"), ("false", "false"), ("[true,false,null]", "[true,false,null]"),
    ("0", "0"), ("-0", "-0"), ("-1", "-1"), ("10", "10"), ("1.50", "1.50"), ("1e5", "1e5"), ("1E+05", "1E+05"),
    ("-0.0e-0", "-0.0e-0"), ("123456789012345678901234567890123456789", "123456789012345678901234567890123456789"),
    (#""""#, #""""#), (#""a""#, #""a""#), (#""\"\\\/\b\f\n\r\t""#, #""\"\\/\u0008\u000c\n\r\t""#),
    (#""\u0041\u00e9\u20AC""#, #""Aé€""#), (#""\ud83d\ude00""#, "\"😀\""), (#""\uD834\uDD1E""#, "\"𝄞\""),
    (#""\u0000\u001f\u007f""#, "\"\\u0000\\u001f\u{7f}\""), ("\"é€😀\"", "\"é€😀\""),
    ("\"\u{2028}\u{FFFF}\"", "\"\u{2028}\u{FFFF}\""),
    (#"{"a":1,"b":[2,{"c":null}]}"#, #"{"a":1,"b":[2,{"c":null}]}"#), (#"{ "a" : 1 , "b" : 2 }"#, #"{"a":1,"b":2}"#),
    (#"{"":0}"#, #"{"":0}"#), (#"{"A":1,"a":2}"#, #"{"A":1,"a":2}"#), (#"[{"a":1},{"a":1}]"#, #"[{"a":1},{"a":1}]"#),
    (#"{"a":{"a":{"a":1}}}"#, #"{"a":{"a":{"a":1}}}"#),
    // Two spellings of one character are two keys.
    ("{\"e\u{301}\":1,\"\u{e9}\":2}", "{\"e\u{301}\":1,\"\u{e9}\":2}")
  ]

  @Test(arguments: accepted) func theGrammarIsAccepted(_ text: String, _ written: String) throws {
    #expect(try parse(text).get().encoded() == Array(written.utf8))
  }

  static let refused: [(String, JSONFault.Kind, Int)] = [
    ("", .endedEarly, 0), ("  ", .endedEarly, 2), ("[", .endedEarly, 1), ("{", .endedEarly, 1), ("[1", .endedEarly, 2),
    ("[1,", .endedEarly, 3), (#"{"a"#, .endedEarly, 3), (#"{"a""#, .endedEarly, 4), (#"{"a":"#, .endedEarly, 5),
    (#"{"a":1"#, .endedEarly, 6), (#"{"a":1,"#, .endedEarly, 7), (#"""#, .endedEarly, 1), (#""\"#, .endedEarly, 2),
    ("-", .endedEarly, 1), ("1.", .endedEarly, 2), ("1e", .endedEarly, 2), ("1e+", .endedEarly, 3),
    ("[1,]", .unexpectedByte, 3), ("[,1]", .unexpectedByte, 1), ("[1 2]", .unexpectedByte, 3),
    ("[1}", .unexpectedByte, 2), (#"{"a":1,}"#, .unexpectedByte, 7), (#"{,"a":1}"#, .unexpectedByte, 1),
    (#"{"a" 1}"#, .unexpectedByte, 5), (#"{"a":1 "b":2}"#, .unexpectedByte, 7), (#"{"a":}"#, .unexpectedByte, 5),
    ("{a:1}", .unexpectedByte, 1), ("{'a':1}", .unexpectedByte, 1), ("{1:1}", .unexpectedByte, 1),
    (#"{"a":1]"#, .unexpectedByte, 6), ("]", .unexpectedByte, 0), ("//a\n1", .unexpectedByte, 0),
    ("[1/**/]", .unexpectedByte, 2), ("\u{0C}1", .unexpectedByte, 0), ("NaN", .unexpectedByte, 0),
    ("Infinity", .unexpectedByte, 0), ("+1", .unexpectedByte, 0), (".5", .unexpectedByte, 0),
    ("True", .unexpectedByte, 0), ("nul", .unexpectedByte, 0), ("truth", .unexpectedByte, 0),
    ("[nulll]", .unexpectedByte, 5), ("-Infinity", .badNumber, 1), ("-a", .badNumber, 1), ("01", .badNumber, 0),
    ("-01", .badNumber, 1), ("00", .badNumber, 0), ("[1.]", .badNumber, 3), ("1.e1", .badNumber, 2),
    ("1ex", .badNumber, 2), ("0x10", .trailingBytes, 1), ("1 2", .trailingBytes, 2), ("{}{}", .trailingBytes, 2),
    ("[]]", .trailingBytes, 2), ("1,", .trailingBytes, 1), ("null\0", .trailingBytes, 4),
    ("\"a\"\"b\"", .trailingBytes, 3), ("\"\n\"", .controlCharacter, 1), ("\"a\u{0}\"", .controlCharacter, 2),
    ("\"\t\"", .controlCharacter, 1), (#""\a""#, .badEscape, 1), (#""\'""#, .badEscape, 1), (#""\x41""#, .badEscape, 1),
    (#""\U0041""#, .badEscape, 1), (#""\u""#, .badEscape, 1), (#""\u12G4""#, .badEscape, 1),
    (#""\u 123""#, .badEscape, 1), (#""\u+123""#, .badEscape, 1), (#""\ud800""#, .loneSurrogate, 1),
    (#""\udc00""#, .loneSurrogate, 1), (#""a\ud800b""#, .loneSurrogate, 2), (#""\ud800\u0041""#, .loneSurrogate, 1),
    (#""\udc00\ud800""#, .loneSurrogate, 1), (#""\ud800\ud800""#, .loneSurrogate, 1),
    (#"{"a":1,"a":2}"#, .duplicateKey, 7), (#"{"a":1,"b":2,"\u0061":3}"#, .duplicateKey, 13),
    (#"[{"x":{"k":1,"k":1}}]"#, .duplicateKey, 13), ("\u{FEFF}{}", .byteOrderMark, 0)
  ]

  @Test(arguments: refused) func allElseIsRefusedAtItsByte(_ text: String, _ kind: JSONFault.Kind, _ offset: Int) {
    let fault = fault(parse(text))
    #expect(fault?.kind == kind)
    #expect(fault?.offset == offset)
    #expect(fault?.isSyntax == true)
    #expect(fault?.message.isEmpty == false)
  }

  @Test(
    arguments: [
      ([0x80], 0), ([0xC3], 0), ([0x61, 0xC0, 0xAF], 1), ([0xE0, 0x80, 0xAF], 0), ([0xED, 0xA0, 0x80], 0),
      ([0xF4, 0x90, 0x80, 0x80], 0), ([0xF0, 0x9F, 0x98], 0), ([0x61, 0x62, 0xFF], 2), ([0xC3, 0x28], 0)
    ] as [([UInt8], Int)])
  func textThatIsNotUTF8IsRefused(_ bytes: [UInt8], _ offset: Int) {
    let inString = fault(parse(Array("[\"".utf8) + bytes + Array("\"]".utf8)))
    #expect(inString?.kind == .invalidUTF8)
    #expect(inString?.offset == 2 + offset)
    #expect(fault(parse(Array("{\"".utf8) + bytes + Array("\":1}".utf8)))?.kind == .invalidUTF8)
    #expect(fault(parse(bytes)) != nil)
  }

  @Test func aDuplicateAmongManyKeysIsFound() {
    let keys = (0..<300).map { "\"k\($0)\":\($0)" }
    #expect(fault(parse("{" + keys.joined(separator: ",") + "}")) == nil)
    for copy in [0, 15, 16, 17, 299] {
      let again = (keys + ["\"\\u006b\(copy)\":0"]).joined(separator: ",")
      #expect(fault(parse("{" + again + "}"))?.kind == .duplicateKey, "copy of key \(copy)")
    }
  }

  @Test func aRefusalIsASentenceWithAPlace() {
    #expect("\(fault(parse(#"{"a":[1,}"#))!)" == #"a[1]: expected a value, found "}" (at byte 8)"#)
    #expect("\(fault(parse("[1,\u{1}]"))!)" == "[1]: expected a value, found byte 0x01 (at byte 3)")
    #expect("\(fault(parse(#"{"a":1,"a":2}"#))!)" == "a: this key appears twice (at byte 7)")
    #expect("\(fault(parse("[1"))!)" == #"the document ends where "]" was expected (at byte 2)"#)
  }
}
