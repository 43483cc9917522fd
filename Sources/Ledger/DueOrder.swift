import Domain

/// The pools by when something of theirs falls due, so that asking does not walk thousands of them.
///
/// Each pool announces the time of its next; what it announced before is passed over when it comes up.
final class DueOrder {
  private struct Item: Comparable {
    let when: UInt64
    let index: PoolIndex

    static func == (a: Self, b: Self) -> Bool { a.when == b.when && a.index === b.index }
    static func < (a: Self, b: Self) -> Bool { a.when != b.when ? a.when < b.when : a.index.name < b.index.name }
  }

  private var heap = Heap<Item>()
  private var trueOnes = 0

  /// Notes that something of a pool falls due at `when`.
  fileprivate func push(_ when: UInt64, _ index: PoolIndex) {
    heap.push(Item(when: when, index: index))
    guard heap.count > 2 * trueOnes + 1_024 else { return }
    heap = Heap(sorted: heap.items.filter { $0.index.announced == $0.when }.sorted())
    trueOnes = heap.count
  }

  /// The pool whose next falls due first.
  var first: PoolIndex? {
    while let top = heap.top {
      if top.index.announced == top.when {
        if top.index.due.next == top.when { return top.index }
        // What was announced has gone its way: the pool says anew what is next.
        top.index.announced = nil
        heap.pop()
        top.index.announce()
      } else {
        heap.pop()
      }
    }
    return nil
  }
}

extension PoolIndex {
  /// Announces the next time, if it comes before what was announced.
  func announce() {
    guard let order, let next = due.next, next < announced ?? .max || announced == nil else { return }
    announced = next
    order.push(next, self)
  }

  /// The pool is gone.
  func retire() { (order, announced) = (nil, nil) }
}
