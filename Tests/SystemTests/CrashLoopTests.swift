import Foundation
import Platform
import TestSupport
import Testing

/// A fault at the Nth step of the disk, for N = 1, 2, ... until the work is done without reaching it. `make test` takes
/// the first steps and a random choice of the others; BERTH_CRASH_LOOP=full takes them all.
@Suite(
  .enabled(if: FaultShim.path != nil, "no C compiler for the fault shim"), .timeLimit(.minutes(60)))
struct CrashLoopTests {
  static let isFull = ProcessInfo.processInfo.environment["BERTH_CRASH_LOOP"] == "full"
  static let firstSteps = 6
  static let laterSteps = 14
  static let missesAtTheEnd = 12

  @Test(arguments: FaultMode.allCases, Ground.allCases)
  func whatWasAnsweredIsThereAfterAnyFaultAtAnyStep(mode: FaultMode, ground: Ground) throws {
    let begin = MonotonicTime.now
    let loop = try CrashLoop(mode, ground)
    if Self.isFull {
      // Threads beside the log make the number of steps vary a little, so one miss is not the end.
      var (n, misses) = (1, 0)
      while misses < Self.missesAtTheEnd {
        misses = try loop.strike(at: n) ? 0 : misses + 1
        n += 1
      }
    } else {
      var random = SeededRandom(announcedAs: "crash loop \(ground) \(mode)")
      let later = (0..<Self.laterSteps).map { _ in
        Int.random(in: (Self.firstSteps + 1)...max(loop.reference.diskSteps, Self.firstSteps + 1), using: &random)
      }
      for n in Array(1...Self.firstSteps) + later { _ = try loop.strike(at: n) }
    }
    let report = loop.report
    #expect(report.faults > 0)
    print(
      """
      crash loop \(ground) \(mode): \(report.faults) faults (undisturbed: \(loop.reference.diskSteps) steps), \
      \(report.acknowledged) answers all kept, \(report.inFlight) in flight of which \(report.inFlightKept) were done, \
      \(report.refused) refused, \((MonotonicTime.now - begin) / 1_000_000_000) s
      """)
  }
}
