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

  /// Registers the engine's metrics.
  package init(_ metrics: Metrics) {
    flush = metrics.histogram("berth_engine_flush_seconds", "Time from deciding a batch to its durable end.")
    batches = metrics.counter("berth_engine_batches_total", "Batches made durable.")
    entries = metrics.counter("berth_engine_entries_total", "Entries made durable; divided by batches, the batch size.")
    refused = metrics.counter("berth_engine_refused_batches_total", "Batches that the log refused.")
    busy = metrics.counter("berth_engine_busy_total", "Commands turned away because the ring was full.")
    reads = metrics.counter("berth_engine_reads_total", "Reads served from the published state.")
    snapshots = metrics.counter("berth_engine_snapshots_total", "Snapshots finished.")
  }
}
