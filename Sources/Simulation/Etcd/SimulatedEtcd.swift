package import LogEtcd

/// etcd as a value in memory: revisions, transactions, leases and compaction as the real one has them, one request at a
/// time in the order of the log that all members share.
package final class SimulatedEtcd {
  struct Version {
    let modified: Int64
    let created: Int64
    let value: [UInt8]
    let lease: Int64
    let isDelete: Bool
  }

  struct Lease {
    let seconds: Int64
    var expiresAt: Int64
  }

  struct State {
    var revision: Int64 = 1
    var compacted: Int64 = 0
    var names: [String] = []
    var versions: [String: [Version]] = [:]
    /// What watches see: the changes of each revision.
    var history: [(revision: Int64, events: [EtcdEvent])] = []
    var leases: [(id: Int64, lease: Lease)] = []
    var nextLease: Int64 = 1
  }

  var state = State()
  /// The cluster's identity.
  package var cluster: UInt64 = 77
  /// The shortest lease that is granted, in seconds, whatever is asked for.
  package var shortestLease: Int64 = 1
  /// Whether the store is full: what puts is refused. As in a real etcd the write that crosses the limit is done, and
  /// answered as if it were not.
  package var isFull = false { didSet { crossesLimit = isFull && !oldValue } }
  var crossesLimit = false
  /// Sees every key that is written, before it is.
  package var onPut: (String, [UInt8]) -> Void = { _, _ in }

  /// Begins empty.
  package init() {}

  /// The newest revision.
  package var revision: Int64 { state.revision }

  /// A copy of everything, to come back to: a backup.
  package func backup() -> EtcdBackup { EtcdBackup(state: state) }

  /// Goes back to a backup: what was acknowledged since is lost.
  package func restore(_ backup: EtcdBackup) { state = backup.state }

  /// Does a request; what only reads sees things as they were at `view`, if one is given, as a lagging member would.
  package func handle(_ request: EtcdRequest, now: Int64, view: Int64? = nil) -> EtcdAnswer {
    switch request {
    case .version: return .version(server: "3.4.23", cluster: "3.4.0")
    case .txn(let txn): return transact(txn, view: view)
    case .range(let range): return read(range, view: view)
    case .grant(let seconds):
      if isFull { return .full }
      let seconds = max(seconds, shortestLease)
      let id = state.nextLease
      state.nextLease += 1
      state.leases.append((id, Lease(seconds: seconds, expiresAt: now + seconds * 1_000_000)))
      return .lease(header, id: id, seconds: seconds)
    case .keepAlive(let id):
      guard let index = state.leases.firstIndex(where: { $0.id == id }) else {
        return .lease(header, id: id, seconds: 0)
      }
      state.leases[index].lease.expiresAt = now + state.leases[index].lease.seconds * 1_000_000
      return .lease(header, id: id, seconds: state.leases[index].lease.seconds)
    case .revoke(let id):
      guard state.leases.contains(where: { $0.id == id }) else { return .noLease }
      end(lease: id)
      return .done(header)
    case .compact(let revision): return compact(revision)
    }
  }

  var header: EtcdHeader { EtcdHeader(cluster: cluster, member: 1, revision: state.revision) }

  // MARK: Leases

  /// Ends what has expired by `now`.
  package func expire(now: Int64) {
    for item in state.leases where item.lease.expiresAt <= now { end(lease: item.id) }
  }

  /// Moves the end of every lease, as a new leader of etcd does (later) or a bad one (earlier).
  package func shiftLeases(by microseconds: Int64) {
    for index in state.leases.indices { state.leases[index].lease.expiresAt += microseconds }
  }

  private func end(lease id: Int64) {
    state.leases.removeAll { $0.id == id }
    var draft = Draft(state.revision + 1)
    for name in state.names {
      guard let newest = state.versions[name]?.last, !newest.isDelete, newest.lease == id else { continue }
      delete(name, &draft)
    }
    commit(draft)
  }

  // MARK: Changes

  /// The changes of one transaction.
  struct Draft {
    let revision: Int64
    var events: [EtcdEvent] = []
    init(_ revision: Int64) { self.revision = revision }
  }

  func put(_ key: String, _ value: [UInt8], lease: Int64, _ draft: inout Draft) {
    onPut(key, value)
    let before = state.versions[key]?.last
    let created = before.map { $0.isDelete ? draft.revision : $0.created } ?? draft.revision
    append(key, Version(modified: draft.revision, created: created, value: value, lease: lease, isDelete: false))
    draft.events.append(
      EtcdEvent(
        isDelete: false,
        kv: EtcdKeyValue(key: key, value: value, created: created, modified: draft.revision, lease: lease)))
  }

  func delete(_ key: String, _ draft: inout Draft) {
    append(key, Version(modified: draft.revision, created: 0, value: [], lease: 0, isDelete: true))
    draft.events.append(EtcdEvent(isDelete: true, kv: EtcdKeyValue(key: key, modified: draft.revision)))
  }

  func commit(_ draft: Draft) {
    guard !draft.events.isEmpty else { return }
    state.revision = draft.revision
    state.history.append((draft.revision, draft.events))
  }

  private func append(_ key: String, _ version: Version) {
    if state.versions[key] == nil { state.names.insert(key, at: index(of: key)) }
    state.versions[key, default: []].append(version)
  }

  /// The place of the first name that is not before `key`.
  func index(of key: String) -> Int {
    var (low, high) = (0, state.names.count)
    while low < high {
      let middle = (low + high) / 2
      if state.names[middle] < key { low = middle + 1 } else { high = middle }
    }
    return low
  }

  private func compact(_ revision: Int64) -> EtcdAnswer {
    if revision <= state.compacted { return .compacted }
    if revision > state.revision { return .future }
    state.compacted = revision
    state.history.removeAll { $0.revision < revision }
    for name in state.names {
      let versions = state.versions[name]!
      let keep = versions.lastIndex { $0.modified <= revision } ?? 0
      var kept = Array(versions[keep...])
      if let first = kept.first, first.isDelete, first.modified <= revision { kept.removeFirst() }
      state.versions[name] = kept.isEmpty ? nil : kept
    }
    state.names = state.names.filter { state.versions[$0] != nil }
    return .done(header)
  }

  // MARK: Watches

  /// What a watch that is to see `from` and later is told by a member that is at `applied`; nil when nothing yet.
  package func changes(_ watch: EtcdWatch, from: Int64, through applied: Int64) -> EtcdWatchMessage? {
    if from < state.compacted {
      var message = EtcdWatchMessage(header: EtcdHeader(cluster: cluster, member: 1))
      message.isCanceled = true
      message.compactRevision = state.compacted
      return message
    }
    var message = EtcdWatchMessage(header: EtcdHeader(cluster: cluster, member: 1, revision: applied))
    for item in state.history where item.revision >= from && item.revision <= applied {
      message.events += item.events.filter { $0.kv.key >= watch.key && $0.kv.key < watch.end }
    }
    return message.events.isEmpty ? nil : message
  }
}

/// A state of a simulated etcd to come back to.
package struct EtcdBackup {
  let state: SimulatedEtcd.State
}

extension EtcdAnswer {
  static var full: Self { .error(EtcdError(code: 8, message: "etcdserver: mvcc: database space exceeded")) }
  static var noLease: Self { .error(EtcdError(code: 5, message: "etcdserver: requested lease not found")) }
  static var compacted: Self {
    .error(EtcdError(code: 11, message: "etcdserver: mvcc: required revision has been compacted"))
  }
  static var future: Self {
    .error(EtcdError(code: 11, message: "etcdserver: mvcc: required revision is a future revision"))
  }
  static func invalid(_ what: String) -> Self { .error(EtcdError(code: 3, message: "etcdserver: " + what)) }
}
