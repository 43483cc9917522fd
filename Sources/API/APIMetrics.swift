internal import Addressing
internal import Cluster
internal import Domain
internal import Engine
internal import HTTPServer
internal import Ledger
internal import Platform
internal import Telemetry

/// What the routes count. Names that begin with `ip_pool_` are given by contracts older than our rules for names.
final class APIMetrics: Sendable {
  /// Pools told of one by one; the rest are summed up as `other`.
  static let poolsMax = 1_000
  /// Combinations of pool and reason told of one by one.
  static let errorsMax = 2_000

  let durations: Family<Histogram>
  let errors: Family<Counter>
  let replays: Counter
  /// Refusals at the door by code, and what was not even looked at.
  let denials: Family<Counter>
  let throttled: Counter
  private let peers: [Counter]
  /// Of the pool that the simple API knows.
  let simplePool: PoolWatch
  /// Of nodes and VMs.
  let fleet: FleetMetrics
  private let requests: [Counter]
  private let requestDurations: [Histogram]

  init(_ metrics: Metrics, engine: Engine, endpoints: [Endpoint]) {
    durations = metrics.histograms(
      "ip_pool_allocation_duration", "Seconds from a request's head to the answer of an allocation.",
      labels: ["pool"], limit: APIMetrics.poolsMax)
    errors = metrics.counters(
      "ip_pool_allocation_errors", "Allocations refused, by pool and code.", labels: ["pool", "reason"],
      limit: APIMetrics.errorsMax)
    replays = metrics.counter("berth_idempotent_replays_total", "Answers told again under an idempotency key.")
    denials = metrics.counters(
      "berth_auth_denials_total", "Requests refused at the door, by code.", labels: ["code"], limit: 16)
    throttled = metrics.counter(
      "berth_auth_throttled_total", "Tokens not looked at because too many wrong ones came from the address.")
    let refused = metrics.counters(
      "berth_peer_refused_total", "Messages turned away that claim to come from a node, by reason.",
      labels: ["reason"], limit: PeerRefusal.allCases.count)
    peers = PeerRefusal.allCases.map { refused.child([$0.rawValue]) }
    simplePool = PoolWatch(pool: PoolName.simple.text, durations, errors)
    fleet = FleetMetrics(metrics, engine)
    let routes = endpoints.map { ($0.method.rawValue, $0.pattern) } + [("", "none")]
    let counters = metrics.counters(
      "berth_http_requests_total", "Requests answered; route `none` = no route was reached.",
      labels: ["method", "route", "status"], limit: routes.count * APIMetrics.classes.count)
    requests = routes.flatMap { route in
      APIMetrics.classes.map { counters.child([route.0, route.1, $0]) }
    }
    let histograms = metrics.histograms(
      "berth_http_request_duration_seconds", "Time from a request's complete head to its answer.",
      labels: ["method", "route"], limit: routes.count)
    requestDurations = routes.map { histograms.child([$0.0, $0.1]) }
    registerPools(metrics, engine)
    registerEngine(metrics, engine)
  }

  private static let classes = ["1xx", "2xx", "3xx", "4xx", "5xx"]

  /// Counts a message that claims to come from a node.
  func refusedPeer(_ why: PeerRefusal) {
    if let place = PeerRefusal.allCases.firstIndex(of: why) { peers[place].add() }
  }

  /// Counts one answered request; a few additions, no lock.
  func completed(_ completion: Completion) {
    let route = completion.route ?? requestDurations.count - 1
    let statusClass = max(1, min(5, completion.status / 100)) - 1
    requests[route * APIMetrics.classes.count + statusClass].add()
    requestDurations[route].observe(nanoseconds: completion.nanoseconds)
  }

  private func registerPools(_ metrics: Metrics, _ engine: Engine) {
    metrics.readings(
      .gauge, "ip_pool_capacity_total",
      "Addresses that can be given out, by pool; beyond \(APIMetrics.poolsMax) pools the rest as `other`.",
      labels: ["pool"]
    ) { APIMetrics.samples(engine) { [([], $0.usableCount.approximate)] } }
    metrics.readings(.gauge, "ip_pool_allocated_count", "Addresses allocated, by pool.", labels: ["pool"]) {
      APIMetrics.samples(engine) { [([], $0.allocatedCount.approximate)] }
    }
    metrics.readings(
      .gauge, "berth_pool_addresses", "Addresses by pool and state; the states add up to all usable ones.",
      labels: ["pool", "state"]
    ) {
      APIMetrics.samples(engine) {
        [
          (["allocated"], $0.allocatedCount.approximate), (["available"], $0.available.approximate),
          (["quarantined"], $0.quarantinedCount.approximate)
        ]
      }
    }
  }

