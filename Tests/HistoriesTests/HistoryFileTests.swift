import Histories
import Testing

/// A history as `Tests/chaos` writes it, beside the log as `berth log dump -o json` prints it.
@Suite struct HistoryFileTests {
  private let log = [
    #"{"revision":1,"changes":[{"type":"pool","after":{"name":"chaos"}}]}"#,
    #"{"revision":2,"changes":[{"type":"allocation","after":{"pool":"chaos","owner":"a","ip":"10.0.0.2","generation":2}}]}"#,
    #"{"revision":3,"changes":[{"type":"allocation","before":{"pool":"chaos","owner":"a","ip":"10.0.0.2","generation":2}}]}"#,
    #"{"revision":4,"changes":[{"type":"allocation","after":{"pool":"chaos","owner":"b","ip":"10.0.0.2","generation":4}}]}"#
  ]
  private let history = [
    #"{"op":"allocate","owner":"a","end":"ok","ip":"10.0.0.2","generation":2,"begun":1.0,"ended":1.5}"#,
    #"{"op":"read","owner":"a","end":"ok","ip":"10.0.0.2","found":"a","begun":1.6,"ended":1.7}"#,
    #"{"op":"release","owner":"a","end":"ok","ip":"10.0.0.2","generation":2,"begun":2.0,"ended":2.5}"#,
    #"{"op":"read","owner":"anybody","end":"ok","ip":"10.0.0.2","found":null,"begun":2.1,"ended":3.5}"#,
    #"{"op":"allocate","owner":"b","end":"unknown","begun":3.0,"ended":4.0}"#,
    #"{"op":"read","owner":"anybody","end":"ok","ip":"10.0.0.2","found":"b","begun":9.0,"ended":9.5}"#,
    #"{"op":"allocate","owner":"c","end":"refused","begun":3.0,"ended":4.0}"#
  ]

  private func judge(_ history: [String], log: [String]? = nil) throws -> (faults: Int, impossible: Bool) {
    var file = HistoryFile()
    for line in log ?? self.log { try file.take(log: Array(line.utf8)) }
    for line in history { try file.take(Array(line.utf8)) }
    let calls = file.finish()
    let verdicts = [Linearity().judge(calls), LogOrder.judge(calls)]
    return (file.faults.count, verdicts.contains { $0 != .possible })
  }

  @Test func aTrueHistoryPasses() throws {
    let verdict = try judge(history)
    #expect(verdict == (0, false))
    var file = HistoryFile()
    for line in log { try file.take(log: Array(line.utf8)) }
    for line in history { try file.take(Array(line.utf8)) }
    #expect(file.finish().count == 6 && file.addresses == 1)
    #expect((file.operations, file.unknown, file.entries) == (7, 1, 4))
  }

  @Test(arguments: [
    // A read after the acknowledgement that does not see it, one that sees what is gone, one that sees another owner.
    (1, #""found":"a""#, #""found":null"#), (5, #""found":"b""#, #""found":"a""#),
    (1, #""found":"a""#, #""found":"b""#),
    // An answer that came before what it says was there.
    (3, #""begun":2.1,"ended":3.5"#, #""begun":1.6,"ended":1.7"#)
  ]) func aForgedReadIsRefused(line: Int, old: String, new: String) throws {
    var forged = history
    let parts = forged[line].split(separator: old, omittingEmptySubsequences: false)
    #expect(parts.count == 2)
    forged[line] = parts.joined(separator: new)
    #expect(try judge(forged).impossible)
  }

  @Test func anAnswerThatTheLogDoesNotHaveIsRefused() throws {
    var forged = history
    forged[0] = #"{"op":"allocate","owner":"a","end":"ok","ip":"10.0.0.9","generation":2,"begun":1.0,"ended":1.5}"#
    #expect(try judge(forged).faults == 1)
    #expect(try judge(history, log: Array(log[..<2])).faults == 1)
  }

  @Test func whatNobodyAskedForIsRefused() throws {
    #expect(try judge(history.filter { !$0.contains(#""op":"allocate","owner":"b""#) }).faults == 1)
  }

  @Test func anAnswerOutOfTheLogsOrderIsRefused() throws {
    let log =
      self.log + [
        #"{"revision":5,"changes":[{"type":"allocation","after":{"pool":"chaos","owner":"d","ip":"10.0.0.3","generation":5}}]}"#,
        #"{"revision":6,"changes":[{"type":"allocation","after":{"pool":"chaos","owner":"e","ip":"10.0.0.4","generation":6}}]}"#
      ]
    // e was answered before d asked, but stands behind it in the log.
    let late = [
      #"{"op":"allocate","owner":"e","end":"ok","ip":"10.0.0.4","generation":6,"begun":10.0,"ended":10.5}"#,
      #"{"op":"allocate","owner":"d","end":"ok","ip":"10.0.0.3","generation":5,"begun":11.0,"ended":11.5}"#
    ]
    #expect(try judge(history + late, log: log).impossible)
  }

  @Test func aLineThatIsNoneIsAFault() {
    var file = HistoryFile()
    #expect(throws: HistoryFile.Fault.member("op")) { try file.take(Array("{}".utf8)) }
    #expect(throws: HistoryFile.Fault.self) { try file.take(Array("{".utf8)) }
    #expect(throws: HistoryFile.Fault.member("revision")) { try file.take(log: Array("{}".utf8)) }
  }
}
