internal import Addressing
internal import Engine
internal import Platform
internal import Synchronization
internal import Telemetry

/// Counts wrong tokens by address, and says how long an address has to wait.
// Unchecked because `lock` guards `records`.
final class LoginGuard: @unchecked Sendable {
  /// Wrong tokens that cost nothing.
  static let patience = 10
  /// The longest pause.
  static let longestPause = 60
  /// After this long without a wrong token all is forgotten.
  static let memory: Duration = .seconds(900)
  /// Addresses remembered; beyond them the one that has been quiet longest is forgotten.
  static let peersMax = 4_096

  private struct Record {
    var failures = 0
    var last: MonotonicTime
    var until: MonotonicTime
  }

  private let lock = Lock()
  /// An IPv4 address, or the /64 of an IPv6 one; nil for peers without an address.
  private var records: [Prefix?: Record] = [:]
  private let count = Atomic<Int>(0)

  /// Whole seconds that a peer still has to wait; nil = none.
  func pause(_ peer: String, _ now: MonotonicTime) -> Int? {
    if count.load(ordering: .relaxed) == 0 { return nil }
    let key = LoginGuard.key(peer)
    guard let until = lock.withLock({ records[key]?.until }), until > now else { return nil }
    return Int((until - now + 999_999_999) / 1_000_000_000)
  }

  /// Notes a wrong token; true if the peer has to wait from now on.
  func failed(_ peer: String, _ now: MonotonicTime) -> Bool {
    let key = LoginGuard.key(peer)
    return lock.withLock {
      if records[key] == nil { makeRoom(now) }
      var record = records[key] ?? Record(last: now, until: now)
      if now >= record.last + LoginGuard.memory { record.failures = 0 }
      record.failures += 1
      record.last = now
      let over = record.failures - LoginGuard.patience
      if over > 0 { record.until = now + .seconds(min(LoginGuard.longestPause, 1 << min(over - 1, 6))) }
      records[key] = record
      count.store(records.count, ordering: .relaxed)
      return over > 0
    }
  }

  /// How many addresses are remembered.
  var peers: Int { count.load(ordering: .relaxed) }

  private func makeRoom(_ now: MonotonicTime) {
    guard records.count >= LoginGuard.peersMax else { return }
    records = records.filter { now < $0.value.last + LoginGuard.memory }
    guard records.count >= LoginGuard.peersMax, let oldest = records.min(by: { $0.value.last < $1.value.last }) else {
      return
    }
    records[oldest.key] = nil
  }

  /// `address:port` or `[address]:port` as a key.
  private static func key(_ peer: String) -> Prefix? {
    guard let colon = peer.lastIndex(of: ":") else { return nil }
    var host = peer[..<colon]
    if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
    return IPAddress(host).map { Prefix(containing: $0, length: $0.family == .ipv4 ? 32 : 64) }
  }
}

extension BerthAPI {
  /// What metrics tell of the door, beside what is counted at it.
  func registerDoor() {
    let (engine, logins, isRequired) = (engine, logins, security.isRequired)
    metrics.gauge("berth_tokens", "Tokens kept, expired ones included.") { Double(engine.tokens.count) }
    metrics.gauge("berth_auth_anonymous_allowed", "1 while requests without a token are let in.") {
      !isRequired && engine.tokens.isEmpty ? 1 : 0
    }
    metrics.gauge("berth_auth_failing_peers", "Addresses that sent wrong tokens lately.") { Double(logins.peers) }
  }
}
