/// The shapes of what nodes say of themselves and of the cluster.
extension Schemas {
  private static let clusterLeader = Schema.named(
    "Leader", .object([.must("node", .text()), .must("url", .text()), .must("epoch", .revision, "Grows with each.")]))

  private static let clusterStore = Schema.named(
    "ClusterStore",
    .object([
      .must("version", .text(), "Of the etcd that answered last."),
      .must("silent_ms", .nullable(.count), "Since it last answered."),
      .must("warnings", .list(.text())), .must("counters", .map(.count, max: nil), "What the protocol has met.")
    ]))

  /// A node, in its own words.
  static let clusterNode = Schema.named(
    "ClusterNode",
    .object([
      .must("node", .text(max: 128)), .must("url", .text(max: 1_024)), .must("version", .text(max: 128)),
      .must("role", .oneOf(["leader", "follower", "taking_over", "lost", "alone"])),
      .must("leader", .nullable(clusterLeader), "Who leads, as far as it knows."),
      .must("revision", .revision), .must("sequence", .revision, "The newest batch it has all of."),
      .must("hash", .text(max: 64), "Of that batch."),
      .may("log_id", .text(max: 64), "Which log it has."),
      .must("archived_revision", .revision, "What events and history are read up to."),
      .may("reads", .count, "The highest level of the log that it reads."),
      .may("writes", .count, "The highest level that it writes: what all nodes read that the leader has heard of."),
      .must("lag", .nullable(.count), "Entries that the leader was ahead."),
      .may("last_seen_ms", .count, "Since the leader heard of it."), .may("silent", .boolean, "For over 5 s."),
      .must("etcd", clusterStore), .must("alarms", .list(.text()))
    ]))

  /// All of it.
  static let cluster = Schema.named(
    "Cluster",
    .object([
      .must("leader", .nullable(clusterLeader)),
      .must("answered_by", .text(), "The leader; another node when it cannot be asked."),
      .must("revision", .revision), .must("nodes", .list(clusterNode)), .must("alarms", .list(.text())),
      .must("etcd", clusterStore)
    ]))

  static let deposed = Schema.named("Deposed", .object([.must("node", .text()), .must("epoch", .revision)]))
}
