import Testing
import Wire

private func written(_ body: (inout JSONWriter) -> Void) -> String {
  var writer = JSONWriter()
  body(&writer)
  return String(decoding: writer.finish(), as: UTF8.self)
}

@Suite struct JSONWriterTests {
  @Test func anAnswerIsWrittenInTheOrderOfTheCalls() {
    let text = written { writer in
      writer.object { writer in
        writer.field("ip", "172.16.0.2")
        writer.field("hostname", nil as String?)
        writer.field("count", 3)
        writer.field("mtu", nil as Int?)
        writer.field("enabled", true)
        writer.field("dns", ["1.1.1.1", "9.9.9.9"])
        writer.key("items")
        writer.array { writer in
          writer.object { _ in }
          writer.object { $0.field("a", 1) }
        }
        writer.key("raw")
        writer.raw(Array("[1]".utf8))
        writer.key("percent")
        writer.number(12.5)
      }
    }
    #expect(
      text == #"{"ip":"172.16.0.2","hostname":null,"count":3,"mtu":null,"enabled":true,"dns":["1.1.1.1","9.9.9.9"],"#
        + #""items":[{},{"a":1}],"raw":[1],"percent":12.5}"#)
  }

  @Test func arraysTakeEveryKindOfElement() {
    let text = written { writer in
      writer.array { writer in
        writer.null()
        writer.bool(false)
        writer.number(-5)
        writer.string("x")
        writer.number(text: "1e9")
        writer.raw([0x31])
        writer.array { _ in }
        writer.number(0.5)
      }
    }
    #expect(text == #"[null,false,-5,"x",1e9,1,[],0.5]"#)
  }

  @Test(arguments: UInt8(0)..<0x80) func everyASCIICharacterReadsBackAsItself(_ code: UInt8) throws {
    let character = String(UnicodeScalar(code))
    for text in [character, "ab" + character, character + "abcdefgh", "abcdefghij" + character + "klmnopqrstuvw"] {
      let bytes = JSONValue.string(text).encoded()
      #expect(try parse(bytes).get() == .string(text))
      #expect(bytes.allSatisfy { $0 >= 0x20 })
      #expect(written { $0.object { $0.field("k", text) } } == "{\"k\":" + String(decoding: bytes, as: UTF8.self) + "}")
    }
  }

  @Test func keysAreEscapedLikeStrings() {
    let text = written { writer in
      writer.object { writer in
        writer.key("a\"\n")
        writer.null()
      }
    }
    #expect(text == #"{"a\"\n":null}"#)
  }

  @Test func numbersOfEveryWidthAreExact() {
    #expect(written { $0.number(Int64.min) } == "-9223372036854775808")
    #expect(written { $0.number(UInt64.max) } == "18446744073709551615")
    #expect(written { $0.number(UInt128.max) } == "340282366920938463463374607431768211455")
    #expect(written { $0.number(UInt8(0)) } == "0")
    #expect(written { $0.number(100.0) } == "100")
    #expect(written { $0.number(1e300) } == "1e+300")
  }

  @Test func indentedDocumentsAreTheSameDocuments() throws {
    let value = try parse(#"{"a":[1,{"b":[]}],"c":{},"d":"x"}"#).get()
    let text = String(decoding: value.encoded(indented: true), as: UTF8.self)
    let lines = [
      "{", "  \"a\": [", "    1,", "    {", "      \"b\": []", "    }", "  ],", "  \"c\": {},", "  \"d\": \"x\"", "}"
    ]
    #expect(text == lines.joined(separator: "\n"))
    #expect(try parse(text).get() == value)
  }

  @Test func theTreeAnswersQuestions() throws {
    let value = try parse(#"{"items":[{"n":7,"s":"x","b":true,"z":null}],"big":12345678901234567890}"#).get()
    let item = value["items"]?[0]
    #expect(item?["n"]?.integer(Int.self) == 7)
    #expect(item?["s"]?.string == "x")
    #expect(item?["b"]?.bool == true)
    #expect(item?["z"]?.isNull == true)
    #expect(value["big"]?.integer(Int.self) == nil)
    #expect(value["big"]?.integer(UInt64.self) == 12_345_678_901_234_567_890)
    #expect(value["nothing"] == nil && value["items"]?[1] == nil && value[0] == nil)
    #expect(value.members?.map(\.key) == ["items", "big"])
  }
}
