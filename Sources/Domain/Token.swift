/// What the holder of a token may do; which permissions that means is said at the border.
package enum Role: UInt8, Hashable, Sendable, CaseIterable {
  /// Looks at pools, allocations, history and events.
  case viewer = 1
  /// A viewer who also allocates and releases.
  case `operator` = 2
  /// An operator who also changes pools and imports.
  case poolAdmin = 3
  /// A viewer who also sees tokens and what is insecure.
  case auditor = 4
  /// A VM host.
  case agent = 5
  /// Everything.
  case clusterAdmin = 6

  /// As in the API.
  package var name: String {
    switch self {
    case .viewer: "viewer"
    case .operator: "operator"
    case .poolAdmin: "pool-admin"
    case .auditor: "auditor"
    case .agent: "agent"
    case .clusterAdmin: "cluster-admin"
    }
  }

  /// By its name.
  package init?(name: String) {
    guard let role = Role.allCases.first(where: { $0.name == name }) else { return nil }
    self = role
  }
}

/// The part of Berth that a role holds in.
package enum Scope: Hashable, Sendable {
  /// All of it.
  case global
  /// What belongs to a tenant.
  case tenant(TenantName)
  /// What lies in a pool.
  case pool(PoolName)

  /// As people read it.
  package var text: String {
    switch self {
    case .global: "global"
    case .tenant(let name): "tenant \(name)"
    case .pool(let name): "pool \(name)"
    }
  }
}

/// The public half of a token: 80 random bits, written as 16 letters and digits of base 32.
package struct TokenID: Hashable, Comparable, Sendable, CustomStringConvertible {
  /// Characters of the text.
  package static let length = 16
  /// The rule in words.
  package static let rule = "16 of a-z and 2-7"
  private static let letters = Array("abcdefghijklmnopqrstuvwxyz234567".utf8)

  /// The 80 bits.
  package let bits: UInt128

  /// Takes the low 80 bits.
  package init(bits: UInt128) { self.bits = bits & (1 << 80 - 1) }

  /// Reads the text; nil if it breaks the rule.
  package init?(_ text: String) {
    let bytes = Array(text.utf8.prefix(TokenID.length + 1))
    self.init(bytes, 0..<bytes.count)
  }

  /// Reads a part of `bytes`; nil if it breaks the rule.
  package init?(_ bytes: [UInt8], _ range: Range<Int>) {
    guard range.count == TokenID.length else { return nil }
    var bits: UInt128 = 0
    for index in range {
      let byte = bytes[index]
      switch byte {
      case 97...122: bits = bits << 5 | UInt128(byte - 97)
      case 50...55: bits = bits << 5 | UInt128(byte - 24)
      default: return nil
      }
    }
    self.bits = bits
  }

  /// The text.
  package var description: String { TokenID.text(of: bits, count: TokenID.length) }

  /// By number, which is not the order of the texts.
  package static func < (a: Self, b: Self) -> Bool { a.bits < b.bits }

  /// The low `5 * count` bits in base 32.
  package static func text(of bits: UInt128, count: Int) -> String {
    let digits = (0..<count).reversed().map { letters[Int(truncatingIfNeeded: bits >> UInt128(5 * $0) & 31)] }
    return String(decoding: digits, as: UTF8.self)
  }
}

/// The SHA-256 of a token's secret; all that is kept of it.
package struct TokenHash: Hashable, Sendable {
  /// The first 16 bytes.
  package let high: UInt128
  /// The last 16 bytes.
  package let low: UInt128

  /// Joins the halves.
  package init(high: UInt128, low: UInt128) { (self.high, self.low) = (high, low) }

  /// Whether they are the same, in a time that says nothing about where they differ.
  package func isSame(as other: TokenHash) -> Bool { (high ^ other.high) | (low ^ other.low) == 0 }
}

/// What a token of enrolment is for, and what has come of it: one certificate for one agent.
package struct Enrolment: Hashable, Sendable {
  /// The agent.
  package let agent: NodeName
  /// The certificate made; nil as long as it was not used.
  package let made: Made?

  /// A certificate, and for which key.
  package struct Made: Hashable, Sendable {
    /// SHA-256 of the public key.
    package let key: TokenHash
    /// The certificate in PEM.
    package let certificate: String

    /// Joins the two.
    package init(key: TokenHash, certificate: String) { (self.key, self.certificate) = (key, certificate) }
  }

  /// For an agent, used or not.
  package init(agent: NodeName, made: Made? = nil) { (self.agent, self.made) = (agent, made) }
}

