// Costs: what VMs' room came to, from the log alone.
//
// A thread of its own reads the log and lets `BillingMeter` follow the rows of nodes and VMs. Work is bounded: one
// answer looks at `entriesPerAnswer` entries at most, and at no more once nobody waits for it. What lies before the period
// leaves only the state at its beginning, which is kept: the next question about the same or a later period goes on from
// there, so that a long log is read in several answers (`history_too_long` says how far it is) and once.
//
// The bill has to begin at the first entry: a VM that was placed in a trimmed part of the log cannot be told from one
// that never was, and a wrong bill is worse than none.
internal import APITypes
internal import Domain
internal import Engine
internal import Log

/// Why there is no bill.
enum CostFault: Error {
  case trimmed(oldest: Revision)
  /// It has come so far; whether asking again helps, because what was read is kept.
  case tooLong(at: Revision, of: Revision, helps: Bool)
  case log(LogFault)
}

/// The thread that reads the log for bills.
// Unchecked because `kept` belongs to the thread of `access`.
final class Costs: @unchecked Sendable {
  /// Entries looked at for one answer.
  static let entriesPerAnswer = 1_000_000
  private static let questions = 64
  /// Of one tenant, or of one of those who may ask about all.
  static let questionsEach = 4
  private static let piece = 4_096

  private struct Kept {
    var meter: BillingMeter
    var next: Revision
    var time: LogTime
  }

  private let engine: Engine
  private let access: LogAccess
  private var kept: Kept?

  init(_ engine: Engine) {
    self.engine = engine
    access = LogAccess(name: "berth-costs", limit: Costs.questions, mostEach: Costs.questionsEach) {
      () throws(LogFault) in try engine.reader()
    }
  }

  /// Ends the thread.
  func stop() { access.stop() }

  /// Calls `body` on the thread with all intervals from `from` to `to`, in the order in which they ended; false when too
  /// many questions wait, or too many of this asker.
  func intervals(
    of asker: String, from: LogTime, to: LogTime,
    _ then: @escaping @Sendable (Result<[BilledInterval], CostFault>) -> Void,
    where wanted: @escaping @Sendable (BilledInterval) -> Bool
  ) -> Bool {
    access.perform(asker: asker) { cursor in
      do throws(CostFault) {
        var found: [BilledInterval] = []
        try self.walk(cursor, from, to) { if wanted($0) { found.append($0) } }
        then(.success(found))
      } catch {
        then(.failure(error))
      }
    }
  }

  private func walk(
    _ cursor: LogCursor, _ from: LogTime, _ to: LogTime, _ tell: (BilledInterval) -> Void
  ) throws(CostFault) {
    let head = engine.readableRevision
    var at = try begin(cursor, from)
    at.meter.measure(from: from, to: to)
    var budget = Costs.entriesPerAnswer
    var isInside = false
    walking: while at.next <= head {
      // Whoever has gone may come again: what was read is kept as for those who asked for too much.
      guard budget > 0, !cursor.isOver() else {
        if !isInside, at.time <= from { keep(at) }
        throw .tooLong(at: at.next - 1, of: head, helps: !isInside)
      }
      let start = at.next
      // Also what was kept of an earlier question is of no use when what follows it has gone.
      guard let piece = try read(cursor, start) else { throw .trimmed(oldest: try oldest(cursor)) }
      for logged in piece.entries {
        if logged.time > from, !isInside {
          isInside = true
          keep(at)
        }
        if logged.time >= to { break walking }
        for effect in logged.entry.effects {
          guard case .fleet(let row) = effect.row else { continue }
          at.meter.apply(row, isPut: effect.isPut, at: logged.time, tell)
        }
        (at.next, at.time) = (logged.entry.revision + 1, logged.time)
      }
      budget -= Int(piece.next - start)
      if piece.time >= to { break }
      (at.next, at.time) = (piece.next, piece.time)
    }
    if !isInside, at.time <= from { keep(at) }
    at.meter.finish(tell)
  }

  /// Where to go on: what was kept, if it is not too late for this period.
  private func begin(_ cursor: LogCursor, _ from: LogTime) throws(CostFault) -> Kept {
    if let kept, kept.time <= from { return kept }
    let oldest = try oldest(cursor)
    guard oldest <= 1 else { throw .trimmed(oldest: oldest) }
    return Kept(meter: BillingMeter(from: from, to: from), next: 1, time: 0)
  }

  private func oldest(_ cursor: LogCursor) throws(CostFault) -> Revision {
    do throws(LogFault) { return try cursor.oldest() } catch { throw .log(error) }
  }

  private func keep(_ state: Kept) { kept = state }

  private func read(
    _ cursor: LogCursor, _ revision: Revision
  ) throws(CostFault) -> (entries: [LoggedEntry], next: Revision, time: LogTime)? {
    do throws(LogFault) { return try cursor.fleetEntries(from: revision, limit: Costs.piece) } catch {
      throw .log(error)
    }
  }
}

extension CostFault {
  /// The refusal on the wire.
  var problem: Problem {
    switch self {
    case .trimmed(let oldest): .historyTrimmed(oldest)
    case .tooLong(let at, let head, true):
      Problem(
        503, "history_too_long", "read up to revision \(at) of \(head), and kept: repeat this to go on from there",
        retryAfter: 1)
    case .tooLong(let at, let head, false):
      Problem(
        503, "history_too_long",
        "the period has more than \(Costs.entriesPerAnswer) entries (revision \(at) of \(head)): ask for a shorter one")
    case .log(let fault): Problem(503, "log_unreadable", "\(fault)")
    }
  }
}
