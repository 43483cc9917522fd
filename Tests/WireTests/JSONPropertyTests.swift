import TestSupport
import Testing
import Wire

@Suite struct JSONPropertyTests {
  @Test func whatIsWrittenReadsBackTheSame() throws {
    var source = JSONRandom(random: SeededRandom(announcedAs: "whatIsWrittenReadsBackTheSame"))
    for _ in 0..<1_000 {
      let value = source.value()
      #expect(try parse(value.encoded()).get() == value)
      #expect(try parse(value.encoded(indented: true)).get() == value)
      #expect(try parse(source.text(of: value)).get() == value)
    }
  }

  @Test func damagedDocumentsAreRefusedOrMeanWhatTheyAreWrittenAs() throws {
    var source = JSONRandom(random: SeededRandom(announcedAs: "damagedDocumentsAreRefusedOrMeanWhatTheyAreWrittenAs"))
    for _ in 0..<3_000 {
      let value = source.value()
      let bytes = source.damaged(Array(source.text(of: value).utf8))
      switch parse(bytes) {
      case .success(let value): #expect(try parse(value.encoded()).get() == value)
      case .failure(let fault): #expect((0...bytes.count).contains(fault.offset))
      }
    }
  }

  @Test func everyPrefixOfADocumentIsRefused() {
    let text = Array(#"{"a":[1,{"b":"x\u00e9\n"}],"c":true,"d":null,"e":-1.5e3}"#.utf8)
    for length in 0..<text.count {
      // A word cut short is an unknown word and an escape cut short a bad escape.
      let kind = fault(parse(Array(text[..<length])))?.kind
      #expect(kind == .endedEarly || kind == .unexpectedByte || kind == .badEscape, "\(length) bytes")
    }
  }
}
