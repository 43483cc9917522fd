import Domain
import Testing

@testable import Ledger

@Suite struct TokenTests {
  private let acme = TenantName(trusted: "acme")

  private func request(
    _ number: Int, _ role: Role = .clusterAdmin, _ scope: Scope = .global, isOneTime: Bool = false,
    by creator: TokenRequest.Creator = .system
  ) -> Command {
    .createToken(
      TokenRequest(
        id: TokenID(bits: UInt128(number)), hash: TokenHash(high: 0, low: UInt128(number)), role: role, scope: scope,
        note: "", lifetimeSeconds: 60, isOneTime: isOneTime, creator: creator))
  }

  @Test func theFirstTokenMustBeAnAdministrators() {
    let desk = Desk()
    desk.pool("web", "10.0.0.0/24")
    #expect(desk.ask(request(1, .viewer, by: .anonymous)).code == .firstTokenIsAdmin)
    guard case .token(let token, spent: false) = desk.ask(request(1, by: .anonymous)) else {
      Issue.record("no token")
      return
    }
    #expect(token.expiresAt == desk.time + 60_000_000 && token.createdBy == "t")
    #expect(desk.ask(request(2, .viewer, .pool(PoolName(trusted: "web")))).code == nil)
  }

  @Test func withoutATokenNoSecondOneIsMade() {
    let desk = Desk()
    desk.ask(request(1, by: .anonymous))
    #expect(desk.ask(request(2, by: .anonymous)).code == .creatorIsGone)
    #expect(desk.ask(request(2, by: .token(TokenID(bits: 1)))).code == nil)
    desk.ask(.revokeToken(TokenID(bits: 1)))
    #expect(desk.ask(request(3, by: .token(TokenID(bits: 1)))).code == .creatorIsGone)
  }

  @Test func aOneTimeTokenGoesWithTheFirstAdministratorItMakes() {
    let desk = Desk()
    desk.ask(request(1, isOneTime: true))
    let one = TokenRequest.Creator.token(TokenID(bits: 1))
    guard case .token(_, spent: false) = desk.ask(request(2, .viewer, by: one)) else {
      Issue.record("a viewer's token spends nothing")
      return
    }
    guard case .token(_, spent: true) = desk.ask(request(3, by: one)) else {
      Issue.record("not spent")
      return
    }
    #expect(desk.ask(request(4, by: one)).code == .creatorIsGone)
    #expect(Set(desk.tables.tokens.map(\.id.bits)) == [2, 3])
  }

  @Test func thereAreAtMostTenThousandTokens() {
    let desk = Desk()
    for number in 1...Limits.tokens { desk.ask(request(number)) }
    #expect(desk.tables.tokenCount == 10_000)
    #expect(desk.ask(request(10_001)).code == .tooManyTokens)
    desk.ask(.revokeToken(TokenID(bits: 5)))
    #expect(desk.ask(request(10_001)).code == nil)
  }

  @Test func anotherTenantsAllocationIsAsIfNotThere() {
    let desk = Desk()
    let web = desk.pool("web", "10.0.0.0/24")
    #expect(desk.give(web, "vm-1") == ["10.0.0.2"])
    let foreign = AllocationTarget(pool: web, ip: ip("10.0.0.2"), tenant: acme)
    let free = AllocationTarget(pool: web, ip: ip("10.0.0.3"), tenant: acme)
    #expect(desk.ask(.release(.address(foreign))).code == .allocationNotFound)
    #expect(desk.ask(.release(.address(free))).code == .allocationNotFound)
    #expect(desk.ask(.updateAllocation(foreign, AllocationPatch())).code == .allocationNotFound)
    #expect(
      desk.ask(.release(.address(AllocationTarget(pool: web, ip: ip("10.0.0.2"), tenant: .standard)))).code == nil)
  }

  @Test func halvesAreComparedWhole() {
    let hash = TokenHash(high: 1, low: 2)
    #expect(hash.isSame(as: TokenHash(high: 1, low: 2)))
    #expect(!hash.isSame(as: TokenHash(high: 1, low: 3)) && !hash.isSame(as: TokenHash(high: 2, low: 2)))
    #expect(!TokenHash(high: 1, low: 1).isSame(as: TokenHash(high: 0, low: 0)))
  }

  @Test func anIDIsReadAsItIsWritten() {
    let numbers: [UInt128] = [0, 1, 1 << 79, 1 << 80 - 1, 0x1234_5678_9ABC_DEF0]
    for bits in numbers {
      let id = TokenID(bits: bits)
      #expect(TokenID("\(id)") == id && "\(id)".utf8.count == TokenID.length)
    }
    for text in ["", "abc", "abcdefghijklmnop1", "ABCDEFGHIJKLMNOP", "abcdefghijklmno1", "abcdefghijklmno8"] {
      #expect(TokenID(text) == nil)
    }
  }
}
