// Requests on their way and watches. A request executes when it arrives at a member that can reach the others, which may
// be long after its sender has given up; it may execute twice; its answer may be lost.
internal import Log
internal import LogEtcd
internal import TestSupport

extension World {
  /// A member of etcd: it serves watches and stale reads as of `applied`.
  struct Member {
    var applied: Int64 = 1
    var lagsUntil: Int64 = 0
    var pausedUntil: Int64 = 0
    /// Cut off from the other members: what writes waits or is dropped.
    var isolatedUntil: Int64 = 0
    /// What is on its way to it from the leader.
    var coming: Int64 = 1
  }

  /// No traffic between a node and a member.
  struct Cut {
    let node: Int
    let member: Int
    let until: Int64
  }

  /// Two nodes that do not reach each other, though both may see etcd.
  struct Apart {
    let one: Int
    let other: Int
    let until: Int64

    func parts(_ a: Int, _ b: Int) -> Bool { (a, b) == (one, other) || (b, a) == (one, other) }
  }

  struct Journey {
    let node: Int
    let life: Int
    let id: UInt64
    let request: EtcdRequest
    let member: Int
    /// When the sender gives up.
    let deadline: Int64
    let isAnswered: Bool
    let age: Int
    var waits = 0
  }

  struct WatchStream {
    let node: Int
    let life: Int
    let id: UInt64
    let watch: EtcdWatch
    let member: Int
    var next: Int64
    var isSilent = false
    var lastDelivery: Int64
  }

  func isCut(_ node: Int, _ member: Int) -> Bool {
    cuts.contains { $0.node == node && $0.member == member && $0.until > now }
  }

  /// How long a message takes.
  func delay() -> Int64 {
    random.oneIn(50) ? Int64.random(in: 5_000...400_000, using: &random) : Int64.random(in: 200...3_000, using: &random)
  }

  func send(from index: Int, id: UInt64, _ request: EtcdRequest, to member: Int, timeout: Int64) {
    let life = nodes[index].life
    let deadline = now + timeout
    func fail(at time: Int64) {
      queue.add(.input(node: index, life: life, .failed(id, .unknown("no answer")), age: truth.restores), at: time)
    }
    if isCut(index, member) {
      saw("a request was cut off")
      return fail(at: random.oneIn(2) ? now + delay() : deadline)
    }
    let isTroubled = !isCalm
    if isTroubled, random.oneIn(60) {
      saw("a request was lost")
      return fail(at: deadline)
    }
    let isLate = isTroubled && random.oneIn(60)
    let arrival =
      now + (isLate ? Int64.random(in: timeout...timeout + 4_000_000, using: &random) : delay())
      + distance(index, member, isAgreed: request.isAgreed)
    if isLate { saw("a request landed after its sender gave up") }
    let isAnswered = !(isTroubled && random.oneIn(60)) && arrival < deadline
    if !isAnswered {
      saw("an answer was lost")
      fail(at: deadline)
    }
    let journey = Journey(
      node: index, life: life, id: id, request: request, member: member, deadline: deadline, isAnswered: isAnswered,
      age: truth.restores)
    queue.add(.arrive(journey), at: arrival)
  }

  /// Executes a request, unless its member is not able to just now: then it may still land later.
  func arrive(_ journey: Journey) {
    guard journey.age == truth.restores else {
      guard journey.isAnswered else { return }
      let failure = EtcdInput.failed(journey.id, .unknown("the connection broke"))
      return queue.add(
        .input(node: journey.node, life: journey.life, failure, age: truth.restores), at: max(now, journey.deadline))
    }
    let member = members[journey.member]
    let busyUntil = max(member.pausedUntil, member.isolatedUntil)
    if busyUntil > now {
      var journey = journey
      journey.waits += 1
      // A member that comes back may execute what it had, or may have dropped it.
      if journey.isAnswered, busyUntil >= journey.deadline || member.isolatedUntil > now {
        queue.add(
          .input(
            node: journey.node, life: journey.life, .failed(journey.id, .unknown("no answer")), age: truth.restores),
          at: max(now, journey.deadline))
        journey = Journey(
          node: journey.node, life: journey.life, id: journey.id, request: journey.request, member: journey.member,
          deadline: journey.deadline, isAnswered: false, age: journey.age, waits: journey.waits)
      }
      guard journey.waits < 3, member.isolatedUntil <= now || random.oneIn(2) || journey.isAnswered else { return }
      if !journey.isAnswered { saw("a write waited in a member that was away") }
      return queue.add(.arrive(journey), at: busyUntil + Int64.random(in: 0...1_500_000, using: &random))
    }
    let answer = execute(journey.request, member: journey.member)
    members[journey.member].applied = max(members[journey.member].applied, min(etcd.revision, answer.revisionShown))
    if !isCalm, random.oneIn(80), !answer.isError {
      // Only what was done is done again: that a request that was refused for want of room never comes back is an
      // assumption of the protocol (one connection, no proxy that repeats).
      saw("a request was repeated")
      let copy = Journey(
        node: journey.node, life: journey.life, id: journey.id, request: journey.request, member: journey.member,
        deadline: journey.deadline, isAnswered: false, age: journey.age)
      queue.add(.arrive(copy), at: now + Int64.random(in: 1_000...2_000_000, using: &random))
    }
    guard journey.isAnswered else { return }
    let time = now + delay() + distance(journey.node, journey.member, isAgreed: false)
    let input: EtcdInput =
      time <= journey.deadline ? .answer(journey.id, answer) : .failed(journey.id, .unknown("no answer"))
    queue.add(
      .input(node: journey.node, life: journey.life, input, age: truth.restores),
      at: max(now, min(time, journey.deadline)))
  }

