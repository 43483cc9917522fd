internal import Log
internal import LogEtcd
internal import Platform

/// What must always hold, and what is remembered to see that it does.
struct Truth {
  struct Place {
    let bytes: [UInt8]
    let hash: SHA256Digest
    let epoch: UInt64
    let operations: [UInt64]
    let lastRevision: UInt64
  }

  private var newestRevision: UInt64 { log.last?.lastRevision ?? 0 }

  /// The log as it was written, batch 1 first.
  private(set) var log: [Place] = []
  /// How far each node has come.
  private var applied: [Int: UInt64] = [:]
  /// Operations that were acknowledged, with their batch.
  private var acknowledged: [UInt64: UInt64] = [:]
  private var newestAcknowledged: UInt64 = 0
  private var refused: Set<UInt64> = []
  private var written: Set<UInt64> = []
  /// What the log says of each key, and from which entry on.
  private var facts: [String: [(revision: UInt64, value: String?)]] = [:]
  /// The newest acknowledged revision at the time of asking for a write.
  private var askedWrites: [UInt64: UInt64] = [:]
  /// The newest acknowledged batch at the time of asking.
  private var asked: [UInt64: UInt64] = [:]
  /// Who was told that its append is durable.
  private var durableBy: [UInt64: Int] = [:]
  private(set) var restores = 0
  private var lostFrom: UInt64 = 0
  private(set) var acknowledgedInPeace = 0
  private(set) var readInPeace = 0
  private(set) var isLate = false
  /// The time that the newest batch with entries carries.
  private var newestTime: Int64 = 0
  /// Nodes that have history which etcd lost: they must not serve.
  private var mustNotice: Set<Int> = []

  mutating func beginPeace() { isLate = true }

  /// A key is about to be written.
  mutating func put(_ key: String, _ value: [UInt8], in world: World) {
    guard key.hasPrefix("/berth/log/"), let sequence = UInt64(key.dropFirst(11)) else { return }
    guard let encoded = try? BatchValue.unpack(value), let batch = try? Batch(decoding: encoded) else {
      return world.violate("no batch was written as \(key)")
    }
    guard sequence == UInt64(log.count) + 1 else {
      return world.violate("batch \(sequence) was written when the log had \(log.count)")
    }
    let story = world.nodes[0].engine.story(of: batch)
    let place = Place(
      bytes: value, hash: SHA256Digest(of: encoded), epoch: batch.epoch, operations: story.compactMap(\.operation),
      lastRevision: batch.nextRevision - 1)
    for line in story { tell(line, sequence, in: world) }
    world.calls.wrote(story, at: world.now)
    if !batch.entries.isEmpty {
      newestTime = batch.time
      world.checkTime(of: sequence, batch.time)
    }
    if batch.sequence != sequence { world.violate("batch \(batch.sequence) was written as \(key)") }
    if let last = log.last, batch.previous != last.hash { world.violate("batch \(sequence) does not follow") }
    if let last = log.last, batch.epoch < last.epoch { world.violate("the epoch went back at batch \(sequence)") }
    if let epoch = world.etcd.now("/berth/epoch"), UInt64(epoch.created) != batch.epoch {
      world.violate("batch \(sequence) of epoch \(batch.epoch) was written in epoch \(epoch.created)")
    } else if world.etcd.now("/berth/epoch") == nil {
      world.violate("batch \(sequence) of epoch \(batch.epoch) was written when nobody held the epoch")
    }
    for operation in place.operations {
      if refused.contains(operation) { world.violate("refused operation \(operation) was written") }
      if !written.insert(operation).inserted { world.violate("operation \(operation) was written twice") }
    }
    log.append(place)
    // What was sent once more, as it was, is lost no more.
    mustNotice = mustNotice.filter { index in
      let head = world.nodes[index].engine.head
      return head.sequence != sequence || head.hash != place.hash
    }
    world.hosts?.truth.wrote(batch, in: world)
    world.fold(sequence, batch.epoch, batch.nonce)
  }

  /// What the log says of a key from a batch on.
  private mutating func tell(_ line: StoryLine, _ sequence: UInt64, in world: World) {
    if let forbidden = line.forbidden { world.violate("batch \(sequence): \(forbidden)") }
    guard let key = line.key else { return }
    if line.isExclusive, let value = line.value, let before = facts[key]?.last?.value, before != value {
      world.violate("batch \(sequence) gives \(key) to \(value) while \(before) has it")
    }
    facts[key, default: []].append((line.revision, line.value))
  }

  /// A node was told something by its machine.
  mutating func told(_ event: LogEvent, to index: Int, in world: World) {
    switch event {
    case .applied(let stored):
      check(index, stored.batch.sequence, stored.hash, in: world)
    case .opened(let head):
      if head.sequence > 0 { check(index, head.sequence, head.hash, in: world) }
      applied[index] = head.sequence
    case .bootstrap(let image):
      world.saw("a node was bootstrapped")
      // All that it had was trimmed in etcd: nothing is left by which it could tell.
      if mustNotice.remove(index) != nil { world.saw("a witness was trimmed past") }
      check(index, image.anchor.sequence, image.anchor.hash, in: world)
    case .ended(.durable):
      let sequence = world.nodes[index].engine.head.sequence
      if let other = durableBy[sequence], other != index {
        world.violate("batch \(sequence) was said to be durable to \(index) and to \(other)")
      }
      durableBy[sequence] = index
      check(index, sequence, world.nodes[index].engine.head.hash, in: world)
    case .ended(.unknown): world.saw("an append stayed unknown")
    case .lost(let why):
      world.nodes[index].isLost = true
      world.saw("a node found that etcd lost history")
      if restores == 0 { world.violate("\(world.nodes[index].name) lost its log without reason: \(why)") }
    case .takeover, .leads, .follows, .ended(.refused), .barrier: break
    }
  }