  private static func samples(
    _ engine: Engine, _ values: @escaping (PoolState) -> [(labels: [String], value: Double)]
  ) -> [Sample] {
    var samples: [Sample] = []
    var rest: [(labels: [String], value: Double)] = []
    var place = 0
    forEachPool(engine, after: nil) { state in
      defer { place += 1 }
      let found = values(state)
      if place < poolsMax {
        samples += found.map { Sample([state.pool.name.text] + $0.labels, $0.value) }
      } else if rest.isEmpty {
        rest = found
      } else {
        for index in rest.indices { rest[index].value += found[index].value }
      }
      return true
    }
    return samples + rest.map { Sample(["other"] + $0.labels, $0.value) }
  }

  private func registerEngine(_ metrics: Metrics, _ engine: Engine) {
    metrics.gauge("berth_engine_ring_depth", "Commands waiting for the engine.") { Double(engine.status.ringDepth) }
    metrics.gauge("berth_revision", "The last entry published.") { Double(engine.status.revision) }
    metrics.gauge("berth_snapshot_revision", "The last entry of the newest snapshot.") {
      Double(engine.status.snapshotRevision)
    }
    metrics.gauge("berth_storage_full", "1 while the log has no room.") { engine.status.isStorageFull ? 1 : 0 }
    metrics.gauge("berth_expiry_held", "1 while expiries wait for confirmation.") {
      engine.status.isExpiryHeld ? 1 : 0
    }
    metrics.gauge("berth_clock_held", "1 while a step of the wall clock waits for confirmation.") {
      engine.status.isClockHeld ? 1 : 0
    }
    // There is no cache to miss: every read is served from the published state, and the ratio says so.
    metrics.gauge("berth_read_hit_ratio", "Reads served from the published state, of all reads.") { 1 }
  }
}

/// Counts what becomes of allocations from one pool.
final class PoolWatch: Sendable {
  private let pool: String?
  private let duration: Histogram?
  private let durations: Family<Histogram>
  private let errors: Family<Counter>

  /// Watches one pool that is asked for often.
  init(pool: String, _ durations: Family<Histogram>, _ errors: Family<Counter>) {
    (self.pool, self.durations, self.errors) = (pool, durations, errors)
    duration = durations.child([pool])
  }

  /// Watches whichever pool the answer names; of refusals that know none, `pool`.
  init(_ pool: PoolName?, _ counts: APIMetrics) {
    (self.pool, duration) = (pool?.text, nil)
    (durations, errors) = (counts.durations, counts.errors)
  }

  func answered(_ outcome: Outcome, since start: MonotonicTime) {
    guard case .granted(let grants, _, _) = outcome, let first = grants.first else { return }
    let histogram = duration ?? durations.child([first.allocation.pool.text])
    histogram.observe(nanoseconds: MonotonicTime.now - start)
  }

  func refused(_ reason: String) {
    // A pool that is not there must not get a series of its own: anybody could make them.
    let isKnown = reason != Rejection.Code.poolNotFound.rawValue
    errors.child([isKnown ? pool ?? "none" : "none", reason]).add()
  }
}

/// Visits pools in the order of their names, a few in each hold of the reader lock, until `body` says false.
/// Returns the revision of the last look.
@discardableResult
func forEachPool(_ engine: Engine, after: PoolName?, _ body: (PoolState) -> Bool) -> Revision {
  var after = after
  while true {
    let (last, isOver, revision) = engine.read { tables -> (PoolName?, Bool, Revision) in
      var low = 0
      var high = tables.poolNames.count
      while low < high {
        let middle = (low + high) / 2
        if let after, tables.poolNames[middle] <= after { low = middle + 1 } else { high = after == nil ? 0 : middle }
      }
      let names = tables.poolNames[low...].prefix(PoolWalk.slice)
      for name in names {
        guard let state = tables.pools[name] else { continue }
        if !body(state) { return (name, true, tables.revision) }
      }
      return (names.last, names.count < PoolWalk.slice, tables.revision)
    }
    if isOver { return revision }
    after = last
  }
}
