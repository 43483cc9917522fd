import Domain
import Placement

/// How many hosts a policy needs so that nobody of a trace is refused, against what demand alone would need.
enum PackingBench {
  enum Policy: String, CaseIterable {
    case exact = "exact best-fit"
    case pack = "pack (bounded walk)"
    case first = "first-fit"
    case random = "random of 11, best-fit"
    case spread = "spread"
  }

  static let host = Arrivals.Flavour(cpu: 64_000, memory: 192 * 1_024)

  static func main(_ arrivals: Arrivals, _ name: String, seed: UInt64) {
    let bound = arrivals.lowerBound(host)
    print("packing, \(name): \(arrivals.vmCount) VMs, hosts of 64 vCPU and 192 GiB, at least \(bound)")
    var exact = 0
    for policy in Policy.allCases {
      var (low, high) = (bound, bound * 3 / 2)
      while low < high {
        let middle = (low + high) / 2
        if fits(arrivals, hosts: middle, policy, seed: seed) { high = middle } else { low = middle + 1 }
      }
      if policy == .exact { exact = low }
      let over = Double(low - bound) * 100 / Double(bound)
      let beyond = Double(low - exact) * 100 / Double(bound)
      print("  \(policy.rawValue): \(low) hosts, \(Text.fixed(over, 2)) % over, \(Text.fixed(beyond, 2)) to exact")
    }
  }

  private static func fits(_ arrivals: Arrivals, hosts: Int, _ policy: Policy, seed: UInt64) -> Bool {
    switch policy {
    case .exact, .pack, .spread: fitsInFleet(arrivals, hosts, policy)
    case .first, .random: fitsPlainly(arrivals, hosts, policy, seed)
    }
  }

  private static func fitsInFleet(_ arrivals: Arrivals, _ hosts: Int, _ policy: Policy) -> Bool {
    var fleet = Fleet()
    fleet.isExhaustive = policy == .exact
    // With a tenth held back exactly the host's size may be promised.
    let size = Resources(cpu: (host.cpu * 10 + 8) / 9, memory: (host.memory * 10 + 8) / 9)
    for number in 0..<hosts { fleet.put(Node(name: NodeName(trusted: "n\(number)"), physical: size)) }
    let specs = arrivals.flavours.map { flavour in
      var spec = VMSpec(Resources(cpu: flavour.cpu, memory: flavour.memory))
      spec.strategy = policy == .spread ? .spread : .pack
      spec.preemption = .never
      return spec
    }
    for event in arrivals.events {
      let id = VMID(revision: UInt64(event.vm) + 1)
      if event.flavour < 0 {
        fleet.remove(vm: id)
      } else {
        let spec = specs[Int(event.flavour)]
        let key = VMKey(name: VMName(trusted: "v"))
        guard case .placed(let place) = fleet.place(PlacementRequest(key, spec)) else { return false }
        fleet.put(VM(key: key, id: id, spec: spec, state: .placed, node: place.node))
      }
      fleet.commit()
    }
    return true
  }

  /// Two policies for comparison, with nothing but two sums a host.
  private static func fitsPlainly(_ arrivals: Arrivals, _ hosts: Int, _ policy: Policy, _ seed: UInt64) -> Bool {
    var random = SplitMix(state: seed)
    var cpu = [Int32](repeating: host.cpu, count: hosts)
    var memory = [Int32](repeating: host.memory, count: hosts)
    var hostOf = [Int32](repeating: -1, count: arrivals.vmCount)
    var flavourOf = [Int16](repeating: -1, count: arrivals.vmCount)
    for event in arrivals.events {
      let vm = Int(event.vm)
      let comes = event.flavour >= 0
      if comes { flavourOf[vm] = event.flavour }
      let flavour = arrivals.flavours[Int(flavourOf[vm])]
      if comes {
        guard let found = choose(flavour, cpu, memory, policy, &random) else { return false }
        hostOf[vm] = Int32(found)
      }
      cpu[Int(hostOf[vm])] += comes ? -flavour.cpu : flavour.cpu
      memory[Int(hostOf[vm])] += comes ? -flavour.memory : flavour.memory
    }
    return true
  }

  private static func choose(
    _ flavour: Arrivals.Flavour, _ cpu: [Int32], _ memory: [Int32], _ policy: Policy, _ random: inout SplitMix
  ) -> Int? {
    func fits(_ host: Int) -> Bool { cpu[host] >= flavour.cpu && memory[host] >= flavour.memory }
    guard policy == .random else { return cpu.indices.first(where: fits) }
    // Eleven that have room, in a random order of all, as who samples would find them.
    var best: (host: Int, score: Double)?
    var found = 0
    let begin = random.below(cpu.count)
    let step = PackingBench.coprime(cpu.count, &random)
    for turn in 0..<cpu.count where found < 11 {
      let host = (begin + turn * step) % cpu.count
      guard fits(host) else { continue }
      found += 1
      let left = Double(cpu[host] - flavour.cpu) / Double(PackingBench.host.cpu)
      let rest = Double(memory[host] - flavour.memory) / Double(PackingBench.host.memory)
      let score = left * left + rest * rest
      if best.map({ score < $0.score }) ?? true { best = (host, score) }
    }
    return best?.host
  }

  private static func coprime(_ count: Int, _ random: inout SplitMix) -> Int {
    while true {
      var (a, b) = (1 + random.below(count), count)
      let step = a
      while b != 0 { (a, b) = (b, a % b) }
      if a == 1 { return step }
    }
  }
}

/// Numbers for the terminal without Foundation.
enum Text {
  static func fixed(_ value: Double, _ digits: Int) -> String {
    var scale = 1
    for _ in 0..<digits { scale *= 10 }
    let whole = Int((abs(value) * Double(scale)).rounded())
    let rest = String(whole % scale)
    let sign = value < 0 && whole > 0 ? "-" : ""
    return digits == 0
      ? "\(sign)\(whole)" : "\(sign)\(whole / scale)." + String(repeating: "0", count: digits - rest.count) + rest
  }
}