/// What lets somebody in: an immutable object, because requests share it.
package final class Token: Hashable, Sendable {
  /// Its public half.
  package let id: TokenID
  /// What its secret hashes to.
  package let hash: TokenHash
  /// What its holder may do.
  package let role: Role
  /// Where.
  package let scope: Scope
  /// What it is for, in the words of whoever made it.
  package let note: String
  /// When it was made.
  package let createdAt: LogTime
  /// When it ends; nil = never.
  package let expiresAt: LogTime?
  /// Who made it.
  package let createdBy: String
  /// Whether it goes when it has made another administrator's token.
  package let isOneTime: Bool
  /// What it enrols, which is then all that it opens; nil for any other token.
  package let enrolment: Enrolment?
  /// The entry that made it, or used it to enrol.
  package let revision: Revision
  /// Its holder as entries name the actor.
  package let actor: String

  /// Makes a token as it is.
  package init(
    id: TokenID, hash: TokenHash, role: Role, scope: Scope, note: String = "", createdAt: LogTime = 0,
    expiresAt: LogTime? = nil, createdBy: String = "", isOneTime: Bool = false, enrolment: Enrolment? = nil,
    revision: Revision = 0
  ) {
    self.enrolment = enrolment
    (self.id, self.hash, self.role, self.scope, self.note) = (id, hash, role, scope, note)
    (self.createdAt, self.expiresAt, self.createdBy) = (createdAt, expiresAt, createdBy)
    (self.isOneTime, self.revision) = (isOneTime, revision)
    actor = "token/\(id)"
  }

  /// The same token after it has enrolled its agent.
  package func enrolled(_ made: Enrolment.Made, revision: Revision) -> Token {
    guard let enrolment else { preconditionFailure("token \(id) enrols nobody") }
    return Token(
      id: id, hash: hash, role: role, scope: scope, note: note, createdAt: createdAt, expiresAt: expiresAt,
      createdBy: createdBy, isOneTime: isOneTime, enrolment: Enrolment(agent: enrolment.agent, made: made),
      revision: revision)
  }

  /// Whether it is an administrator's of everything.
  package var isAdmin: Bool { role == .clusterAdmin && scope == .global }

  /// Whether it has ended at `time`.
  package func hasExpired(at time: LogTime) -> Bool { expiresAt.map { $0 <= time } ?? false }

  /// Equal in all that they say.
  package static func == (a: Token, b: Token) -> Bool {
    a.id == b.id && a.hash == b.hash && a.role == b.role && a.scope == b.scope && a.note == b.note
      && a.createdAt == b.createdAt && a.expiresAt == b.expiresAt && a.createdBy == b.createdBy
      && a.isOneTime == b.isOneTime && a.enrolment == b.enrolment && a.revision == b.revision
  }

  /// Hashes the id.
  package func hash(into hasher: inout Hasher) { hasher.combine(id) }
}

extension Token: CustomStringConvertible {
  /// Without the hash: nobody needs to see it.
  package var description: String { "token \(id) (\(role.name), \(scope.text)) at \(revision)" }
}

/// A token to be made; everything but times and revision is chosen by whoever asks.
package struct TokenRequest: Sendable {
  /// Who asks for a token.
  package enum Creator: Hashable, Sendable {
    /// The server itself, at its start.
    case system
    /// Somebody without a token, which only works while there is none.
    case anonymous
    /// The holder of this token.
    case token(TokenID)
    /// Somebody known by a certificate.
    case certificate
  }

  /// The new token's public half.
  package let id: TokenID
  /// What its secret hashes to.
  package let hash: TokenHash
  /// What its holder may do.
  package let role: Role
  /// Where.
  package let scope: Scope
  /// What it is for.
  package let note: String
  /// Seconds until it ends; nil = never.
  package let lifetimeSeconds: UInt32?
  /// Whether it goes when it has made another administrator's token.
  package let isOneTime: Bool
  /// The agent that it enrols, and nothing else; nil for any other token.
  package let enrols: NodeName?
  /// Who asks.
  package let creator: Creator

  /// Asks for a token.
  package init(
    id: TokenID, hash: TokenHash, role: Role, scope: Scope, note: String, lifetimeSeconds: UInt32?,
    isOneTime: Bool = false, enrols: NodeName? = nil, creator: Creator
  ) {
    self.enrols = enrols
    (self.id, self.hash, self.role, self.scope, self.note) = (id, hash, role, scope, note)
    (self.lifetimeSeconds, self.isOneTime, self.creator) = (lifetimeSeconds, isOneTime, creator)
  }
}

/// A certificate to be noted beside the token that it was made for; it leaves the server only once that is durable.
package struct EnrolRequest: Sendable {
  /// The token of enrolment.
  package let token: TokenID
  /// The certificate, and for which key.
  package let made: Enrolment.Made

  /// Joins the two.
  package init(token: TokenID, made: Enrolment.Made) { (self.token, self.made) = (token, made) }
}
