import Testing
import Wire

/// What a parser makes of some bytes: the head's parts as text, or the fault.
private struct Verdict: Equatable {
  var fault: HTTPFault?
  var parts: [String] = []
  var body: [UInt8] = []
  var used = 0
}

/// Parses `bytes`, which arrive in pieces that end at `cuts`.
private func verdict(_ role: HTTPHeadParser.Role, _ bytes: [UInt8], cuts: [Int]) -> Verdict {
  var parser = HTTPHeadParser(role)
  parser.begin(at: 0)
  var decoder = HTTPChunkedDecoder()
  var result = Verdict()
  var hasHead = false
  var position = 0
  do throws(HTTPFault) {
    for end in cuts + [bytes.count] {
      // The parser may not look past `end`: what stands there is not yet true.
      let seen = Array(bytes[..<end]) + [UInt8](repeating: 0x0A, count: bytes.count - end)
      if !hasHead {
        guard try parser.parse(seen, upTo: end) else { continue }
        hasHead = true
        let head = parser.head
        position = head.end
        result.parts = [
          seen.text(head.method), seen.text(head.path), head.query.map(seen.text) ?? "-", "\(head.status)"
        ]
        result.parts += head.fields.map { seen.text($0.name) + "=" + seen.text($0.value) }
        result.parts += [
          "\(head.keepsAlive)", "\(role == .request ? head.requestFraming : head.responseFraming(toHead: false))"
        ]
      }
      if parser.head.isChunked, !decoder.isDone {
        _ = try decoder.decode(seen, from: &position, upTo: end, into: &result.body, limit: 1 << 16)
      }
    }
  } catch {
    result.fault = error
  }
  result.used = hasHead && result.fault == nil ? position : 0
  return result
}

/// A small generator, so that a failure names the seed that repeats it.
private struct Seeded: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
    return z ^ z >> 31
  }
}

private let samples: [(HTTPHeadParser.Role, String)] = [
  (.request, "\r\nGET /a/b?c=d&e HTTP/1.1\r\nHost: h:1\r\nConnection: a , close\r\nX:\t v \r\n\r\nrest"),
  (.request, "POST http://h/x HTTP/1.1\r\nHost: H\r\nContent-Length: 12\r\nExpect: 100-continue\r\n\r\n"),
  (
    .request,
    "POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n00A\r\n0123456789\r\n0\r\nT: v\r\n\r\nnext"
  ),
  (.response, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"),
  (.response, "HTTP/1.0 404\r\nConnection: keep-alive\r\n\r\n"),
  (.response, "HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"),
  (.request, "GET /" + String(repeating: "a", count: 9000) + " HTTP/1.1\r\nHost: h\r\n\r\n"),
  (.request, "GET / HTTP/1.1\r\nHost: h\r\nX: " + String(repeating: "a", count: 17_000) + "\r\n\r\n")
]

@Suite struct HTTPHeadTests {
  @Test(arguments: samples.indices)
  func everySplitGivesTheSameResult(_ index: Int) {
    let (role, text) = samples[index]
    let bytes = Array(text.utf8)
    let whole = verdict(role, bytes, cuts: [])
    let step = max(1, bytes.count / 300)
    for cut in stride(from: 0, through: bytes.count, by: step) { #expect(verdict(role, bytes, cuts: [cut]) == whole) }
    if bytes.count < 500 { #expect(verdict(role, bytes, cuts: Array(0..<bytes.count)) == whole) }
  }

  @Test(arguments: [UInt64](1...8))
  func brokenBytesGiveTheSameFaultHoweverTheyAreCut(_ seed: UInt64) {
    var random = Seeded(state: seed)
    let junk = Array("\r\n :;\0\t\u{7F}AZ09/%?=".utf8) + [0xFF]
    for round in 0..<300 {
      let (role, text) = samples[Int.random(in: 0..<6, using: &random)]
      var bytes = Array(text.utf8)
      for _ in 0...Int.random(in: 0..<3, using: &random) {
        let place = Int.random(in: 0..<bytes.count, using: &random)
        switch Int.random(in: 0..<3, using: &random) {
        case 0: bytes[place] = junk.randomElement(using: &random)!
        case 1: bytes.insert(junk.randomElement(using: &random)!, at: place)
        default: bytes.remove(at: place)
        }
      }
      let cuts = (0..<Int.random(in: 1..<9, using: &random)).map { _ in Int.random(in: 0...bytes.count, using: &random)
      }
      #expect(
        verdict(role, bytes, cuts: cuts.sorted()) == verdict(role, bytes, cuts: []), "seed \(seed), round \(round)")
    }
  }

  @Test func aHeadIsReadIntoItsParts() {
    let (role, text) = samples[0]
    let parts = verdict(role, Array(text.utf8), cuts: []).parts
    #expect(parts == ["GET", "/a/b", "c=d&e", "0", "Host=h:1", "Connection=a , close", "X=v", "false", "none"])
  }

  @Test func aChunkedBodyEndsWhereTheNextMessageBegins() {
    let (role, text) = samples[2]
    let result = verdict(role, Array(text.utf8), cuts: [])
    #expect(String(decoding: result.body, as: UTF8.self) == "abc0123456789")
    #expect(result.used == text.utf8.count - 4)
  }

  @Test(
    arguments: [
      ("HTTP/1.1 200 OK\r\n\r\n", nil, "untilClose"), ("HTTP/1.1 204 No\r\nContent-Length: 9\r\n\r\n", nil, "none"),
      ("HTTP/1.1 304 No\r\n\r\n", nil, "none"), ("HTTP/1.1 100 Continue\r\n\r\n", nil, "none"),
      ("HTTP/1.1 2000 OK\r\n\r\n", HTTPFault.malformedStatusLine, ""),
      ("HTTP/1.1 099 OK\r\n\r\n", .malformedStatusLine, ""),
      ("HTTP/1.1  200 OK\r\n\r\n", .malformedStatusLine, ""), ("HTTP/2.0 200 OK\r\n\r\n", .unsupportedVersion, ""),
      ("HTTP/1.1 200 a\0b\r\n\r\n", .controlCharacter, ""), ("HTTP/1.1 200 OK\n\n", .bareLineFeed, ""),
      ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", .repeatedLength, ""),
      ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", .lengthAndEncoding, ""),
      ("\r\nHTTP/1.1 200 OK\r\n\r\n", .malformedStatusLine, "")
    ] as [(String, HTTPFault?, String)])
  func responsesAreAsStrict(_ text: String, _ fault: HTTPFault?, _ framing: String) {
    let result = verdict(.response, Array(text.utf8), cuts: [])
    #expect(result.fault == fault)
    if fault == nil { #expect(result.parts.last == framing) }
  }

  @Test func everyFaultIsARefusalWithASentence() {
    for fault in HTTPFault.allCases {
      #expect([400, 413, 414, 417, 431, 501, 505].contains(fault.status))
      #expect(fault.sentence.hasSuffix("."))
    }
  }
}
