internal import APITypes
internal import Addressing
internal import Domain
internal import Engine
internal import Ledger
internal import Platform
internal import Synchronization
internal import Wire

/// Everything as of one revision.
///
/// Rows are copied page by page, each page in its own short hold of the reader lock. If the revision was the same before the
/// first and at the last page, nothing changed in between and the copy is consistent; if not, it begins again. A server that
/// writes all the time would never let it end, so the last attempt copies under one hold: about 0.1 s for
/// a million rows, the one place that holds the lock for long. Decoding, sorting and rendering need no lock.
struct Export {
  /// Copies that may be spoilt by writes before one is made under a single hold of the lock.
  static let attempts = 5

  let revision: Revision
  let time: LogTime
  private let rows: [Row]

  /// Copies what is published.
  static func take(_ engine: Engine, _ visibility: Visibility) -> Export {
    for _ in 0..<attempts { if let copy = copy(engine, visibility) { return copy } }
    return engine.read { tables in
      let pages = (0..<tables.chunkCount).map { tables.chunk($0) }
      return Export(revision: tables.revision, time: tables.time, pages, visibility)
    }
  }

  private static func copy(_ engine: Engine, _ visibility: Visibility) -> Export? {
    let (revision, time, count) = engine.read { ($0.revision, $0.time, $0.chunkCount) }
    var pages: [[[UInt8]]] = []
    for page in 0..<count {
      let rows = engine.read { tables in
        tables.revision == revision && page < tables.chunkCount ? tables.chunk(page) : nil
      }
      guard let rows else { return nil }
      pages.append(rows)
    }
    return Export(revision: revision, time: time, pages, visibility)
  }

  private init(revision: Revision, time: LogTime, _ pages: [[[UInt8]]], _ visibility: Visibility) {
    (self.revision, self.time) = (revision, time)
    // Rows in memory were decoded before they got there.
    rows = pages.joined().compactMap { try? Row(decoding: $0) }.filter(visibility.sees)
  }

  /// The document.
  var document: [UInt8] {
    var pools: [PoolName: Pool] = [:]
    var reservations: [Reservation] = []
    var allocations: [Allocation] = []
    for row in rows {
      switch row {
      case .pool(let pool): pools[pool.name] = pool
      case .reservation(let reservation): reservations.append(reservation)
      case .allocation(let allocation): allocations.append(allocation)
      case .released, .cursor, .answered, .token: break
      case .fleet: break
      }
    }
    reservations.sort { $0.pool != $1.pool ? $0.pool < $1.pool : $0.range < $1.range }
    allocations.sort { $0.pool != $1.pool ? $0.pool < $1.pool : $0.ip < $1.ip }
    var out = JSONWriter(capacity: 1_024 + 448 * rows.count)
    out.object { out in
      out.field("revision", revision)
      out.field("time", time: time)
      out.key("pools")
      out.array { out in
        for name in pools.keys.sorted() { if let pool = pools[name] { out.pool(PoolView(pool, nil)) } }
      }
      out.key("reservations")
      out.array { out in for reservation in reservations { write(reservation, to: &out) } }
      out.key("allocations")
      out.array { out in
        for row in allocations {
          guard let pool = pools[row.pool] else { continue }
          out.grant(Grant(row, gateway: pool.extent.gateway, network: pool.cidr))
        }
      }
    }
    return out.finish()
  }

  private func write(_ reservation: Reservation, to out: inout JSONWriter) {
    out.object { out in
      out.field("pool", reservation.pool)
      out.field("range", reservation.range.description)
      out.field("reason", reservation.reason)
      out.field("created_at", time: reservation.createdAt)
      out.field("revision", reservation.revision)
    }
  }
}

/// Lets one export run at a time, on a thread of its own.
final class ExportGate: Sendable {
  private let isTaken = Atomic<Bool>(false)
  private let slot = ThreadSlot()

  /// Whether the caller may run one.
  func enter() -> Bool {
    isTaken.compareExchange(expected: false, desired: true, ordering: .acquiringAndReleasing).exchanged
  }

  /// Runs the export of whoever has entered, and leaves before it is handed over: who asks again after the answer finds
  /// the way free.
  func run(_ handOver: @escaping @Sendable (Export, [UInt8]) -> Void, taking take: @escaping @Sendable () -> Export) {
    slot.replace(
      Thread(name: "export") {
        let export = take()
        let document = export.document
        self.isTaken.store(false, ordering: .releasing)
        handOver(export, document)
      })
  }
}

/// Holds the last thread, so that each is joined when the next one starts.
///
/// Unchecked because the compiler cannot see that `lock` guards `thread`.
private final class ThreadSlot: @unchecked Sendable {
  private let lock = Lock()
  private var thread: Thread?

  func replace(_ new: Thread) {
    let old = lock.withLock { () -> Thread? in
      defer { thread = new }
      return thread
    }
    old?.join()
  }

  deinit { thread?.join() }
}
