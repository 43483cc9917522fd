import Domain
import TestSupport
import Testing

@Suite struct WordTests {
  /// Names are found by raw value, so those must count from 0 in the order of the cases.
  @Test func casesAreCalledAsTheyAreWritten() {
    func check<Word: CaseIterable & RawRepresentable>(_ name: (Word) -> String) where Word.RawValue == UInt8 {
      for (number, word) in Word.allCases.enumerated() {
        #expect(Int(word.rawValue) == number && name(word) == "\(word)")
      }
    }
    check { (word: VMState) in word.name }
    check { (word: NodeState) in word.name }
    check { (word: OvercommitProfile) in word.name }
    check { (word: PlaceScope) in word.name }
    check { (word: PlacementStrategy) in word.name }
    check { (word: PreemptionPolicy) in word.name }
    check { (word: FailoverPolicy) in word.name }
    check { (word: SpotChoice) in word.name }
    check { (word: VMReport.Fact) in word.name }
    check { (word: Strategy) in word.name }
    check { (word: Quota.Item) in word == .vmsPerNode ? "vmsPerNode" : word.name }
  }
}

@Suite struct LifecycleTests {
  /// Every pair of states, and every place for a node: what is not in the table does not happen.
  @Test func impossibleStepsAreImpossible() {
    for from in VMState.allCases {
      for to in VMState.allCases {
        for node in [nil, NodeName(trusted: "n")] {
          let vm = VM(
            key: VMKey(name: VMName(trusted: "v")), id: VMID(revision: 1),
            spec: VMSpec(Resources(cpu: 1, memory: 1)), state: from)
          let moved = vm.moved(to: to, node: node, why: "", revision: 2, at: 3)
          let goesTogether = to.hasNode.map { $0 == (node != nil) } ?? true
          #expect((moved != nil) == (from.successors.contains(to) && goesTogether), "\(from) to \(to)")
          #expect(moved?.state ?? to == to)
        }
      }
    }
  }

  @Test func everyStateIsReachedAndLeftAgain() {
    var reached: Set<VMState> = [.pending]
    while true {
      let more = reached.union(reached.flatMap(\.successors))
      if more == reached { break }
      reached = more
    }
    #expect(reached.count == VMState.allCases.count)
    for state in VMState.allCases { #expect(!state.successors.isEmpty && !state.successors.contains(state)) }
  }

  @Test func aNewNodeIsANewEpochAndGivingWayIsCounted() {
    let vm = VM(
      key: VMKey(name: VMName(trusted: "v")), id: VMID(revision: 1), spec: VMSpec(Resources(cpu: 1, memory: 1)))
    let placed = vm.moved(to: .placed, node: NodeName(trusted: "a"), why: "", revision: 2, at: 1)
    let running = placed?.moved(to: .running, node: NodeName(trusted: "a"), why: "", revision: 3, at: 2)
    let gone = running?.moved(to: .preempted, node: nil, leaving: NodeName(trusted: "a"), why: "", revision: 4, at: 7)
    let again = gone?.moved(to: .placed, node: NodeName(trusted: "b"), why: "", revision: 5, at: 9)
    #expect(placed?.epoch == 1 && running?.epoch == 1 && gone?.epoch == 1 && again?.epoch == 2)
    #expect(again?.preemptions == 1 && again?.preemptedAt == 7)
  }
}

@Suite struct FleetValueTests {
  @Test(arguments: ["", "0", "0-3", "0-3,8", "1,3,5", "63-64", "1023"]) func processorsReadAsTheyWrite(text: String) {
    #expect(CPUSet(text)?.description == text)
  }

  @Test(arguments: ["x", "3-1", "-1", "1-", "1024", "1,,2", "1-2-3"]) func noProcessors(text: String) {
    #expect(CPUSet(text) == nil)
  }

  @Test func setsOfProcessorsAgreeWithSetsOfNumbers() {
    var random = SeededRandom(announcedAs: "CPUSet")
    for _ in 0..<500 {
      let a = Set((0..<Int.random(in: 0...9, using: &random)).map { _ in Int.random(in: 0..<200, using: &random) })
      let b = Set((0..<Int.random(in: 0...9, using: &random)).map { _ in Int.random(in: 0..<200, using: &random) })
      var left = CPUSet()
      for cpu in a { left.insert(cpu) }
      var right = CPUSet()
      for cpu in b { right.insert(cpu) }
      #expect(left.subtracting(right).members == a.subtracting(b).sorted())
      #expect(left.isDisjoint(with: right) == a.isDisjoint(with: b) && left.count == a.count)
      left.formUnion(right)
      #expect(left.members == a.union(b).sorted())
      left.subtract(right)
      left.subtract(left)
      #expect(left == .none)
    }
  }

