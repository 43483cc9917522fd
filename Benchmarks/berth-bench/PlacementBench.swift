import Addressing
import Domain
import Glibc
import Placement
import Platform

/// Placement alone on one core: filling a large fleet, churn, refusals, preemption; and how well it packs.
enum PlacementBench {
  static func main(_ options: Options) throws(Failure) {
    let seed = UInt64(try options.integer("seed", in: 0...Int.max, default: 1))
    let only = options.text("only")
    if only != "packing" { try fleet(options, seed) }
    if only == "fleet" { return }
    if let directory = options.text("trace") {
      PackingBench.main(try Arrivals(directory: directory, seed: seed), "the trace", seed: seed)
    }
    PackingBench.main(Arrivals(seed: seed), "made-up trace", seed: seed)
  }

  private static func fleet(_ options: Options, _ seed: UInt64) throws(Failure) {
    let nodes = try options.integer("nodes", in: 10...60_000, default: 10_000)
    let vms = try options.integer("vms", in: 100...4_000_000, default: nodes * 100)
    let churn = try options.integer("churn", in: 0...100_000_000, default: vms)
    let preemptions = try options.integer("preemptions", in: 0...1_000_000, default: 2_000)
    print("seed \(seed); rates by the CPU time of the one thread; every decision explained")
    for mix in [FleetBench.Mix.plain, .mixed] {
      let before = FleetBench.residentKiB()
      var bench = FleetBench(nodes: nodes, mix: mix, seed: seed)
      let withNodes = FleetBench.residentKiB()
      bench.report("\(mix.rawValue): fill to \(vms) VMs", bench.fill(vms))
      let full = FleetBench.residentKiB()
      print("  vCPUs in use: \(Text.fixed(bench.usedPercent, 1)) %; answers of the last phase: \(bench.tally)")
      bench.report("\(mix.rawValue): churn, one goes and one comes", bench.churn(churn))
      print("  \(bench.tally)")
      print(
        "  resident: \((withNodes - before) * 1_024 / nodes) bytes a node, \((full - withNodes) * 1_024 / vms) a VM"
          + " (with the bench's own list of them)")
      if mix == .mixed { continue }
      for strategy in [PlacementStrategy.spread, .cost, .balanced, .bandwidth] {
        bench.report("decisions alone, \(strategy.name)", bench.ask(min(churn, 5_000), strategy))
      }
      bench.fillUp()
      print("filled up: \(Text.fixed(bench.usedPercent, 1)) % of the vCPUs, \(bench.fleet.vmCount) VMs")
      bench.report("no room, every node looked at", bench.refuse(min(churn, 20_000), isSame: false))
      bench.report("no room, asked again", bench.refuse(min(churn, 200_000), isSame: true))
      bench.report("preemption: decision alone", bench.preempt(preemptions))
      print("  \(bench.tally), \(bench.victims) victims")
    }
  }
}

/// A fleet under measurement.
struct FleetBench: ~Copyable {
  enum Mix: String {
    /// Amounts alone.
    case plain = "plain"
    /// With an address from a zone's pool each; a tenth in groups that keep apart, a tenth with a preferred zone.
    case mixed = "addresses and rules"
  }

  struct Figures {
    var latency = Histogram()
    /// CPU time of single decisions; every sixteenth where they are short.
    var ownTime = Histogram()
    var cpuNanoseconds: Int64 = 0
    var count = 0
  }

  var fleet = Fleet()
  private var random: SplitMix
  private let mix: Mix
  private var live: [(id: VMID, flavour: Int)] = []
  private var made: UInt64 = 0
  private(set) var tally = ""
  private(set) var victims = 0
  private let nodeCount: Int

  /// vCPUs, MiB, parts of 100; 2.3 vCPUs on average.
  static let flavours: [(cpu: Int32, memory: Int32, weight: Int)] = [
    (1, 768, 25), (1, 1_792, 20), (2, 3_584, 25), (4, 7_168, 16), (2, 14_336, 5), (4, 28_672, 3), (8, 14_336, 6)
  ]

