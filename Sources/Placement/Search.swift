package import Domain

extension Fleet {
  /// In how many rows of cells a walk finds room, and at how many nodes it looks in all and in one cell.
  static let rowsMax = 48
  static let visitsMax = 160
  static let visitsPerCell = 6
  /// What a question costs beside the nodes and VMs that are looked at for it.
  static let questionWork = 64

  /// Where a VM would go, and why; changes nothing.
  package mutating func place(_ request: PlacementRequest) -> Decision {
    turn(to: request.time)
    let before = mark
    if let id = request.id { remove(vm: id) }
    let (asked, ruleSet) = prepare(request)
    var scratch = Scratch()
    swap(&scratch, &self.scratch)
    scratch.begin(segments: segmentCount)
    let decision = decide(asked, &scratch)
    work &+= UInt64(Fleet.questionWork + scratch.work + (asked.rules?.spread == nil ? 0 : nodeCount))
    swap(&scratch, &self.scratch)
    done(ruleSet)
    if mark > before { rollback(to: before) }
    return decision
  }

  /// Whether one node will do, by the same filters: for the ledger, which checks before it commits.
  package mutating func check(_ request: PlacementRequest, on name: NodeName) -> Reason {
    guard let number = numbers[name] else { return .notNamed }
    turn(to: request.time)
    let before = mark
    if let id = request.id { remove(vm: id) }
    let (asked, ruleSet) = prepare(request)
    var scratch = Scratch()
    scratch.begin(segments: segmentCount)
    let reason = check(Int(number), asked, &scratch, extra: keptRoom(Int32(number), asked).sum)
    done(ruleSet)
    if mark > before { rollback(to: before) }
    return reason
  }

  private mutating func decide(_ asked: Asked, _ scratch: inout Scratch) -> Decision {
    if asked.isOfClassAlone, !asked.mayPreempt || preemptibleCount == 0, reservations.isEmpty,
      let refusal = knowledge[Int(asked.number)].refusal, refusal.growth == growth
    {
      var explanation = refusal.explanation
      explanation.isRemembered = true
      return .pending(explanation)
    }
    if !reservations.isEmpty, let placement = placeInKept(asked, &scratch, owned: true) { return .placed(placement) }
    search(asked, &scratch)
    if let best = scratch.top.first { return .placed(placement(best, asked, scratch)) }
    if !reservations.isEmpty, let placement = placeInKept(asked, &scratch, owned: false) { return .placed(placement) }
    let explanation = explain(asked, scratch)
    if asked.mayPreempt, preemptibleCount > 0, let decision = preempt(asked, &scratch) { return decision }
    if asked.isOfClassAlone, scratch.counts[Int(Reason.addresses.rawValue)] == 0, extensions.isEmpty {
      knowledge[Int(asked.number)].refusal = (growth, explanation)
    }
    return .pending(explanation)
  }

  func placement(_ best: Pick, _ asked: Asked, _ scratch: Scratch, uses: [Placement.Use] = []) -> Placement {
    guard let node = nodes[best.node] else { preconditionFailure("a pick that is no node") }
    var seat = Seat.plain
    if asked.isSpecial, let wishes = asked.wishes {
      seat = hardware[best.node].seat(for: asked.shape.amounts, wishes).seat ?? .plain
    }
    return Placement(
      node: node.name, seat: seat, price: price(best.node, asked.verdicts[Int(nodeClass[best.node])]), uses: uses,
      explanation: explain(asked, scratch))
  }

  // MARK: Looking

