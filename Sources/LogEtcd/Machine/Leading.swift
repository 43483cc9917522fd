// Who leads. The epoch key is taken by whoever creates it, and its create revision is the number of the epoch; it hangs
// on a lease, so that it goes when its holder does. All of this decides who tries; the compares of an append decide.
internal import Log

struct LeadState {
  enum Role: Equatable {
    case follower, granting
    case campaigning(nonce: UInt64)
    /// The epoch is ours; what was written before it is being read.
    case catchingUp(UInt64)
    /// The engine has been asked for the first batch of the epoch.
    case takingOver(UInt64)
    case leading(UInt64)
  }

  struct Holder: Equatable {
    let created: Int64
    let campaign: EtcdEpoch

    var leader: Leader { Leader(epoch: UInt64(created), node: campaign.node, url: campaign.url) }
  }

  var role = Role.follower
  var holder: Holder?
  /// The revision at which `holder` was true.
  var seenAt: Int64 = 0
  var campaignAt: Int64?
  var campaignUntil: Int64 = 0
  var losses = 0
  var steppedAt = Int64.min / 2
  var lease: Int64 = 0
  var renewAt: Int64 = 0
  var takeoverAt: Int64?

  /// The epoch that is ours, from winning it on.
  var epochHeld: UInt64? {
    switch role {
    case .catchingUp(let epoch), .takingOver(let epoch), .leading(let epoch): epoch
    case .follower, .granting, .campaigning: nil
    }
  }
  /// The epoch in which this node may append.
  var epochLed: UInt64? { isCatchingUp ? nil : epochHeld }
  var isCatchingUp: Bool { if case .catchingUp = role { true } else { false } }
  var isTakingOver: Bool { if case .takingOver = role { true } else { false } }
  var isLeading: Bool { if case .leading = role { true } else { false } }

  var dueAt: Int64? {
    if epochHeld != nil { return takeoverAt.map { min($0, renewAt) } ?? renewAt }
    return role == .follower ? campaignAt : nil
  }
}

extension EtcdMachine {
  /// Takes news of the epoch key, unless it is older than what is known.
  func noteEpoch(_ kv: EtcdKeyValue?, at revision: Int64, quietly: Bool = false) {
    guard revision >= lead.seenAt else { return }
    lead.seenAt = revision
    let holder = kv.map { LeadState.Holder(created: $0.created, campaign: EtcdEpoch(reading: $0.value)) }
    guard holder != lead.holder else { return }
    guard isOfThisHistory(kv) else { return loseHistory(kv) }
    if let holder, lead.role == .campaigning(nonce: holder.campaign.nonce) {
      return won(UInt64(holder.created), nonce: holder.campaign.nonce)
    }
    lead.holder = holder
    if let held = lead.epochHeld, holder?.created != Int64(held) {
      stepDown()
    } else if !quietly, lead.epochHeld == nil {
      tell(.follows(holder?.leader))
    }
    if holder == nil { campaignLater() } else { lead.campaignAt = nil }
  }

  /// A revision made one epoch, by one campaign. If it made another one, etcd came back from before it, and what this
  /// node compares by revisions may be of another history too.
  func isOfThisHistory(_ kv: EtcdKeyValue?) -> Bool {
    guard let kv, let known = lead.holder, known.created == kv.created else { return true }
    return known.campaign == EtcdEpoch(reading: kv.value)
  }

  /// The fence of every write of who leads. The number alone is not enough: an etcd that came back from a backup gives
  /// the same revisions anew, and another campaign may have got this one.
  func epochStands(_ epoch: UInt64) -> [EtcdCompare] {
    guard let holder = lead.holder, holder.created == Int64(epoch) else {
      preconditionFailure("a write of epoch \(epoch), which this node does not hold")
    }
    return [.created(keys.epoch, holder.created), .has(keys.epoch, holder.campaign.value)]
  }

  func loseHistory(_ kv: EtcdKeyValue?) {
    lose("epoch \(kv?.created ?? 0) in etcd is of another campaign than before: it has lost history; " + advice)
  }

  /// Waits a random time before it tries, longer after each defeat.
  func campaignLater(after pause: Int64 = 0) {
    guard lead.epochHeld == nil else { return }
    // Or the end of an earlier try is taken for that of the next, which has another nonce.
    forget(.grant)
    forget(.campaign)
    lead.role = .follower
    let bound = min(EtcdTiming.campaignDelay << Int64(min(lead.losses, 8)), EtcdTiming.campaignDelayMost)
    lead.campaignAt = now + pause + random.upTo(bound)
  }

  func advanceLeadership() {
    if let epoch = lead.epochHeld {
      if now >= lead.renewAt { renew() }
      if let at = lead.takeoverAt, now >= at, flight == nil, lead.isTakingOver {
        lead.takeoverAt = nil
        tell(.takeover(epoch: epoch))
      }
      return
    }
    guard lead.role == .follower, let at = lead.campaignAt, now >= at else { return }
    guard lead.holder == nil, flight == nil, sync.hasPassed, now - lead.steppedAt <= EtcdTiming.stepPatience else {
      lead.campaignAt = now + EtcdTiming.campaignDelay / 2
      return
    }
    lead.campaignAt = nil
    lead.role = .granting
    send(.grant, .grant(seconds: EtcdTiming.leaseSeconds))
  }

