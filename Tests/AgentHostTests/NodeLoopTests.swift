import APITypes
import Addressing
import Agent
import Domain
import Platform
import TestSupport
import Testing
import VMM
import VMMSimulated

@testable import AgentHost

@Suite struct NodeLoopTests {
  @Test func aNodeRegistersStartsWhatIsWantedAndTellsWhenItRuns() {
    let stage = Stage()
    stage.answer = content([wanted(1), wanted(2)])
    stage.play(.seconds(1))
    #expect(stage.registrations == 1)
    #expect(stage.backend.observe().map(\.phase) == [.running, .running])
    // Asked once, told within 300 ms of the start, long before the next heartbeat.
    #expect(stage.reports.flatMap(\.vms).filter { $0.fact == .running }.count == 2)
    #expect(stage.reports.count <= 4)
  }

  /// Nothing on a node gives an address: what came without one does not run, and Berth is told why.
  @Test func s0_39_aVMWithAnInterfaceWithoutAnAddressFailsWithTheReasonAndGetsNone() {
    func wantedWith(_ addresses: [GuestAddress]) -> WantedVM {
      var order = wanted(1).order
      order.interfaces = [GuestInterface(name: .standard, mac: MACAddress(bits: 2), addresses: addresses)]
      return WantedVM(order, isWanted: true, graceSeconds: 30)
    }
    let stage = Stage()
    stage.answer = content([wantedWith([]), wanted(2)])
    stage.play(.seconds(5))
    #expect(stage.backend.observe().map(\.id.raw) == [2], "the one without interfaces runs")
    let told = stage.reports.flatMap(\.vms).filter { $0.id.raw == 1 }
    #expect(told.map(\.fact) == [.failed], "once")
    #expect(told.first?.detail == "interface eth0 has no address: Berth gives addresses, and no backend makes one up")
    // With an address it runs.
    let address = GuestAddress(IPAddress("10.1.0.9")!, prefixLength: 24, pool: PoolName(trusted: "edge"))
    stage.answer = content([wantedWith([address]), wanted(2)], revision: 6)
    stage.play(.seconds(5))
    #expect(stage.backend.observe().map(\.order.interfaces) == [wantedWith([address]).order.interfaces, []])
  }

  @Test func inPeaceThereIsOneReportAHeartbeatAndItSaysNothingNew() {
    let stage = Stage()
    stage.answer = content([wanted(1)])
    stage.play(.seconds(1))
    stage.heard = []
    stage.play(.seconds(20))
    #expect((9...11).contains(stage.reports.count), "\(stage.reports.count)")
    #expect(stage.reports.allSatisfy { $0.vms.isEmpty && $0.seenRevision == 5 })
  }

  @Test func whoIsWokenReportsAtOnce() {
    let stage = Stage()
    stage.answer = content([])
    stage.play(.seconds(1))
    let before = stage.reports.count
    stage.loop.wake()
    stage.play(.milliseconds(1))
    #expect(stage.reports.count == before + 1)
  }

  @Test func whenNobodyAnswersItAsksMoreAndMoreSeldom() {
    let stage = Stage()
    stage.play(.seconds(60))
    let gaps = zip(stage.heard, stage.heard.dropFirst()).map { $1.at - $0.at }
    #expect(gaps.first == .milliseconds(200) && gaps.last == .seconds(5))
    #expect(zip(gaps, gaps.dropFirst()).allSatisfy { $0 <= $1 })
    // Being woken is no reason to hammer.
    let before = stage.heard.count
    for _ in 0..<50 {
      stage.loop.wake()
      stage.play(.milliseconds(10))
    }
    #expect(stage.heard.count <= before + 1)
    stage.answer = content([wanted(1)])
    stage.play(.seconds(10))
    #expect(stage.loop.trouble == nil && stage.backend.observe().count == 1)
  }

  @Test func onceItWasAnsweredItIsPatientAgain() {
    let stage = Stage()
    stage.play(.seconds(60))
    stage.answer = content([])
    stage.play(.seconds(20))
    let answered = stage.heard.count
    stage.answer = { _ in .failed("nobody is there") }
    stage.play(.seconds(10))
    let gaps = zip(stage.heard[answered...], stage.heard[(answered + 1)...]).map { $1.at - $0.at }
    #expect(gaps.first == .milliseconds(200), "\(gaps)")
  }

  @Test func itReportsAsOftenAsBerthWants() {
    let stage = Stage()
    stage.answer = { message in
      guard case .answered(let answer) = content([])(message) else { return content([])(message) }
      return .answered(
        Acknowledgement(
          epoch: answer.epoch, lease: answer.lease, heartbeat: .milliseconds(500), revision: answer.revision,
          desired: answer.desired))
    }
    stage.play(.seconds(10))
    #expect((18...22).contains(stage.reports.count), "\(stage.reports.count)")
  }