  private func execute(_ request: EtcdRequest, member: Int) -> EtcdAnswer {
    // The lies: reads that are stale although they should not be, and keepalives of leases that are gone.
    let isLying = !isCalm && random.oneIn(4)
    var view: Int64?
    if isLying || members[member].lagsUntil > now, members[member].applied < etcd.revision {
      if request.isReading {
        view = members[member].applied
        saw("a read was stale")
      }
    }
    let answer = etcd.handle(request, now: now, view: view)
    if !isCalm, random.oneIn(3), case .keepAlive(let lease) = request, case .lease(let header, _, seconds: 0) = answer {
      saw("a keepalive lied")
      return .lease(header, id: lease, seconds: 1)
    }
    return answer
  }

  // MARK: Watches

  func openWatch(from index: Int, id: UInt64, _ watch: EtcdWatch, at member: Int) {
    let life = nodes[index].life
    guard !isCut(index, member) else {
      return queue.add(.input(node: index, life: life, .watchEnded(id), age: truth.restores), at: now + delay())
    }
    watches.append(
      WatchStream(
        node: index, life: life, id: id, watch: watch, member: member, next: watch.startRevision, lastDelivery: now))
  }

  /// Members catch up, and tell their watches; some watches lose, repeat or go back.
  func pumpWatches() {
    for index in members.indices {
      let member = members[index]
      if max(member.lagsUntil, member.pausedUntil, member.isolatedUntil) <= now {
        catchUp(index)
      }
    }
    var ended: [UInt64] = []
    for index in watches.indices { pump(index, &ended) }
    watches.removeAll { ended.contains($0.id) && ($0.next < 0) }
  }

  /// A member hears of what the leader has, as late as the way is long.
  private func catchUp(_ index: Int) {
    let way = sites.way(member: etcdLeader, index)
    let revision = etcd.revision
    guard way > 0 else { return members[index].applied = revision }
    guard revision != members[index].coming else { return }
    members[index].coming = revision
    let age = truth.restores
    queue.add(
      .act { [unowned self] in
        guard self.truth.restores == age else { return }
        self.members[index].applied = max(self.members[index].applied, revision)
      }, at: now + way)
  }

  private func pump(_ index: Int, _ ended: inout [UInt64]) {
    let stream = watches[index]
    func end() {
      ended.append(stream.id)
      watches[index].next = -1
      queue.add(
        .input(node: stream.node, life: stream.life, .watchEnded(stream.id), age: truth.restores), at: now + delay())
    }
    if isCut(stream.node, stream.member) { return random.oneIn(30) ? end() : () }
    if stream.isSilent, !isPeace { return }
    let applied = members[stream.member].applied
    guard applied >= stream.next, var message = etcd.changes(stream.watch, from: stream.next, through: applied) else {
      if applied >= stream.next { watches[index].next = applied + 1 }
      return
    }
    watches[index].next = applied + 1
    if message.isCanceled {
      ended.append(stream.id)
      watches[index].next = -1
      saw("a watch was canceled by a compaction")
    } else if !isCalm, random.oneIn(30) {
      spoil(&message, index)
    }
    let time = max(stream.lastDelivery, now + delay() + sites.way(node: stream.node, member: stream.member))
    watches[index].lastDelivery = time
    queue.add(.input(node: stream.node, life: stream.life, .watch(stream.id, message), age: truth.restores), at: time)
  }

  private func spoil(_ message: inout EtcdWatchMessage, _ index: Int) {
    switch Int.random(in: 0..<6, using: &random) {
    case 0:
      saw("a watch lost an event")
      message.events.remove(at: Int.random(in: 0..<message.events.count, using: &random))
    case 1:
      saw("a watch repeated an event")
      message.events.append(message.events[0])
    case 2:
      saw("a watch told events out of order")
      message.events.reverse()
    case 4:
      // The bytes of `previous` in an encoded batch that is stored as it is.
      guard let at = message.events.firstIndex(where: { $0.kv.value.count > 90 && $0.kv.value[0] == Batch.version })
      else { return }
      saw("a watch told other bytes")
      message.events[at].kv.value[60] ^= 0x10
    case 3:
      saw("a watch went back in time")
      watches[index].next = max(watches[index].watch.startRevision, watches[index].next - 6)
    default:
      saw("a watch fell silent")
      watches[index].isSilent = true
    }
  }
}

extension EtcdRequest {
  /// Whether the leader of etcd asks a majority before it answers.
  var isAgreed: Bool { if case .keepAlive = self { false } else { true } }

  /// Whether nothing in it makes etcd order it with the writes.
  var isReading: Bool {
    switch self {
    case .range: true
    case .txn(let txn): (txn.success + txn.failure).allSatisfy { if case .range = $0 { true } else { false } }
    default: false
    }
  }
}

extension EtcdAnswer {
  var isError: Bool { if case .error = self { true } else { false } }

  var revisionShown: Int64 {
    switch self {
    case .txn(let header, _, _), .range(let header, _), .lease(let header, _, _), .done(let header): header.revision
    case .version, .error: 0
    }
  }
}