  func grantAnswered(_ answer: EtcdAnswer) {
    guard case .lease(_, let lease, _) = answer else {
      if lead.role == .granting { campaignLater(after: EtcdTiming.fullPause) }
      return
    }
    guard lead.role == .granting, lead.holder == nil, phase == .following else {
      if lead.role == .granting { lead.role = .follower }
      return send(.forget, .revoke(lease: lease))
    }
    let campaign = EtcdEpoch(nonce: random.next(), node: options.node, url: options.url)
    lead.lease = lease
    lead.role = .campaigning(nonce: campaign.nonce)
    lead.campaignUntil = now + 2 * EtcdTiming.attempt
    send(
      .campaign,
      .txn(
        EtcdTxn(
          [.absent(keys.epoch)], then: [.put(key: keys.epoch, value: campaign.value, lease: lease)],
          else: [.range(EtcdRange(keys.epoch))])))
  }

  func campaignMissed(_ sent: Sent) {
    guard case .campaigning = lead.role else { return }
    guard now >= lead.campaignUntil else { return retry(sent) }
    lostCampaign()
  }

  func campaignAnswered(_ answer: EtcdAnswer, _ sent: Sent) {
    guard case .campaigning(let nonce) = lead.role else { return }
    guard case .txn(let header, let succeeded, let results) = answer else { return lostCampaign() }
    if succeeded { return won(UInt64(header.revision), nonce: nonce) }
    guard case .range(let read) = results[0], let kv = read.kvs.first else { return lostCampaign() }
    if EtcdEpoch(reading: kv.value).nonce == nonce { return won(UInt64(kv.created), nonce: nonce) }
    lostCampaign()
    noteEpoch(kv, at: header.revision)
  }

  private func lostCampaign() {
    forget(.campaign)
    count(.campaignsLost)
    lead.losses += 1
    giveBackLease()
    lead.role = .follower
    sync.isWanted = true
    if lead.holder == nil { campaignLater() }
  }

  private func won(_ epoch: UInt64, nonce: UInt64) {
    forget(.campaign)
    count(.campaignsWon)
    lead.role = .catchingUp(epoch)
    lead.losses = 0
    lead.campaignAt = nil
    lead.takeoverAt = nil
    lead.holder = LeadState.Holder(
      created: Int64(epoch), campaign: EtcdEpoch(nonce: nonce, node: options.node, url: options.url))
    lead.seenAt = max(lead.seenAt, Int64(epoch))
    lead.renewAt = now + EtcdTiming.renewEvery
    sync.isWanted = true
    if options.flaws.contains(.staleResolve) { caughtUp() }
  }

  /// Everything that earlier epochs wrote is applied.
  func caughtUp() {
    guard case .catchingUp(let epoch) = lead.role else { return }
    lead.role = .takingOver(epoch)
    lead.takeoverAt = now
  }

  // MARK: Holding on and letting go

  private func renew() {
    lead.renewAt = now + EtcdTiming.renewEvery
    let isStepping = now - lead.steppedAt <= EtcdTiming.stepPatience
    let isOverdue =
      flight.map { now - $0.began > EtcdTiming.overdue } ?? false
      || sync.waitingSince.map { now - $0 > EtcdTiming.overdue } ?? false
    guard isStepping, !isOverdue else { return count(.renewalsWithheld) }
    guard !isBusy(.renew) else { return }
    send(.renew, .keepAlive(lease: lead.lease), timeout: EtcdTiming.renewalAttempt)
  }

  func renewAnswered(_ answer: EtcdAnswer) {
    guard lead.epochHeld != nil, case .lease(_, let lease, let seconds) = answer, lease == lead.lease, seconds <= 0
    else { return }
    count(.leasesGone)
    if !options.flaws.contains(.trustKeepalive) { stepDown() }
  }

  private func giveBackLease() {
    if lead.lease != 0 { send(.forget, .revoke(lease: lead.lease)) }
    lead.lease = 0
  }

  /// Leads no more, whatever the reason; an append under way is still asked after.
  func stepDown() {
    guard let epoch = lead.epochHeld else { return }
    count(.stepsDown)
    lead.role = .follower
    lead.takeoverAt = nil
    giveBackLease()
    forget(.renew)
    forget(.publish)
    publication = nil
    sync.isWanted = true
    let other = lead.holder.flatMap { $0.created == Int64(epoch) ? nil : $0.leader }
    tell(.follows(other))
    if lead.holder == nil { campaignLater() }
  }

  func depose(_ epoch: UInt64) {
    guard isAlive else { return }
    let same = EtcdCompare.created(keys.epoch, Int64(epoch))
    send(.forget, .txn(EtcdTxn([same], then: [.delete(key: keys.epoch, end: nil)])))
  }

  func resign() {
    guard isAlive else { return }
    let held = lead.epochHeld
    closeWatch()
    if flight != nil { endFlight(.unknown("the node is stopping")) }
    endBarriers(.failed("the node is stopping"))
    if let held {
      stepDown()
      depose(held)
    }
    delayed = []
    phase = .resigned
  }
}