  @Test func whoIsForgottenRegistersAgainAndTellsEverything() {
    let stage = Stage()
    stage.answer = content([wanted(1)])
    stage.play(.seconds(1))
    stage.heard = []
    var epoch: UInt64 = 1
    stage.answer = { message in
      switch message {
      case .register:
        epoch += 1
        return .registered(epoch: epoch, effective: Resources(cpu: 8_000, memory: 8_192))
      case .report(let report, _, _):
        guard report.epoch > 1 else { return .unknown }
        return .answered(
          Acknowledgement(epoch: report.epoch, lease: .seconds(15), revision: 6, desired: [wanted(1)]))
      }
    }
    stage.play(.seconds(5))
    #expect(stage.registrations == 1)
    let told = stage.reports.filter { $0.epoch == 2 }.flatMap(\.vms)
    #expect(told.map(\.fact) == [.running])
    // It was not touched meanwhile.
    #expect(stage.backend.observe().map(\.phase) == [.running])
  }

  @Test func whatMustBeCutIsCutInTimeAlsoWhileNobodyAnswers() {
    let stage = Stage()
    stage.answer = content([wanted(1, failover: .restart), wanted(2)])
    stage.play(.seconds(3))
    let sent = stage.heard.last!.at
    stage.answer = { _ in .failed("nobody is there") }
    stage.play(sent + .seconds(15) - stage.now - .milliseconds(1))
    #expect(stage.backend.observe().map(\.phase) == [.running, .running])
    stage.play(.milliseconds(2))
    #expect(stage.backend.observe().map(\.phase) == [.down, .running])
    stage.answer = content([wanted(1, failover: .restart), wanted(2)])
    stage.play(.seconds(10))
    // Berth hears that it is down, and decides.
    #expect(stage.reports.last { !$0.vms.isEmpty }?.vms.map(\.fact) == [.failed])
  }

  /// A guest that does not go down by itself: it has its whole grace, is ended after it, and only then Berth hears so.
  @Test func s3_4_whoGivesWayHasItsGraceAndIsEndedAfterIt() {
    var times = SimulatedTimes()
    times.stop = .seconds(600)
    let stage = Stage(times: times)
    stage.answer = content([wanted(1)])
    stage.play(.seconds(5))
    #expect(stage.backend.observe().map(\.phase) == [.running])
    stage.answer = content([wanted(1, isWanted: false)], revision: 6)
    let asked = stage.now
    while stage.backend.observe().map(\.phase) != [.stopping] { stage.play(.milliseconds(10)) }
    let ordered = stage.now
    #expect(ordered - asked < .seconds(3), "the order comes with the next report")
    stage.play(ordered + .seconds(29) - stage.now)
    #expect(stage.backend.observe().map(\.phase) == [.stopping])
    #expect(!stage.reports.flatMap(\.vms).contains { $0.fact == .gone }, "its room is not given away yet")
    stage.play(.seconds(2))
    #expect(stage.backend.observe().isEmpty && stage.reports.flatMap(\.vms).last?.fact == .gone)
  }

  @Test func s3_5_whoIsForcedOutIsEndedAtOnce() {
    var times = SimulatedTimes()
    times.stop = .seconds(600)
    let stage = Stage(times: times)
    stage.answer = content([wanted(1)])
    stage.play(.seconds(5))
    stage.answer = content([wanted(1, isWanted: false, grace: 0)], revision: 6)
    let asked = stage.now
    while stage.backend.observe().contains(where: { $0.phase.isUp }) { stage.play(.milliseconds(10)) }
    #expect(stage.now - asked < .seconds(3), "with the order, not after any time")
    stage.play(.seconds(3))
    #expect(stage.reports.flatMap(\.vms).last?.fact == .gone)
  }

  @Test func s3_20_aNodeSaysHowMuchOfItsOwnersNoticeIsLeft() {
    let stage = Stage(reclaim: HostedNode.Reclaim(after: .seconds(10), notice: .seconds(60)))
    stage.answer = content([])
    stage.play(.seconds(9))
    func said() -> [Duration] {
      stage.heard.compactMap { if case .report(_, let measured, _) = $0.message { measured.reclaim } else { nil } }
    }
    #expect(said().isEmpty)
    stage.play(.seconds(90))
    let left = said()
    #expect(left.first.map { $0 > .seconds(56) && $0 <= .seconds(60) } == true && left == left.sorted(by: >))
    #expect(left.allSatisfy { $0 > .zero }, "when it is over there is nothing more to say")
  }

