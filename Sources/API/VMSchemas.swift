internal import APITypes
internal import Domain

/// The shapes about VMs, tenants and costs.
extension Schemas {
  static let vmState = Schema.oneOf(VMState.allCases.map(\.name))
  private static let money = Schema.integer(0, Int(Money.max))
  private static let scope = Schema.oneOf(PlaceScope.allCases.map(\.name))
  private static let weight = Schema.nullable(.integer(1, 1_000))
  private static let affinity = Schema.list(
    .object([.must("group", level), .may("scope", scope), .may("weight", weight, "null = never broken.")]),
    max: Limits.affinity)
  private static let antiAffinity = Schema.list(
    .object([
      .must("group", level), .may("scope", scope), .may("weight", weight, "null = never broken."),
      .may("most", .integer(1, 65_535), "So many may share a place.")
    ]), max: Limits.affinity)
  private static let locality = Schema.named(
    "Locality",
    .object([
      .may("datacenter", .nullable(level)), .may("zone", .nullable(level)), .may("enforced", .boolean),
      .may("excluded", .list(level, max: Limits.excluded)),
      .may("max_latency_us", .nullable(.integer(0, Int(UInt32.max)))), .may("latency_from", .nullable(level)),
      .may(
        "spread",
        .nullable(.object([.must("group", level), .may("scope", scope), .may("least", .integer(1, 65_535))])))
    ]))
  private static func interfaces(_ name: Schema) -> Schema {
    .list(
      .object([
        .may("name", .nullable(name), "Default eth0, eth1, ..."), .may("pool", .nullable(poolName), "From this pool."),
        .may(
          "families", .nullable(.array(family, min: 1, max: 2)),
          "Or of these families, from pools of one VLAN; default ipv4."),
        .may("pool_labels", .nullable(labels), "From pools that carry these labels."),
        .may("ip", .nullable(ip), "Exactly this address."), .may("mac", .nullable(mac))
      ]), max: Limits.interfaces)
  }
  private static let deviceRequests = Schema.list(
    .object([.must("model", level), .may("count", .integer(1, Limits.devices))]), max: Limits.devices)
  private static let image = Schema.nullable(.text(max: Limits.imageBytes))

  /// What a VM is to be: in bodies may, in answers must.
  private static func spec(
    _ make: (String, Schema, String?) -> Schema.Field, interface: Schema
  ) -> [Schema.Field] {
    [
      make("image", image, nil), make("kernel", image, nil), make("backend", .nullable(poolName), nil),
      make("priority", .integer(0, Int(Limits.priority)), "The higher goes first; default 500."),
      make("preemptible", .boolean, "Whether it may have to give way."),
      make("grace_seconds", .integer(0, 86_400), "How long it has to go down by itself; default 30."),
      make("interfaces", interfaces(interface), "Default: eth0 with an IPv4 address."),
      make("groups", .list(level, max: Limits.groups), nil), make("affinity", affinity, "With whom."),
      make("anti_affinity", antiAffinity, "Without whom."),
      make("max_disrupted", .nullable(.integer(0, 65_535)), "Members of its first group away at once for others."),
      make("locality", locality, nil), make("pinned", .boolean, "Processors of its own."),
      make("single_numa", .boolean, nil), make("devices", deviceRequests, nil), make("custom", custom, nil),
      make("budget_hourly_micros", .nullable(money), "The most that an hour may cost."),
      make("node_labels", labels, "Labels that its node must have."),
      make("spot", .oneOf(SpotChoice.allCases.map(\.name)), nil),
      make("strategy", .oneOf(PlacementStrategy.allCases.map(\.name)), nil),
      make("preemption", .oneOf(PreemptionPolicy.allCases.map(\.name)), "What it may do to others."),
      make("forced", .boolean, "Those it drives out have no time to go down."),
      make("failover", .oneOf(FailoverPolicy.allCases.map(\.name)), nil),
      make("standby", .boolean, "Room is kept for it in another datacenter; needs failover restart."),
      make("labels", labels, nil)
    ]
  }