  /// Fills `scratch.top`: from a walk if what it finds breaks no wish, or else from every node.
  func search(_ asked: Asked, _ scratch: inout Scratch) {
    if let only = asked.only {
      if only >= 0 { look(at: only, asked, &scratch) }
      scratch.counts[Int(Reason.notNamed.rawValue)] += Int32(nodeCount - scratch.examined)
      (scratch.examined, scratch.isExact) = (nodeCount, true)
      return
    }
    let strategyWalks = asked.strategy == .pack || asked.strategy == .spread || asked.strategy == .local
    if strategyWalks, !asked.isSpecial, asked.hints.isEmpty, !isExhaustive {
      let need = asked.shape.amounts
      walk(plainCells, need, asked, &scratch)
      if scratch.top.isEmpty { walk(deviceCells, need, asked, &scratch) }
      if let best = scratch.top.first, best.penalty == 0 { return }
      scratch.restart()
    }
    for node in nodeClass.indices where nodeClass[node] >= 0 { look(at: node, asked, &scratch) }
    scratch.isExact = true
  }

  /// Looks at one node and writes down what comes of it.
  @discardableResult
  private func look(at node: Int, _ asked: Asked, _ scratch: inout Scratch) -> Bool {
    scratch.examined += 1
    scratch.work += 1
    let reason = check(node, asked, &scratch)
    if reason == .none {
      scratch.offer(pick(node, asked))
      return true
    }
    scratch.counts[Int(reason.rawValue)] += 1
    if reason.rawValue >= Reason.cpu.rawValue, reason.rawValue <= Reason.bandwidth.rawValue {
      noteNearest(node, asked, Int(reason.rawValue - Reason.cpu.rawValue), &scratch)
    }
    return false
  }

  /// Remembers the node that lacks least: one amount, by the smallest part of it.
  private func noteNearest(_ node: Int, _ asked: Asked, _ lane: Int, _ scratch: inout Scratch) {
    let need = asked.verdicts[Int(nodeClass[node])].need
    for other in lane + 1..<4 where need[other] > free[node][other] { return }
    let short = Int64(need[lane] - max(0, free[node][lane])) << 20 / Int64(max(1, need[lane]))
    if scratch.nearest.map({ short < $0.short }) ?? true { scratch.nearest = (node, lane, short) }
  }

  /// In each row the first cell with room has the best of it: the same processors are left, and the least memory. So
  /// one cell a row is looked at, from the tightest row upwards, until the processors left over alone are worse than
  /// what was found.
  private func walk(_ cells: borrowing CellIndex, _ need: Amounts, _ asked: Asked, _ scratch: inout Scratch) {
    let isUp = asked.strategy != .spread
    var walk = isUp ? cells.tightest(need) : cells.emptiest(need)
    var found = 0
    while found < Fleet.rowsMax, scratch.examined < Fleet.visitsMax {
      guard var node = isUp ? cells.next(&walk) : cells.nextDown(&walk) else { return }
      if isUp, let best = scratch.top.first, best.penalty == 0, best.score < leastScore(walk.row, need) { return }
      var visits = 0
      var hasFound = false
      while node >= 0, visits < Fleet.visitsPerCell, scratch.examined < Fleet.visitsMax {
        visits += 1
        hasFound = look(at: node, asked, &scratch) || hasFound
        node = cells.following(node)
      }
      guard hasFound else { continue }
      found += 1
      if isUp { cells.skipRow(&walk) } else { cells.skipRowDown(&walk) }
    }
  }

  /// The best that any node in a row can score.
  private func leastScore(_ row: Int, _ need: Amounts) -> Int64 {
    let left = max(0, Int64(CellIndex.lowest(row)) * 1_000 - Int64(need[0]))
    let part = (left * leastInverse) >> 28
    return part * part
  }

  // MARK: Kept capacity

  /// What of a node's kept capacity a request may use: its tenant's own, that of a lower priority if it may take from
  /// others, and what has ended.
  func keptRoom(_ node: Int32, _ asked: Asked) -> (sum: Amounts, own: Bool) {
    var sum = Amounts.zero
    var own = false
    for name in reservationsOn[node] ?? [] {
      guard let row = reservations[name], isOpen(row, asked) else { continue }
      sum &+= row.left.amounts
      own = own || row.tenant == asked.request.key.tenant && row.left != .none
    }
    return (sum, own)
  }