  /// A node's newest batch is the one that was written at its place.
  private mutating func check(_ index: Int, _ sequence: UInt64, _ hash: SHA256Digest, in world: World) {
    applied[index] = sequence
    guard sequence <= UInt64(log.count) else {
      return world.violate("node \(index) has batch \(sequence) of \(log.count)")
    }
    if log[Int(sequence) - 1].hash != hash { world.violate("node \(index) has another batch \(sequence)") }
  }

  /// A node told a client something.
  mutating func heard(_ report: EngineReport, from index: Int, in world: World) {
    switch report {
    case .violated(let what): world.violate("node \(index): \(what)")
    case .acknowledged(let operation, let sequence):
      if world.isPeace, isLate { acknowledgedInPeace += 1 }
      serves(index, in: world)
      guard sequence <= UInt64(log.count), log[Int(sequence) - 1].operations.contains(operation) else {
        return world.violate("operation \(operation) was acknowledged in batch \(sequence), which does not have it")
      }
      acknowledged[operation] = sequence
      world.calls.acknowledged(operation, at: world.now)
      newestAcknowledged = max(newestAcknowledged, sequence)
    case .refused(let operation):
      refused.insert(operation)
      if written.contains(operation) { world.violate("operation \(operation) was refused but is written") }
    case .unknown: world.saw("an operation's fate stayed unknown")
    case .read(let ticket, let sequence):
      if world.isPeace, isLate { readInPeace += 1 }
      serves(index, in: world)
      let before = asked.removeValue(forKey: ticket) ?? 0
      if sequence < before {
        world.violate("a read saw batch \(sequence), batch \(before) had been acknowledged before it was asked")
      }
      if sequence > UInt64(log.count)
        || (sequence > 0 && log[Int(sequence) - 1].hash != world.nodes[index].engine.head.hash)
      {
        world.violate("a read was answered from a state that is not the log's")
      }
    case .unread(let ticket): asked[ticket] = nil
    case .looked(let ticket, let revision, let ip, let owner):
      world.calls.looked(ticket, ip, owner, revision: revision, at: world.now)
    case .repeated(let operation, let isReplay):
      if isReplay { world.saw("a repeat got the first answer") }
      if !isReplay, acknowledged[operation] != nil, world.calls.hasChanged(operation) {
        world.violate("operation \(operation) was done again under its own key")
      }
    case .claimed(let operation, let revision, let key, let value):
      let before = askedWrites.removeValue(forKey: operation) ?? 0
      if revision < before {
        world.violate(
          "operation \(operation) was answered at revision \(revision), \(before) was known before it was asked")
      }
      if revision > newestRevision { world.violate("operation \(operation) was answered from what is not in the log") }
      guard let key else { return }
      let fact = facts[key]?.last { $0.revision <= revision }?.value
      if fact != value {
        world.violate(
          "operation \(operation) was told that \(key) has \(value ?? "none") at \(revision), not \(fact ?? "none")")
      }
    }
  }

  /// The log's time has not stayed behind either.
  func checkTime(in world: World) {
    guard world.nodes[0].engine.keepsTime, newestTime < World.beginning + world.now - 10_000_000 else { return }
    world.violate("the log's time is \((World.beginning + world.now - newestTime) / 1_000_000) s behind")
  }

  private func serves(_ index: Int, in world: World) {
    if mustNotice.contains(index) { world.violate("node \(index) serves although etcd lost what it has") }
  }

  mutating func asked(_ ticket: UInt64) { asked[ticket] = newestAcknowledged }

  mutating func asked(write operation: UInt64) {
    askedWrites[operation] = newestAcknowledged == 0 ? 0 : log[Int(newestAcknowledged) - 1].lastRevision
  }

  /// A node has only its archive now.
  mutating func forgot(_ index: Int, in world: World) {
    applied[index] = world.nodes[index].engine.head.sequence
    if world.nodes[index].engine.head.sequence <= lostFrom { mustNotice.remove(index) }
  }

  /// etcd went back: what was written since is gone, and nothing that rests on it may be told any more.
  mutating func restored(in world: World) {
    restores += 1
    let left = world.etcd.state.names.last { $0.hasPrefix("/berth/log/") && world.etcd.now($0) != nil }
    let end = left.flatMap { UInt64($0.dropFirst(11)) } ?? 0
    lostFrom = end
    mustNotice = Set(world.nodes.indices.filter { world.nodes[$0].engine.head.sequence > end })
    for place in log[Int(end)...] { for operation in place.operations { written.remove(operation) } }
    log.removeLast(log.count - Int(end))
    askedWrites = [:]
    let newest = newestRevision
    for key in facts.keys { facts[key]?.removeAll { $0.revision > newest } }
    newestAcknowledged = min(newestAcknowledged, end)
    acknowledged = acknowledged.filter { $0.value <= end }
    asked = [:]
    durableBy = durableBy.filter { $0.key <= end }
    refused = []
  }
}
