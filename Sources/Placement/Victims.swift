import Domain

/// What a set of victims costs; the parts that count first stand first, and each is a sum over the victims.
struct Loss: Comparable {
  var first: Int64
  var second: Int64
  var third: Int64

  static let none = Loss(first: 0, second: 0, third: 0)
  static let unbounded = Loss(first: .max, second: .max, third: .max)

  /// What one victim costs: its priority, then that it is one more, then its hour; or its hour first.
  init(_ policy: PreemptionPolicy, priority: UInt16, price: Money) {
    self =
      policy == .cost
      ? Loss(first: price, second: Int64(priority), third: 1)
      : Loss(first: Int64(priority), second: 1, third: price)
  }

  init(first: Int64, second: Int64, third: Int64) { (self.first, self.second, self.third) = (first, second, third) }

  static func + (a: Self, b: Self) -> Self {
    Loss(first: a.first + b.first, second: a.second + b.second, third: a.third + b.third)
  }

  static func - (a: Self, b: Self) -> Self {
    Loss(first: a.first - b.first, second: a.second - b.second, third: a.third - b.third)
  }

  static func < (a: Self, b: Self) -> Bool {
    if a.first != b.first { return a.first < b.first }
    return a.second != b.second ? a.second < b.second : a.third < b.third
  }
}

/// Who on one node would have to give way: the cheapest set, by branch and bound; after `stepsMax` steps the best so far.
struct VictimSearch {
  struct Item {
    let slot: Int
    let loss: Loss
    let frees: Amounts
    /// The group whose budget holds for it, and how much of that is left; -1 = none.
    let group: Int32
    let budget: Int32
    /// All its groups: of each of them one more would be away.
    let members: [Int32]
  }

  static let stepsMax = 4_096

  private let items: [Item]
  /// What the items from here on free together, and what they cost added up.
  private var restFrees: [Amounts]
  private var sums: [Loss]
  private var restLargest: [Amounts]
  private let isEnough: (_ chosen: [Item]) -> Bool
  private(set) var best: (loss: Loss, chosen: [Item])?
  private var limit: Loss
  private var chosen: [Item] = []
  private(set) var steps = 0
  /// Whether nothing was left untried.
  private(set) var isExact = true

  /// `deficit` is what is missing; `isEnough` tests what cannot be summed. Only sets below `limit` count.
  init(_ items: [Item], limit: Loss, isEnough: @escaping (_ chosen: [Item]) -> Bool) {
    self.items = items.sorted { $0.loss != $1.loss ? $0.loss < $1.loss : $0.slot < $1.slot }
    self.limit = limit
    self.isEnough = isEnough
    restFrees = [Amounts](repeating: .zero, count: items.count + 1)
    restLargest = [Amounts](repeating: Amounts(repeating: 1), count: items.count + 1)
    sums = [Loss](repeating: .none, count: items.count + 1)
    for place in stride(from: items.count - 1, through: 0, by: -1) {
      restFrees[place] = restFrees[place + 1] &+ self.items[place].frees
      restLargest[place] = pointwiseMax(restLargest[place + 1], self.items[place].frees)
    }
    for place in items.indices { sums[place + 1] = sums[place] + self.items[place].loss }
  }

  mutating func run(_ deficit: Amounts) {
    tryFewest(deficit)
    descend(0, deficit, .none)
  }

  /// All, and then from the dearest down spare whoever is not needed.
  private mutating func tryFewest(_ deficit: Amounts) {
    var kept: [Item] = []
    for item in items where isWithinBudget(item, kept) { kept.append(item) }
    guard suffices(kept, deficit) else { return }
    var place = kept.count - 1
    while place >= 0 {
      let item = kept.remove(at: place)
      if !suffices(kept, deficit) { kept.insert(item, at: place) }
      place -= 1
    }
    accept(kept, kept.reduce(.none) { $0 + $1.loss })
  }

  private func suffices(_ set: [Item], _ deficit: Amounts) -> Bool {
    set.reduce(deficit) { $0 &- $1.frees }.fits(in: .zero) && isEnough(set)
  }

  private mutating func accept(_ set: [Item], _ loss: Loss) {
    guard loss < limit else { return }
    limit = loss
    best = (loss, set)
  }

  /// Whether one more may go: by its own budget, and by that of each that goes with it.
  private func isWithinBudget(_ item: Item, _ set: [Item]) -> Bool {
    if item.members.isEmpty { return true }
    func isKept(_ one: Item) -> Bool {
      guard one.group >= 0, item.members.contains(one.group) else { return true }
      return set.reduce(1) { $0 + ($1.members.contains(one.group) ? 1 : 0) } <= one.budget
    }
    return isKept(item) && set.allSatisfy(isKept)
  }

  private mutating func descend(_ place: Int, _ deficit: Amounts, _ loss: Loss) {
    guard loss < limit else { return }
    if deficit.fits(in: .zero), isEnough(chosen) { return accept(chosen, loss) }
    guard place < items.count, deficit.fits(in: restFrees[place]) else { return }
    guard loss + cheapest(place, deficit) < limit else { return }
    steps += 1
    guard steps <= VictimSearch.stepsMax else {
      isExact = false
      return
    }
    let item = items[place]
    if isWithinBudget(item, chosen) {
      chosen.append(item)
      descend(place + 1, deficit &- item.frees, loss + item.loss)
      chosen.removeLast()
    }
    descend(place + 1, deficit, loss)
  }

  /// A bound: so many more are needed at least, and none is cheaper than those that come next.
  private func cheapest(_ place: Int, _ deficit: Amounts) -> Loss {
    let largest = restLargest[place]
    var count: Int32 = 1
    for lane in 0..<4 where deficit[lane] > 0 {
      count = max(count, (deficit[lane] + largest[lane] - 1) / largest[lane])
    }
    return sums[min(items.count, place + Int(count))] - sums[place]
  }
}