  private func isOpen(_ row: CapacityReservation, _ asked: Asked) -> Bool {
    row.tenant == asked.request.key.tenant
      || asked.request.spec.priority > row.priority && asked.request.spec.preemption.takesFromOthers
      || row.expiresAt.map { $0 <= asked.request.time } ?? false
  }

  /// Its own kept room comes first; that of others only if there is no other.
  private func placeInKept(_ asked: Asked, _ scratch: inout Scratch, owned: Bool) -> Placement? {
    var best: Pick?
    scratch.work += reservationsOn.count
    for node in reservationsOn.keys.sorted() {
      let (sum, own) = keptRoom(node, asked)
      guard own || !owned, sum != .zero, check(Int(node), asked, &scratch, extra: sum) == .none else { continue }
      let pick = pick(Int(node), asked, extra: sum)
      if best.map({ pick < $0 }) ?? true { best = pick }
    }
    guard let best else { return nil }
    scratch.restart()
    scratch.offer(best)
    scratch.examined = reservationsOn.count
    scratch.notes.append("in capacity that is kept" + (owned ? " for tenant \(asked.request.key.tenant)" : ""))
    return placement(best, asked, scratch, uses: uses(best.node, asked, owned: owned))
  }

  /// What it takes of each reservation: of its own all it can, of others only what is missing.
  private func uses(_ node: Int, _ asked: Asked, owned: Bool) -> [Placement.Use] {
    let need = asked.verdicts[Int(nodeClass[node])].need
    var taken = Amounts.zero
    var uses: [Placement.Use] = []
    for isOwn in [true, false] {
      for name in reservationsOn[Int32(node)] ?? [] {
        guard let row = reservations[name], isOpen(row, asked),
          (row.tenant == asked.request.key.tenant) == isOwn
        else { continue }
        let wanted = isOwn && owned ? need &- taken : (need &- free[node] &- taken).positive
        let part = wanted.least(row.left.amounts)
        guard part != .zero else { continue }
        taken &+= part
        uses.append(Placement.Use(name: name, amounts: Resources(part)))
      }
    }
    return uses
  }

  // MARK: Saying why

  func explain(_ asked: Asked, _ scratch: Scratch) -> Explanation {
    var out = Explanation()
    (out.nodes, out.examined, out.isExact) = (nodeCount, scratch.examined, scratch.isExact)
    out.strategy = asked.strategy
    for reason in Reason.allCases where scratch.counts[Int(reason.rawValue)] > 0 {
      out.removed.append(.init(reason: reason, nodes: Int(scratch.counts[Int(reason.rawValue)])))
    }
    out.candidates.reserveCapacity(scratch.top.count)
    for pick in scratch.top {
      guard let node = nodes[pick.node] else { continue }
      let price = price(pick.node, asked.verdicts[Int(nodeClass[pick.node])])
      out.candidates.append(.init(node: node.name, penalty: pick.penalty, score: pick.score, price: price))
    }
    if scratch.top.isEmpty, let nearest = scratch.nearest, let node = nodes[nearest.node] {
      let need = asked.verdicts[Int(nodeClass[nearest.node])].need
      out.nearest = .init(
        node: node.name, reason: Reason(rawValue: Reason.cpu.rawValue + UInt8(nearest.lane)) ?? .none,
        has: max(0, free[nearest.node][nearest.lane]), wanted: need[nearest.lane])
    }
    out.advice = asked.request.advice?.notes ?? []
    if let shortage = scratch.shortage { out.notes.append(shortage) }
    if scratch.counts[Int(Reason.latency.rawValue)] > 0,
      let words = places.words(ofLatency: asked.request.spec.locality)
    {
      out.notes.append(words)
    }
    if let spread = asked.rules?.spread, !asked.canSpread {
      out.notes.append("the group wants \(spread.least) places of kind \(spread.scope.name); there are not so many")
    }
    out.notes += scratch.notes
    return out
  }
}
