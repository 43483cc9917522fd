// A node that the log was trimmed past takes a snapshot from etcd, all of it at one revision, and goes on behind it.
internal import Log
internal import Platform

struct BootstrapState {
  enum Stage { case heads, chunks, anchor(SnapshotImage) }

  let revision: Int64
  /// The batch up to which this node has the log already.
  let after: UInt64
  var stage = Stage.heads
  /// The snapshots not tried yet, newest first.
  var heads: [EtcdKeyValue] = []
  var head: EtcdSnapshotHead?
  var bytes: [UInt8] = []
  var chunks = 0

  static let chunksAtOnce = 4
}

extension EtcdMachine {
  func beginBootstrap(at revision: Int64, after sequence: UInt64) {
    if flight != nil { endFlight(.unknown("the log was trimmed past this node")) }
    stepDown()
    closeWatch()
    for purpose in [Purpose.sync, .page, .grant, .campaign] { forget(purpose) }
    if isOpened { archived = head }
    lead.role = .follower
    sync = SyncState(asked: sync)
    phase = .bootstrapping
    count(.bootstraps)
    bootstrap = BootstrapState(revision: revision, after: sequence)
    send(
      .bootstrap,
      .range(EtcdRange(keys.snapshot(0), to: keys.snapshotEnd, limit: 2, revision: revision, descending: true)))
  }

  func bootstrapAnswered(_ answer: EtcdAnswer, _ sent: Sent) {
    guard phase == .bootstrapping, let state = bootstrap else { return }
    guard case .range(_, let read) = answer else {
      // Compacted meanwhile, or this member is not there yet: ask anew for a revision that is.
      bootstrap = nil
      endpoint = (endpoint + 1) % options.endpoints
      return open()
    }
    switch state.stage {
    case .heads:
      bootstrap!.heads = read.kvs
      tryNextSnapshot()
    case .chunks: tookChunks(read)
    case .anchor(let image): tookAnchor(read, image)
    }
  }

  private func tryNextSnapshot() {
    bootstrap!.bytes = []
    bootstrap!.chunks = 0
    while !bootstrap!.heads.isEmpty {
      let kv = bootstrap!.heads.removeFirst()
      guard let head = EtcdSnapshotHead(reading: kv.value), head.anchor.logID == logID,
        head.anchor.sequence == keys.sequence(of: kv.key), head.anchor.sequence >= bootstrap!.after
      else { continue }
      bootstrap!.head = head
      bootstrap!.stage = .chunks
      return askForChunks()
    }
    lose("etcd's log was trimmed past batch \(bootstrap!.after) and holds no whole snapshot to go on from; " + advice)
  }

  private func askForChunks() {
    let (state, sequence) = (bootstrap!, bootstrap!.head!.anchor.sequence)
    let end = min(state.head!.chunks, state.chunks + BootstrapState.chunksAtOnce)
    send(
      .bootstrap,
      .range(EtcdRange(keys.chunk(sequence, state.chunks), to: keys.chunk(sequence, end), revision: state.revision)))
  }

  private func tookChunks(_ read: EtcdRead) {
    let head = bootstrap!.head!
    for kv in read.kvs {
      guard kv.key == keys.chunk(head.anchor.sequence, bootstrap!.chunks) else { return tryNextSnapshot() }
      bootstrap!.bytes += kv.value
      bootstrap!.chunks += 1
    }
    guard !read.kvs.isEmpty, bootstrap!.bytes.count <= head.size else { return tryNextSnapshot() }
    guard bootstrap!.chunks == head.chunks else { return askForChunks() }
    let image = SnapshotImage(anchor: head.anchor, bytes: bootstrap!.bytes)
    guard image.bytes.count == head.size, SHA256Digest(of: image.bytes) == head.digest, (try? image.reader()) != nil
    else { return tryNextSnapshot() }
    guard head.anchor.sequence > 0 else { return bootstrapped(image, headRevision: metaCreated) }
    bootstrap!.stage = .anchor(image)
    send(.bootstrap, .range(EtcdRange(keys.log(head.anchor.sequence), revision: bootstrap!.revision)))
  }

  private func tookAnchor(_ read: EtcdRead, _ image: SnapshotImage) {
    guard let kv = read.kvs.first, (try? BatchValue.read(kv.value))?.hash == image.anchor.hash else {
      return tryNextSnapshot()
    }
    bootstrapped(image, headRevision: kv.modified)
  }

  private func bootstrapped(_ image: SnapshotImage, headRevision: Int64) {
    bootstrap = nil
    head = image.anchor
    self.headRevision = headRevision
    isOpened = true
    tell(.bootstrap(image))
    follow()
  }
}
