internal import Log
internal import LogEtcd
internal import TestSupport

extension World {
  /// Something goes wrong.
  func fault() {
    if plan.isOnlyApart { return part(for: plan.trouble - now) }
    if let hosts, !random.oneIn(3) { return hosts.fault() }
    let node = Int.random(in: 0..<nodes.count, using: &random)
    let member = Int.random(in: 0..<members.count, using: &random)
    let long = Int64.random(in: 200_000...5_000_000, using: &random)
    switch Int.random(in: 0..<(plan.restores ? 21 : 20), using: &random) {
    case 0, 1:
      saw("a node crashed")
      crash(node)
      if random.oneIn(12) {
        saw("a node lost its archive")
        nodes[node].engine.wipe()
        truth.forgot(node, in: self)
      }
      queue.add(.act { [unowned self] in self.boot(node) }, at: now + long)
    case 2:
      saw("a node was paused")
      nodes[node].pausedUntil = now + long
    case 3:
      saw("an engine was wedged")
      nodes[node].wedgedUntil = now + long
    case 4, 5:
      saw("a node was cut off")
      for member in members.indices { cuts.append(Cut(node: node, member: member, until: now + long)) }
    case 6:
      cuts.append(Cut(node: node, member: member, until: now + long))
    case 7:
      saw("a member was cut off")
      members[member].isolatedUntil = now + long
    case 8:
      saw("a member was paused")
      members[member].pausedUntil = now + long
    case 9, 10:
      members[member].lagsUntil = now + long
    case 11:
      saw("leases were extended")
      etcd.shiftLeases(by: Int64.random(in: 0...2_000_000, using: &random))
    case 12:
      saw("leases ended early")
      etcd.shiftLeases(by: -3_000_000)
    case 13:
      saw("the store was full")
      etcd.isFull = true
      queue.add(.act { [unowned self] in self.etcd.isFull = false }, at: now + long)
    case 14:
      saw("a person deposed the leader")
      if let leader = nodes.indices.first(where: { nodes[$0].engine.leads }), let kv = etcd.now("/berth/epoch") {
        _ = leader
        deliver(.depose(UInt64(kv.created)), to: node, nodes[node].life)
      }
    case 15: backups.append(etcd.backup())
    case 16, 17: jumpClock(node, for: long)
    case 18: fillArchive(node, for: 2 * long)
    case 19: part(for: long)
    default: goBack()
    }
  }

  /// Etcd is what it was when a backup was made.
  private func goBack() {
    guard let backup = backups.randomElement(using: &random), truth.restores == 0 else { return }
    saw("etcd came back from a backup")
    note("etcd goes back to revision \(backup.state.revision) from \(etcd.revision)")
    etcd.restore(backup)
    if random.oneIn(2) { etcd.cluster += 1 }
    for index in members.indices { members[index].applied = 1 }
    watches.removeAll()
    for index in nodes.indices where nodes[index].machine != nil {
      // Connections break when all members start anew.
      let life = nodes[index].life
      queue.add(.act { [unowned self] in self.dropWatch(index, life) }, at: now + 1_000)
    }
    truth.restored(in: self)
  }

  private func fillArchive(_ index: Int, for duration: Int64) {
    let node = nodes[index]
    saw("an archive was full")
    node.engine.isArchiveFull = true
    queue.add(.act { node.engine.isArchiveFull = false }, at: now + duration)
  }

  /// The leader and a follower do not reach each other any more, though both see etcd.
  private func part(for duration: Int64) {
    guard let leader = nodes.indices.first(where: { nodes[$0].engine.leads }),
      !apart.contains(where: { $0.until > now })
    else { return }
    saw("leader and follower were apart")
    let other = (leader + 1 + Int.random(in: 0..<nodes.count - 1, using: &random)) % nodes.count
    apart.append(Apart(one: leader, other: other, until: now + duration))
  }

  private func dropWatch(_ index: Int, _ life: Int) {
    for stream in watches where stream.node == index && stream.life == life {
      deliver(.watchEnded(stream.id), to: index, life)
    }
  }

  /// Everything is well from now on.
  func heal() {
    note("peace")
    isPeace = true
    cuts = []
    apart = []
    etcd.isFull = false
    for index in members.indices { members[index] = Member(applied: etcd.revision) }
    for index in watches.indices { watches[index].isSilent = false }
    for node in nodes {
      node.engine.isArchiveFull = false
      if abs(node.skew) > World.kept { node.skew = keptSkew() }
      node.pausedUntil = min(node.pausedUntil, now + 10_000)
      node.wedgedUntil = min(node.wedgedUntil, now + 10_000)
    }
    for index in nodes.indices where nodes[index].machine == nil { boot(index) }
    hosts?.heal()
    queue.add(
      .act { [unowned self] in
        self.truth.beginPeace()
        self.hosts?.settle()
      }, at: now + plan.peace / 2)
  }

  /// At the end all nodes agree, and writes were acknowledged again.
  func checkPeace() {
    let alive = nodes.filter { !$0.isLost }
    guard !alive.isEmpty else { return }
    if truth.acknowledgedInPeace == 0 { violate("nothing was acknowledged in peace") }
    if truth.readInPeace == 0 { violate("no read was answered in peace") }
    if plan.isOnlyApart {
      saw("only leader and follower were apart")
      if leaderships > 1 { violate("\(leaderships) nodes led in turn though all saw etcd") }
    }
    checkCalls()
    truth.checkTime(in: self)
    hosts?.checkPeace()
    if alive.filter(\.engine.leads).count != 1 {
      violate("\(alive.filter(\.engine.leads).count) nodes lead in peace")
    }
    let newest = alive.map(\.engine.head.sequence).max()!
    for node in alive where node.engine.head.sequence + 20 < newest {
      violate("\(node.name) is at batch \(node.engine.head.sequence) of \(newest) in peace")
    }
    for node in alive { node.machine.map { count($0) } }
  }

  private func count(_ machine: EtcdMachine) {
    for item in machine.status.counters where item.count > 0 {
      for _ in 0..<item.count { saw("machine: " + item.name) }
    }
  }
}
