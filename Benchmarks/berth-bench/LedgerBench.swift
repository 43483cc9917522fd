import Addressing
import Domain
import Ledger
import Platform

/// The ledger alone, without HTTP and log: what deciding and publishing cost, and that it does not depend on how full a /8 is.
enum LedgerBench {
  static func main(_ options: Options) throws(Failure) {
    let pools = try options.integer("pools", in: 0...16_384, default: 0)
    if pools > 0 { return manyPools(pools) }
    let many = try options.integer("many-vms", in: 0...4_000_000, default: 0)
    if many > 0 { return manyVMs(many) }
    let vms = try options.integer("vms", in: 0...1_000_000, default: 0)
    if vms > 0 { return FleetLedgerBench.main(vms, reports: options.has("reports")) }
    let count = try options.integer("count", in: 1_000...16_000_000, default: 1_000_000)
    var house = House("10.0.0.0/8")
    let filled = house.allocate(count, singles: true)
    print("allocate, \(count) owners in a /8: \(filled) ns each (decide, encode, publish)")
    print("rows and indexes: \(house.tables.residentBytes / house.tables.rowCount) bytes a row")
    print("a ledger over these rows, as at a takeover: \(takeover(house)) ms")
    if options.has("short") { return }
    var leased = House("10.0.0.0/8", leaseSeconds: 3_600)
    _ = leased.allocate(count, singles: true)
    print("the same where every row has a lease: \(takeover(leased)) ms")
    for strategy in [Strategy.next, .lowest] {
      for share in [0.0, 0.5, 0.999] {
        var house = House("10.0.0.0/8", strategy)
        house.fill(share)
        var samples: [Int64] = []
        for _ in 0..<5 { samples.append(house.allocate(10_000, singles: true)) }
        print("next free in a /8, \(strategy.name), \(share * 100) % full: \(samples.sorted()[2]) ns")
      }
    }
  }

  /// A new leader makes its index of free space and of what ends, from the rows.
  private static func takeover(_ house: House) -> Int64 {
    let began = MonotonicTime.now
    let ledger = Ledger(house.tables)
    let took = (MonotonicTime.now - began) / 1_000_000
    precondition(ledger.tables.rowCount == house.tables.rowCount)
    return took
  }

  /// What a new leader does before it leads, where there is a fleet: a hundred VMs on each node, each with an address.
  private static func manyVMs(_ count: Int) {
    var house = House("10.0.0.0/8")
    let size = Resources(cpu: 284_445, memory: 873_814, disk: 1 << 24, bandwidth: 100_000)
    for number in 0..<max(1, count / 100) {
      let place = Topology(datacenter: "dc\(number % 3)", rack: "r\(number / 40)")
      let node = Node(name: NodeName(trusted: "node-\(number)"), physical: size, topology: place)
      house.run([.fleet(.registerNode(node))])
    }
    var spec = VMSpec(Resources(cpu: 2_000, memory: 4_096))
    spec.interfaces = [VMInterface(source: .choose([.ipv4], .none))]
    for number in 0..<max(1, count / 500) {
      var request = VMRequest(VMKey(name: VMName(trusted: "vm-\(number)")), spec)
      request.count = 500
      house.run([.fleet(.createVM(request))])
    }
    let began = FleetBench.cpuTime()
    var (last, longest) = (began, Int64(0))
    func stepped() {
      let now = FleetBench.cpuTime()
      longest = max(longest, now - last)
      last = now
    }
    let ledger = Ledger(house.tables, stepped: stepped)
    let made = FleetBench.cpuTime()
    ledger.prepareFleet(stepped: stepped)
    let prepared = FleetBench.cpuTime()
    let context = Ledger.Context(revision: house.tables.revision + 1, time: house.tables.time, seed: 7)
    let asked = Submission(.fleet(.schedule), actor: "system", requestID: "", asked: "")
    _ = ledger.decide(asked, context)
    let decided = FleetBench.cpuTime()
    print(
      "\(house.tables.vmCount) VMs, CPU: a ledger \((made - began) / 1_000_000) ms, its view of the fleet"
        + " \((prepared - made) / 1_000_000) ms, its first decision \((decided - prepared) / 1_000) us")
    print("  the longest between two signs of life: \(longest / 1_000) us")
  }