  private static let asked: [Schema.Field] = [
    .must("vcpus", .either(.number, .pattern("^[0-9]{1,15}(\\.[0-9]{1,3})?$", max: 19)), "At most three decimals."),
    .must("memory_mib", .integer(1, Int(Limits.resource))), .may("disk_mib", .integer(0, Int(Limits.resource))),
    .may("bandwidth_mbps", .integer(0, Int(Limits.resource)))
  ]
  static let vmCreate = Schema.named(
    "VMCreate",
    .object(
      [
        .must("name", owner, "Of several the beginning, followed by -1, -2, ..."),
        .may("tenant", .nullable(poolName)),
        .may("count", .nullable(.integer(1, Limits.count)), "Several; the answer is then `{\"vms\":[...]}`.")
      ] + asked + spec(Schema.Field.may, interface: interface) + [
        .may("node", .nullable(node), "The only node that will do."), .may("start", .boolean, "Default true."),
        .may("must_place", .boolean, "Refuse rather than let it wait.")
      ]))
  static let vmPatch = Schema.named(
    "VMPatch",
    .object([
      .may("labels", labels), .may("priority", .integer(0, Int(Limits.priority))), .may("preemptible", .boolean),
      .may("failover", .oneOf(FailoverPolicy.allCases.map(\.name))), .may("standby", .boolean),
      .may("budget_hourly_micros", .nullable(money))
    ]))
  static let migrate = Schema.named("Migrate", .object([.may("node", .nullable(node))]))
  static let seat = Schema.named(
    "Seat",
    .object([
      .must("cpus", .nullable(cpus), "Its own processors."), .must("numa", .nullable(.integer(0, 255))),
      .must("devices", .list(deviceID))
    ]))
  static let vm = Schema.named(
    "VM",
    .object(
      [
        .must("id", .count, "Never used again."), .must("name", owner), .must("tenant", poolName),
        .must("state", vmState), .must("wanted", .boolean, "Whether it is meant to run."),
        .must("ending", .boolean, "Whether it is gone as soon as its node says so."), .must("node", .nullable(node)),
        .must("leaving", .nullable(node)),
        .must("hurried", .boolean, "Where it leaves it has no time to go down by itself."),
        .must("epoch", .count, "Counts its placements."),
        .must(
          "addresses",
          .list(
            .object([
              .must("interface", knownInterface), .must("ip", ip), .must("pool", poolName),
              .must("gateway", .nullable(ip)),
              .must("network", cidr), .must("mac", mac)
            ]))),
        .may("hourly_price_micros", .nullable(money), "Where it is, in this hour; only in answers to GET."),
        .may("usage", .nullable(resources), "As its node last measured; only with `usage=true`."),
        .must("why", .text(), "Why it is where it is, or why it waits.")
      ] + [
        .must("vcpus", .number), .must("memory_mib", .count), .must("disk_mib", .count), .must("bandwidth_mbps", .count)
      ] + spec(Schema.Field.must, interface: knownInterface) + [
        .must("required_node", .nullable(node)),
        .must("standby_node", .nullable(node), "Keeps room for it and takes it over when its node is lost."),
        .must("standby_why", .nullable(.text()), "Why it has no standby although it wants one."), .must("seat", seat),
        .must("preemptions", .count),
        .must("created_at", .time), .must("revision", .revision)
      ]))
  static let vms = Schema.named("VMs", .object([.must("vms", .list(vm))]))
  /// One VM, or several when `count` was given.
  static let vmsMade = Schema.either(vm, vms)
  static let why = Schema.named(
    "Why",
    .object([
      .must("tenant", poolName), .must("name", owner), .must("state", vmState), .must("node", .nullable(node)),
      .must("why", .text(), "As it was decided."), .must("standby_node", .nullable(node)),
      .must("standby_why", .nullable(.text()), "Why it has no standby although it wants one."),
      .must(
        "now",
        .nullable(
          .object([
            .must("fitting", .count, "How many like it would find room now."), .must("notes", .list(.text()))
          ])), "Of one that waits: what stands in its way now.")
    ]))

  // MARK: Tenants

  private static func limits(_ make: (String, Schema, String?) -> Schema.Field, perNode: Bool) -> Schema {
    let items = Quota.Item.allCases.filter { perNode || $0 != .vmsPerNode }
    return .object(
      items.map { item in
        let amount = item == .cpu ? Schema.number : Schema.count
        return make("\(Quota.key(item))", perNode ? .nullable(amount) : amount, nil)
      })
  }

