import Testing
import Wire

private struct Shape {
  var id = ""
  var hostname: String?
  var count = 0
  var labels: [String] = []

  init(_ text: String) throws(JSONFault) {
    var reader = JSONReader(Array(text.utf8))
    var id: String?
    try reader.object { (key, reader) throws(JSONFault) in
      switch key {
      case "vm_id": id = try reader.string()
      case "hostname": hostname = try reader.optional { (reader) throws(JSONFault) in try reader.string() }
      case "count": count = try reader.integer()
      case "labels": labels = try reader.list { (reader) throws(JSONFault) in try reader.string() }
      default: throw reader.unknownField(key)
      }
    }
    try reader.end()
    guard let id else { throw reader.missing("vm_id") }
    self.id = id
  }
}

private func read<T>(
  _ text: String, _ body: (inout JSONReader) throws(JSONFault) -> T
) -> Result<T, JSONFault> {
  Result { () throws(JSONFault) in
    var reader = JSONReader(Array(text.utf8))
    let value = try body(&reader)
    try reader.end()
    return value
  }
}

private func refusal(_ text: String) -> JSONFault? {
  fault(Result { () throws(JSONFault) in try Shape(text) })
}

private func integer<T: FixedWidthInteger>(_ text: String, _ type: T.Type) -> Result<T, JSONFault> {
  read(text) { (reader) throws(JSONFault) in try reader.integer(type) }
}

@Suite struct JSONReaderTests {
  @Test func aShapeIsReadInAnyOrderAndAnySpelling() throws {
    let shape = try Shape(#" { "labels" : ["a","b"], "vm\u005fid":"vm-1" , "count":-7,"hostname":null } "#)
    #expect(shape.id == "vm-1")
    #expect(shape.labels == ["a", "b"])
    #expect(shape.count == -7)
    #expect(shape.hostname == nil)
    #expect(try Shape(#"{"vm_id":"a","hostname":"web-1"}"#).hostname == "web-1")
  }

  @Test func unknownMissingAndMistypedFieldsNameTheirPath() {
    let unknown = refusal(#"{"vm_id":"a","hostnme":"b"}"#)
    #expect(unknown?.kind == .unknownField && unknown?.path == "hostnme" && unknown?.offset == 13)
    let missing = refusal(#"{"hostname":"b"}"#)
    #expect(missing?.kind == .missingField && missing?.path == "vm_id")
    let mistyped = refusal(#"{"vm_id":7}"#)
    #expect(mistyped?.kind == .wrongType && mistyped?.path == "vm_id" && mistyped?.offset == 9)
    #expect(mistyped?.message == "expected a string, found a number")
    #expect(refusal(#"{"vm_id":"a","labels":["x",true]}"#)?.path == "labels[1]")
    #expect(refusal(#"["vm_id"]"#)?.message == "expected an object, found an array")
    #expect(mistyped?.isSyntax == false && unknown?.isSyntax == false && missing?.isSyntax == false)
  }

  @Test func pathsReachThroughObjectsAndArrays() {
    func level(_ reader: inout JSONReader) throws(JSONFault) {
      switch try reader.next() {
      case .object: try reader.object { (_, reader) throws(JSONFault) in try level(&reader) }
      case .array: try reader.array { (reader) throws(JSONFault) in try level(&reader) }
      default: throw reader.invalid("no")
      }
    }
    #expect(fault(read(#"{"a":[[],{"b":{"c":1}}]}"#, level))?.path == "a[1].b.c")
    let long = String(repeating: "k", count: 10_000)
    #expect(fault(read("{\"\(long)\":1}", level))?.path.count == 64)
  }

  @Test func integersAreExactUpToTheEndsOfTheirType() throws {
    #expect(try integer("127", Int8.self).get() == 127)
    #expect(try integer("-128", Int8.self).get() == -128)
    #expect(fault(integer("128", Int8.self))?.kind == .numberOutOfRange)
    #expect(fault(integer("-129", Int8.self))?.kind == .numberOutOfRange)
    #expect(fault(integer("-1", UInt8.self))?.kind == .numberOutOfRange)
    #expect(fault(integer("1000", UInt8.self))?.kind == .numberOutOfRange)
    #expect(try integer("18446744073709551615", UInt64.self).get() == .max)
    #expect(fault(integer("18446744073709551616", UInt64.self))?.kind == .numberOutOfRange)
    #expect(try integer("340282366920938463463374607431768211455", UInt128.self).get() == .max)
    #expect(fault(integer("256", UInt8.self))?.message == "the number must be between 0 and 255")
  }

  @Test func anIntegerHasNoFractionExponentOrSignedZero() {
    #expect(fault(integer("1.0", Int.self))?.kind == .wrongType)
    #expect(fault(integer("1e2", Int.self))?.kind == .wrongType)
    #expect(fault(integer("-0", Int.self))?.kind == .badNumber)
    #expect(fault(integer("\"1\"", Int.self))?.kind == .wrongType)
    #expect(fault(integer("true", Int.self))?.kind == .wrongType)
  }

  @Test func integersOfAnyLengthKeepTheirDigits() throws {
    let digits = "79228162514264337593543950336000000000001"
    #expect(try read(digits) { (reader) throws(JSONFault) in try reader.integerText() }.get() == digits)
  }

  @Test func doublesTakeEveryNumberThatIsFinite() throws {
    for (text, value) in [("-0", -0.0), ("1e3", 1000), ("0.1", 0.1), ("5e-300", 5e-300), ("12", 12)] {
      #expect(try read(text) { (reader) throws(JSONFault) in try reader.double() }.get() == value)
    }
    #expect(fault(read("1e999") { (reader) throws(JSONFault) in try reader.double() })?.kind == .numberOutOfRange)
  }

  @Test func nullIsOnlyReadWhereItIsAskedFor() throws {
    let asString = read("null") { (reader) throws(JSONFault) in try reader.string() }
    #expect(fault(asString)?.message == "expected a string, found null")
    #expect(try read("null") { (reader) throws(JSONFault) in try reader.null() }.get())
    let other = read("1") { (reader) throws(JSONFault) in (try reader.null(), try reader.integer(Int.self)) }
    #expect(try other.get() == (false, 1))
  }

  @Test func nextTellsTheKindWithoutReading() throws {
    for (text, kind) in [
      ("{}", JSONReader.Kind.object), (" []", .array), ("\"\"", .string), ("-1", .number), ("true", .bool),
      ("null", .null)
    ] {
      var reader = JSONReader(Array(text.utf8))
      #expect(try reader.next() == kind)
      #expect(try reader.next() == kind)
    }
  }

  @Test func aMemberIsPickedAndTheRestIsPassedOver() throws {
    func picked(_ text: String) -> Result<[String], JSONFault> {
      read(text) { (reader) throws(JSONFault) in
        var found: [String] = []
        try reader.pick { (key, reader) throws(JSONFault) in
          guard "id" ~= key else { return false }
          found.append(try reader.string())
          return true
        }
        return found
      }
    }
    let text = #"{"a":{"id":"no","x":["}",{"y":"\"]"}]},"n":-1.5e3,"t":true,"z":null,"id":"a","id":"b","s":"\\{"}"#
    #expect(try picked(text).get() == ["a", "b"])
    for length in 0..<text.utf8.count { #expect(fault(picked(String(text.prefix(length)))) != nil, "\(length) bytes") }
    for wrong in [#"{"a":nul}"#, #"{"a":x}"#, #"{a:1}"#, #"{"a" 1}"#, #"{"a":[1}"#, "[]"] {
      #expect(fault(picked(wrong)) != nil, "\(wrong)")
    }
  }
}
