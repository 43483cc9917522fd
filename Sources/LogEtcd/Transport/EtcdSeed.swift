package import HTTPClient
package import Log
internal import Platform

/// Puts the state of a log from elsewhere where no log is: a snapshot, the batch it ends with, and the mark of the log.
///
/// The mark comes last and in one transaction with the batch and the snapshot's head; until then nothing that a node
/// believes is there. Every write requires that there is no mark yet.
package struct EtcdSeed {
  private static let attempts = 10

  private let calls: EtcdCalls
  private let keys: EtcdKeys
  private let endpoints: Int

  /// Prepares; nothing is sent before `write`.
  package init(_ endpoints: [Endpoint], prefix: String, door: EtcdDoor = EtcdDoor()) {
    calls = EtcdCalls(endpoints, HTTPClientOptions(), door)
    keys = EtcdKeys(prefix: prefix)
    self.endpoints = endpoints.count
  }

  /// Writes, or says why not; `newest` is the batch that the image's anchor names.
  package func write(_ image: SnapshotImage, newest: Batch) throws(LogFault) {
    precondition(image.anchor.sequence == newest.sequence && image.anchor.hash == newest.hash, "another batch")
    defer { calls.close() }
    try requireNothing()
    let head = EtcdSnapshotHead(image)
    let size = EtcdSnapshotHead.chunkBytes
    for index in 0..<head.chunks {
      let piece = Array(image.bytes[index * size..<min(head.size, (index + 1) * size)])
      try put([.put(key: keys.chunk(newest.sequence, index), value: piece, lease: 0)])
    }
    try put([
      .put(key: keys.log(newest.sequence), value: BatchValue.pack(newest.encode()), lease: 0),
      .put(key: keys.snapshot(newest.sequence), value: head.value, lease: 0),
      .put(key: keys.meta, value: EtcdMeta.encode(image.anchor.logID), lease: 0)
    ])
  }

  /// A look that is a write, so that it is never stale.
  private func requireNothing() throws(LogFault) {
    let look = EtcdTxn(
      [],
      then: [
        .delete(key: keys.barrier("seed"), end: nil), .range(EtcdRange(keys.meta)),
        .range(EtcdRange(keys.log(0), to: keys.snapshotEnd, limit: 1, keysOnly: true))
      ])
    guard case .txn(_, _, let results) = try send(.txn(look)), results.count == 3,
      case .range(let meta) = results[1], case .range(let others) = results[2]
    else { throw .io(operation: "look into etcd", detail: "the answer is not what was asked for") }
    guard meta.kvs.isEmpty, others.kvs.isEmpty else {
      throw .foreignDirectory(path: "etcd \(keys.prefix)", names: (meta.kvs + others.kvs).map(\.key))
    }
  }

  private func put(_ operations: [EtcdOperation]) throws(LogFault) {
    let check = operations.compactMap { operation -> EtcdOperation? in
      if case .put(let key, _, _) = operation { .range(EtcdRange(key)) } else { nil }
    }
    let txn = EtcdTxn([.absent(keys.meta)], then: operations, else: check)
    guard case .txn(_, let succeeded, let results) = try send(.txn(txn)) else {
      throw .io(operation: "write into etcd", detail: "the answer is not what was asked for")
    }
    if succeeded { return }
    // A request whose answer was lost has done its work: what is there is what was to be written.
    let isOurs = zip(operations, results).allSatisfy { operation, result in
      guard case .put(_, let value, _) = operation, case .range(let read) = result else { return false }
      return read.kvs.first?.value == value
    }
    guard isOurs else { throw .foreignDirectory(path: "etcd \(keys.prefix)", names: [keys.meta]) }
  }

  private func send(_ request: EtcdRequest) throws(LogFault) -> EtcdAnswer {
    var last = ""
    for attempt in 0..<EtcdSeed.attempts {
      switch calls.call(request, to: attempt % endpoints, timeout: .seconds(5)) {
      case .success(.error(let error)): last = error.message
      case .success(let answer): return answer
      case .failure(let fault): last = "\(fault.failure)"
      }
    }
    throw .io(operation: "write into etcd", detail: last)
  }
}