  init(nodes: Int, mix: Mix, seed: UInt64) {
    random = SplitMix(state: seed)
    self.mix = mix
    nodeCount = nodes
    let size = Resources(cpu: 284_445, memory: 873_814, disk: 1 << 24, bandwidth: 100_000)
    for number in 0..<nodes {
      let zone = number % 12
      fleet.put(
        Node(
          name: NodeName(trusted: "node-\(number)"), physical: size,
          topology: Topology(datacenter: "dc\(zone / 4)", zone: "z\(zone)", rack: "r\(number / 40)"),
          prices: Prices(Rates(cpu: Money(10_000 + number % 7 * 100), memory: 1_000))))
    }
    fleet.commit()
    guard mix == .mixed else { return }
    var pools: [(pool: Pool, available: Int)] = []
    for zone in 0..<12 {
      guard let cidr = try? Prefix(parsing: "10.\(zone * 16).0.0/12") else { continue }
      let pool = Pool(
        name: PoolName(trusted: "z\(zone)"), extent: Extent(cidr: cidr, gateway: nil),
        topology: Topology(datacenter: "dc\(zone / 4)", zone: "z\(zone)"))
      pools.append((pool, 1 << 20))
    }
    let places = (0..<nodes).map { number in
      Topology(datacenter: "dc\(number % 12 / 4)", zone: "z\(number % 12)", rack: "r\(number / 40)")
    }
    fleet.addresses = PoolRoom(pools, places: Array(places))
  }

  private mutating func flavour() -> Int {
    var (pick, flavour) = (random.below(100), 0)
    while pick >= FleetBench.flavours[flavour].weight {
      pick -= FleetBench.flavours[flavour].weight
      flavour += 1
    }
    return flavour
  }

  private mutating func request() -> PlacementRequest {
    let flavour = FleetBench.flavours[flavour()]
    made += 1
    var spec = VMSpec(Resources(cpu: flavour.cpu * 1_000, memory: flavour.memory, disk: 10_240, bandwidth: 10))
    spec.isPreemptible = made % 2 == 0
    spec.priority = UInt16(made % 8) * 50
    if mix == .mixed {
      spec.interfaces = [VMInterface(source: .choose([.ipv4], .none))]
      switch made % 10 {
      case 0:
        let group = GroupName(trusted: "g\(made / 50)")
        spec.groups = [group]
        spec.affinity = [AffinityRule(isAnti: true, group: group)]
      case 1:
        spec.locality.zone = "z\(made / 10 % 12)"
      default: break
      }
    }
    return PlacementRequest(VMKey(name: VMName(trusted: "vm-\(made)")), spec)
  }

  /// One decision, timed, and what follows from it in the view.
  private mutating func placeOne(_ figures: inout Figures) -> Bool {
    let decision: Decision
    let request = request()
    if figures.count % 16 == 0 {
      let began = FleetBench.cpuTime()
      decision = fleet.place(request)
      figures.ownTime.add(FleetBench.cpuTime() - began)
    } else {
      let began = MonotonicTime.now
      decision = fleet.place(request)
      figures.latency.add(MonotonicTime.now - began)
    }
    figures.count += 1
    guard case .placed(let place) = decision else { return false }
    let id = VMID(revision: made)
    fleet.put(VM(key: request.key, id: id, spec: request.spec, state: .placed, node: place.node, seat: place.seat))
    live.append((id, 0))
    fleet.commit()
    return true
  }

  private mutating func timed(_ body: (inout FleetBench, inout Figures) -> Void) -> Figures {
    var figures = Figures()
    let began = FleetBench.cpuTime()
    body(&self, &figures)
    figures.cpuNanoseconds = FleetBench.cpuTime() - began
    return figures
  }

  mutating func fill(_ count: Int) -> Figures {
    live.reserveCapacity(count * 5 / 4)
    var refused = 0
    let figures = timed { bench, figures in
      for _ in 0..<count where !bench.placeOne(&figures) { refused += 1 }
    }
    tally = "\(count - refused) placed, \(refused) refused"
    return figures
  }

  mutating func churn(_ count: Int) -> Figures {
    var refused = 0
    let figures = timed { bench, figures in
      for _ in 0..<count {
        let place = bench.random.below(bench.live.count)
        let (id, _) = bench.live[place]
        bench.live.swapAt(place, bench.live.count - 1)
        bench.live.removeLast()
        bench.fleet.remove(vm: id)
        if !bench.placeOne(&figures) { refused += 1 }
      }
    }
    tally = "\(count - refused) placed, \(refused) refused"
    return figures
  }

