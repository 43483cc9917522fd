import Glibc

extension Load {
  /// What a run measured.
  struct Report {
    private var histogram = Histogram()
    private var statuses: [Int: Int] = [:]
    private var startedAt: Int64 = 0
    private var endedAt: Int64 = 0
    private var cpuBefore: Int?
    private var cpuAfter: Int?
    private(set) var unexpected = 0
    private(set) var firstUnexpected = ""
    /// All answers, those of the warm-up included.
    private(set) var answers = 0
    var reconnects = 0

    mutating func begin(at now: Int64, cpu: Int?) {
      histogram.reset()
      startedAt = now
      cpuBefore = cpu
    }

    mutating func end(at now: Int64, cpu: Int?) {
      endedAt = now
      cpuAfter = cpu
    }

    mutating func answer(_ status: Int, after nanoseconds: Int64, expected: Set<Int>) {
      answers += 1
      statuses[status, default: 0] += 1
      histogram.add(nanoseconds)
      if !expected.contains(status) { note("status \(status)") }
    }

    /// A request that got no answer; it counts as done, so that a counted run ends.
    mutating func failed(_ what: String) {
      answers += 1
      note(what)
    }

    private mutating func note(_ what: String) {
      unexpected += 1
      if firstUnexpected.isEmpty { firstUnexpected = what }
    }

    private var seconds: Double { Double(max(1, endedAt - startedAt)) / 1e9 }
    private var rate: Double { Double(histogram.count) / seconds }
    private var cpuPerRequest: Double? {
      guard let cpuBefore, let cpuAfter, histogram.count > 0 else { return nil }
      return Double(cpuAfter - cpuBefore) / Double(histogram.count)
    }

    private func microseconds(_ share: Double) -> String { fixed(Double(histogram.quantile(share)) / 1000) }

    var json: String {
      let codes = statuses.sorted { $0.key < $1.key }.map { "\"\($0.key)\":\($0.value)" }.joined(separator: ",")
      return "{\"requests\":\(histogram.count),\"seconds\":\(fixed(seconds, 4)),\"per_second\":\(fixed(rate))"
        + ",\"p50_us\":\(microseconds(0.5)),\"p99_us\":\(microseconds(0.99)),\"p999_us\":\(microseconds(0.999))"
        + ",\"max_us\":\(microseconds(1)),\"cpu_us\":\(cpuPerRequest.map { fixed($0, 3) } ?? "null")"
        + ",\"unexpected\":\(unexpected),\"reconnects\":\(reconnects),\"statuses\":{\(codes)}}"
    }

    var text: String {
      let cpu = cpuPerRequest.map { ", server CPU \(fixed($0, 2)) us/request" } ?? ""
      let codes = statuses.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }.joined(separator: ", ")
      return "\(histogram.count) requests in \(fixed(seconds, 2)) s: \(fixed(rate))/s\(cpu)\n"
        + "p50 \(microseconds(0.5)) us, p99 \(microseconds(0.99)) us, p99.9 \(microseconds(0.999)) us, "
        + "max \(microseconds(1)) us; \(codes); \(unexpected) unexpected, \(reconnects) reconnects"
    }
  }
}

/// A number with a fixed count of decimals.
func fixed(_ value: Double, _ decimals: Int = 1) -> String {
  var scale = 1.0
  for _ in 0..<decimals { scale *= 10 }
  let whole = Int64((value.magnitude * scale).rounded())
  var digits = String(whole)
  while digits.count <= decimals { digits = "0" + digits }
  let sign = value < 0 && whole != 0 ? "-" : ""
  return sign + digits.dropLast(decimals) + (decimals == 0 ? "" : "." + digits.suffix(decimals))
}