  private static let burst: [Schema.Field] = [
    .may("burst_percent", .integer(0, 1_000), "So much over its limits a tenant may go,"),
    .may("burst_seconds", seconds, "for so long."),
    .may(
      "alert_percents", .list(.integer(1, Int(Limits.alertPercent)), max: Limits.alerts),
      "Parts of the monthly budget at which the quota's row, and so an event, says so; default 80, 100.")
  ]
  static let quotaSet = Schema.named(
    "QuotaSet",
    .object(
      [
        .must(
          "limits",
          .object(
            Quota.Item.allCases.map { item in
              let amount =
                item == .cpu
                ? Schema.either(.number, .pattern("^[0-9]{1,15}(\\.[0-9]{1,3})?$", max: 19)) : Schema.count
              return .may("\(Quota.key(item))", .nullable(amount))
            }), "What is left out or null is without limit.")
      ] + burst))
  static let quota = Schema.named(
    "Quota",
    .object(
      [.must("tenant", poolName), .must("limits", limits(Schema.Field.must, perNode: true))] + burst + [
        .may("usage", limits(Schema.Field.must, perNode: false), "Only in answers to GET."),
        .may("budget_used_percent", .nullable(.count), "A month of what runs now, of `monthly_micros`."),
        .must(
          "budget_alert_percent", .nullable(.count),
          "The highest of `alert_percents` that it has reached; changes once for each crossing."),
        .must("revision", .revision)
      ]))
  static let capacityReserve = Schema.named(
    "CapacityReserve",
    .object([
      .must("name", poolName), .may("tenant", poolName), .must("node", node), .may("vcpus", .either(.number, .text())),
      .may("memory_mib", .integer(0, Int(Limits.resource))), .may("disk_mib", .integer(0, Int(Limits.resource))),
      .may("bandwidth_mbps", .integer(0, Int(Limits.resource))),
      .may("priority", .integer(0, Int(Limits.priority)), "A VM of a higher one may use it too; default 500."),
      .may("expires_at", .nullable(.time)), .may("expires_in_seconds", .nullable(seconds)),
      .may("reason", .nullable(.text(max: Limits.reasonBytes)))
    ]))
  static let keptCapacity = Schema.named(
    "KeptCapacity",
    .object([
      .must("name", poolName), .must("tenant", poolName), .must("node", node), .must("asked", resources),
      .must("left", resources, "What is still kept."), .must("priority", .count),
      .must("expires_at", .nullable(.time)), .must("reason", .text()), .must("created_at", .time),
      .must("revision", .revision)
    ]))

  // MARK: Plans and costs

  private static let vmKey = Schema.object([.must("tenant", poolName), .must("name", owner)])
  /// Money that may be below zero.
  private static let change = Schema.integer(nil, nil, standard: nil)
  static let whatIf = Schema.named(
    "WhatIf",
    .object([
      .may("drain", node, "Exactly one of these."), .may("lose", level, "A datacenter."),
      .may("add", .anything, "Nodes: as `NodeRegister`, with `count` and `name`."),
      .may(
        "cheaper",
        .object([
          .may("tenant", .nullable(poolName)), .may("exclude_tenants", .list(poolName, max: Limits.count)),
          .may("exclude_labels", labels, "A VM that carries one of them stays where it is."),
          .may("min_saving_hourly_micros", money, "A move must save so much."),
          .may("max_moves", .integer(1, Limits.planMoves), "Those that save most come first.")
        ])), .may("fit", vmCreate)
    ]))
  static let plan = Schema.named(
    "Plan",
    .object([
      .must(
        "moves",
        .list(
          .object([
            .must("vm", vmKey), .must("from", .nullable(node)), .must("to", .nullable(node), "null = it would wait."),
            .must("victims", .list(vmKey)), .must("saves_hourly_micros", change), .must("why", .text())
          ]), max: Limits.planMoves)),
      .must("move_count", .count, "All of them, also those not listed."), .must("unplaced", .count),
      .must("fitting", .count), .must("saves_hourly_micros", change), .must("notes", .list(.text()))
    ]))
  static let costReport = Schema.named(
    "CostReport",
    .object([
      .must("from", .time), .must("to", .time), .must("by", .oneOf(CostGrouping.allCases.map(\.rawValue))),
      .must("total_micros", .count, "Of the whole period, also what is on other pages."),
      .must(
        "items",
        .list(
          .object([
            .may("tenant", poolName), .may("vm", owner), .may("datacenter", .nullable(level)),
            .must("vcpu_seconds", .number), .must("memory_mib_seconds", .count), .must("micros", .count)
          ]))), .must("next_cursor", .nullable(.cursor))
    ]))
  static let bill = Schema.named(
    "Bill",
    .object([
      .must("from", .time), .must("to", .time), .must("total_micros", .count),
      .must(
        "items",
        .list(
          .object([
            .must("tenant", poolName), .must("vm", owner), .must("id", .count), .must("node", node),
            .must("datacenter", .nullable(level)), .must("from", .time), .must("to", .time), .must("vcpus", .number),
            .must("memory_mib", .count), .must("disk_mib", .count), .must("bandwidth_mbps", .count),
            .must("micros", .count)
          ]))), .must("next_cursor", .nullable(.cursor))
    ]))
}
