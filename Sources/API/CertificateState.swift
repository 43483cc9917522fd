internal import Platform
internal import Telemetry

/// A certificate that a server lives by, and when it ends.
package struct CertificateState: Hashable, Sendable {
  /// What it is for: `server`, `client_ca`, `node_ca`, `etcd`, `etcd_ca`, `enrol_ca`.
  package let use: String
  /// Its file.
  package let path: String
  /// Seconds since 1970 at which the first certificate in the file ends; nil = it cannot be read.
  package let endsAt: Int64?

  /// Joins what is known.
  package init(use: String, path: String, endsAt: Int64?) { (self.use, self.path, self.endsAt) = (use, path, endsAt) }

  /// How soon somebody must act.
  package enum Urgency: Int, Hashable, Comparable, Sendable {
    case none, soon, now, late

    /// The more urgent is more.
    package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
  }

  /// Days before the end at which it is said, and said louder.
  private static let days: (soon: Int64, now: Int64) = (30, 7)
  private static let day: Int64 = 86_400

  /// How soon at `now`, in seconds since 1970.
  package func urgency(at now: Int64) -> Urgency {
    guard let endsAt else { return .late }
    let left = endsAt - now
    if left <= 0 { return .late }
    return left <= Self.days.now * Self.day ? .now : left <= Self.days.soon * Self.day ? .soon : .none
  }

  /// What to say of it.
  package func sentence(at now: Int64) -> String {
    guard let endsAt else { return "the certificate \(path) (\(use)) cannot be read" }
    let left = endsAt - now
    let remedy = "replace the file in good time, it is read again without a restart"
    if left <= 0 { return "the certificate \(path) (\(use)) has ended: nobody believes it any more; replace the file" }
    let days = left / Self.day
    return "the certificate \(path) (\(use)) ends in \(days == 1 ? "1 day" : "\(days) days"): \(remedy)"
  }
}

extension Security {
  /// What there is to say of certificates.
  func certificateFindings(at now: Int64) -> [SecurityFinding] {
    let all = certificates()
    guard !all.isEmpty else { return [] }
    let urgent = all.filter { $0.urgency(at: now) > .none }
    if urgent.isEmpty {
      return [SecurityFinding(check: "certificates", isWell: true, detail: "\(all.count), none ends within 30 days")]
    }
    return urgent.map { SecurityFinding(check: "certificates", isWell: false, detail: $0.sentence(at: now)) }
  }
}

extension BerthAPI {
  /// Tells when certificates end.
  func registerCertificates() {
    let certificates = security.certificates
    metrics.readings(
      .gauge, "berth_certificate_expires_seconds",
      "Seconds until a certificate ends, by its use; 0 = ended or unreadable.",
      labels: ["use"]
    ) {
      let now = WallClock.microseconds / 1_000_000
      return certificates().map { Sample([$0.use], Double(max(0, ($0.endsAt ?? 0) - now))) }
    }
  }
}