  @Test func aNodeThatPollsLeavesItsReportAndNeverLongerThanItsMachinesAllow() {
    let stage = Stage(polls: true)
    var waits: [Duration] = []
    stage.answer = { [unowned stage] message in
      guard case .report(_, _, let wait) = message else { return content([])(message) }
      waits.append(wait)
      stage.now += wait
      return content([wanted(1)])(message)
    }
    stage.play(.seconds(10))
    #expect(waits.contains { $0 > .zero && $0 <= .milliseconds(300) })
    #expect(waits.max() == .seconds(1))
    #expect(stage.reports.flatMap(\.vms).contains { $0.fact == .running })
    // About as many questions as waits fit into the time.
    #expect(waits.count < 25, "\(waits)")
  }
}

/// What a node tells of use and distances.
@Suite struct MeasuringTests {
  @Test func s3_74_eachVMsUseIsToldOnceInTenSeconds() throws {
    let stage = Stage()
    stage.backend.load = SimulatedLoad(permille: 500)
    stage.answer = content([wanted(1), wanted(2)])
    stage.play(.seconds(60))
    let told = stage.measured.filter { !$0.usage.vms.isEmpty }
    #expect((5...7).contains(told.count), "\(told.count)")
    let last = try #require(told.last).usage
    #expect(last.vms.map(\.id.raw) == [1, 2])
    for item in last.vms {
      // Of 1 vCPU and 512 MiB half, somewhat more or less, and the same each time.
      #expect((375...625).contains(item.amounts.cpu) && (192...320).contains(item.amounts.memory), "\(item)")
    }
    #expect(last.amounts.cpu == last.vms.reduce(0) { $0 + $1.amounts.cpu })
    #expect(told.dropFirst().allSatisfy { $0.usage == last })
  }

  @Test func aBackendThatCannotTellTakesAllOfItToBeInUse() {
    let stage = Stage()
    stage.answer = content([wanted(1)])
    stage.play(.seconds(10))
    #expect(stage.measured.allSatisfy { $0.usage.vms.isEmpty })
    #expect(stage.measured.last?.usage.amounts.cpu == 1_000)
  }

  @Test func s3_12_distancesAreToldOnceAMinuteAndAgainUntilTheyAreHeard() {
    let stage = Stage(distances: .pretended(["dc-1", "dc-2", "dc-3"], step: .milliseconds(2)), datacenter: "dc-2")
    stage.answer = content([])
    stage.play(.seconds(50))
    #expect(stage.measured.map(\.latencies).filter { !$0.isEmpty } == [[.init("dc-1", 2_000), .init("dc-3", 2_000)]])
    stage.answer = { _ in .failed("nobody is there") }
    stage.play(.seconds(30))
    let failed = stage.measured.filter { !$0.latencies.isEmpty }.count
    #expect(failed > 2, "told again")
    stage.answer = content([])
    stage.play(.seconds(20))
    #expect(stage.measured.last?.latencies.isEmpty == true)
  }

  @Test func howLongItTakesToConnectIsMeasured() throws {
    let listener = try Listener(host: "127.0.0.1", port: 0)
    let near = DistanceMeter.Target(datacenter: "ams", host: "127.0.0.1", port: listener.address.port)
    let began = MonotonicTime.now
    let measured = try #require(DistanceMeter.median(of: NameLookup(host: near.host, port: near.port)))
    let all = (MonotonicTime.now - began) / 1_000
    // Two of the three took as long or longer.
    #expect(measured >= 1 && Int64(measured) <= max(1, all / 2), "\(measured) of \(all) us")
    let nobody = DistanceMeter.Target(datacenter: "osl", host: "127.0.0.1", port: freePort())
    #expect(DistanceMeter.median(of: NameLookup(host: nobody.host, port: nobody.port)) == nil)
    let meter = DistanceMeter([near, nobody])
    defer { meter.stop() }
    #expect(eventually { meter.latest.round == 1 })
    #expect(meter.latest.latencies.map(\.datacenter) == ["ams"], "who cannot be reached is left out")
    let eager = DistanceMeter([near], every: .milliseconds(1))
    defer { eager.stop() }
    #expect(eventually { eager.latest.round > 2 }, "each measurement is another one, or it would not be told")
  }

  @Test func theMedianCountsInMicroseconds() {
    #expect(DistanceMeter.microseconds(median: [9_000_000, 1_000, 5_000_999]) == 5_000)
    #expect(DistanceMeter.microseconds(median: [5, 7, 9]) == 1 && DistanceMeter.microseconds(median: [.max]) == .max)
  }
}
