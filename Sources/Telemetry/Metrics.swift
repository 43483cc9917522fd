/// One value of a gauge with its label values.
package struct Sample: Hashable, Sendable {
  /// The values of the labels, in the order of their names.
  package let labels: [String]
  /// The value.
  package let value: Double

  /// Makes a sample.
  package init(_ labels: [String], _ value: Double) {
    self.labels = labels
    self.value = value
  }
}

/// How a value that is read on demand behaves over time.
package enum ReadingKind: String, Sendable {
  /// It goes up and down.
  case gauge
  /// It only grows while the process lives.
  case counter
}

/// All metrics of a process, in the order they were made; hands out the text that Prometheus scrapes.
package final class Metrics: Sendable {
  /// At most this many names.
  package static let namesMax = 500
  /// Names that older contracts fix and that break the rules for ours.
  package static let givenNames: Set = ["ip_pool_allocation_duration", "ip_pool_allocation_errors"]
  /// At most this many samples are printed per gauge; the rest are left out.
  package static let samplesMax = 10_000

  enum Source: Sendable {
    case counters(Family<Counter>)
    case histograms(Family<Histogram>)
    case readings(ReadingKind, @Sendable () -> [Sample])
  }

  struct Entry: Sendable {
    let name: String
    let help: String
    let labels: [String]
    let source: Source
  }

  private let entries = Guarded<[Entry]>([])

  /// Starts without metrics.
  package init() {}

  var all: [Entry] { entries.withLock { $0 } }

  /// A counter without labels; the name must end in `_total`.
  package func counter(_ name: String, _ help: String) -> Counter { counters(name, help, labels: []).child([]) }

  /// Counters that differ in labels.
  package func counters(_ name: String, _ help: String, labels: [String], limit: Int = 100) -> Family<Counter> {
    precondition(name.hasSuffix("_total") || Metrics.givenNames.contains(name), "counter \(name) must end in _total")
    let family = Family(labels: labels, limit: limit) { Counter() }
    add(Entry(name: name, help: help, labels: labels, source: .counters(family)))
    return family
  }

  /// A histogram without labels; the name must end in `_seconds`.
  package func histogram(_ name: String, _ help: String, _ buckets: Buckets = .latency) -> Histogram {
    histograms(name, help, labels: [], buckets).child([])
  }

  /// Histograms that differ in labels.
  package func histograms(
    _ name: String, _ help: String, labels: [String], limit: Int = 50, _ buckets: Buckets = .latency
  ) -> Family<Histogram> {
    let isNamed = name.hasSuffix("_seconds") || Metrics.givenNames.contains(name)
    precondition(isNamed, "histogram \(name) must end in _seconds")
    precondition(!labels.contains("le"), "histogram \(name) has its own label le")
    let family = Family(labels: labels, limit: limit) { Histogram(buckets) }
    add(Entry(name: name, help: help, labels: labels, source: .histograms(family)))
    return family
  }

  /// One value that is read at each scrape.
  package func gauge(_ name: String, _ help: String, read: @escaping @Sendable () -> Double) {
    readings(.gauge, name, help) { [Sample([], read())] }
  }

  /// Values that are read at each scrape: as many samples as there are things to tell of now.
  package func readings(
    _ kind: ReadingKind, _ name: String, _ help: String, labels: [String] = [],
    read: @escaping @Sendable () -> [Sample]
  ) {
    add(Entry(name: name, help: help, labels: labels, source: .readings(kind, read)))
  }

  private func add(_ entry: Entry) {
    precondition(isMetricName(entry.name), "'\(entry.name)' is no metric name")
    precondition(entry.labels.allSatisfy(isLabelName), "\(entry.name): labels \(entry.labels)")
    precondition(Set(entry.labels).count == entry.labels.count, "\(entry.name): a label twice")
    entries.withLock { entries in
      precondition(!entries.contains { $0.name == entry.name }, "metric \(entry.name) made twice")
      precondition(entries.count < Metrics.namesMax, "more than \(Metrics.namesMax) metrics")
      entries.append(entry)
    }
  }
}

/// `[a-zA-Z_:][a-zA-Z0-9_:]*`
private func isMetricName(_ name: String) -> Bool { isWord(name) { $0 == UInt8(ascii: ":") } }

/// `[a-zA-Z_][a-zA-Z0-9_]*`, and names that start with two underscores belong to Prometheus.
private func isLabelName(_ name: String) -> Bool { !name.hasPrefix("__") && isWord(name) { _ in false } }

private func isWord(_ name: String, also: (UInt8) -> Bool) -> Bool {
  guard let first = name.utf8.first, !(48...57).contains(first) else { return false }
  return name.utf8.allSatisfy { byte in
    switch byte {
    case 48...57, 65...90, 97...122, UInt8(ascii: "_"): true
    default: also(byte)
    }
  }
}
