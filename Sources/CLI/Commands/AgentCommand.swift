internal import APITypes
internal import Client
internal import Config
internal import Wire

/// Speaks for nodes.
let agentCommand = Command(
  "agent", "Speak for a node, or for a fleet of simulated ones.",
  details: """
    An agent registers its node, reports, and runs the VMs that Berth places there. The only backend so far is \
    `simulated`: VMs that are only told of, which vanish with this process. With --nodes one process speaks for many, \
    spread over datacenters, zones and racks in turn.
    """,
  flags: [
    Flag("backend", value: "simulated", help: "What runs VMs."),
    Flag("node", value: "NAME", help: "Speak for one node of this name."),
    Flag("nodes", value: "N", help: "Speak for so many nodes, 1 to 10000."),
    Flag("prefix", value: "NAME", help: "With --nodes: their names are NAME-1, NAME-2, ...; sim when left out."),
    Flag("first", value: "N", help: "With --nodes: the number of the first; 1 when left out."),
    Flag("datacenters", value: "N", help: "With --nodes: in dc-1, dc-2, ...; 1 when left out."),
    Flag("zones", value: "N", help: "With --nodes: zones a, b, ... in each datacenter; 1 when left out."),
    Flag("racks", value: "N", help: "With --nodes: racks r1, r2, ... in each zone; 1 when left out."),
    Flag("datacenter", value: "NAME", help: "They all stand there."),
    Flag("zone", value: "NAME", help: "They all stand in this zone."),
    Flag("rack", value: "NAME", help: "They all stand in this rack."),
    Flag("vcpus", value: "N", help: "What each has; 16 when left out."),
    Flag("memory", value: "SIZE", help: "64G when left out."), Flag("disk", value: "SIZE", help: "1T when left out."),
    Flag("bandwidth", value: "RATE", help: "10G when left out."),
    Flag("price-vcpu", value: "MONEY", help: "What an hour of a vCPU costs there."),
    Flag("price-memory", value: "MONEY", help: "What an hour of a GiB of memory costs there."),
    Flag("start-delay", value: "TIME", help: "How long a VM takes to come up, about; 200ms when left out."),
    Flag("failure-rate", value: "PART", help: "Of all starts this part fails: 0.1 is one in ten."),
    Flag("crash-rate", value: "PART", help: "Of all VMs this part dies in its first minute."),
    Flag("load", value: "PART", help: "Of what it has each VM pretends to use about this part; 0.5 when left out."),
    Flag("latency", value: "TIME", help: "With --datacenters: pretend that each is so far from the next."),
    Flag(
      "latency-to", value: "DATACENTER=HOST:PORT", repeats: true,
      help: "Measure once a minute how long it takes to connect to this place in another datacenter; 64 at most."),
    Flag("reclaim-after", value: "TIME", help: "After that the nodes' owner says that it takes them back."),
    Flag("notice", value: "TIME", help: "With --reclaim-after: so long after that they are gone; 120s when left out."),
    Flag("seed", value: "N", help: "What chance is drawn from; 1 when left out."),
    Flag("threads", value: "N", help: "Threads that serve the nodes; one for 250 when left out.")
  ],
  examples: [
    Example("berth agent --node lab-1", "one simulated node"),
    Example(
      "berth agent --nodes 1000 --prefix sim --datacenters 3 --zones 2 --racks 4 --vcpus 64 --memory 256G",
      "a fleet in one process"),
    Example(
      "berth agent --node lab-1 --datacenter fra --latency-to ams=10.2.0.1:22",
      "one that measures how far another datacenter is")
  ]
) { run throws(Failure) in
  run.ended(run.handlers.agent(try AgentOptions(run), run.io))
}

extension AgentOptions {
  private static let threadsMax = 64

  fileprivate init(_ run: Invocation) throws(Failure) {
    if let backend = run["backend"], backend != "simulated" {
      throw .usage(
        "there is no backend '\(backend)'", "there is simulated; backends that run real VMs are not there yet")
    }
    var policy = RetryPolicy()
    // The next heartbeat is the next try.
    (policy.attempts, policy.total) = (max(1, run.serverNames.count), .seconds(10))
    var rates = Body(run.arguments)
    try rates.money("cpu", "price-vcpu")
    try rates.money("memory", "price-memory")
    let (cpuPrice, memoryPrice) = (rates.value["cpu"]?.integer(Int64.self), rates.value["memory"]?.integer(Int64.self))
    self.init(
      // Each thread needs one, and the stream of events: none is made before it is wanted.
      client: run.connect(policy, connections: Self.threadsMax + 1), nodes: try Self.nodes(run),
      cpu: try Self.amount(run, "vcpus", "16", Amounts.vcpus),
      memory: try Self.amount(run, "memory", "64G", Amounts.mebibytes),
      disk: try Self.amount(run, "disk", "1T", Amounts.mebibytes),
      bandwidth: try Self.amount(run, "bandwidth", "10G", Amounts.megabits),
      prices: cpuPrice == nil && memoryPrice == nil ? nil : (cpuPrice ?? 0, memoryPrice ?? 0),
      seed: UInt64(try Self.number(run, "seed", 0...Int64.max, 1)),
      startDelay: try Self.time(run, "start-delay", "200ms"),
      startFailures: try Self.part(run, "failure-rate", 0), crashes: try Self.part(run, "crash-rate", 0),
      load: try Self.part(run, "load", 500_000) / 1_000, latencyStep: try Self.latencyStep(run),
      latencyTo: try Self.latencyTargets(run),
      reclaim: run["reclaim-after"] == nil
        ? nil : (try Self.time(run, "reclaim-after", "0s"), try Self.notice(run)),
      threads: run["threads"] == nil ? nil : Int(try Self.number(run, "threads", 1...Int64(Self.threadsMax), 1)))
  }

