internal import Config
internal import Wire

/// What a VM takes.
let resourceFlags = [
  Flag("vcpus", value: "N", help: "Virtual processors: 2, 0.5 or 500m."),
  Flag("memory", value: "SIZE", help: "Memory: 4G or 512M."),
  Flag("disk", value: "SIZE", help: "Disk: 40G or 1T."),
  Flag("bandwidth", value: "RATE", help: "Network: 1G or 500M, in bits a second.")
]

/// What a VM can be given at its making.
let vmFlags: [Flag] =
  resourceFlags + [
    Flag("image", value: "NAME", help: "The image it boots."),
    Flag("kernel", value: "NAME", help: "The kernel, where the image has none."),
    Flag("backend", value: "NAME", help: "What must run it; whatever the node has when left out."),
    Flag("priority", value: "N", help: "0 to 1000, 500 when left out; the higher goes first."),
    Flag("preemptible", help: "It gives way to a higher priority."),
    Flag("grace", value: "TIME", help: "How long it has to go down by itself, 30s when left out."),
    Flag("ip-pool", value: "POOL", repeats: true, help: "An interface with an address of this pool: eth0, eth1, ..."),
    Flag("ip", value: "ADDRESS", repeats: true, help: "Exactly this address, for the interfaces in order."),
    Flag("mac", value: "MAC", repeats: true, help: "This hardware address, for the interfaces in order."),
    Flag("family", value: "ipv4|ipv6", repeats: true, help: "Without --ip-pool: an address of each of these families."),
    Flag("pool-label", value: "KEY=VALUE", repeats: true, help: "Without --ip-pool: from pools with this label."),
    Flag("no-network", help: "No interface and no address."),
    Flag("group", value: "NAME", repeats: true, help: "A group that it is a member of."),
    Flag(
      "affinity", value: "GROUP[:SCOPE[:WEIGHT]]", repeats: true,
      help: "With the group, on its node, rack, zone or datacenter; with a weight it is a wish."),
    Flag(
      "anti-affinity", value: "GROUP[:SCOPE[:WEIGHT]]", repeats: true,
      help: "Away from the group, as for --affinity."),
    Flag("spread-of", value: "GROUP:SCOPE:N", help: "Its group in at least N racks, zones, ..."),
    Flag("max-disrupted", value: "N", help: "At most N of its group may have given way at once."),
    Flag("datacenter", value: "NAME", help: "Rather there."),
    Flag("zone", value: "NAME", help: "Rather in that zone."),
    Flag("enforce", help: "There or nowhere."),
    Flag("exclude", value: "DATACENTER", repeats: true, help: "Never there."),
    Flag("max-latency", value: "TIME", help: "At most so far, such as 5ms, from --latency-from or --datacenter."),
    Flag("latency-from", value: "DATACENTER", help: "From where the latency counts."),
    Flag("pinned", help: "With processors of its own."),
    Flag("single-numa", help: "On one NUMA node."),
    Flag("device", value: "MODEL[:N]", repeats: true, help: "Devices of its own, such as nvidia-a100:2."),
    Flag("custom", value: "NAME=N", repeats: true, help: "So much of a made-up resource, such as licence:foo=1."),
    Flag("budget", value: "MONEY", help: "The most that an hour of it may cost."),
    Flag("node-label", value: "KEY=VALUE", repeats: true, help: "Only nodes with this label."),
    Flag("node", value: "NODE", help: "Only this node."),
    Flag("spot", value: "never|allowed|only", help: "Whether it goes to nodes that may be taken back."),
    Flag(
      "strategy", value: "pack|spread|local|domains|cost|balanced|bandwidth|manual",
      help: "Which of the nodes that would do."),
    Flag("preemption", value: "never|own|lower|cost", help: "What it may do to others when there is no room."),
    Flag("forced", help: "Those it drives out have no time to go down."),
    Flag("failover", value: "never|restart", help: "What happens when its node is lost."),
    Flag(
      "standby", help: "Keep room for it in another datacenter, where it goes on at once; needs --failover restart."),
    Flag("label", value: "KEY=VALUE", repeats: true, help: "A label.")
  ]

extension Body {
  /// What a VM is to be, by the flags.
  mutating func vm() throws(Failure) {
    for (flag, what, example) in [("vcpus", "processors", "2"), ("memory", "memory", "4G")] where arguments[flag] == nil
    {
      throw .usage("a VM needs \(what)", "add --\(flag), such as --\(flag) \(example)")
    }
    try resources()
    for name in ["image", "kernel", "backend", "node", "spot", "strategy", "preemption", "failover"] {
      text(name, name)
    }
    try number("priority", "priority")
    bool("preemptible", "preemptible")
    try seconds("grace_seconds", "grace")
    try interfaces()
    texts("groups", "group")
    try rules("affinity", "affinity")
    try rules("anti_affinity", "anti-affinity")
    try number("max_disrupted", "max-disrupted")
    try locality()
    bool("pinned", "pinned")
    bool("single_numa", "single-numa")
    try devices()
    try custom()
    try money("budget_hourly_micros", "budget")
    try labels("node_labels", "node-label")
    bool("forced", "forced")
    bool("standby", "standby")
    try labels("labels", "label")
  }

