package import Domain
package import Engine
package import Log
package import Wire

/// What a node does in its cluster, as it says it.
package enum NodeRole: String, Hashable, Sendable {
  case leader, follower, takingOver = "taking_over", lost, alone

  /// The role of a leadership.
  package init(_ leadership: Leadership) {
    switch leadership {
    case .alone: self = .alone
    case .following: self = .follower
    case .takingOver: self = .takingOver
    case .leading: self = .leader
    case .lost: self = .lost
    }
  }
}

/// How the store of the shared log looks from one node.
package struct StoreReport: Hashable, Sendable {
  /// Its version, empty until it is known.
  package var version = ""
  /// Milliseconds since it last answered.
  package var silentMilliseconds: Int64?
  /// What a person should know.
  package var warnings: [String] = []
  /// Names and counts.
  package var counters: [SharedLogStatus.Counted] = []

  /// Nothing known.
  package init() {}

  /// What a shared log says of itself.
  package init(_ status: SharedLogStatus) {
    (version, warnings, counters) = (status.storeVersion, status.warnings, status.counters)
    silentMilliseconds = status.sinceAnswer.map { $0 / 1_000 }
    if let lost = status.lost { warnings.insert(lost, at: 0) }
  }
}

/// What a node says of itself: to the leader once a second, and to whoever asks for its health.
package struct NodeReport: Hashable, Sendable {
  /// Its name.
  package var node: String
  /// Where it is reached.
  package var url: String
  /// The version of its program.
  package var version: String
  /// What it does.
  package var role = NodeRole.follower
  /// Who leads, as far as it knows.
  package var leader: Leader?
  /// The highest level of the log that it reads.
  package var reads = EntryLevel.first
  /// The highest level that it writes, or would if it led.
  package var writes = EntryLevel.first
  /// The newest entry it shows.
  package var revision: UInt64 = 0
  /// The newest batch it has all of.
  package var sequence: UInt64 = 0
  /// The hash of that batch in hexadecimal.
  package var hash = ""
  /// Which log it has, in hexadecimal; empty from a node that does not say so yet.
  package var logID = ""
  /// The newest entry in its archive.
  package var archivedRevision: UInt64 = 0
  /// Entries that the leader was ahead when it last said so.
  package var lag: UInt64?
  /// Its view of the store.
  package var store = StoreReport()
  /// What it found wrong between itself and others.
  package var alarms: [String] = []

  /// Names a node.
  package init(node: String, url: String, version: String) {
    (self.node, self.url, self.version) = (node, url, version)
  }

  /// The most characters of a text that is believed.
  private static let textMax = 1_024
  /// The most items of a list that is believed.
  private static let listMax = 64

  /// Reads what a node has written; nil when it is not that.
  package init?(parsing bytes: [UInt8]) {
    guard let value = try? JSONValue(parsing: bytes), let report = NodeReport(value) else { return nil }
    self = report
  }

  /// Reads what a node has written; members of a later version are passed over.
  package init?(_ value: JSONValue) {
    guard let node = value["node"]?.string, !node.isEmpty, node.utf8.count <= 128,
      let url = value["url"]?.string, url.utf8.count <= NodeReport.textMax,
      let version = value["version"]?.string, version.utf8.count <= 128,
      let role = value["role"]?.string, let revision = value["revision"]?.integer(UInt64.self),
      let sequence = value["sequence"]?.integer(UInt64.self), let hash = value["hash"]?.string, hash.utf8.count <= 64
    else { return nil }
    self.init(node: node, url: url, version: version)
    self.role = NodeRole(rawValue: role) ?? .follower
    (self.revision, self.sequence, self.hash) = (revision, sequence, hash)
    archivedRevision = value["archived_revision"]?.integer() ?? 0
    reads = value["reads"]?.integer(UInt8.self).map(EntryLevel.init) ?? .first
    writes = value["writes"]?.integer(UInt8.self).map(EntryLevel.init) ?? .first
    logID = String((value["log_id"]?.string ?? "").prefix(64))
    lag = value["lag"]?.integer()
    alarms = NodeReport.texts(value["alarms"])
    if let leader = value["leader"], let name = leader["node"]?.string, let url = leader["url"]?.string,
      let epoch = leader["epoch"]?.integer(UInt64.self), name.utf8.count <= 128, url.utf8.count <= NodeReport.textMax
    {
      self.leader = Leader(epoch: epoch, node: name, url: url)
    }
    if let store = value["etcd"] {
      self.store.version = String((store["version"]?.string ?? "").prefix(128))
      self.store.silentMilliseconds = store["silent_ms"]?.integer()
      self.store.warnings = NodeReport.texts(store["warnings"])
      for member in (store["counters"]?.members ?? []).prefix(NodeReport.listMax) {
        guard let count = member.value.integer(Int.self) else { continue }
        self.store.counters.append(.init(name: String(member.key.prefix(64)), count: count))
      }
    }
  }

  private static func texts(_ value: JSONValue?) -> [String] {
    (value?.elements ?? []).prefix(listMax).compactMap { $0.string.map { String($0.prefix(textMax)) } }
  }

  /// The report as it is sent.
  package var encoded: [UInt8] {
    var out = JSONWriter(capacity: 1_024)
    out.report(self, seen: nil)
    return out.finish()
  }
}

extension JSONWriter {
  mutating func report(_ report: NodeReport, seen: Roster.Seen?) {
    object { out in
      out.field("node", report.node)
      out.field("url", report.url)
      out.field("version", report.version)
      out.field("role", report.role.rawValue)
      out.key("leader")
      out.leader(report.leader)
      out.field("revision", report.revision)
      out.field("sequence", report.sequence)
      out.field("hash", report.hash)
      out.field("log_id", report.logID)
      out.field("archived_revision", report.archivedRevision)
      out.field("reads", report.reads.number)
      out.field("writes", report.writes.number)
      out.field("lag", report.lag)
      if let seen {
        out.field("last_seen_ms", seen.agoMilliseconds)
        out.field("silent", seen.isSilent)
      }
      out.key("etcd")
      out.store(report.store)
      out.field("alarms", report.alarms)
    }
  }

  mutating func leader(_ leader: Leader?) {
    guard let leader else { return null() }
    object { out in
      out.field("node", leader.node)
      out.field("url", leader.url)
      out.field("epoch", leader.epoch)
    }
  }

  mutating func store(_ store: StoreReport) {
    object { out in
      out.field("version", store.version)
      out.field("silent_ms", store.silentMilliseconds)
      out.field("warnings", store.warnings)
      out.key("counters")
      out.object { out in
        for counted in store.counters {
          out.key(counted.name)
          out.number(counted.count)
        }
      }
    }
  }
}
