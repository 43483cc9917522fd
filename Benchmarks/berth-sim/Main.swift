// Runs the simulated cluster, with addresses alone and with a fleet: `SEEDS=n` runs that many seeds of each, with
// `MINUTES=n` for at least so long; `SEED=n` runs one with all that its nodes were told. `WORKLOAD=addresses` or `fleet`
// runs one of the two. `BUGS=1` looks for seeds that catch each deliberate bug, `BUG=name SEED=n` shows one.
internal import Glibc
internal import Platform
internal import Simulation

@main enum Main {
  static func main() {
    if number("BUGS") != nil { return bugs() }
    if let seed = number("SEED") { return one(seed) }
    let seeds = number("SEEDS") ?? 100
    let first = number("FIRST") ?? 1
    let until = MonotonicTime.now + .seconds(60 * Int64(number("MINUTES") ?? 0))
    var totals = [[(name: String, count: Int)]](repeating: [], count: workloads.count)
    var seed = first
    while seed < first + seeds || MonotonicTime.now < until {
      defer { seed += 1 }
      for (index, workload) in workloads.enumerated() {
        let world = World(seed: seed, plan: workload.plan(seed))
        if let violation = world.run() {
          print("\(bug?.name ?? workload.rawValue): \(violation)")
          print(
            "look at it with: make sim SEED=\(seed) " + (bug.map { "BUG=\"\($0.name)\"" } ?? "WORKLOAD=\(workload)"))
          exit(1)
        }
        add(world.seen, to: &totals[index])
      }
    }
    for (workload, total) in zip(workloads, totals) {
      print("\(workload):")
      for item in total.sorted(by: { $0.name < $1.name }) { print("  \(item.name): \(item.count)") }
      print("\(workload): \(seed - first) seeds from \(first) on: no violation")
    }
  }

  private static func add(_ seen: [(name: String, count: Int)], to total: inout [(name: String, count: Int)]) {
    for item in seen {
      if let index = total.firstIndex(where: { $0.name == item.name }) {
        total[index].count += item.count
      } else {
        total.append(item)
      }
    }
  }

  /// What a cluster is asked for.
  enum Workload: String, CaseIterable {
    case addresses, fleet

    /// The same seed always has the same plan.
    func plan(_ seed: UInt64) -> WorldPlan {
      if let bug = Main.bug { return bug.plan(seed) }
      return self == .addresses ? WorldPlan(seed: seed) : WorldPlan(fleet: seed)
    }
  }

  /// The bug that is asked for by its name.
  static let bug: PlantedBug? = text("BUG").map { name in
    guard let bug = PlantedBug.all.first(where: { $0.name == name }) else {
      print("BUG is one of: " + PlantedBug.all.map(\.name).joined(separator: "; "))
      exit(2)
    }
    return bug
  }

  /// The first seed that catches each, and the one from which the tests look for it on.
  static func bugs() {
    for bug in bug.map({ [$0] }) ?? PlantedBug.all {
      let seeds = [1, bug.hint].map { bug.seed(in: $0..<$0 + 300).map(String.init) ?? "none of 300" }
      print("\(bug.name): from 1 on \(seeds[0]), from \(bug.hint) on \(seeds[1])")
      fflush(nil)
    }
  }

  static let workloads: [Workload] =
    bug.map { _ in [.addresses] }
    ?? text("WORKLOAD").map { name in
      guard let workload = Workload(rawValue: name) else {
        print("WORKLOAD is addresses or fleet")
        exit(2)
      }
      return [workload]
    } ?? Workload.allCases

  static func one(_ seed: UInt64) {
    var isWell = true
    for workload in workloads {
      let world = World(seed: seed, plan: workload.plan(seed))
      print("\(workload), seed \(seed)")
      if number("QUIET") == nil { world.log = { print($0) } }
      let violation = world.run()
      print("trace \(String(world.trace, radix: 16))")
      print(violation ?? "no violation")
      isWell = isWell && violation == nil
    }
    exit(isWell ? 0 : 1)
  }

  /// A variable's number; empty is as good as unset.
  static func number(_ name: String) -> UInt64? { text(name).flatMap { UInt64($0) } }

  static func text(_ name: String) -> String? {
    unsafe getenv(name).map { unsafe String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
  }
}
