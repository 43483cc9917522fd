package import Addressing
package import APITypes
package import Domain
package import Engine
package import Log
internal import Ledger
internal import Wire

/// The history of addresses: the follower that keeps the index, and the thread that answers from it.
// Unchecked because what changes is handed to the two threads, and each touches its own.
package final class History: @unchecked Sendable {
  // Unchecked because the compiler cannot see the rule: `view` belongs to the thread of `access`.
  /// How many questions may wait.
  private static let questions = 256
  /// Of one tenant, or of one of those who may ask about all.
  static let questionsEach = 32

  private let engine: Engine
  private let index: any HistoryIndex
  private let access: LogAccess
  private let follower: HistoryFollower
  private var view: HistoryView?

  /// Starts over an engine's log; `warn` hears of an index that had to be made anew.
  package init(_ engine: Engine, _ index: any HistoryIndex, warn: @escaping @Sendable (String) -> Void = { _ in }) {
    (self.engine, self.index) = (engine, index)
    let revision = engine.readableRevision
    let open: @Sendable () throws(LogFault) -> any BatchReader = { () throws(LogFault) in try engine.reader() }
    access = LogAccess(name: "berth-past", limit: History.questions, mostEach: History.questionsEach, open)
    follower = HistoryFollower(index, published: revision, warn: warn, open)
    engine.onPublish { [follower] in follower.notify($0) }
  }

  /// Everything up to here is in the index.
  package var through: Revision { follower.through }

  /// Ends both threads and the index; called once, before the engine stops.
  package func stop() {
    access.stop()
    follower.stop()
    index.close()
  }

  /// Finds intervals of ownership: a page and where the next one begins. False when too many questions wait, or too many
  /// of this `asker`.
  package func intervals(
    _ query: HistoryQuery, of asker: String? = nil,
    then: @escaping @Sendable (Result<(items: [OwnershipInterval], next: HistoryPlace?), HistoryFault>) -> Void
  ) -> Bool {
    ask(asker, then) { (history, view) throws(HistoryFault) in
      var search = try HistoryIntervals(view, query) { history.present($0) }
      let next = try search.page()
      return (search.items, next)
    }
  }

  /// Finds what an address was at a time, in every routing domain that had a pool for it. False when too many
  /// questions wait, or too many of this `asker`.
  package func matches(
    _ ip: IPAddress, at time: LogTime, of asker: String? = nil,
    then: @escaping @Sendable (Result<[PastMatch], HistoryFault>) -> Void
  ) -> Bool {
    ask(asker, then) { (history, view) throws(HistoryFault) in
      try HistoryPast(view, at: time, history.presentRows).matches(ip)
    }
  }

  private func ask<T>(
    _ asker: String?, _ then: @escaping @Sendable (Result<T, HistoryFault>) -> Void,
    _ body: @escaping @Sendable (History, HistoryView) throws(HistoryFault) -> T
  ) -> Bool {
    access.perform(asker: asker) { cursor in
      let view = self.view ?? HistoryView(cursor, self.index)
      self.view = view
      do throws(HistoryFault) {
        try view.begin(upTo: self.engine.readableRevision)
        then(.success(try body(self, view)))
      } catch {
        then(.failure(error))
      }
    }
  }

  // MARK: What is there now

  private var presentRows: PresentRows {
    PresentRows(
      pools: { ip in self.engine.read { tables in tables.pools(containing: ip).map(\.pool) } },
      pool: { name in self.engine.read { tables in tables.pools[name]?.pool } },
      row: { pool, ip in self.engine.read { tables in tables.row(at: ip, in: pool) } },
      reservations: { name in self.engine.read { tables in tables.pools[name]?.reservations ?? [] } })
  }

  private func present(_ subject: HistorySubject) -> [Allocation] {
    switch subject {
    case .ip(let ip):
      engine.read { tables in
        tables.pools(containing: ip).compactMap { tables.allocation(holding: ip, in: $0.pool.name) }
      }
    case .owner(let tenant, let owner): engine.read { $0.allocations(tenant: tenant, owner: owner) }
    case .mac(let mac): carriers(of: mac)
    }
  }

  /// There is no table by hardware address: all rows are looked at, a bounded number under each hold of the lock.
  private func carriers(of mac: MACAddress) -> [Allocation] {
    var found: [Allocation] = []
    for name in engine.read({ $0.poolNames }) {
      var after: IPAddress?
      repeat {
        let page = engine.read { tables in
          var visits = 1_000
          return tables.allocations(in: name, after: after, limit: 1_000, visiting: &visits) { $0.mac == mac }
        }
        found += page.items
        after = page.more
      } while after != nil
    }
    return found
  }
}

extension HistoryFault {
  /// The refusal on the wire.
  package var problem: Problem {
    switch self {
    case .trimmed(let oldest): .historyTrimmed(oldest)
    case .catchingUp(let behind):
      Problem(
        503, "history_catching_up", "The history index is \(behind) entries behind and catches up: try again shortly.",
        retryAfter: 1)
    case .tooMuch:
      Problem(
        503, "history_too_long", "Answering would read too many entries: ask for a shorter time, a tenant or a pool.")
    case .over: Problem(503, "timeout", "No answer could be given in time; try again.", retryAfter: 1)
    case .log(let fault): Problem(503, "log_unreadable", "\(fault)")
    }
  }
}
