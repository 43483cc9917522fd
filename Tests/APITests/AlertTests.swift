import Foundation
import TestSupport
import Testing

/// The alert rules that are shipped speak of metrics that there are.
@Suite("Alert rules") struct AlertTests {
  private static let root = String(#filePath.prefix(#filePath.count - "/Tests/APITests/AlertTests.swift".count))

  @Test func everyMetricNamedInTheAlertRulesExists() throws {
    let text = try String(contentsOfFile: Self.root + "/docs/alerts.yml", encoding: .utf8)
    let named = Set(text.matches(of: /\b(berth|ip_pool)_[a-z_0-9]+/).map { String($0.output.0) })
    #expect(named.count >= 10, "\(named)")
    let house = try House()
    let town = try Town()
    let shown = [try house.get("/metrics").text, try town.call(town.leader, "GET", "/metrics").text]
    let known = Set(
      shown.joined(separator: "\n").split(separator: "\n").filter { $0.hasPrefix("# TYPE ") }.map {
        String($0.split(separator: " ")[2])
      })
    for name in named.sorted() {
      let family = ["_bucket", "_count", "_sum"].first {
        name.hasSuffix($0) && known.contains(String(name.dropLast($0.count)))
      }
      #expect(known.contains(name) || family != nil, "docs/alerts.yml names \(name), which Berth does not have")
    }
  }

  @Test func everyRuleHasWhatAnOperatorNeeds() throws {
    let text = try String(contentsOfFile: Self.root + "/docs/alerts.yml", encoding: .utf8)
    let rules = text.components(separatedBy: "- alert: ").dropFirst()
    #expect(rules.count >= 10)
    for rule in rules {
      for part in ["expr: ", "severity: ", "summary: ", "what_to_do: "] {
        #expect(rule.contains(part), "\(rule.prefix { $0 != "\n" }) has no \(part)")
      }
    }
  }
}
