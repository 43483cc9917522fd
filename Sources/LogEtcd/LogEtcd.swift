// LogEtcd: the log as fenced keys in etcd, for several nodes of which one writes.
//
// `EtcdMachine` is the protocol as a value machine: answers, failures, watch messages, the passing of time and the
// engine's wishes go in; requests, a time to be woken at and events for the engine come out. It reads no clock, draws
// no randomness but from its seed, walks no dictionary and starts no thread, so the simulator runs it as it is.
// `EtcdLog` gives it threads and connections.
//
// What safety rests on: compares inside transactions that write. A batch is put only while the epoch key is the one
// that its leader created, its place is free, and the batch before it is the very one the leader saw. What is read to
// prove anything is read inside a transaction that etcd must order with the writes (it removes a key that is never
// there, which needs no space even in a full store), or at the explicit revision of such a transaction.
//
// It assumes that etcd executes a request at most once per time that we send it; no proxy that repeats requests may
// stand between (only a batch that was refused for want of room would notice).
//
// What it does not rest on: leases and answers to keepalives (they decide who tries, not who may), plain reads, the
// completeness or order of a watch (each batch is checked against the chain; whatever does not fit is read again), any
// clock. An unknown outcome is asked again, the same bytes at the same place, until it is definite.
//
// Refused: giving up on an unknown append (it may land later), several appends in flight (one batch carries thousands
// of entries), deposing a leader on one node's view of the network, etcd's own locks and elections (they cannot fence).

/// What one node is told about its log in etcd.
package struct EtcdOptions: Sendable {
  /// This node's name, unique in the cluster.
  package var node: String
  /// Where other nodes reach it.
  package var url: String
  /// What every key begins with.
  package var prefix = "/berth/"
  /// How many endpoints there are to choose from.
  package var endpoints: Int
  /// Where this node's archive is, for advice.
  package var directory = "DIR"
  /// Deliberate bugs, for the simulator alone.
  package var flaws: EtcdFlaws = []

  /// Names a node.
  package init(node: String, url: String, endpoints: Int) {
    precondition(endpoints > 0, "no endpoint of etcd")
    precondition(
      !node.isEmpty && node.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != 0x2F }, "a node's name is a plain word")
    self.node = node
    self.url = url
    self.endpoints = endpoints
  }
}

/// Deliberate bugs that the simulator must catch; empty in every program that ships.
package struct EtcdFlaws: OptionSet, Hashable, Sendable {
  /// The bits.
  package let rawValue: Int
  /// Makes a set from bits.
  package init(rawValue: Int) { self.rawValue = rawValue }

  /// Appends without comparing the epoch.
  package static let noEpochCompare = EtcdFlaws(rawValue: 1 << 0)
  /// Appends without comparing the place in the log.
  package static let noPlaceCompare = EtcdFlaws(rawValue: 1 << 1)
  /// Takes an unknown outcome for a refusal.
  package static let refuseUnknown = EtcdFlaws(rawValue: 1 << 2)
  /// Says durable when the request leaves.
  package static let ackBeforeAppend = EtcdFlaws(rawValue: 1 << 3)
  /// Lets a leader pass barriers as long as its keepalives are answered.
  package static let trustKeepalive = EtcdFlaws(rawValue: 1 << 4)
  /// Takes whatever a watch says for the next batch.
  package static let ignoreWatchGap = EtcdFlaws(rawValue: 1 << 5)
  /// Reads without a write as a barrier.
  package static let plainBarrier = EtcdFlaws(rawValue: 1 << 6)
  /// Lets a barrier pass that was asked for while its read was under way.
  package static let joinBarrier = EtcdFlaws(rawValue: 1 << 7)
  /// Serves on although etcd lost history.
  package static let noWitness = EtcdFlaws(rawValue: 1 << 8)
  /// Does not check that a batch continues the chain.
  package static let noChainCheck = EtcdFlaws(rawValue: 1 << 9)
  /// Leads before it has caught up, and takes a read from before its epoch for proof that its batch is not there.
  package static let staleResolve = EtcdFlaws(rawValue: 1 << 10)
  /// Takes a compare that failed for a refusal, without looking whose batch is there.
  package static let refuseOwn = EtcdFlaws(rawValue: 1 << 11)
  /// Removes the log up to the newest snapshot's end instead of the older one's anchor.
  package static let trimTooFar = EtcdFlaws(rawValue: 1 << 12)
  /// Believes an etcd that says of a write that there was no room for it.
  package static let believeFull = EtcdFlaws(rawValue: 1 << 13)
}

/// Periods and limits of the protocol, in microseconds.
package enum EtcdTiming {
  /// Seconds that a lease lives without being renewed.
  package static let leaseSeconds: Int64 = 1
  /// Time for one attempt of a request.
  package static let attempt: Int64 = 1_000_000
  /// Time for one renewal: a lost one must leave room for the next.
  package static let renewalAttempt: Int64 = 350_000
  /// A lease is renewed so often.
  package static let renewEvery: Int64 = 300_000
  /// An engine that has not stepped for so long is wedged: its lease is not renewed, and it does not campaign.
  package static let stepPatience: Int64 = 500_000
  /// An append or a barrier that waits for so long is overdue: the lease is not renewed.
  package static let overdue: Int64 = 2_000_000
  /// A barrier fails after so long.
  package static let barrierPatience: Int64 = 3_000_000
  /// The log is read so often, whatever the watch says.
  package static let poll: Int64 = 1_000_000
  /// The pause before a failed request is sent again, and its largest value: it doubles.
  package static let retry: Int64 = 20_000
  /// The largest pause between attempts.
  package static let retryMost: Int64 = 320_000
  /// A campaign waits a random time up to this, which doubles after each lost one.
  package static let campaignDelay: Int64 = 200_000
  /// The largest bound of that random time.
  package static let campaignDelayMost: Int64 = 800_000
  /// The pause before something is tried again that found the store full.
  package static let fullPause: Int64 = 500_000
  /// The pause before a watch is opened again.
  package static let watchRetry: Int64 = 100_000
}
