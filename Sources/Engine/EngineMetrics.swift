package import Telemetry

/// What the engine counts.
package struct EngineMetrics: Sendable {
  /// How long appends take, from the decision to their end.
  package let flush: Histogram
  /// Batches made durable.
  package let batches: Counter
  /// Entries made durable.
  package let entries: Counter
  /// Batches the log refused.
  package let refused: Counter
  /// Submissions turned away because the ring was full.
  package let busy: Counter
  /// Reads served from the published state.
  package let reads: Counter
  /// Snapshots finished.
  package let snapshots: Counter
  /// VMs that had to give way, by how and for what.
  package let preemptions: Family<Counter>
  /// How long they took to go.
  package let preemptionDuration: Histogram
  /// Nodes that became lost.
  package let nodesLost: Counter

  /// Registers the engine's metrics.
  package init(_ metrics: Metrics) {
    flush = metrics.histogram("berth_engine_flush_seconds", "Time from deciding a batch to its durable end.")
    batches = metrics.counter("berth_engine_batches_total", "Batches made durable.")
    entries = metrics.counter("berth_engine_entries_total", "Entries made durable; divided by batches, the batch size.")
    refused = metrics.counter("berth_engine_refused_batches_total", "Batches that the log refused.")
    busy = metrics.counter("berth_engine_busy_total", "Commands turned away because the ring was full.")
    reads = metrics.counter("berth_engine_reads_total", "Reads served from the published state.")
    snapshots = metrics.counter("berth_engine_snapshots_total", "Snapshots finished.")
    preemptions = metrics.counters(
      "berth_preemptions_total",
      "VMs that had to give way: `graceful` or `forced`, and for what: `create`, `start`, `waiting`, `failover`, "
        + "`restart`. Counted by whoever leads.", labels: ["type", "reason"])
    preemptionDuration = metrics.histogram(
      "berth_preemption_seconds", "From the decision that a VM gives way to its node's word that it is gone.",
      Buckets(seconds: [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600]))
    nodesLost = metrics.counter("berth_nodes_lost_total", "Nodes that became lost. Counted by whoever leads.")
  }
}