  /// What a choice among many pools costs, 64 in each datacenter, and what asking for the next lease to end does.
  private static func manyPools(_ count: Int) {
    var house = House("127.0.0.0/8")
    for number in 0..<count {
      let cidr = Prefix(containing: IPAddress(v4: 0x0A00_0000 + UInt32(number) << 8), length: 24)
      var pool = Pool(name: PoolName(trusted: "pool-\(number)"), extent: Extent(cidr: cidr, gateway: nil))
      pool.topology.datacenter = "dc-\(number / 64)"
      pool.leaseSeconds = 3_600
      house.run([.createPool(pool)])
    }
    let began = MonotonicTime.now
    for number in 0..<1_024 {
      let place = Topology(datacenter: "dc-\(number % (count / 64 + 1))")
      let holder = Holder(owner: OwnerName(trusted: "vm-\(number)"))
      house.run([.allocate(AllocateRequest(.choose([.ipv4], place, .none), holder: holder))])
    }
    let chosen = MonotonicTime.now
    var due: LogTime = 0
    for _ in 0..<1_024 { due &+= house.ledger.nextDue ?? 0 }
    let asked = MonotonicTime.now
    print(
      "\(count) pools: choose, decide, publish \((chosen - began) / 1_024) ns; next due \((asked - chosen) / 1_024) ns")
    precondition(due != 0, "nothing falls due")
  }

  /// Tables and a ledger, driven in batches of 64 as the engine does it.
  struct House {
    let tables = Tables(seed: 1)
    let ledger: Ledger
    private var owner = 0

    init(_ cidr: String, _ strategy: Strategy = .next, leaseSeconds: UInt32 = 0) {
      ledger = Ledger(tables)
      guard let prefix = try? Prefix(parsing: cidr) else { preconditionFailure(cidr) }
      let pool = Pool(
        name: .simple, extent: Extent(cidr: prefix, gateway: Extent.defaultGateway(of: prefix)), strategy: strategy,
        leaseSeconds: leaseSeconds)
      run([.createPool(pool)])
    }

    /// Nanoseconds an allocation.
    mutating func allocate(_ count: Int, singles: Bool) -> Int64 {
      let began = MonotonicTime.now
      var done = 0
      while done < count {
        var batch: [Command] = []
        for _ in 0..<min(64, count - done) {
          owner += 1
          let digits = String(owner)
          let name = OwnerName(trusted: "vm-" + String(repeating: "0", count: 13 - digits.count) + digits)
          batch.append(.allocate(AllocateRequest(.pool(.simple), holder: Holder(owner: name))))
        }
        run(batch)
        done += batch.count
      }
      return (MonotonicTime.now - began) / Int64(count)
    }

    /// Fills `share` of the pool with reserved holes left at random, quickly: child prefixes of 4,096 or 16 addresses.
    mutating func fill(_ share: Double) {
      guard share > 0 else { return }
      let chunks = Int(4_096 * share)
      for chunk in 0..<chunks {
        var batch: [Command] = []
        for part in 0..<16 {
          // The last sixteenth of each chunk keeps one block of 16 free, so that holes are spread all over.
          var request = AllocateRequest(
            .pool(.simple), holder: Holder(owner: OwnerName(trusted: "fill-\(chunk)-\(part)")))
          request.prefixLength = part == 15 ? 25 : 24
          batch.append(.allocate(request))
        }
        run(batch)
      }
    }

    mutating func run(_ commands: [Command]) {
      var entries: [Entry] = []
      for command in commands {
        let submission = Submission(command, actor: "bench", requestID: "0123456789abcdef", asked: "")
        let context = Ledger.Context(
          revision: tables.revision + UInt64(entries.count) + 1, time: 1_000_000_000_000, seed: 7)
        if let entry = ledger.decide(submission, context).entry { entries.append(entry) }
      }
      ledger.seal(&entries)
      var bytes = 0
      for entry in entries {
        bytes += entry.encoded.count
        tables.apply(entry.effects, revision: entry.revision, time: 1_000_000_000_000)
      }
      ledger.published(entries)
    }
  }
}
