import Domain
import Foundation
import Platform
import Testing

@testable import API

@Suite("The door's parts") struct DoorTests {
  @Test func theTableOfAddressesIsBounded() {
    let logins = LoginGuard()
    for number in 0..<6_000 {
      let now = MonotonicTime(nanoseconds: Int64(number))
      #expect(!logins.failed("10.\(number >> 16).\(number >> 8 & 255).\(number & 255):1", now))
    }
    #expect(logins.peers == LoginGuard.peersMax)
    let now = MonotonicTime(nanoseconds: 10_000)
    // Ports do not count, nor the lower half of an IPv6 address.
    for port in 0..<LoginGuard.patience { #expect(!logins.failed("[2001:db8::\(port)]:\(port)", now)) }
    #expect(logins.failed("[2001:db8::ffff]:1", now) && logins.pause("[2001:db8::1]:2", now) == 1)
    // Whoever waits as long as he is told has waited long enough.
    let later = now + .milliseconds(1)
    #expect(logins.pause("[2001:db8::1]:2", later) == 1 && logins.pause("[2001:db8::1]:2", later + .seconds(1)) == nil)
    #expect(logins.pause("[2001:db8:0:1::1]:2", now) == nil && logins.pause("10.0.23.111:9", now) == nil)
  }

  @Test func aCertificateNamesANodeOrAnAgent() throws {
    let node = try #require(CertificateIdentity(uri: "berth://node/n-1"))
    #expect(node.text == "node/n-1" && node.role == .viewer)
    #expect(CertificateIdentity(uri: "berth://agent/h1")?.role == .agent)
    for uri in ["berth://node/", "berth://node/a/b", "berth://other/x", "http://node/n", "node/n-1", "berth://node/a b"]
    {
      #expect(CertificateIdentity(uri: uri) == nil, "\(uri)")
    }
  }

  @Test func onlyANodePassesOthersOnAndNamesThemWell() {
    func who(_ uri: String?, _ passedOn: String?, anonymous: Bool = false) -> String? {
      let evidence = Evidence(
        authorization: .none, certificate: uri.flatMap { CertificateIdentity(uri: $0) }, passedOn: passedOn)
      return evidence.person(isAnonymousAllowed: anonymous)?.text
    }
    #expect(who("berth://node/n1", "agent/h1") == "agent/h1" && who("berth://node/n1", nil) == "node/n1")
    #expect(who("berth://node/n1", "root") == nil)
    // An agent's word about others counts as little as that of somebody without a certificate.
    #expect(who("berth://agent/h1", "node/n1") == "agent/h1")
    #expect(who(nil, "node/n1") == "nobody" && who(nil, "node/n1", anonymous: true) == "anonymous")
  }

  @Test func everyPermissionHasARouteAndAnAdministrator() {
    for permission in Permission.allCases {
      // Enrolling is for tokens that are made for it alone.
      #expect(permission.isGranted(to: .clusterAdmin) == (permission != .enrol) && permission.reaches(.global))
      #expect(BerthAPI.table.contains { $0.permission == permission }, "\(permission)")
    }
  }

  /// With BERTH_WRITE=1 the guide is brought up to date instead.
  @Test func theTableInTheGuideIsTheCodes() throws {
    let path = String(#filePath.dropLast("Tests/APITests/DoorTests.swift".count)) + "docs/guide-security.md"
    let text = try String(contentsOfFile: path, encoding: .utf8)
    let start = try #require(text.range(of: "<!-- permissions -->\n"))
    let end = try #require(text.range(of: "<!-- end -->"))
    let wanted = "\n" + PermissionTable.markdown + "\n"
    if ProcessInfo.processInfo.environment["BERTH_WRITE"] == "1" {
      try (text[..<start.upperBound] + wanted + text[end.lowerBound...]).write(
        toFile: path, atomically: true, encoding: .utf8)
    } else {
      #expect(text[start.upperBound..<end.lowerBound] == wanted, "BERTH_WRITE=1 writes it anew")
    }
  }
}