  mutating func ask(_ count: Int, _ strategy: PlacementStrategy) -> Figures {
    timed { bench, figures in
      for _ in 0..<count {
        var request = bench.request()
        request.spec.strategy = strategy
        bench.time(request, &figures)
      }
    }
  }

  @discardableResult
  private mutating func time(_ request: PlacementRequest, _ figures: inout Figures) -> Decision {
    let (own, began) = (FleetBench.cpuTime(), MonotonicTime.now)
    let decision = fleet.place(request)
    figures.latency.add(MonotonicTime.now - began)
    figures.ownTime.add(FleetBench.cpuTime() - own)
    figures.count += 1
    return decision
  }

  /// Until nothing of four vCPUs or more finds room.
  mutating func fillUp() {
    var figures = Figures()
    var refused = 0
    while refused < 50 {
      if !placeOne(&figures) { refused += 1 }
    }
  }

  mutating func refuse(_ count: Int, isSame: Bool) -> Figures {
    timed { bench, figures in
      var spec = VMSpec(Resources(cpu: 128_000, memory: 262_144))
      spec.preemption = .never
      for turn in 0..<count {
        if !isSame { spec.resources.disk = Int32(turn % 4_096) }
        bench.time(PlacementRequest(VMKey(name: VMName(trusted: "big")), spec), &figures)
      }
    }
  }

  /// Decisions for a VM of eight vCPUs; each is carried out before the next, outside of the time that counts.
  mutating func preempt(_ count: Int) -> Figures {
    var (made, waiting) = (0, 0)
    let figures = timed { bench, figures in
      for turn in 0..<count {
        var spec = VMSpec(Resources(cpu: 8_000, memory: 28_672, disk: 10_240, bandwidth: 10))
        spec.priority = 900
        let request = PlacementRequest(VMKey(name: VMName(trusted: "urgent-\(turn)")), spec)
        switch bench.time(request, &figures) {
        case .preempt(let place, let gone):
          made += 1
          bench.victims += gone.count
          for victim in gone { bench.fleet.remove(vm: victim.id) }
          bench.put(request, place, 1 << 40 + UInt64(turn))
        case .placed(let place): bench.put(request, place, 1 << 40 + UInt64(turn))
        case .pending: waiting += 1
        }
        bench.fleet.commit()
      }
    }
    tally = "\(made) by preemption, \(count - made - waiting) without, \(waiting) refused"
    return figures
  }

  private mutating func put(_ request: PlacementRequest, _ place: Placement, _ number: UInt64) {
    fleet.put(
      VM(
        key: request.key, id: VMID(revision: number), spec: request.spec, state: .placed, node: place.node,
        seat: place.seat))
  }

  var usedPercent: Double {
    var used = 0.0
    for number in 0..<nodeCount { used += Double(fleet.used(on: NodeName(trusted: "node-\(number)"))?.cpu ?? 0) }
    return used * 100 / (Double(nodeCount) * 256_000)
  }

  borrowing func report(_ what: String, _ figures: Figures) {
    guard figures.count > 0 else { return }
    let each = figures.cpuNanoseconds / Int64(figures.count)
    let rate = figures.cpuNanoseconds > 0 ? Int64(figures.count) * 1_000_000_000 / figures.cpuNanoseconds : 0
    let own = FleetBench.quantiles(figures.ownTime)
    let wall = FleetBench.quantiles(figures.latency)
    print("\(what): \(rate)/s, \(each) ns with all around it")
    print("  one decision, us at p50, p99, p99.9: \(own) of CPU; \(wall) by the clock")
  }

  private static func quantiles(_ histogram: Histogram) -> String {
    [0.5, 0.99, 0.999].map { Text.fixed(Double(histogram.quantile($0)) / 1_000, 1) }.joined(separator: ", ")
  }

  static func cpuTime() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
  }

  /// KiB of this process in memory.
  static func residentKiB() -> Int {
    guard let file = fopen("/proc/self/statm", "r") else { return 0 }
    defer { fclose(file) }
    var buffer = [UInt8](repeating: 0, count: 128)
    let count = fread(&buffer, 1, buffer.count, file)
    let fields = String(decoding: buffer[..<count], as: UTF8.self).split(separator: " ")
    return fields.count > 1 ? (Int(fields[1]) ?? 0) * 4 : 0
  }
}
