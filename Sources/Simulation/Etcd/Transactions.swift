package import LogEtcd

extension SimulatedEtcd {
  /// etcd's limit for one request.
  static let maxBytes = 1_572_864

  func transact(_ txn: EtcdTxn, view: Int64?) -> EtcdAnswer {
    let lists = [txn.success, txn.failure]
    if lists.contains(where: { $0.count > EtcdTxn.maxOperations }) || txn.compares.count > EtcdTxn.maxOperations {
      return .invalid("too many operations in txn request")
    }
    if lists.contains(where: hasTwice) { return .invalid("duplicate key given in txn request") }
    let bytes = lists.joined().reduce(0) { (sum, operation) in
      if case .put(_, let value, _) = operation { sum + value.count } else { sum }
    }
    if bytes > SimulatedEtcd.maxBytes { return .invalid("request is too large") }
    let puts = lists.joined().contains { if case .put = $0 { true } else { false } }
    if puts, isFull, !crossesLimit { return .full }
    let isReading = lists.joined().allSatisfy { if case .range = $0 { true } else { false } }
    let seen = isReading ? view ?? state.revision : state.revision
    let succeeded = txn.compares.allSatisfy { compare in
      let kv = newest(compare.key, at: seen)
      return switch compare.expectation {
      case .created(let revision): revision == kv?.created ?? 0
      case .modified(let revision): revision == kv?.modified ?? 0
      case .value(let bytes): bytes == kv?.value
      }
    }
    let operations = succeeded ? txn.success : txn.failure
    for case .put(_, _, let lease) in operations where lease != 0 && !state.leases.contains(where: { $0.id == lease }) {
      return .noLease
    }
    var draft = Draft(state.revision + 1)
    var results: [EtcdOperationAnswer] = []
    for operation in operations {
      switch operation {
      case .put(let key, let value, let lease):
        put(key, value, lease: lease, &draft)
        results.append(.put)
      case .delete(let key, let end):
        let names = found(key, end).filter { state.versions[$0]!.last!.isDelete == false }
        for name in names { delete(name, &draft) }
        results.append(.delete(Int64(names.count)))
      case .range(let range):
        if range.revision > state.revision { return .future }
        if range.revision != 0, range.revision < state.compacted { return .compacted }
        let at = range.revision != 0 ? range.revision : isReading ? seen : draft.revision
        results.append(.range(read(range, at: at)))
      }
    }
    commit(draft)
    if succeeded, operations.contains(where: { if case .put = $0 { true } else { false } }), crossesLimit {
      crossesLimit = false
      return .full
    }
    var header = self.header
    if isReading { header.revision = seen }
    return .txn(header, succeeded: succeeded, results)
  }

  private func hasTwice(_ operations: [EtcdOperation]) -> Bool {
    var put: [String] = []
    for case .put(let key, _, _) in operations {
      if put.contains(key) { return true }
      put.append(key)
    }
    for case .delete(let key, let end) in operations {
      if put.contains(where: { end == nil ? $0 == key : $0 >= key && $0 < end! }) { return true }
    }
    return false
  }

  func read(_ range: EtcdRange, view: Int64?) -> EtcdAnswer {
    let member = view ?? state.revision
    if range.revision > member { return .future }
    if range.revision != 0, range.revision < state.compacted { return .compacted }
    var header = self.header
    header.revision = member
    return .range(header, read(range, at: range.revision == 0 ? max(member, state.compacted) : range.revision))
  }

  private func read(_ range: EtcdRange, at revision: Int64) -> EtcdRead {
    var kvs = found(range.key, range.end).compactMap { newest($0, at: revision) }
    if range.isDescending { kvs.reverse() }
    var read = EtcdRead(kvs)
    if range.limit > 0, kvs.count > Int(range.limit) {
      read.kvs = Array(kvs[..<Int(range.limit)])
      read.hasMore = true
    }
    if range.isKeysOnly { for index in read.kvs.indices { read.kvs[index].value = [] } }
    return read
  }

  private func found(_ key: String, _ end: String?) -> [String] {
    guard let end else { return state.versions[key] == nil ? [] : [key] }
    let (from, to) = (index(of: key), index(of: end))
    return from < to ? Array(state.names[from..<to]) : []
  }

  func newest(_ key: String, at revision: Int64) -> EtcdKeyValue? {
    guard let version = state.versions[key]?.last(where: { $0.modified <= revision }), !version.isDelete else {
      return nil
    }
    return EtcdKeyValue(
      key: key, value: version.value, created: version.created, modified: version.modified, lease: version.lease)
  }

  /// A key as it is now.
  package func now(_ key: String) -> EtcdKeyValue? { newest(key, at: .max) }
}
