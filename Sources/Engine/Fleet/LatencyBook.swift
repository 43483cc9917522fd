package import Domain
internal import Platform

/// A delay between two datacenters, as it is believed.
package struct MeasuredLatency: Hashable, Sendable {
  /// Between which two, and how long: the median of those who reported lately.
  package let latency: Latency
  /// How many nodes reported.
  package let reporters: Int
  /// How old the newest report is.
  package let age: Duration
}

/// How far datacenters are from each other, as agents measured: the median of what nodes said lately, whichever way they
/// looked. Bounded, and forgotten when nobody says it again.
struct LatencyBook {
  /// What is older is forgotten.
  static let keeps = Duration.seconds(600)
  /// Pairs of datacenters. When there are as many, those go between which no nodes live: a node can make up any name.
  static let pairsMax = 1_024
  /// Nodes that are heard of one pair; the oldest word makes room for a new one.
  static let reportersMax = 32
  /// A median that is off by less than a tenth, or by less than this, is no news.
  static let leastNews: UInt32 = 50

  private struct Pair: Hashable, Comparable {
    let a: String
    let b: String

    init(_ one: String, _ other: String) { (a, b) = one < other ? (one, other) : (other, one) }

    static func < (one: Pair, other: Pair) -> Bool { (one.a, one.b) < (other.a, other.b) }
  }

  private struct Word {
    let microseconds: UInt32
    let at: MonotonicTime
  }

  private var heard: [Pair: [NodeName: Word]] = [:]
  private var told: [Pair: UInt32] = [:]
  /// Datacenters in which nodes live, and when one of them reported last.
  private var lived: [String: MonotonicTime] = [:]
  private var lastLook: MonotonicTime?
  private var lastRoom: MonotonicTime?

  /// How often it is looked whether there is news.
  static let interval = Duration.seconds(1)

  /// A node in a datacenter has reported.
  mutating func hear(from datacenter: String, at now: MonotonicTime) {
    if lived[datacenter] == nil, lived.count >= LatencyBook.pairsMax { return }
    lived[datacenter] = now
  }

  /// A node has measured.
  mutating func hear(_ node: NodeName, in datacenter: String, _ measured: [Latency], at now: MonotonicTime) {
    for item in measured where item.to != datacenter {
      let pair = Pair(datacenter, item.to)
      var words = heard[pair] ?? [:]
      if words.isEmpty, heard.count >= LatencyBook.pairsMax, !makeRoom(for: pair, at: now) { continue }
      if words[node] == nil, words.count >= LatencyBook.reportersMax {
        if let oldest = words.min(by: { ($0.value.at, $0.key) < ($1.value.at, $1.key) }) { words[oldest.key] = nil }
      }
      words[node] = Word(microseconds: max(1, item.microseconds), at: now)
      heard[pair] = words
    }
  }

  /// Makes room for a pair between which nodes live: all others go, or else the one that nobody has said for longest. Looked
  /// at once in an `interval`, so that more datacenters than there is room for cost little.
  private mutating func makeRoom(for pair: Pair, at now: MonotonicTime) -> Bool {
    guard isLived(pair), lastRoom.map({ $0 + LatencyBook.interval <= now }) ?? true else { return false }
    lastRoom = now
    let before = heard.count
    for other in heard.keys where !isLived(other) { heard[other] = nil }
    if heard.count < before { return true }
    let ages = heard.map { (pair: $0.key, newest: $0.value.values.map(\.at).max() ?? now) }
    if let oldest = ages.min(by: { ($0.newest, $0.pair) < ($1.newest, $1.pair) }) { heard[oldest.pair] = nil }
    return true
  }

  private func isLived(_ pair: Pair) -> Bool { lived[pair.a] != nil && lived[pair.b] != nil }

  /// Nothing is known, and nothing was told: a new leader begins.
  mutating func restart() { self = LatencyBook() }

  /// What is believed, in order of the names.
  func all(at now: MonotonicTime) -> [MeasuredLatency] {
    heard.keys.sorted().compactMap { pair in
      let words = (heard[pair] ?? [:]).values.filter { $0.at + LatencyBook.keeps > now }
      guard let newest = words.map(\.at).max() else { return nil }
      let sorted = words.map(\.microseconds).sorted()
      return MeasuredLatency(
        latency: Latency(from: pair.a, to: pair.b, microseconds: sorted[(sorted.count - 1) / 2]),
        reporters: sorted.count, age: .nanoseconds(now - newest))
    }
  }

  /// All that is believed, if it differs from what was told last.
  mutating func news(at now: MonotonicTime) -> [Latency]? {
    guard lastLook.map({ $0 + LatencyBook.interval <= now }) ?? true, !heard.isEmpty || !told.isEmpty else {
      return nil
    }
    lastLook = now
    lived = lived.filter { $0.value + LatencyBook.keeps > now }
    for (pair, words) in heard {
      let left = words.filter { $0.value.at + LatencyBook.keeps > now }
      heard[pair] = left.isEmpty ? nil : left
    }
    let latencies = all(at: now).map(\.latency)
    let isNews =
      latencies.count != told.count
      || latencies.contains { item in
        guard let before = told[Pair(item.from, item.to)] else { return true }
        let change = before > item.microseconds ? before - item.microseconds : item.microseconds - before
        return change > max(LatencyBook.leastNews, before / 10)
      }
    guard isNews else { return nil }
    told = Dictionary(uniqueKeysWithValues: latencies.map { (Pair($0.from, $0.to), $0.microseconds) })
    return latencies
  }
}
