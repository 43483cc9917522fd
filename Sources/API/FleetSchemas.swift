internal import APITypes
internal import Domain

/// The shapes about nodes.
extension Schemas {
  static let nodeState = Schema.oneOf(NodeState.allCases.map(\.name))
  private static let most = Int(Limits.resource)
  /// A number with at most three decimals; bodies may also put it in quotes.
  private static let vcpus = Schema.number
  private static let vcpusAsked = Schema.either(.number, .pattern("^[0-9]{1,15}(\\.[0-9]{1,3})?$", max: 19))
  private static let mib = Schema.integer(0, most)

  private static func amounts(_ vcpus: Schema, isWhole: Bool) -> [Schema.Field] {
    let make = isWhole ? Schema.Field.must : Schema.Field.may
    return [
      make("vcpus", vcpus, "At most three decimals."), make("memory_mib", mib, nil), make("disk_mib", mib, nil),
      make("bandwidth_mbps", mib, nil)
    ]
  }

  static let resources = Schema.named("Resources", .object(amounts(vcpus, isWhole: true)))
  static let resourcesAsked = Schema.named("ResourcesAsked", .object(amounts(vcpusAsked, isWhole: false)))
  static let custom = Schema.map(.integer(0, Int(UInt32.max)), max: Limits.customResources)
  private static let rates = Schema.named(
    "Rates",
    .object([
      .may("vcpu_micros", rate), .may("memory_gib_micros", rate), .may("disk_gib_micros", rate),
      .may("bandwidth_gbps_micros", rate)
    ]))
  private static let rate = Schema.integer(0, Int(Limits.rate))
  private static let prices = Schema.named(
    "Prices",
    .object([
      .may("peak", rates, "Millionths an hour."), .may("off_peak", rates, "In all other hours."),
      .may("peak_from", .integer(0, 23), "First peak hour, UTC."),
      .may("peak_until", .integer(0, 23), "The hour after the last peak hour; the same as the first: no peak.")
    ]))
  private static let devices = Schema.list(
    .object([.must("id", deviceID), .must("model", level), .may("numa", .integer(0, Limits.numaNodes - 1))]),
    max: Limits.devices)
  static let deviceID = Schema.pattern("^[A-Za-z0-9._:-]{1,63}$", max: 63)
  static let cpus = Schema.text(max: 8_192, pattern: "^([0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*)?$")
  private static let numa = Schema.list(
    .object([.must("cpus", cpus), .must("memory_mib", mib)]), max: Limits.numaNodes)
  private static let profile = Schema.oneOf(OvercommitProfile.allCases.map(\.name))
  static let nodeRegister = Schema.named(
    "NodeRegister",
    .object([
      .must("capacity", resourcesAsked, "What it really has."), .may("custom", custom, "Such as `licence:foo`."),
      .may("devices", devices), .may("numa", numa), .may("topology", topology),
      .may("backends", .list(poolName, max: Limits.devices)), .may("prices", prices),
      .may("spot", .boolean, "Its owner may take it back."), .may("profile", profile, "How much it may promise."),
      .may("labels", labels)
    ]))
  static let nodePatch = Schema.named(
    "NodePatch",
    .object([
      .may("labels", labels), .may("prices", prices), .may("profile", profile), .may("spot", .boolean),
      .may("topology", topology)
    ]))
  static let fleetNode = Schema.named(
    "Node",
    .object([
      .must("name", node), .must("state", nodeState),
      .must("epoch", .count, "Grows with each registration and fencing; reports must carry it."),
      .must("capacity", resources), .must("effective", resources, "What it may promise."), .must("custom", custom),
      .must("devices", devices), .must("numa", numa), .must("topology", topology), .must("backends", .list(poolName)),
      .must("prices", prices), .must("spot", .boolean), .must("profile", profile), .must("labels", labels),
      .must("reclaim_at", .nullable(.time), "When its owner takes it back."),
      .may("allocated", resources, "What its VMs take. With the next three only in answers to GET."),
      .may("free", resources), .may("vms", .count),
      .may(
        "health",
        .object([
          .must("last_heartbeat_seconds", .nullable(.count), "null = the leader has heard none."),
          .must("usage", .nullable(resources), "As its agent measured.")
        ])),
      .must("created_at", .time), .must("revision", .revision)
    ]))

