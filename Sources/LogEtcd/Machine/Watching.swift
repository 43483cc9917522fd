// The watch brings batches and changes of leadership early. It may lose, repeat, reorder and go back; whatever does not
// fit closes it and has the log read instead. Who leads watches only for the end of its epoch: it knows what it writes,
// and to have each batch sent back costs etcd's gateway as much as the write.
internal import Log

struct WatchState {
  var id: UInt64?
  /// Whether it tells of the epoch and of no batch.
  var isOfEpochAlone = false
  var endpoint = 0
  var retryAt: Int64 = 0
  /// All batches up to this revision are taken.
  var knownRevision: Int64 = 0

  var dueAt: Int64? { id == nil && knownRevision > 0 ? retryAt : nil }
}

extension EtcdMachine {
  func openWatchIfDue() {
    if let id = watch.id, watch.isOfEpochAlone != lead.isLeading {
      actions.append(.unwatch(id))
      watch.id = nil
      watch.retryAt = now
    }
    guard let at = watch.dueAt, now >= at else { return }
    let id = nextID
    nextID += 1
    watch.id = id
    sync.findsWithoutWatch = 0
    watch.isOfEpochAlone = lead.isLeading
    let end = watch.isOfEpochAlone ? keys.epochEnd : keys.logEnd
    let request = EtcdWatch(keys.epoch, to: end, from: watch.knownRevision + 1)
    actions.append(.watch(id, request, endpoint: (endpoint + watch.endpoint) % options.endpoints))
  }

  func closeWatch() {
    guard let id = watch.id else { return }
    actions.append(.unwatch(id))
    watchEnded(id)
  }

  func watchEnded(_ id: UInt64) {
    guard watch.id == id else { return }
    watch.id = nil
    watch.retryAt = now + EtcdTiming.watchRetry
    watch.endpoint = (watch.endpoint + 1) % options.endpoints
    sync.isWanted = true
  }

  func watched(_ id: UInt64, _ message: EtcdWatchMessage) {
    guard watch.id == id, phase == .following else { return }
    guard message.header.cluster == 0 || message.header.cluster == cluster else {
      return lose("this etcd is another cluster than before; " + advice)
    }
    highest = max(highest, message.header.revision)
    if message.isCanceled {
      count(.watchCanceled)
      return closeWatch()
    }
    for event in message.events where phase == .following && watch.id == id { saw(event) }
  }

  private func saw(_ event: EtcdEvent) {
    guard event.kv.key != keys.epoch else {
      return noteEpoch(event.isDelete ? nil : event.kv, at: event.kv.modified)
    }
    // That a batch was removed means nothing here: the log itself says where it begins.
    guard !event.isDelete, let sequence = keys.sequence(of: event.kv.key) else { return }
    sync.findsWithoutWatch = 0
    switch take(event.kv) {
    case .applied: watch.knownRevision = max(watch.knownRevision, event.kv.modified)
    case .known: if sequence < head.sequence { count(.watchRepeats) }
    case .gap:
      count(.watchGaps)
      closeWatch()
    case .broken, .newer:
      count(.watchBreaks)
      closeWatch()
    }
  }

  /// A watch that twice let a read find batches first, and has said nothing at all since, is silent.
  func suspectWatch(_ found: Bool) {
    guard found, watch.id != nil else { return }
    sync.findsWithoutWatch += 1
    guard sync.findsWithoutWatch > 2 else { return }
    count(.watchSilent)
    closeWatch()
  }
}
