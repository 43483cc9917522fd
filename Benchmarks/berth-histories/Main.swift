// Judges a history of a real cluster: `berth-histories HISTORY LOG`, both lines of JSON (see `HistoryFile`).
//
// It ends with 0 when everything could have happened so, 1 when something could not or the search was given up, 2 when
// a file cannot be read.
internal import Glibc
internal import Histories
internal import Platform

@main enum Main {
  /// How much of a file is read at once.
  private static let piece = 1 << 20

  static func main() {
    let words = CommandLine.arguments
    guard words.count == 3 else { fail("usage: berth-histories HISTORY LOG") }
    var file = HistoryFile()
    lines(of: words[2]) { line throws(HistoryFile.Fault) in try file.take(log: line) }
    lines(of: words[1]) { line throws(HistoryFile.Fault) in try file.take(line) }
    let calls = file.finish()
    var violations = file.faults
    for (name, verdict) in [("linearity", Linearity().judge(calls)), ("order of the log", LogOrder.judge(calls))] {
      switch verdict {
      case .possible: break
      case .impossible(let address, let why): violations.append("\(name), \(file.name(of: address)): \(why)")
      case .givenUp(let address): violations.append("\(name), \(file.name(of: address)): the search was given up")
      }
    }
    for violation in violations.prefix(20) { print("VIOLATION: \(violation)") }
    print(
      "histories: \(file.operations) operations (\(file.unknown) without an end), \(calls.count) calls about "
        + "\(file.addresses) addresses, \(file.entries) entries of the log; \(violations.count) violations")
    exit(violations.isEmpty ? 0 : 1)
  }

  private static func lines(of path: String, _ take: ([UInt8]) throws(HistoryFile.Fault) -> Void) {
    var number = 0
    do {
      let file = try File(path, .read)
      var (rest, offset): ([UInt8], Int) = ([], 0)
      while true {
        let bytes = try file.read(at: offset, count: piece)
        offset += bytes.count
        rest += bytes
        let isLast = bytes.count < piece
        guard isLast || rest.contains(UInt8(ascii: "\n")) else { continue }
        var pieces = rest.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        rest = isLast ? [] : Array(pieces.removeLast())
        for line in pieces where !line.isEmpty {
          number += 1
          try take(Array(line))
        }
        if isLast { return }
      }
    } catch {
      fail("\(path), line \(number): \(error)")
    }
  }

  private static func fail(_ why: String) -> Never {
    StandardStream.error.write(Array((why + "\n").utf8))
    exit(2)
  }
}