  static let latencies = Schema.named(
    "Latencies",
    .object([
      .must(
        "items",
        .list(
          .object([
            .must("from", level), .must("to", level), .must("microseconds", .count, "There and back."),
            .must("reporters", .count, "Nodes that have measured it."), .must("age_seconds", .count, "Of the newest.")
          ])))
    ]))
  static let reclaim = Schema.named(
    "Reclaim", .object([.must("notice_seconds", .integer(1, Int(Limits.noticeSeconds)))]))

  // MARK: Reports

  static let report = Schema.named(
    "Report",
    .object([
      .must("epoch", .count, "The node's, as its registration was answered."),
      .may("seen_revision", .revision, "`revision` of the newest answer with a list; 0 = none."),
      .may(
        "vms",
        .list(
          .object([
            .must("id", .count), .must("epoch", .count, "The VM's, from the list."),
            .must("state", .oneOf(VMReport.Fact.allCases.map(\.name))), .may("detail", .text(max: Limits.reasonBytes))
          ]), max: Limits.reports)),
      .may(
        "usage",
        .nullable(
          .object(
            amounts(vcpusAsked, isWhole: false) + [
              .may(
                "vms", .list(.object([.must("id", .count)] + amounts(vcpusAsked, isWhole: false)), max: Limits.count))
            ]))),
      .may(
        "reclaim_seconds", .nullable(.integer(1, Int(Limits.noticeSeconds))),
        "In how many seconds the node's owner takes it back."),
      .may(
        "latencies",
        .list(
          .object([.must("datacenter", level), .must("microseconds", .integer(0, Int(UInt32.max)))]),
          max: ReportBody.latenciesMax))
    ]))
  private static let guestAddress = Schema.object([
    .must("ip", ip), .must("prefix_length", .integer(0, 128)), .must("gateway", .nullable(ip)), .must("dns", .list(ip)),
    .must("vlan", .nullable(.integer(1, 4_094))), .must("mtu", .nullable(.integer(68, 65_535))),
    .must("pool", poolName)
  ])
  private static let guestInterfaces = Schema.list(
    .object([.must("name", knownInterface), .must("mac", mac), .must("addresses", .list(guestAddress))]),
    max: Limits.interfaces)
  static let vmNetwork = Schema.named(
    "VMNetwork",
    .object([
      .must("tenant", poolName), .must("name", owner), .must("interfaces", guestInterfaces),
      .must(
        "kernel_argument", .nullable(.text()),
        "`ip=...` of the first IPv4 address; null = a kernel cannot be told it in one."),
      .must("network_config", .nullable(.text()), "YAML; null = an interface has no address yet.")
    ]))
  static let desiredVM = Schema.named(
    "DesiredVM",
    .object(
      [
        .must("id", .count), .must("epoch", .count), .must("tenant", poolName), .must("name", owner),
        .must("action", .oneOf(DesiredVM.Action.allCases.map(\.rawValue))), .must("grace_seconds", .count)
      ] + amounts(vcpus, isWhole: true) + [
        .must("image", .nullable(.text())), .must("kernel", .nullable(.text())), .must("backend", .nullable(poolName)),
        .must("seat", seat), .must("failover", .oneOf(FailoverPolicy.allCases.map(\.name))),
        .may("incoming", .boolean, "It runs elsewhere still, and comes here."),
        .must("interfaces", guestInterfaces)
      ]))
  static let reportAnswer = Schema.named(
    "ReportAnswer",
    .object([
      .must("epoch", .count), .must("lease_ms", .count, "Counted from when the report was sent."),
      .must("heartbeat_ms", .count, "How often to report."), .must("revision", .revision),
      .must("desired", .nullable(.list(desiredVM)), "null = nothing has changed since `seen_revision`.")
    ]))
}
