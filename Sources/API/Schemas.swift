internal import Domain

/// The shapes of the contract, as the OpenAPI document tells them; APITypes writes and reads the same.
enum Schemas {
  // MARK: Texts

  static let poolName = Schema.pattern("^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$", max: 63)
  static let owner = Schema.pattern("^[A-Za-z0-9._:@-]{1,128}$", max: 128)
  static let node = Schema.pattern("^[A-Za-z0-9._-]{1,128}$", max: 128)
  static let interface = Schema.pattern("^[!-$&-.0-9;-~]{1,15}$", max: 15)
  /// One that there is: it may be of a time when `:` and `%` were allowed.
  static let knownInterface = Schema.pattern("^[!-.0-~]{1,15}$", max: 15)
  static let hostname = Schema.pattern(
    "^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$", max: 253)
  static let ip = Schema.pattern("^[0-9a-fA-F:.]{2,39}$", min: 2, max: 39)
  static let cidr = Schema.pattern("^[0-9a-fA-F:.]{2,39}/[0-9]{1,3}$", min: 4, max: 43)
  static let range = Schema.pattern("^[0-9a-fA-F:.]{2,39}([-/][0-9a-fA-F:.]{1,39})?$", min: 2, max: 79)
  static let mac = Schema.pattern("^[0-9a-fA-F]{2}([:-][0-9a-fA-F]{2}){5}$", min: 17, max: 17)
  static let level = Schema.pattern("^[A-Za-z0-9._-]{1,63}$", max: 63)
  static let family = Schema.oneOf(["ipv4", "ipv6"])
  static let seconds = Schema.integer(0, Int(Limits.maxSeconds))
  static let labels = Schema.named("Labels", .map(.text(max: 128, pattern: "^[ -~]*$"), max: 32))
  static let topology = Schema.named(
    "Topology",
    .object([
      .may("datacenter", .nullable(level)), .may("zone", .nullable(level)), .may("rack", .nullable(level))
    ]))

  // MARK: The simple API

  static let simpleAllocate = Schema.named(
    "SimpleAllocate",
    .object([
      .must("vm_id", owner, "Who wants an address; the names of routes are not accepted."),
      .may("hostname", .nullable(hostname))
    ]))
  static let simpleAllocation = Schema.named(
    "SimpleAllocation",
    .object([
      .must("ip", ip), .must("vm_id", owner), .must("gateway", .nullable(ip)), .must("network", cidr),
      .must("hostname", .nullable(hostname))
    ]))
  static let simpleList = Schema.named(
    "SimpleList",
    .object([
      .must("allocations", .list(simpleAllocation, max: simpleListLimit)),
      .must("count", .integer(0, simpleListLimit), "How many are in this answer."),
      .may("next_cursor", .cursor, "Only when there are more.")
    ]))
  static let simpleStats = Schema.named(
    "SimpleStats",
    .object([
      .must("network", cidr), .must("gateway", .nullable(ip)),
      .must("total", .count, "What can be given out at all: 253 in a /24."),
      .must("used", .count, "Allocated, or resting in quarantine."), .must("available", .count),
      .must("utilization_percent", .number)
    ]))
  static let health = Schema.named(
    "Health",
    .object([
      .must("status", .oneOf(["ok", "lost"]), "`lost`: the cluster's log has lost history that this node has."),
      .must("version", .text()), .must("revision", .revision), .must("time", .time),
      .must("storage_full", .boolean, "The last write found no room; reads go on."),
      .must("clock_held", .boolean, "A step of the wall clock waits for `POST /api/v1/clock/confirm`."),
      .must("expiry_held", .boolean, "Expiries wait for `POST /api/v1/clock/confirm`."),
      .must("findings", .integer(0, Int(Int32.max)), "What the last scrub found wrong; the server's log names it."),
      .may("cluster", clusterNode, "This node's part in its cluster.")
    ]))

  // MARK: Pools

