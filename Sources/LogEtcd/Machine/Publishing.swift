// The leader puts a snapshot into etcd piece by piece, its head last, and then removes what nobody needs any more: all
// snapshots but the newest two, and the log before the older one's anchor. Every step is fenced by the epoch.
internal import Log

struct Publication {
  enum Step: Equatable { case chunk(Int), head, list, strays, first, slice, compact }

  let image: SnapshotImage
  let head: EtcdSnapshotHead
  let epoch: UInt64
  var step = Step.chunk(0)
  /// The oldest batch to be kept.
  var keep: UInt64 = 0
  var first: UInt64 = 0
  var sliceEnd: UInt64 = 0

  /// Batches removed in one transaction, so that none takes long.
  static let slice: UInt64 = 1_000
}

extension EtcdMachine {
  func publish(_ image: SnapshotImage) {
    guard case .leading(let epoch) = lead.role, publication == nil, phase == .following,
      image.anchor.sequence <= head.sequence, image.anchor.logID == logID, !image.bytes.isEmpty,
      image.bytes.count <= SnapshotImage.maxBytes
    else { return }
    publication = Publication(image: image, head: EtcdSnapshotHead(image), epoch: epoch)
    sendPublication()
  }

  private func sendPublication() {
    guard let work = publication else { return }
    let (size, sequence) = (EtcdSnapshotHead.chunkBytes, work.head.anchor.sequence)
    switch work.step {
    case .chunk(let index):
      let piece = Array(work.image.bytes[index * size..<min(work.head.size, (index + 1) * size)])
      fenced([.put(key: keys.chunk(sequence, index), value: piece, lease: 0)])
    case .head: fenced([.put(key: keys.snapshot(sequence), value: work.head.value, lease: 0)])
    case .list:
      send(
        .publish,
        .range(EtcdRange(keys.snapshot(0), to: keys.snapshotEnd, limit: 2, descending: true, keysOnly: true)))
    case .strays:
      fenced([
        .delete(key: keys.snapshot(0), end: keys.snapshot(work.keep)),
        .delete(key: keys.chunk(0, 0), end: keys.chunk(work.keep, 0))
      ])
    case .first: send(.publish, .range(EtcdRange(keys.log(0), to: keys.logEnd, limit: 1, keysOnly: true)))
    case .slice: fenced([.delete(key: keys.log(work.first), end: keys.log(work.sliceEnd))])
    case .compact: send(.publish, .compact(revision: lastTrim))
    }
  }

  private func fenced(_ operations: [EtcdOperation]) {
    send(.publish, .txn(EtcdTxn(epochStands(publication!.epoch), then: operations)))
  }

  func publishAnswered(_ answer: EtcdAnswer, _ sent: Sent) {
    guard let work = publication else { return }
    switch (work.step, answer) {
    case (.chunk(let index), .txn(_, succeeded: true, _)):
      publication!.step = index + 1 < work.head.chunks ? .chunk(index + 1) : .head
    case (.head, .txn(_, succeeded: true, _)):
      count(.snapshotsPublished)
      publication!.step = .list
    case (.list, .range(_, let read)):
      // A stale list leaves more than it must, never less.
      guard read.kvs.count == 2, let older = keys.sequence(of: read.kvs[1].key) else { return publication = nil }
      publication!.keep = options.flaws.contains(.trimTooFar) ? head.sequence : older
      publication!.step = .strays
    case (.strays, .txn(_, succeeded: true, _)): publication!.step = .first
    case (.first, .range(_, let read)):
      guard let first = read.kvs.first.flatMap({ keys.sequence(of: $0.key) }), first < work.keep else {
        guard lastTrim > 0 else { return trimmed(at: highest) }
        publication!.step = .compact
        break
      }
      publication!.first = first
      publication!.sliceEnd = min(work.keep, first + Publication.slice)
      publication!.step = .slice
    case (.slice, .txn(_, succeeded: true, _)):
      counts[EtcdCount.batchesTrimmed.rawValue] += Int(work.sliceEnd - work.first)
      publication!.step = .first
    case (.compact, _): return trimmed(at: highest)
    default: return publication = nil
    }
    sendPublication()
  }

  /// History up to here is forgotten by the next trim, one snapshot later: whoever follows is past it by then.
  private func trimmed(at revision: Int64) {
    lastTrim = revision
    publication = nil
  }
}
