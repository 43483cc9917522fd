/// The binary form of tokens, version 1: id, hash, role, scope, flags, then texts and times.
extension ByteWriter {
  mutating func token(_ token: Token) {
    bigEndian(token.id.bits, count: 10)
    bigEndian(token.hash.high, count: 16)
    bigEndian(token.hash.low, count: 16)
    byte(token.role.rawValue)
    switch token.scope {
    case .global: byte(0)
    case .tenant(let name):
      byte(1)
      text(name.text)
    case .pool(let name):
      byte(2)
      text(name.text)
    }
    let enrolment: UInt8 = token.enrolment.map { $0.made == nil ? 4 : 12 } ?? 0
    byte((token.isOneTime ? 1 : 0) | (token.expiresAt == nil ? 0 : 2) | enrolment)
    text(token.note)
    text(token.createdBy)
    time(token.createdAt)
    if let expiresAt = token.expiresAt { time(expiresAt) }
    varint(token.revision)
    guard let enrolment = token.enrolment else { return }
    text(enrolment.agent.text)
    guard let made = enrolment.made else { return }
    bigEndian(made.key.high, count: 16)
    bigEndian(made.key.low, count: 16)
    text(made.certificate)
  }
}

extension ByteReader {
  mutating func token() throws(CodingFault) -> Token {
    let id = TokenID(bits: try bigEndian(count: 10))
    let hash = TokenHash(high: try bigEndian(count: 16), low: try bigEndian(count: 16))
    guard let role = Role(rawValue: try byte()) else { throw .invalid("role") }
    let scope = try scope()
    let flags = try byte()
    guard flags < 16, flags & 12 != 8 else { throw .invalid("token flags") }
    let (note, createdBy, createdAt) = (try text(), try text(), try time())
    let expiresAt = flags & 2 == 0 ? nil : try time()
    let revision = try varint()
    return Token(
      id: id, hash: hash, role: role, scope: scope, note: note, createdAt: createdAt,
      expiresAt: expiresAt, createdBy: createdBy, isOneTime: flags & 1 != 0,
      enrolment: flags & 4 == 0 ? nil : try enrolment(isUsed: flags & 8 != 0),
      revision: revision)
  }

  private mutating func enrolment(isUsed: Bool) throws(CodingFault) -> Enrolment {
    let agent: NodeName = try name()
    guard isUsed else { return Enrolment(agent: agent) }
    let key = TokenHash(high: try bigEndian(count: 16), low: try bigEndian(count: 16))
    return Enrolment(agent: agent, made: Enrolment.Made(key: key, certificate: try text()))
  }

  private mutating func scope() throws(CodingFault) -> Scope {
    switch try byte() {
    case 0: .global
    case 1: .tenant(try name())
    case 2: .pool(try name())
    default: throw .invalid("scope")
    }
  }
}