  static let capacity = Schema.named(
    "Capacity",
    .object([
      .must("total", .count, "All addresses of the network."), .must("reserved", .count, "Excluded for any reason."),
      .must("usable", .count), .must("allocated", .count), .must("quarantined", .count), .must("available", .count),
      .must("utilization_percent", .number)
    ]))
  private static let strategy = Schema.oneOf(Strategy.allCases.map(\.name))
  private static let poolSettings: [Schema.Field] = [
    .may("gateway", .nullable(ip), "Default: the first host; null = none."),
    .may("ranges", .list(range, max: Limits.ranges), "What may be given out: A-B, A/length or A; empty = all hosts."),
    .may("dns", .list(ip, max: Limits.dns)), .may("vlan", .nullable(.integer(1, 4_094))),
    .may("mtu", .nullable(.integer(68, 65_535))), .may("topology", topology, "The place it serves."),
    .may("strategy", strategy), .may("quarantine_seconds", seconds), .may("lease_seconds", seconds, "0 = for ever."),
    .may("enabled", .boolean), .may("nat", .boolean), .may("labels", labels)
  ]
  static let poolCreate = Schema.named(
    "PoolCreate",
    .object(
      [
        .must("name", poolName), .must("cidr", cidr),
        .may("network", poolName, "Routing domain: pools of one never overlap.")
      ] + poolSettings))
  static let poolPatch = Schema.named("PoolPatch", .object([.may("cidr", cidr)] + poolSettings))
  static let poolExpand = Schema.named("PoolExpand", .object([.may("cidr", cidr)] + poolSettings.prefix(2)))
  static let pool = Schema.named(
    "Pool",
    .object([
      .must("name", poolName), .must("cidr", cidr), .must("family", family), .must("gateway", .nullable(ip)),
      .must("ranges", .list(range)), .must("dns", .list(ip)), .must("vlan", .nullable(.integer(1, 4_094))),
      .must("mtu", .nullable(.integer(68, 65_535))), .must("network", poolName), .must("topology", topology),
      .must("strategy", strategy), .must("quarantine_seconds", seconds), .must("lease_seconds", seconds),
      .must("enabled", .boolean), .must("nat", .boolean), .must("labels", labels),
      .may("capacity", capacity, "Only in answers to GET."), .must("created_at", .time), .must("revision", .revision)
    ]))
  static let reserve = Schema.named(
    "Reserve", .object([.must("range", range), .may("reason", .text(max: Limits.reasonBytes))]))
  static let reservation = Schema.named(
    "Reservation",
    .object([
      .must("range", range), .must("reason", .text(max: Limits.reasonBytes)),
      .must("automatic", .boolean, "There by itself: network, broadcast, anycast or gateway address."),
      .must("created_at", .nullable(.time)), .must("revision", .nullable(.revision))
    ]))

  // MARK: Allocations

  private static let wanted: [Schema.Field] = [
    .must("owner", owner), .may("tenant", .nullable(poolName)), .may("interface", .nullable(interface)),
    .may("prefix_length", .nullable(.integer(0, 128)), "A child prefix of this length instead of an address."),
    .may("count", .nullable(.integer(1, Limits.count)), "Several; the answer is then `{\"allocations\":[...]}`."),
    .may("contiguous", .boolean, "Several in one run without gaps."), .may("hostname", .nullable(hostname)),
    .may("mac", .nullable(mac)), .may("node", .nullable(node)), .may("lease_seconds", .nullable(seconds)),
    .may("labels", labels)
  ]
  static let allocate = Schema.named(
    "Allocate", .object(wanted + [.may("ip", .nullable(ip), "Exactly this address, or child prefix.")]))
  static let allocateAnywhere = Schema.named(
    "AllocateAnywhere",
    .object(
      wanted + [
        .may("families", .array(family, min: 1, max: 2), "Default: ipv4."),
        .may("topology", topology, "Where it is needed."), .may("pool_labels", labels)
      ]))
  static let allocation = Schema.named(
    "Allocation",
    .object([
      .must("pool", poolName), .must("tenant", poolName), .must("owner", owner), .must("interface", knownInterface),
      .must("index", .integer(0, 65_535)), .must("ip", ip),
      .must("prefix_length", .nullable(.integer(0, 128)), "Of a child prefix."),
      .must("cidr", .nullable(cidr), "Of a child prefix."), .must("gateway", .nullable(ip)), .must("pool_cidr", cidr),
      .must("hostname", .nullable(hostname)), .must("mac", .nullable(mac)), .must("node", .nullable(node)),
      .must("static", .boolean, "Asked for by number."), .must("managed_by", .nullable(.oneOf(["vm", "kube"]))),
      .must("labels", labels), .must("created_at", .time), .must("expires_at", .nullable(.time)),
      .must("generation", .revision, "The entry that gave it."), .must("revision", .revision)
    ]))
  static let allocations = Schema.named("Allocations", .object([.must("allocations", .list(allocation))]))
  /// One allocation, or several when `count` was given.
  static let granted = Schema.either(allocation, allocations)
  static let allocationPatch = Schema.named(
    "AllocationPatch",
    .object([
      .may("hostname", .nullable(hostname)), .may("mac", .nullable(mac)), .may("node", .nullable(node)),
      .may("labels", labels)
    ]))
  static let renew = Schema.named("Renew", .object([.may("lease_seconds", .nullable(seconds))]))

  // MARK: Space

