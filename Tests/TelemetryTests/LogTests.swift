import Telemetry
import TestSupport
import Testing

/// Keeps the lines it is given.
private final class Kept: LogSink {
  private let bytes = Shared<[UInt8]>([])

  func write(_ line: [UInt8]) { bytes.withLock { $0 += line } }
  var text: String { String(decoding: bytes.withLock { $0 }, as: UTF8.self) }
}

@Suite struct LogTests {
  private let kept = Kept()

  private func logger(_ format: LogFormat, _ level: LogLevel = .info) -> Logger {
    Logger(level: level, format: format, sink: kept, now: { 1_769_860_800_000_001 })
  }

  @Test func textLinesReadLikeSentences() {
    logger(.text).log(
      .info, "request done", ["method": "GET", "status": 200, "cached": false, "path": "/a b\"", "filter": "a=b"])
    #expect(
      kept.text
        == #"2026-01-31T12:00:00.000001Z info request done method=GET status=200 cached=false path="/a b\"" filter="a=b""#
        + "\n")
  }

  @Test func jsonLinesAreJSON() {
    logger(.json).log(.error, "it \"broke\"", ["path": "a\\b\n\u{1B}[31m", "count": -3, "ok": true])
    #expect(
      kept.text
        == #"{"time":"2026-01-31T12:00:00.000001Z","level":"error","message":"it \"broke\"","path":"a\\b\n\u001b[31m","#
        + #""count":-3,"ok":true}"# + "\n")
  }

  @Test(arguments: LogFormat.allCases)
  func noInputForgesALineOrReachesTheTerminal(format: LogFormat) {
    let nasty = (0..<0x20).map { String(UnicodeScalar(UInt8($0))) }.joined() + "\u{7F}\u{85}\u{9B}\u{2028}\u{202E}"
    logger(format).log(.warn, nasty, ["owner": .text(nasty)])
    let line = kept.text
    #expect(line.utf8.filter { $0 == 0x0A }.count == 1 && line.hasSuffix("\n"))
    #expect(line.unicodeScalars.dropLast().allSatisfy { $0.value >= 0x20 && $0.value < 0x7F })
    #expect(line.contains(#"\u202e"#) && line.contains(#"\u009b"#))
  }

  @Test(arguments: LogFormat.allCases)
  func linesHaveALargestLength(format: LogFormat) {
    let long = String(repeating: "\u{1}ü", count: 100_000)
    logger(format).log(.info, long, ["a": .text(long), "b": .text(long)])
    #expect(kept.text.utf8.count < 4_000)
    #expect(kept.text.contains("ü..."))
    #expect(kept.text.hasSuffix(format == .json ? "...\"}\n" : "...\"\n"))
  }

  @Test func lessUrgentLinesAreNotEvenComputed() {
    let quiet = logger(.text, .warn)
    quiet.log(
      .info,
      {
        Issue.record("computed"); return ""
      }())
    quiet.log(.warn, "seen")
    quiet.log(.error, "too")
    #expect(kept.text.split(separator: "\n").count == 2)
    #expect(LogLevel(name: "debug") == .debug && LogLevel(name: "trace") == nil && quiet.prints(.error))
  }

  @Test(arguments: [
    (0, "1970-01-01T00:00:00.000000Z"), (-1, "1969-12-31T23:59:59.999999Z"),
    (951_782_400_000_000, "2000-02-29T00:00:00.000000Z"), (4_107_542_399_999_999, "2100-02-28T23:59:59.999999Z"),
    (4_107_542_400_000_000, "2100-03-01T00:00:00.000000Z"), (1_735_689_599_000_000, "2024-12-31T23:59:59.000000Z")
  ])
  func timesAreRFC3339(microseconds: Int64, text: String) {
    Logger(level: .info, format: .text, sink: kept, now: { microseconds }).log(.info, "")
    #expect(kept.text.hasPrefix(text))
  }
}

@Suite struct BufferedSinkTests {
  @Test func linesArriveWholeAndInOrder() {
    let kept = Kept()
    let sink = BufferedSink { kept.write($0) }
    for index in 0..<1_000 { sink.write(Array("\(index)\n".utf8)) }
    sink.close()
    #expect(kept.text == (0..<1_000).map { "\($0)\n" }.joined())
  }

  @Test func flushWaitsForTheOutput() {
    let kept = Kept()
    let sink = BufferedSink { kept.write($0) }
    for index in 0..<100 {
      sink.write(Array("\(index)\n".utf8))
      sink.flush(timeout: .seconds(20))
      #expect(kept.text.utf8.count(where: { $0 == 0x0A }) == index + 1)
    }
    sink.close()
  }

  @Test func aStalledOutputDropsLinesAndSaysSo() {
    let (kept, gate) = (Kept(), Gate())
    let sink = BufferedSink(capacity: 100) {
      gate.pass()
      kept.write($0)
    }
    sink.write(Array("first\n".utf8))
    #expect(gate.waitForVisitor())
    // The thread is stuck in the output: 100 bytes fit, the rest must not block and must not be kept.
    for _ in 0..<50 { sink.write(Array("123456789\n".utf8)) }
    gate.open()
    sink.close()
    #expect(
      kept.text == "first\n" + String(repeating: "123456789\n", count: 10) + "40 log lines dropped\n")
  }

  @Test func flushGivesUpOnAStalledOutput() {
    let gate = Gate()
    let sink = BufferedSink { _ in gate.pass() }
    sink.write([0x0A])
    sink.flush(timeout: .milliseconds(5))
    gate.open()
    sink.close()
  }
}
