extension Metrics {
  /// The Content-Type of `exposition()`.
  package static let contentType = "text/plain; version=0.0.4; charset=utf-8"

  /// Everything in Prometheus' text format 0.0.4. A metric without samples still says that it exists.
  package func exposition() -> [UInt8] {
    var out: [UInt8] = []
    for entry in all {
      out += "# HELP \(entry.name) \(escaped(entry.help, quote: false))\n# TYPE \(entry.name) ".utf8
      switch entry.source {
      case .counters(let family):
        out += "counter\n".utf8
        for (values, counter) in family.sorted {
          appendSample(entry.name, entry.labels, values, "\(counter.current)", to: &out)
        }
      case .histograms(let family):
        out += "histogram\n".utf8
        for (values, histogram) in family.sorted { append(histogram, entry, values, to: &out) }
      case .readings(let kind, let read):
        out += "\(kind.rawValue)\n".utf8
        for sample in read().prefix(Metrics.samplesMax) {
          appendSample(entry.name, entry.labels, sample.labels, text(sample.value), to: &out)
        }
      }
    }
    return out
  }
}

private func append(_ histogram: Histogram, _ entry: Metrics.Entry, _ values: [String], to out: inout [UInt8]) {
  let cumulative = histogram.cumulative
  let ends = histogram.buckets.seconds.map(text) + ["+Inf"]
  for (end, count) in zip(ends, cumulative) {
    appendSample(entry.name + "_bucket", entry.labels + ["le"], values + [end], "\(count)", to: &out)
  }
  appendSample(entry.name + "_sum", entry.labels, values, text(histogram.sumSeconds), to: &out)
  appendSample(entry.name + "_count", entry.labels, values, "\(cumulative[cumulative.count - 1])", to: &out)
}

private func appendSample(
  _ name: String, _ labels: [String], _ values: [String], _ value: String, to out: inout [UInt8]
) {
  precondition(labels.count == values.count, "\(name): \(values.count) values for \(labels)")
  out += name.utf8
  if !labels.isEmpty {
    let pairs = zip(labels, values).map { "\($0)=\"\(escaped($1, quote: true))\"" }
    out += "{\(pairs.joined(separator: ","))}".utf8
  }
  out += " \(value)\n".utf8
}

/// Whole numbers without a fraction, and the three names that the format knows.
private func text(_ value: Double) -> String {
  if value.isNaN { return "NaN" }
  if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
  if let whole = Int64(exactly: value) { return "\(whole)" }
  return "\(value)"
}

private func escaped(_ text: String, quote: Bool) -> String {
  var out = ""
  for scalar in text.unicodeScalars {
    switch scalar {
    case "\\": out += "\\\\"
    case "\n": out += "\\n"
    case "\"" where quote: out += "\\\""
    default: out.unicodeScalars.append(scalar)
    }
  }
  return out
}