  static let suggestion = Schema.named(
    "Suggestion",
    .object([
      .must("pool", poolName), .must("ip", ip), .must("gateway", .nullable(ip)), .must("pool_cidr", cidr),
      .must("reserved", .boolean, "Always false: the next one to allocate may get it.")
    ]))
  static let usage = Schema.named(
    "Usage",
    .object([
      .must("pool", poolName), .must("cidr", cidr), .must("block_length", .integer(0, 128)),
      .must(
        "items",
        .list(
          .object([.must("block", cidr), .must("allocated", .count), .must("usable", .count)]), max: usageLimit)),
      .must("next_cursor", .nullable(.cursor))
    ]))
  static let free = Schema.named(
    "Free",
    .object([
      .must("pool", poolName), .must("length", .integer(0, 128)), .must("blocks", .list(cidr, max: freeLimit))
    ]))
  static let addressMatches = Schema.named(
    "AddressMatches",
    .object([
      .must("ip", ip),
      .must(
        "matches",
        .list(
          .object([
            .must("pool", poolName), .must("network", poolName),
            .must("state", .oneOf(["allocated", "available", "quarantined", "reserved"])),
            .must("allocation", .nullable(allocation))
          ])))
    ]))

  static let interval = Schema.named(
    "OwnershipInterval",
    .object([
      .must("ip", ip), .must("prefix_length", .nullable(.integer(0, 128)), "Of a child prefix."),
      .must("pool", poolName), .must("tenant", poolName), .must("owner", owner), .must("interface", knownInterface),
      .must("from", .time), .must("to", .nullable(.time), "null = still."), .must("generation", .revision)
    ]))

  // MARK: Import, export, administration

  static let importRequest = Schema.named(
    "Import",
    .object([
      .must(
        "rows",
        .list(
          .object([
            .must("owner", owner), .must("ip", ip), .may("mac", .nullable(mac)), .may("hostname", .nullable(hostname)),
            .may("pool", .nullable(poolName), "Default: the one that contains the address."),
            .may("tenant", .nullable(poolName)), .may("interface", .nullable(interface)),
            .may("line", .integer(0, Int(Int32.max)), "How conflicts name the row; default: its number from 1.")
          ]), max: Limits.importRows)),
      .may("skip_conflicts", .boolean, "Leave out what conflicts instead of refusing all."),
      .may("import_id", .pattern("^[ -~]+$", max: 128), "Put on each allocation as label `berth.import`.")
    ]))
  static let importReport = Schema.named(
    "ImportReport",
    .object([
      .must("imported", .count), .must("already", .count), .must("conflict_count", .count),
      .must(
        "conflicts",
        .list(
          .object([
            .must("line", .integer(0, nil, standard: nil)), .must("ip", ip), .must("code", .text()),
            .must("detail", .text())
          ]),
          max: Limits.conflictsListed))
    ]))
  static let export = Schema.named(
    "Export",
    .object([
      .must("revision", .revision, "All of it is as of this entry."), .must("time", .time),
      .must("pools", .list(pool)),
      .must(
        "reservations",
        .list(
          .object([
            .must("pool", poolName), .must("range", range), .must("reason", .text()), .must("created_at", .time),
            .must("revision", .revision)
          ]))),
      .must("allocations", .list(allocation))
    ]))
  static let confirmed = Schema.named("Confirmed", .object([.must("confirmed", .boolean)]))
  static let adminStats = Schema.named(
    "AdminStats",
    .object([
      .must(
        "ipPool",
        .object([
          .must("available", .count), .must("total", .count), .must("used", .count), .must("currentSubnet", cidr),
          .must(
            "expansionCapability",
            .object([
              .must("current", .count), .must("maxWith16Subnet", .count), .must("maxWith8Subnet", .count),
              .must("recommendation", .text())
            ]))
        ])),
      .must(
        "stats",
        .object([
          .must("ip_pool_available", .count), .must("ip_pool_total", .count), .must("ip_pool_current_subnet", cidr),
          .must("ip_pool_max_possible", .count)
        ]))
    ]))
  static let alive = Schema.named("Alive", .object([.must("status", .oneOf(["ok"]))]))

  // MARK: Refusals

  static let problem = Schema.named(
    "Problem",
    .object([
      .must("type", .text()), .must("title", .text()), .must("status", .integer(400, 599)),
      .must("code", .pattern("^[a-z_]+$", max: 64), "Stable: what scripts look at."),
      .must("detail", .text(), "What is wrong and what to do."),
      .may(
        "errors",
        .list(.object([.must("field", .text()), .must("message", .text())])), "The fields or parameters concerned."),
      .may("facts", .map(.fact, max: nil), "Numbers and names that scripts can use."),
      .may("report", importReport, "The conflicts of an import that was refused as a whole.")
    ]))

  /// What the parameters in paths are, by name.
  static func path(_ name: String) -> (schema: Schema, meaning: String) {
    switch name {
    case "pool": (poolName, "The pool's name.")
    case "vm_id": (owner, "The VM's id.")
    case "ip": (ip, "An address; of a child prefix its network address.")
    case "id": (tokenID, "The token's public half.")
    case "first": (ip, "The first address of the reservation.")
    case "node": (node, "The node's name.")
    case "vm": (owner, "The VM's name.")
    case "tenant": (poolName, "The tenant's name.")
    case "name": (poolName, "The name of what is kept.")
    default: preconditionFailure("path parameter \(name) has no schema")
    }
  }
}