  @Test func pricesGoByTheHourAndByHand() {
    let day = Rates(cpu: 30_000, memory: 4_000, disk: 100, bandwidth: 1_000)
    let prices = Prices(peak: day, offPeak: Rates(cpu: 10_000), peakFrom: 22, peakUntil: 6)
    #expect(prices.rates(hour: 23) == day && prices.rates(hour: 5) == day && prices.rates(hour: 6) != day)
    // 2 vCPU, 4 GiB, 10 GiB, 500 Mbit/s: 60,000 + 16,000 + 1,000 + 500.
    #expect(day.hourly(Resources(cpu: 2_000, memory: 4_096, disk: 10_240, bandwidth: 500)) == 77_500)
    #expect(Prices.hour(of: 25 * 3_600_000_000) == 1)
  }

  @Test func aQuotaSaysLimitUsedAndAsked() {
    var quota = Quota(tenant: .standard, burstPercent: 50, burstSeconds: 60)
    quota[.vms] = 4
    quota[.cpu] = 8_000
    var used = Quota.Usage()
    for _ in 0..<3 { used.add(Quota.Usage(of: VMSpec(Resources(cpu: 2_000, memory: 1)))) }
    let one = Quota.Usage(of: VMSpec(Resources(cpu: 2_000, memory: 1)))
    let large = Quota.Usage(of: VMSpec(Resources(cpu: 4_000, memory: 1)))
    #expect(quota.excess(used: used, asked: one, mayBurst: false) == nil)
    #expect(quota.excess(used: used, asked: large, mayBurst: false)?.text == "cpu: limit 8000, used 6000, asked 4000")
    #expect(quota.excess(used: used, asked: large, mayBurst: true) == nil)
    used.remove(one)
    #expect(used[.vms] == 2)
  }

  @Test func flawsNameTheField() {
    var spec = VMSpec(Resources(cpu: 1_000, memory: 1_024))
    #expect(spec.flaw == nil)
    spec.priority = 1_001
    #expect(spec.flaw?.field == "priority")
    spec.priority = 1_000
    spec.isPinned = true
    spec.resources.cpu = 1_500
    #expect(spec.flaw?.field == "vcpus")
    var node = Node(name: NodeName(trusted: "n"), physical: Resources(cpu: 4_000, memory: 4_096))
    #expect(node.flaw == nil)
    node.numa = [NUMANode(cpus: CPUSet(0..<3), memory: 1), NUMANode(cpus: CPUSet(2..<4), memory: 1)]
    #expect(node.flaw?.field == "numa")
  }

  /// Whatever is legal by itself comes to numbers that there are.
  @Test func theLargestAmountsAndPricesNeverRunOver() {
    let most = Resources(
      cpu: Limits.resource, memory: Limits.resource, disk: Limits.resource, bandwidth: Limits.resource)
    var node = Node(name: NodeName(trusted: "n"), physical: most)
    node.numa = (0..<Limits.numaNodes).map { _ in NUMANode(cpus: CPUSet(), memory: Limits.resource) }
    #expect(node.flaw?.field == "numa")
    node.numa = []
    let rates = Rates(cpu: Limits.rate, memory: Limits.rate, disk: Limits.rate, bandwidth: Limits.rate)
    node.prices = Prices(peak: rates, offPeak: rates, peakFrom: 8, peakUntil: 20)
    #expect(node.flaw?.field == "prices", "an hour of it would cost over \(Limits.hourly)")
    #expect(node.prices.monthly(most) > 0)
    #expect(Billing.cost(most, node.prices, from: 0, to: 3_600_000_000 * 24 * 365) > 0)
    #expect(Money.max.adding(1) == .max)
    // A month of all nodes that there may be, times the hundred of a percentage's reckoning in wide numbers.
    let month = Prices(Rates(cpu: Limits.hourly)).monthly(Resources(cpu: 1_000))
    #expect(!UInt64(month).multipliedReportingOverflow(by: UInt64(Limits.nodes)).overflow)
  }
}
