import API
import Domain
import Engine
import HTTPClient
import TestSupport
import Testing

/// Tokens for tests, made as the server makes its own.
extension House {
  /// A token's whole text.
  func key(
    _ role: Role, _ scope: Scope = .global, seconds: UInt32? = 3_600, isOneTime: Bool = false, enrols: NodeName? = nil
  ) throws -> String {
    let fresh = FreshToken()
    let request = TokenRequest(
      id: fresh.id, hash: fresh.hash, role: role, scope: scope, note: "", lifetimeSeconds: seconds,
      isOneTime: isOneTime, enrols: enrols, creator: .system)
    let submission = Submission(.createToken(request), actor: "system", requestID: "key", asked: "")
    let answers = Shared<[Outcome]>([])
    _ = engine.submit(submission) { answer in
      if case .outcome(let outcome, _) = answer { answers.withLock { $0.append(outcome) } }
    }
    try #require(eventually { answers.withLock { !$0.isEmpty } })
    guard case .token = answers.withLock({ $0[0] }) else {
      Issue.record("no token: \(answers.withLock { $0 })")
      return fresh.text
    }
    return fresh.text
  }

  /// A request with a token.
  @discardableResult
  func call(
    _ method: String, _ target: String, _ body: String? = nil, key: String?, expect status: Int? = nil,
    _ location: SourceLocation = #_sourceLocation
  ) throws -> Heard {
    let headers = key.map { [(name: "Authorization", value: "Bearer \($0)")] } ?? []
    return try call(method, target, body, headers: headers, expect: status, location)
  }
}

/// The public half of a token.
func publicHalf(_ key: String) -> String { String(key.dropFirst(6).prefix(16)) }

extension TenantName {
  static let acme = TenantName(trusted: "acme")
}

extension PoolName {
  static let own = PoolName(trusted: "own")
}
