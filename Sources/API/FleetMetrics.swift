internal import Domain
internal import Engine
internal import HTTPServer
internal import Ledger
internal import Platform
internal import Telemetry

/// What the routes of nodes and VMs count.
final class FleetMetrics: Sendable {
  private let durations: Histogram
  private let results: Family<Counter>
  private let quotaRefusals: Counter

  init(_ metrics: Metrics, _ engine: Engine) {
    durations = metrics.histogram(
      "berth_placement_seconds", "Seconds from a request's head to the answer that its VMs are placed, or wait.")
    results = metrics.counters(
      "berth_placements_total", "VMs asked for: `placed`, `pending`, or the code of the refusal.", labels: ["result"],
      limit: 64)
    quotaRefusals = metrics.counter("berth_quota_refusals_total", "Requests refused because of a tenant's quota.")
    metrics.readings(.gauge, "berth_nodes", "Nodes by state.", labels: ["state"]) {
      var counts = [Int](repeating: 0, count: NodeState.allCases.count)
      forEachNode(engine, after: nil) { node, _ in
        counts[Int(node.state.rawValue)] += 1
        return true
      }
      return NodeState.allCases.map { Sample([$0.name], Double(counts[Int($0.rawValue)])) }
    }
    metrics.readings(.gauge, "berth_vms", "VMs by state.", labels: ["state"]) {
      let counts = engine.read { tables in VMState.allCases.map { tables.count(of: $0) } }
      return zip(VMState.allCases, counts).map { Sample([$0.name], Double($1)) }
    }
    metrics.readings(
      .gauge, "berth_datacenter_latency_seconds",
      "From one datacenter to another and back, as agents measured; only where it is known, at the leader.",
      labels: ["from", "to"]
    ) {
      (engine.latencies ?? []).map {
        Sample([$0.latency.from, $0.latency.to], Double($0.latency.microseconds) / 1_000_000)
      }
    }
    metrics.gauge("berth_pending_vms", "VMs that wait for room, those that had to give way included.") {
      engine.read { Double($0.count(of: .pending) + $0.count(of: .preempted)) }
    }
    metrics.readings(
      .gauge, "berth_budget_used_percent", "A month of what runs now, in percent of the tenant's monthly budget.",
      labels: ["tenant"]
    ) {
      engine.read { tables in
        tables.tenants.prefix(APIMetrics.poolsMax).compactMap { tenant in
          tables.quota(tenant)?.budgetUsedPercent(tables.usage(of: tenant)).map { Sample([tenant.text], Double($0)) }
        }
      }
    }
  }

  /// VMs were asked for, and there they are.
  func placed(_ outcome: FleetOutcome, since start: MonotonicTime) {
    guard case .vms(let vms, true) = outcome else { return }
    durations.observe(nanoseconds: MonotonicTime.now - start)
    for item in vms { results.child([item.vm.node == nil ? "pending" : "placed"]).add() }
  }

  /// A command was refused.
  func refused(_ command: FleetCommand, _ code: Rejection.Code) {
    if code == .quotaExceeded { quotaRefusals.add() }
    if case .createVM = command { results.child([code.rawValue]).add() }
  }
}
