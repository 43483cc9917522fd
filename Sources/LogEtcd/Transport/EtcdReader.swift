internal import Log
internal import Platform

/// Reads and verifies what etcd holds of the log; every look is a write in etcd's eyes, so that it is never stale.
final class EtcdReader: BatchReader {
  private let calls: EtcdCalls
  private let keys: EtcdKeys
  private let barrier: String
  private var endpoint = 0
  private var chain = ChainCheck()

  /// Attempts of one call before it is a fault.
  private static let attempts = 6

  init(_ calls: EtcdCalls, _ options: EtcdOptions) {
    self.calls = calls
    keys = EtcdKeys(prefix: options.prefix)
    barrier = keys.barrier(options.node)
  }

  /// What one transaction sees.
  private struct Look {
    let revision: Int64
    let head: LogHead
    let first: UInt64?
    let page: EtcdRead
  }

  private func call(_ request: EtcdRequest) throws(LogFault) -> EtcdAnswer {
    var last = ""
    for _ in 0..<EtcdReader.attempts {
      switch calls.call(request, to: endpoint, timeout: .seconds(2)) {
      case .success(.error(let error)): last = error.message
      case .success(let answer): return answer
      case .failure(let fault): last = "\(fault.failure)"
      }
      endpoint = (endpoint + 1) % calls.endpoints
    }
    throw .io(operation: "read the log in etcd", detail: last)
  }

  private func look(from sequence: UInt64, limit: Int) throws(LogFault) -> Look {
    let txn = EtcdTxn(
      [],
      then: [
        .delete(key: barrier, end: nil), .range(EtcdRange(keys.meta)),
        .range(EtcdRange(keys.log(0), to: keys.logEnd, limit: 1, keysOnly: true)),
        .range(EtcdRange(keys.log(0), to: keys.logEnd, limit: 1, descending: true)),
        .range(EtcdRange(keys.log(sequence), to: keys.logEnd, limit: Int64(min(limit, 8))))
      ])
    guard case .txn(let header, true, let results) = try call(.txn(txn)), case .range(let meta) = results[1],
      case .range(let first) = results[2], case .range(let last) = results[3], case .range(let page) = results[4],
      let meta = meta.kvs.first, let logID = EtcdMeta.decode(meta.value)
    else { throw .noLog(path: "etcd \(keys.prefix)") }
    var head = LogHead(empty: logID)
    if let newest = last.kvs.first {
      let stored = try decode(newest)
      head = head.advanced(by: stored.batch, hash: stored.hash)
    }
    return Look(
      revision: header.revision, head: head, first: first.kvs.first.flatMap { keys.sequence(of: $0.key) }, page: page)
  }

  private func decode(_ kv: EtcdKeyValue) throws(LogFault) -> StoredBatch {
    do throws(BatchFault) {
      return try BatchValue.read(kv.value)
    } catch { throw .damaged(sequence: keys.sequence(of: kv.key) ?? 0, what: "\(error)") }
  }

  func batches(from sequence: UInt64, limit: Int) throws(LogFault) -> [StoredBatch] {
    precondition(sequence >= 1 && limit >= 1 && limit <= BatchPage.maxBatches, "a page is 1 to 256 batches from 1 on")
    let look = try look(from: sequence, limit: limit)
    if let first = look.first, sequence < first { throw .trimmed(oldest: first) }
    try chain.begin(at: sequence, head: look.head, anchor: nil)
    var (page, out, bytes) = (look.page, [StoredBatch](), 0)
    while true {
      for kv in page.kvs where out.count < limit && bytes < BatchPage.maxBytes {
        let stored = try decode(kv)
        try chain.check(stored)
        bytes += BatchValue.size(kv.value)
        out.append(stored)
      }
      guard page.hasMore, out.count < limit, bytes < BatchPage.maxBytes else { break }
      let next = EtcdRange(
        keys.log(sequence + UInt64(out.count)), to: keys.logEnd, limit: 8, revision: look.revision)
      guard case .range(_, let more) = try call(.range(next)) else { break }
      page = more
    }
    try chain.end(out.count, head: look.head)
    return out
  }

  func sequence(holding revision: UInt64) throws(LogFault) -> UInt64? {
    let look = try look(from: 1, limit: 1)
    guard let first = look.first, revision > 0, revision < look.head.nextRevision else { return nil }
    var (low, high) = (first, look.head.sequence)
    while low <= high {
      let middle = low + (high - low) / 2
      guard case .range(_, let read) = try call(.range(EtcdRange(keys.log(middle), revision: look.revision))),
        let kv = read.kvs.first
      else { throw .missing(from: middle, through: middle) }
      let batch = try decode(kv).batch
      if revision < batch.firstRevision {
        guard middle > first else { return nil }
        high = middle - 1
      } else if revision >= batch.nextRevision {
        low = middle + 1
      } else {
        return middle
      }
    }
    return nil
  }

  func oldest() throws(LogFault) -> LogOldest? {
    let look = try look(from: 1, limit: 1)
    guard let kv = look.page.kvs.first else { return nil }
    let batch = try decode(kv).batch
    return LogOldest(sequence: batch.sequence, revision: batch.firstRevision)
  }

  func head() throws(LogFault) -> LogHead { try look(from: 1, limit: 1).head }
}
