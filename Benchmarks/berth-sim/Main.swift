// Runs the simulated cluster: `SEEDS=n` runs that many seeds, with `MINUTES=n` for at least so long; `SEED=n` runs one
// with all that its nodes were told.
internal import Glibc
internal import Engine
internal import LogEtcd
internal import Platform
internal import Simulation

@main enum Main {
  static func main() {
    if let seed = number("SEED") { return one(seed) }
    let seeds = number("SEEDS") ?? 100
    let first = number("FIRST") ?? 1
    let until = MonotonicTime.now + .seconds(60 * Int64(number("MINUTES") ?? 0))
    var totals: [(name: String, count: Int)] = []
    var seed = first
    while seed < first + seeds || MonotonicTime.now < until {
      defer { seed += 1 }
      let world = World(seed: seed, plan: plan(seed))
      if let violation = world.run() {
        print(violation)
        print("look at it with: make sim SEED=\(seed)")
        exit(1)
      }
      for item in world.seen {
        if let index = totals.firstIndex(where: { $0.name == item.name }) {
          totals[index].count += item.count
        } else {
          totals.append(item)
        }
      }
    }
    for item in totals.sorted(by: { $0.name < $1.name }) { print("\(item.name): \(item.count)") }
    print("\(seed - first) seeds from \(first) on: no violation")
  }

  /// The same seed always has the same plan.
  static func plan(_ seed: UInt64) -> WorldPlan {
    var plan = WorldPlan(seed: seed)
    let flaws = CoreFlaws(rawValue: number("CORE_FLAWS").map { Int($0) } ?? 0)
    if !flaws.isEmpty { plan.engine = { CoreEngine(seed: $0, flaws: flaws) } }
    // As in the tests: bugs of the protocol are looked for behind the toy.
    if let flaws = number("FLAWS") {
      plan.flaws = EtcdFlaws(rawValue: Int(flaws))
      plan.engine = { ToyEngine(seed: $0, snapshotEvery: 12) }
    }
    return plan
  }

  static func one(_ seed: UInt64) {
    let world = World(seed: seed, plan: plan(seed))
    if number("QUIET") == nil { world.log = { print($0) } }
    let violation = world.run()
    print("trace \(String(world.trace, radix: 16))")
    print(violation ?? "no violation")
    exit(violation == nil ? 0 : 1)
  }

  /// A variable's number; empty is as good as unset.
  static func number(_ name: String) -> UInt64? {
    unsafe getenv(name).flatMap { unsafe UInt64(String(cString: $0)) }
  }
}