  private static func nodes(_ run: Invocation) throws(Failure) -> [Node] {
    guard (run["node"] == nil) != (run["nodes"] == nil) else {
      throw .usage("for which nodes?", "add --node NAME for one, or --nodes N for many")
    }
    let (datacenter, zone, rack) = (run["datacenter"], run["zone"], run["rack"])
    if let name = run["node"] { return [Node(name: name, datacenter: datacenter, zone: zone, rack: rack)] }
    let count = Int(try number(run, "nodes", 1...10_000, 1))
    let first = Int(try number(run, "first", 1...1_000_000, 1))
    let datacenters = Int(try number(run, "datacenters", 1...100, 1))
    let zones = Int(try number(run, "zones", 1...26, 1))
    let racks = Int(try number(run, "racks", 1...1_000, 1))
    let prefix = run["prefix"] ?? "sim"
    return (0..<count).map { index in
      let letter = String(UnicodeScalar(UInt8(97 + index / datacenters % zones)))
      return Node(
        name: "\(prefix)-\(first + index)", datacenter: datacenter ?? "dc-\(index % datacenters + 1)",
        zone: zone ?? letter, rack: rack ?? "r\(index / datacenters / zones % racks + 1)")
    }
  }

  private static func number(
    _ run: Invocation, _ flag: String, _ allowed: ClosedRange<Int64>, _ usual: Int64
  ) throws(Failure) -> Int64 {
    guard let text = run[flag] else { return usual }
    guard let number = Int64(text), allowed.contains(number) else {
      throw .usage("--\(flag) takes \(allowed.lowerBound) to \(allowed.upperBound), not '\(text)'")
    }
    return number
  }

  private static func amount(
    _ run: Invocation, _ flag: String, _ usual: String, _ read: (String) -> Int64?
  ) throws(Failure) -> Int32 {
    let text = run[flag] ?? usual
    guard let amount = read(text).flatMap({ Int32(exactly: $0) }), amount > 0 else {
      throw .usage("--\(flag) takes an amount such as \(usual), not '\(text)'")
    }
    return amount
  }

  private static func time(_ run: Invocation, _ flag: String, _ usual: String) throws(Failure) -> Duration {
    let text = run[flag] ?? usual
    guard let time = parseDuration(text) else {
      throw .usage("--\(flag) takes a time such as \(usual), not '\(text)'")
    }
    return time
  }

  private static func notice(_ run: Invocation) throws(Failure) -> Duration {
    let notice = try time(run, "notice", "120s")
    guard notice >= .seconds(1), notice <= .seconds(7 * 86_400) else {
      throw .usage("--notice is 1s to 7d, not '\(run["notice"] ?? "")'")
    }
    return notice
  }

  private static func latencyStep(_ run: Invocation) throws(Failure) -> Duration? {
    guard let text = run["latency"] else { return nil }
    guard let step = parseDuration(text), step > .zero, step <= .seconds(10) else {
      throw .usage("--latency takes a time up to 10s, such as 5ms, not '\(text)'")
    }
    guard run.arguments.all("latency-to").isEmpty else {
      throw .usage("--latency pretends and --latency-to measures", "leave one out")
    }
    return step
  }

  private static func latencyTargets(_ run: Invocation) throws(Failure) -> [LatencyTarget] {
    let texts = run.arguments.all("latency-to")
    guard texts.count <= LatencyTarget.most else {
      throw .usage("--latency-to is there \(texts.count) times", "\(LatencyTarget.most) at most")
    }
    return try texts.map { (text) throws(Failure) in
      let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
      guard parts.count == 2, !parts[1].contains("/"), parts[1].contains(":"),
        let address = try? ServerAddress(parts[1])
      else { throw .usage("--latency-to takes DATACENTER=HOST:PORT, such as ams=10.2.0.1:22, not '\(text)'") }
      return LatencyTarget(datacenter: parts[0], address: address)
    }
  }

  private static func part(_ run: Invocation, _ flag: String, _ usual: UInt32) throws(Failure) -> UInt32 {
    guard let text = run[flag] else { return usual }
    guard let part = Amounts.millionths(text), part <= 1_000_000 else {
      throw .usage("--\(flag) takes a part from 0 to 1, such as 0.1, not '\(text)'")
    }
    return UInt32(part)
  }
}
