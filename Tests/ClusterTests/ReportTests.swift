import Cluster
import Domain
import Engine
import Log
import Testing

@Suite("What nodes say of themselves")
struct ReportTests {
  @Test func aReportIsReadAsItWasWritten() {
    var report = NodeReport(node: "a", url: "http://a:8080", version: "1.2")
    (report.role, report.revision, report.sequence, report.hash) = (.follower, 12, 7, "abcd")
    report.logID = "0f0f"
    (report.reads, report.writes) = (EntryLevel(3), EntryLevel(2))
    report.leader = Leader(epoch: 9, node: "b", url: "http://b")
    (report.lag, report.archivedRevision, report.alarms) = (3, 11, ["something"])
    report.store.version = "3.4.23"
    report.store.silentMilliseconds = 4
    report.store.warnings = ["old"]
    report.store.counters = [.init(name: "barriers", count: 5)]
    #expect(NodeReport(parsing: report.encoded) == report)
  }

  @Test func whatIsNoReportIsRefusedAndALaterVersionIsRead() {
    for text in ["", "[]", "{}", #"{"node":"a"}"#, #"{"node":"","url":"","version":"","role":"leader"}"#] {
      #expect(NodeReport(parsing: Array(text.utf8)) == nil)
    }
    let later =
      #"{"node":"a","url":"u","version":"9","role":"dreaming","revision":1,"sequence":1,"hash":"x","new":[1]}"#
    #expect(NodeReport(parsing: Array(later.utf8))?.role == .follower)
    #expect(NodeReport(parsing: Array(later.utf8))?.reads == .first, "who does not say so reads the first level")
  }
}
