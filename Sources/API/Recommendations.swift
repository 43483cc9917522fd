internal import APITypes
internal import Domain
internal import Engine
internal import HTTPServer
internal import Ledger
internal import Wire

/// VMs that are larger than what they use.
let recommendationEndpoints: [Endpoint] = [
  Endpoint(
    method: .get, pattern: "/api/v1/recommendations", id: "recommendSizes", tag: "costs", permission: .vmsRead,
    summary: """
      Running VMs that used less than they have in 95 of 100 measurements of their agents, with a size that would do and \
      what it would save. In a cluster the leader answers; a new leader begins to measure anew.
      """,
    query: [.limit, .cursor, .label, .init("tenant", "Only of this tenant.", Schemas.poolName)],
    answers: [
      .init(200, "A page; a short one goes on when `next_cursor` says so.", .page(of: Schemas.recommendation))
    ],
    asksLeader: true, handler: recommend)
]

private struct Recommendation: Sendable {
  let vm: VM
  let samples: UInt32
  let usual: Resources
  let advised: Resources
  let saves: Money
}

@Sendable private func recommend(_ call: Call) throws(Problem) {
  let limit = try call.limit()
  let filter = try VMFilter(call)
  let after = try call.vmCursor()
  let usage = call.api.usage
  var walk = VMWalk(filter, after: after)
  var items: [Recommendation] = []
  while items.count < limit, let found = walk.next(call.api.engine, limit: limit - items.count) {
    for view in found {
      let (vm, size) = (view.vm, view.vm.spec.resources)
      guard vm.state == .running, let known = usage.histogram(of: vm.id), let advised = known.advice(for: size) else {
        continue
      }
      let saves = (view.hourlyPrice ?? nil).map { $0 - price(of: advised, vm, call.api.engine) } ?? 0
      items.append(
        Recommendation(
          vm: vm, samples: known.samples, usual: known.usual(of: size), advised: advised, saves: max(0, saves)))
    }
  }
  let page = Page(items, next: walk.goesOnAfter.map { Cursor($0) })
  call.send(page.encoded { out, item in out.recommendation(item) }, revision: walk.revision)
}

private func price(of size: Resources, _ vm: VM, _ engine: Engine) -> Money {
  engine.read { tables in
    vm.node.flatMap { tables.node($0) }?.prices.rates(hour: Prices.hour(of: tables.now)).hourly(size) ?? 0
  }
}

extension JSONWriter {
  fileprivate mutating func recommendation(_ item: Recommendation) {
    object { out in
      out.field("tenant", item.vm.key.tenant)
      out.field("name", item.vm.key.name)
      out.field("samples", item.samples)
      out.field("size", item.vm.spec.resources)
      out.key("usual")
      out.object { out in
        out.field("vcpus", thousandths: item.usual.cpu)
        out.field("memory_mib", item.usual.memory)
      }
      out.field("advised", item.advised)
      out.field("saves_hourly_micros", item.saves)
    }
  }
}

extension Schemas {
  static let recommendation = Schema.named(
    "Recommendation",
    .object([
      .must("tenant", poolName), .must("name", owner), .must("samples", .count, "How often it was measured."),
      .must("size", resources),
      .must(
        "usual", .object([.must("vcpus", .number), .must("memory_mib", .count)]),
        "What 95 of 100 measurements did not exceed."), .must("advised", resources),
      .must("saves_hourly_micros", .count, "In this hour, where it is.")
    ]))
}
