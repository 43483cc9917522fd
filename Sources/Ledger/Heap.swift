/// A binary heap with the smallest on top.
struct Heap<Item: Comparable> {
  private(set) var items: [Item] = []

  var top: Item? { items.first }
  var count: Int { items.count }

  init() {}

  /// A sorted list is a heap.
  init(sorted items: [Item]) { self.items = items }

  mutating func push(_ item: Item) {
    items.append(item)
    var child = items.count - 1
    while child > 0 {
      let parent = (child - 1) / 2
      if items[parent] <= items[child] { return }
      items.swapAt(parent, child)
      child = parent
    }
  }

  @discardableResult
  mutating func pop() -> Item? {
    guard let top = items.first, let last = items.popLast() else { return nil }
    if items.isEmpty { return top }
    items[0] = last
    var parent = 0
    while true {
      let left = 2 * parent + 1
      var least = left < items.count && items[left] < items[parent] ? left : parent
      if left + 1 < items.count, items[left + 1] < items[least] { least = left + 1 }
      if least == parent { return top }
      items.swapAt(parent, least)
      parent = least
    }
  }
}

extension Array {
  /// In an array whose elements that are `above` all come last: where those begin.
  func partitionPoint(_ above: (Element) -> Bool) -> Int {
    var (low, high) = (0, count)
    while low < high {
      let middle = (low + high) / 2
      if above(self[middle]) { high = middle } else { low = middle + 1 }
    }
    return low
  }
}
