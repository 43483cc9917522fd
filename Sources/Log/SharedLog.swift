// A log with several writers: what it tells each node's engine, and what the engine must do in return.
//
// Threads. The engine's thread calls `append`, `stepped` and `publish`; any thread may call `barrier`, `depose`, `head`
// and `status`. The log calls `tell`, and the `then` of an append, from one thread of its own, one call at a time, in
// one order: the order of what happened. An engine puts both into one queue and takes them in that order. It never
// blocks in `tell`.
//
// Order.
// - The first event is `opened`, `bootstrap` or `lost`. From `opened(head)` (or the `anchor` of a `bootstrap`) on, every
//   batch of the log is told exactly once and in sequence: as `applied`, or as the durable end of the engine's own
//   append.
// - Between an append and its end nothing is `applied`; the end comes first. `follows` may come in between: the node
//   leads no more, yet its last batch may still turn out to be durable.
// - `barrier` comes after every batch that the barrier saw.
// - `takeover`, then one or more appends of an empty batch, then `leads`: the end of that append comes before `leads`.
//   Until `leads` the engine answers no request as a leader.
//
// Heads. An engine builds a batch on the head that it has itself taken from the events, never on `head`, which may be
// ahead of the events still in its queue. An append that does not follow what the log has told meanwhile is no bug
// here: it ends as `refused(.fenced)`, and what overtook it is told next.
//
// Ends. `refused` is certain, as everywhere. `unknown` is rare (the log was trimmed past the batch before its fate was
// learnt): the engine drops what was pending, answers 504, and goes on; if the batch was in the log after all, its
// effects come with the snapshot. It does not end the process, as it does over an embedded log.

/// What a log with several writers tells the engine of one node.
package enum LogEvent: Hashable, Sendable {
  /// The log is known and goes on from this head: the one handed in, or that of an empty log.
  case opened(LogHead)
  /// The log was trimmed past this node: forget all state, load this; what is applied next follows its `anchor`.
  case bootstrap(SnapshotImage)
  /// The next batch in order, durable; written by another node, or by this one without having learnt of it.
  case applied(StoredBatch)
  /// The epoch is this node's: append an empty batch of this epoch that follows your head; asked again if overtaken.
  case takeover(epoch: UInt64)
  /// This node leads: it may append batches of this epoch, and its head is that of the log.
  case leads(epoch: UInt64)
  /// This node does not lead; who does, as far as it knows.
  case follows(Leader?)
  /// The append under way has ended.
  case ended(AppendEnd)
  /// All barriers asked for with this number or a lower one, and not ended before, have ended so.
  case barrier(through: UInt64, BarrierEnd)
  /// The log has lost history that this node has, or differs from it: neither lead nor serve; says what to run. Final.
  case lost(String)
}

/// How a barrier ended.
package enum BarrierEnd: Hashable, Sendable {
  /// Everything acknowledged anywhere before the barrier was asked for is applied; the log ended with this batch.
  case passed(sequence: UInt64)
  /// Nobody knows whether this node is up to date; the reads behind it must not be answered.
  case failed(String)
}

/// The node that holds the epoch.
package struct Leader: Hashable, Sendable {
  /// The epoch it leads in.
  package let epoch: UInt64
  /// Its name.
  package let node: String
  /// Where other nodes reach it.
  package let url: String

  /// Names a leader.
  package init(epoch: UInt64, node: String, url: String) {
    self.epoch = epoch
    self.node = node
    self.url = url
  }
}

/// A whole snapshot as bytes, with the batch after which the log must be replayed on top of it.
package struct SnapshotImage: Hashable, Sendable {
  /// The most bytes of an image.
  package static let maxBytes = 1 << 30

  /// The newest batch all of whose entries every chunk has; replay begins with the batch behind it.
  package let anchor: LogHead
  /// What `SnapshotEncoder` wrote.
  package let bytes: [UInt8]

  /// Pairs a snapshot with its place in the log.
  package init(anchor: LogHead, bytes: [UInt8]) {
    self.anchor = anchor
    self.bytes = bytes
  }

  /// Verifies the bytes and opens them.
  package func reader() throws(LogFault) -> any SnapshotReader {
    let bytes = bytes
    let decoder = try SnapshotDecoder(name: "after batch \(anchor.sequence)", size: bytes.count) {
      (offset, count) throws(LogFault) in
      offset < bytes.count ? Array(bytes[offset..<min(bytes.count, offset + count)]) : []
    }
    guard decoder.header.logID == anchor.logID, anchor.nextRevision <= decoder.header.oldestRevision + 1 else {
      throw .notCovered(what: "the snapshot does not begin where its batch \(anchor.sequence) ends")
    }
    return decoder
  }
}

/// A log that several nodes write, one at a time, under epochs that fence each other off.
package protocol SharedLog: BatchLog {
  /// Begins to follow the log after `head`, the end of what this node holds; nil for a node that holds nothing. Called
  /// once, before anything else.
  func start(after head: LogHead?, tell: @escaping @Sendable (LogEvent) -> Void)
  /// Asks for proof that this node is up to date; numbers only grow, and many may wait behind one.
  func barrier(_ number: UInt64)
  /// The engine has taken all its events and goes on: called after every step, at least every 100 ms. Without it the
  /// node loses its leadership.
  func stepped()
  /// Hands a snapshot to all nodes and lets the log be trimmed behind it; done in the background, only by the leader.
  func publish(_ image: SnapshotImage)
  /// Ends the leadership of `epoch`, whoever holds it; for a person's hand only.
  func depose(epoch: UInt64)
  /// How the log and its connections are.
  var status: SharedLogStatus { get }
}

/// How a log with several writers is, for health checks and for people.
package struct SharedLogStatus: Hashable, Sendable {
  /// The leader as far as known.
  package var leader: Leader?
  /// Whether this node leads.
  package var leads = false
  /// Why this node must not serve, nil when it may.
  package var lost: String?
  /// What a person should know: versions with known defects, a full store, places that do not answer.
  package var warnings: [String] = []
  /// The version of the store, empty until it is known.
  package var storeVersion = ""
  /// Microseconds since the store last answered, nil before its first answer.
  package var sinceAnswer: Int64?
  /// What was counted since the start: names and counts in a fixed order.
  package var counters: [Counted] = []

  /// A name and how often it happened.
  package struct Counted: Hashable, Sendable {
    /// What happened, in snake case.
    package let name: String
    /// How often.
    package let count: Int

    /// Pairs a name with its count.
    package init(name: String, count: Int) {
      self.name = name
      self.count = count
    }
  }

  /// Nothing known yet.
  package init() {}
}
