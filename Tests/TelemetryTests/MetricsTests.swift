import Telemetry
import TestSupport
import Testing

@Suite struct MetricsTests {
  @Test func expositionIsTheTextFormat() {
    let metrics = Metrics()
    let requests = metrics.counters("berth_http_requests_total", "Requests by route.", labels: ["method", "status"])
    requests.child(["POST", "201"]).add(3)
    requests.child(["GET", "200"]).add()
    let flush = metrics.histogram("berth_flush_seconds", "One flush.", Buckets(seconds: [0.001, 0.5, 2]))
    for nanoseconds in [1_000_000, 1_000_001, 500_000_000, 3_000_000_000, -5] as [Int64] {
      flush.observe(nanoseconds: nanoseconds)
    }
    metrics.gauge("berth_queue_depth", "Commands that wait.") { 2.5 }
    metrics.readings(.counter, "berth_flushes_total", "Flushes.") { [Sample([], 7)] }
    #expect(
      String(decoding: metrics.exposition(), as: UTF8.self) == """
        # HELP berth_http_requests_total Requests by route.
        # TYPE berth_http_requests_total counter
        berth_http_requests_total{method="GET",status="200"} 1
        berth_http_requests_total{method="POST",status="201"} 3
        # HELP berth_flush_seconds One flush.
        # TYPE berth_flush_seconds histogram
        berth_flush_seconds_bucket{le="0.001"} 2
        berth_flush_seconds_bucket{le="0.5"} 4
        berth_flush_seconds_bucket{le="2"} 4
        berth_flush_seconds_bucket{le="+Inf"} 5
        berth_flush_seconds_sum 3.502000001
        berth_flush_seconds_count 5
        # HELP berth_queue_depth Commands that wait.
        # TYPE berth_queue_depth gauge
        berth_queue_depth 2.5
        # HELP berth_flushes_total Flushes.
        # TYPE berth_flushes_total counter
        berth_flushes_total 7

        """)
  }

  @Test func labelValuesAndHelpAreEscaped() {
    let metrics = Metrics()
    metrics.readings(.gauge, "a", "one \\ two\n\"three\"", labels: ["pool"]) {
      [Sample(["x\"y\\z\n"], .infinity), Sample(["-"], -.infinity), Sample(["n"], .nan)]
    }
    let lines = String(decoding: metrics.exposition(), as: UTF8.self).split(separator: "\n")
    #expect(lines[0] == #"# HELP a one \\ two\n"three""#)
    #expect(lines[2...] == [#"a{pool="x\"y\\z\n"} +Inf"#, #"a{pool="-"} -Inf"#, #"a{pool="n"} NaN"#])
  }

  @Test func labelValuesFromOutsideCannotGrowMemory() {
    let family = Metrics().counters("t_total", "t", labels: ["path", "status"], limit: 3)
    for index in 0..<1_000 { family.child(["/\(index)", "404"]).add() }
    #expect(family.child(["other", "other"]).current == 997)
    #expect(family.child(["/2", "404"]).current == 1)
    #expect(family.child(["/3", "404"]) === family.child(["other", "other"]))
  }

  @Test func everyDurationFallsIntoTheFirstBucketThatHoldsIt() {
    let histogram = Histogram()
    let ends = histogram.buckets.seconds
    for end in ends {
      histogram.observe(nanoseconds: Int64((end * 1e9).rounded()))
      histogram.observe(nanoseconds: Int64((end * 1e9).rounded()) + 1)
    }
    // One in the first, two in each after it, one above the last.
    #expect(histogram.cumulative == ends.indices.map { UInt64(2 * $0 + 1) } + [UInt64(2 * ends.count)])
    let most = Histogram(Buckets(seconds: (1...Buckets.countMax).map(Double.init)))
    most.observe(nanoseconds: .max)
    #expect(most.cumulative.last == 1 && most.cumulative.dropLast().allSatisfy { $0 == 0 })
  }

  @Test func countsFromManyThreadsAllArrive() async {
    let counter = Counter()
    let histogram = Histogram()
    let family = Metrics().counters("t_total", "t", labels: ["n"], limit: 4)
    await withTaskGroup(of: Void.self) { group in
      for task in 0..<8 {
        group.addTask {
          for index in 0..<2_000 {
            counter.add(2)
            histogram.observe(nanoseconds: Int64(index) * 1_000)
            family.child(["\(task)"]).add()
          }
        }
      }
    }
    #expect(counter.current == 32_000)
    #expect(histogram.cumulative.last == 16_000)
    #expect(abs(histogram.sumSeconds - 8 * 1_999 * 1_000 * 1e-6) < 1e-6)
    let children = (0..<8).map { family.child(["\($0)"]) } + [family.child(["other"])]
    let distinct = Dictionary(children.map { (ObjectIdentifier($0), $0.current) }, uniquingKeysWith: { one, _ in one })
    #expect(distinct.values.reduce(0, +) == 16_000)
  }

  @Test func wrongNamesTrapAtStart() async {
    await #expect(processExitsWith: .failure) { Metrics().gauge("9lives", "") { 0 } }
    await #expect(processExitsWith: .failure) { Metrics().gauge("with-dash", "") { 0 } }
    await #expect(processExitsWith: .failure) { _ = Metrics().counter("requests", "") }
    await #expect(processExitsWith: .failure) { _ = Metrics().histogram("flush_ms", "") }
    await #expect(processExitsWith: .failure) { _ = Metrics().counters("a_total", "", labels: ["__name"]) }
    await #expect(processExitsWith: .failure) {
      let metrics = Metrics()
      metrics.gauge("twice", "") { 0 }
      metrics.gauge("twice", "") { 0 }
    }
  }

  @Test func promtoolAcceptsTheText() throws {
    let metrics = Metrics()
    metrics.counters("berth_requests_total", "Requests.", labels: ["route"]).child(["/\"\\\n"]).add()
    metrics.histogram("berth_request_duration_seconds", "Durations.").observe(nanoseconds: 42_000)
    metrics.gauge("berth_addresses", "Addresses.") { 0.125 }
    let ended = try? ChildProcess.run("promtool", ["check", "metrics"], input: metrics.exposition())
    guard let ended, ended.status != .exited(127) else {
      print("skipped promtoolAcceptsTheText: promtool (package prometheus) is not installed")
      return
    }
    #expect(ended.status == .exited(0), "\(ended.output)\(ended.errors)")
  }
}