  private mutating func interfaces() throws(Failure) {
    let (pools, ips, macs) = (arguments.all("ip-pool"), arguments.all("ip"), arguments.all("mac"))
    let families = arguments.all("family")
    if arguments.has("no-network") {
      guard pools.isEmpty, ips.isEmpty, macs.isEmpty, families.isEmpty else {
        throw .usage("--no-network and an interface contradict each other", "leave one out")
      }
      return set("interfaces", .array([]))
    }
    guard pools.isEmpty || families.isEmpty && arguments.all("pool-label").isEmpty else {
      throw .usage("--ip-pool names a pool; --family and --pool-label let Berth choose one", "leave one out")
    }
    guard !ips.isEmpty && pools.isEmpty == false || ips.isEmpty else {
      throw .usage("--ip needs the pool that the address is of", "add --ip-pool")
    }
    let count = max(pools.count, 1)
    guard ips.count <= count, macs.count <= count else {
      throw .usage("there are more addresses than interfaces", "each --ip-pool makes an interface")
    }
    var choice = Body(arguments)
    choice.texts("families", "family")
    try choice.labels("pool_labels", "pool-label")
    guard !pools.isEmpty || !macs.isEmpty || !choice.isEmpty else { return }
    let items = (0..<count).map { index in
      var members: [JSONValue.Member] = [.init("name", .string("eth\(index)"))]
      if index < pools.count { members.append(.init("pool", .string(pools[index]))) }
      if pools.isEmpty { members += choice.value.members ?? [] }
      if index < ips.count { members.append(.init("ip", .string(ips[index]))) }
      if index < macs.count { members.append(.init("mac", .string(macs[index]))) }
      return JSONValue.object(members)
    }
    set("interfaces", .array(items))
  }

  private mutating func rules(_ key: String, _ flag: String) throws(Failure) {
    var items: [JSONValue] = []
    for text in arguments.all(flag) {
      let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
      var members: [JSONValue.Member] = [.init("group", .string(parts[0]))]
      if parts.count > 1 { members.append(.init("scope", .string(parts[1]))) }
      if parts.count > 2, let weight = UInt16(parts[2]) { members.append(.init("weight", JSONValue(weight))) }
      guard parts.count <= members.count, !parts[0].isEmpty else {
        throw .usage("--\(flag) takes GROUP[:SCOPE[:WEIGHT]], such as db:rack or db:zone:100, not '\(text)'")
      }
      items.append(.object(members))
    }
    if !items.isEmpty { set(key, .array(items)) }
  }

  private mutating func locality() throws(Failure) {
    var place = Body(arguments)
    place.text("datacenter", "datacenter")
    place.text("zone", "zone")
    place.bool("enforced", "enforce")
    place.texts("excluded", "exclude")
    if let text = arguments["max-latency"] {
      guard let time = parseDuration(text) else {
        throw .usage("--max-latency takes a time such as 5ms, not '\(text)'")
      }
      let parts = time.components
      place.set("max_latency_us", JSONValue(parts.seconds * 1_000_000 + parts.attoseconds / 1_000_000_000_000))
    }
    place.text("latency_from", "latency-from")
    if let text = arguments["spread-of"] {
      let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
      guard parts.count == 3, let least = UInt16(parts[2]) else {
        throw .usage("--spread-of takes GROUP:SCOPE:N, such as db:rack:3, not '\(text)'")
      }
      place.set(
        "spread",
        .object([
          .init("group", .string(parts[0])), .init("scope", .string(parts[1])), .init("least", JSONValue(least))
        ]))
    }
    if !place.isEmpty { set("locality", place.value) }
  }

  private mutating func devices() throws(Failure) {
    var items: [JSONValue] = []
    for text in arguments.all("device") {
      let parts = text.split(separator: ":", maxSplits: 1).map(String.init)
      guard let model = parts.first, let count = parts.count == 2 ? UInt8(parts[1]) : 1 else {
        throw .usage("--device takes MODEL[:N], such as nvidia-a100:2, not '\(text)'")
      }
      items.append(.object([.init("model", .string(model)), .init("count", JSONValue(count))]))
    }
    if !items.isEmpty { set("devices", .array(items)) }
  }
}
