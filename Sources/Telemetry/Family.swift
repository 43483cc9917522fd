/// Metrics of one name that differ in the values of their labels.
package final class Family<Child: AnyObject & Sendable>: Sendable {
  /// The names of its labels, in order.
  package let labels: [String]
  /// At most this many combinations of values, and one more for all others.
  package let limit: Int
  private let make: @Sendable () -> Child
  private let children = Guarded<[[String]: Child]>([:])

  init(labels: [String], limit: Int, make: @escaping @Sendable () -> Child) {
    precondition(limit > 0, "a family without children")
    self.labels = labels
    self.limit = limit
    self.make = make
  }

  /// The child with these values, made when new; takes a lock, so callers on a hot path keep what they got. Past
  /// the limit it is the one child whose values all are `other`.
  package func child(_ values: [String]) -> Child {
    precondition(values.count == labels.count, "\(values.count) values for labels \(labels)")
    let others = [String](repeating: "other", count: labels.count)
    return children.withLock { children in
      if let known = children[values] { return known }
      let key = children.count < limit ? values : others
      if let known = children[key] { return known }
      let child = make()
      children[key] = child
      return child
    }
  }

  /// All children in the order of their values.
  var sorted: [(values: [String], child: Child)] {
    children.withLock { children in children.map { (values: $0.key, child: $0.value) } }
      .sorted { $0.values.lexicographicallyPrecedes($1.values) }
  }
}
