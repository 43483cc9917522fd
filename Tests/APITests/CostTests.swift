import APITypes
import Addressing
import Domain
import Engine
import HTTPClient
import LogMemory
import Platform
import TestSupport
import Testing
import Wire

@testable import API

@Suite("What VMs cost") struct CostTests {
  /// A house whose clock is moved by hand.
  private func start() throws -> (house: House, clock: Shared<Int64>) {
    let start = WallClock.microseconds / Billing.hour * Billing.hour - 48 * Billing.hour
    let clock = Shared<Int64>(start)
    let house = try House(
      network: nil,
      clock: {
        let now = clock.withLock { $0 }
        return ClockReading(wall: now, boot: now)
      })
    return (house, clock)
  }

  private func sum(_ items: [JSONValue]) -> Int { items.reduce(0) { $0 + ($1["micros"]?.integer(Int.self) ?? 0) } }

  @Test func s3_22_and_s3_73_theReportIsTheSumOfTheBill() throws {
    let (house, clock) = try start()
    let began = clock.withLock { $0 }
    let prices = #","prices":{"off_peak":{"vcpu_micros":1000001,"memory_gib_micros":7}}"#
    let epoch = try house.register("n1", datacenter: "fra", more: prices)
    try house.register("n2", datacenter: "ams", more: prices)
    let a = try house.vm("a", more: #","interfaces":[],"tenant":"acme","node":"n1""#)
    try house.vm("b", more: #","interfaces":[],"node":"n2""#)
    clock.withLock { $0 += Billing.hour * 3 / 2 }
    try house.call(
      "PATCH", "/api/v1/nodes/n1", #"{"prices":{"off_peak":{"vcpu_micros":2000000}}}"#, expect: 200)
    clock.withLock { $0 += Billing.hour }
    try house.post("/api/v1/vms/a/stop?tenant=acme", expect: 200)
    try house.report("n1", epoch, [(a, "gone")])
    clock.withLock { $0 += 5 * Billing.hour }
    try house.post("/api/v1/pools", #"{"name":"p","cidr":"10.0.0.0/24"}"#, expect: 201)
    let period = "from=\(Instant.text(began - 1))&to=\(Instant.text(began + 8 * Billing.hour))"
    let bill = try house.get("/api/v1/billing?\(period)")
    #expect(bill.column("vm") == ["a", "a", "b"])
    #expect(bill.column("datacenter") == ["fra", "fra", "ams"])
    // a: 1.5 h of 2 vCPU at 1.000001 and 1 GiB at 7 millionths, then one hour at 2: rounded down at each price.
    #expect((3_000_013...3_000_014).contains(bill.list("items")[0]["micros"]?.integer(Int.self) ?? 0), "\(bill.text)")
    #expect(bill.list("items")[1]["micros"]?.integer(Int.self) == 4_000_000)
    let total = sum(bill.list("items"))
    #expect(bill["total_micros"] == "\(total)")
    for grouping in ["tenant", "datacenter", "vm"] {
      let report = try house.get("/api/v1/cost?\(period)&by=\(grouping)")
      #expect(report["total_micros"] == "\(total)")
      #expect(sum(report.list("items")) == total, "\(grouping)")
    }
    let tenants = try house.get("/api/v1/cost?\(period)")
    #expect(tenants.column("tenant") == ["acme", "default"])
    #expect(tenants.list("items")[0]["vcpu_seconds"]?.numberText == "18000")
    // Cut anywhere, page by page, and as lines, it stays the same.
    let middle = Instant.text(began + Billing.hour / 7)
    let first = try house.get("/api/v1/cost?from=\(Instant.text(began - 1))&to=\(middle)")
    let second = try house.get("/api/v1/cost?from=\(middle)&to=\(Instant.text(began + 8 * Billing.hour))")
    #expect(
      (first["total_micros"].flatMap { Int($0) } ?? 0) + (second["total_micros"].flatMap { Int($0) } ?? 0) == total)
    // What begins where the period ends is not in it, and an earlier period may be asked for after a later one.
    let before = try house.get("/api/v1/cost?from=\(Instant.text(began - 10))&to=\(Instant.text(began))")
    #expect(before["total_micros"] == "0" && before.list("items").isEmpty, "\(before.text)")
    let again = try house.get("/api/v1/cost?\(period)")
    #expect(again["total_micros"] == "\(total)")
    let page = try house.get("/api/v1/billing?\(period)&limit=2")
    let rest = try house.get("/api/v1/billing?\(period)&limit=2&cursor=\(page["next_cursor"] ?? "")")
    #expect(page.column("vm") + rest.column("vm") == ["a", "a", "b"] && rest["next_cursor"] == nil)
    let lines = try house.get("/api/v1/billing?\(period)&format=csv").text.split(separator: "\r\n")
    #expect(lines.count == 4 && lines[0].hasPrefix("tenant,vm,id,node,datacenter,from,to,vcpus"))
    #expect(lines.dropFirst().reduce(0) { $0 + (Int($1.split(separator: ",").last ?? "") ?? 0) } == total)
    #expect(try house.get("/api/v1/cost?\(period)&tenant=acme").column("tenant") == ["acme"])
    // Whoever names no end has that of the first page on all of them.
    let opening = try house.get("/api/v1/billing?limit=1")
    clock.withLock { $0 += Billing.hour }
    let closing = try house.get("/api/v1/billing?limit=1&cursor=\(opening["next_cursor"] ?? "")")
    #expect(opening["to"] != nil && closing["to"] == opening["to"], "\(closing.text)")
    try house.get("/api/v1/cost?from=yesterday", expect: 400)
    try house.get("/api/v1/cost?by=moon", expect: 400)
    try house.get("/api/v1/billing?format=xml", expect: 400)
  }

  /// A wrong bill is worse than none, also when an earlier question has read what is trimmed by now.
  @Test func thereIsNoBillOverATrimmedLog() throws {
    let (house, clock) = try start()
    let began = clock.withLock { $0 }
    let epoch = try house.register("n1", more: #","prices":{"off_peak":{"vcpu_micros":1000}}"#)
    func period(_ from: Int64, _ to: Int64) -> String {
      "/api/v1/cost?from=\(Instant.text(began + from * Billing.hour))&to=\(Instant.text(began + to * Billing.hour))"
    }
    clock.withLock { $0 += Billing.hour }
    let vm = try house.vm("a", more: #","interfaces":[]"#)
    clock.withLock { $0 += Billing.hour }
    try house.post("/api/v1/pools", #"{"name":"p","cidr":"10.0.0.0/24"}"#, expect: 201)
    #expect(try house.get(period(1, 2))["total_micros"] == "2000")
    // What was read before is kept, and what came after it is still there.
    house.log.trim(through: 1)
    #expect(try house.get(period(1, 2))["total_micros"] == "2000")
    try house.post("/api/v1/vms/a/stop", expect: 200)
    try house.report("n1", epoch, [(vm, "gone")])
    clock.withLock { $0 += Billing.hour }
    try house.post("/api/v1/pools", #"{"name":"q","cidr":"10.0.1.0/24"}"#, expect: 201)
    house.log.trim(through: house.log.head.sequence - 1)
    for question in [period(0, 2), period(2, 3)] {
      let heard = try house.get(question, expect: 410)
      #expect(heard["code"] == "history_trimmed", "\(heard.text)")
    }
  }

  @Test func aBillWhoseSumIsNoNumberAnyMoreTellsTheLargestThereIs() throws {
    let (house, clock) = try start()
    for number in 1...5 {
      try house.register("n\(number)", more: #","prices":{"off_peak":{"vcpu_micros":8589934592}}"#)
      let vm = #"{"name":"v\#(number)","vcpus":14,"memory_mib":64,"interfaces":[],"node":"n\#(number)"}"#
      try house.post("/api/v1/vms", vm, expect: 201)
    }
    clock.withLock { $0 += 2_000 * 8_766 * Billing.hour }
    try house.post("/api/v1/pools", #"{"name":"p","cidr":"10.0.0.0/24"}"#, expect: 201)
    let bill = try house.get("/api/v1/billing?from=1970-01-01T00:00:00Z")
    #expect(bill.list("items").count == 5 && bill["total_micros"] == "\(Int64.max)", "\(bill.text)")
    #expect(try house.get("/api/v1/cost?from=1970-01-01T00:00:00Z")["total_micros"] == "\(Int64.max)")
  }

  @Test func oneTenantsQuestionsDoNotShutOutTheOthers() throws {
    let house = try House()
    try house.register("n1")
    try house.vm("a", more: #","interfaces":[]"#)
    let boss = try house.key(.clusterAdmin)
    let (acme, other) = (try house.key(.viewer, .tenant(.acme)), try house.key(.viewer, .tenant(.acme)))
    // The thread that reads the log is held fast.
    let (isHeld, isFree) = (Shared(false), Shared(false))
    let now = WallClock.microseconds
    let isTaken = house.api.costs.intervals(of: "test", from: 0, to: now + Billing.hour) { _ in
    } where: { _ in
      isHeld.withLock { $0 = true }
      return eventually { isFree.withLock { $0 } }
    }
    #expect(isTaken && eventually { isHeld.withLock { $0 } })
    let answers = Collected<Int>()
    let asking = (0...Costs.questionsEach).map { number in
      Thread(name: "acme") {
        let heard = try? house.call("GET", "/api/v1/cost", key: number % 2 == 0 ? acme : other)
        answers.add(heard?.status ?? 0)
      }
    }
    #expect(eventually { answers.all == [503] }, "with whichever of its tokens: \(answers.all)")
    let next = Thread(name: "boss") {
      let heard = try? house.call("GET", "/api/v1/cost", key: boss)
      answers.add(heard?.status ?? 0)
    }
    isFree.withLock { $0 = true }
    for thread in asking + [next] { thread.join() }
    #expect(answers.all.sorted() == [200, 200, 200, 200, 200, 503])
  }

  @Test func oneTenantsQuestionsAboutThePastDoNotShutOutTheOthers() throws {
    let house = try House()
    let boss = try house.key(.clusterAdmin)
    let (acme, other) = (try house.key(.viewer, .tenant(.acme)), try house.key(.viewer, .tenant(.acme)))
    // The thread that answers is held fast.
    let (isHeld, isFree) = (Shared(false), Shared(false))
    let isTaken = house.api.history.matches(IPAddress("172.16.0.9")!, at: WallClock.microseconds) { _ in
      isHeld.withLock { $0 = true }
      _ = eventually { isFree.withLock { $0 } }
    }
    #expect(isTaken && eventually { isHeld.withLock { $0 } })
    let answers = Collected<Int>()
    let asking = (0...History.questionsEach).map { number in
      Thread(name: "acme") {
        let target = number % 3 == 0 ? "addresses/172.16.0.9?at=2026-01-01T00:00:00Z" : "history?owner=a"
        let heard = try? house.call("GET", "/api/v1/\(target)", key: number % 2 == 0 ? acme : other)
        answers.add(heard?.status ?? 0)
      }
    }
    #expect(eventually { answers.all == [503] }, "with whichever of its tokens: \(answers.all)")
    let next = Thread(name: "boss") {
      let heard = try? house.call("GET", "/api/v1/history?owner=a", key: boss)
      answers.add(heard?.status == 200 ? 1 : 0)
    }
    isFree.withLock { $0 = true }
    for thread in asking + [next] { thread.join() }
    #expect(answers.all.count { $0 == 503 } == 1 && answers.all.contains(1), "\(answers.all)")
  }

  @Test func s3_74_aVMThatUsesLittleIsNamedWithASmallerSizeAndWhatItSaves() throws {
    let house = try House()
    let epoch = try house.register("n1", more: #","prices":{"off_peak":{"vcpu_micros":1000}}"#)
    let idle = try house.vm("idle")
    let busy = try house.vm("busy")
    let late = try house.vm("late")
    try house.report("n1", epoch, [(idle, "running"), (busy, "running"), (late, "running")])
    let usage =
      #"{"epoch":\#(epoch),"usage":{"vcpus":2,"vms":[{"id":\#(idle["id"] ?? ""),"vcpus":0.2,"memory_mib":900},{"id":\#(busy["id"] ?? ""),"vcpus":2,"memory_mib":1000},{"id":\#(late["id"] ?? ""),"vcpus":1,"memory_mib":1000},{"id":77,"vcpus":1}]}}"#
    for round in 1...100 {
      try house.post("/api/v1/nodes/n1/report", usage, expect: 200)
      if round == 50 { #expect(try house.get("/api/v1/recommendations").list("items").isEmpty) }
    }
    let found = try house.get("/api/v1/recommendations")
    #expect(found.column("name") == ["idle", "late"])
    let page = try house.get("/api/v1/recommendations?limit=1")
    #expect(page.column("name") == ["idle"])
    let rest = try house.get("/api/v1/recommendations?limit=1&cursor=\(page["next_cursor"] ?? "")")
    #expect(rest.column("name") == ["late"])
    // What does not run is not measured any more, whatever it used.
    try house.post("/api/v1/vms/late/stop", expect: 200)
    #expect(try house.get("/api/v1/recommendations").column("name") == ["idle"])
    #expect(found["items.0.usual.vcpus"] == "0.2" && found["items.0.advised.vcpus"] == "0.25")
    #expect(found["items.0.advised.memory_mib"] == "1024" && found["items.0.saves_hourly_micros"] == "1750")
    #expect(try house.get("/api/v1/recommendations?tenant=acme").list("items").isEmpty)
  }
}
