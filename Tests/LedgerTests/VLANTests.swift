import Addressing
import Domain
import Testing

@testable import Ledger

/// An interface is in one VLAN: the pools that its addresses come from are of one.
@Suite struct VLANTests {
  private static let both = [VMInterface(source: .choose([.ipv4, .ipv6], .none))]

  private func pool(_ desk: Desk, _ name: String, _ network: String, _ vlan: UInt16?, in datacenter: String? = nil) {
    desk.pool(name, network) { ($0.vlan, $0.topology.datacenter) = (vlan, datacenter) }
  }

  private func pools(of desk: Desk, _ name: String) -> [String] {
    desk.tables.grants(of: desk.vm(name)).map(\.allocation.pool.text).sorted()
  }

  @Test func anInterfaceWhosePoolsAreInTwoVLANsIsRefusedAtOnce() {
    let desk = Desk()
    pool(desk, "four", "10.1.0.0/24", 10)
    pool(desk, "six", "fd00:1::/64", 20)
    desk.node("n1")
    for isWanted in [true, false] {
      let refusal = desk.create("web", isWanted: isWanted) { $0.interfaces = Self.both }.refusal
      #expect(refusal?.code == .invalidField && refusal?.field == "interfaces")
      for word in ["eth0", "four (VLAN 10)", "six (VLAN 20)", "pool_labels", "two interfaces"] {
        #expect(refusal?.detail.contains(word) == true, "\(refusal?.detail ?? "-") lacks \(word)")
      }
    }
    #expect(!desk.has("web"))
    // Each alone is well, and so are two interfaces.
    let apart = desk.create("apart") {
      $0.interfaces = [
        VMInterface(source: .choose([.ipv4], .none)),
        VMInterface(name: InterfaceName(trusted: "eth1"), source: .choose([.ipv6], .none))
      ]
    }
    #expect(apart.vms.first?.vm.state == .placed && pools(of: desk, "apart") == ["four", "six"])
    // As soon as they agree it is served.
    var patch = PoolPatch()
    patch.vlan = .some(10)
    desk.ask(.updatePool(PoolName(trusted: "six"), patch, ifMatch: nil))
    desk.create("web") { $0.interfaces = Self.both }
    #expect(pools(of: desk, "web") == ["four", "six"])
  }

  @Test(arguments: [[AddressFamily.ipv4, .ipv6], [.ipv6, .ipv4]])
  func poolsOfOneVLANAreChosenAlsoWhereOthersWouldBeBetter(_ families: [AddressFamily]) {
    let desk = Desk()
    pool(desk, "four-large", "10.1.0.0/16", 10)
    pool(desk, "four-small", "10.2.0.0/24", 20)
    pool(desk, "six-own", "fd00:2::/120", 20)
    pool(desk, "six-other", "fd00:3::/64", 30)
    desk.node("n1")
    desk.create("web") { $0.interfaces = [VMInterface(source: .choose(families, .none))] }
    #expect(pools(of: desk, "web") == ["four-small", "six-own"])
    desk.create("plain")
    #expect(pools(of: desk, "plain") == ["four-large"], "one family alone has the best pool")
  }

  @Test func aPoolThatNamesNoVLANGoesWithAny() {
    let desk = Desk()
    pool(desk, "four", "10.1.0.0/24", 10)
    pool(desk, "six", "fd00:1::/64", nil)
    desk.node("n1")
    #expect(desk.create("web") { $0.interfaces = Self.both }.vms.first?.vm.state == .placed)
  }

  @Test func whatIsHeldAlreadyDecidesTheVLAN() {
    let desk = Desk()
    pool(desk, "four-large", "10.1.0.0/16", 10)
    pool(desk, "four-small", "10.2.0.0/24", 20)
    pool(desk, "six-a", "fd00:1::/64", 10)
    pool(desk, "six-b", "fd00:2::/120", 20)
    desk.node("n1")
    _ = desk.give(PoolName(trusted: "six-b"), "web")
    desk.create("web") { $0.interfaces = Self.both }
    #expect(pools(of: desk, "web") == ["four-small", "six-b"])
    // What is held in two VLANs cannot be one interface.
    _ = desk.give(PoolName(trusted: "four-large"), "odd")
    _ = desk.give(PoolName(trusted: "six-b"), "odd")
    let odd = desk.create("odd") { $0.interfaces = Self.both }.vms.first?.vm
    #expect(odd?.state == .pending && desk.addresses("odd").isEmpty)
  }

  @Test func aPlaceWithPoolsOfTwoVLANsTakesNoSuchVM() {
    let desk = Desk()
    pool(desk, "four-east", "10.1.0.0/24", 10, in: "east")
    pool(desk, "six-east", "fd00:1::/64", 11, in: "east")
    pool(desk, "four-west", "10.2.0.0/24", 20, in: "west")
    pool(desk, "six-west", "fd00:2::/64", 20, in: "west")
    for place in ["east", "west"] { desk.node("n-\(place)") { $0.topology = Topology(datacenter: place) } }
    for number in 1...3 {
      desk.create("web-\(number)") { ($0.interfaces, $0.locality.datacenter) = (Self.both, "east") }
      #expect(desk.vm("web-\(number)").node == nodeName("n-west"))
    }
    let stays = desk.create("stays") {
      ($0.interfaces, $0.locality.datacenter, $0.locality.isEnforced) = (Self.both, "east", true)
    }
    #expect(stays.vms.first?.vm.state == .pending && stays.vms.first?.vm.why.contains("in the VLAN") == true)
    let must = desk.create("must", mustPlace: true) {
      ($0.interfaces, $0.locality.datacenter, $0.locality.isEnforced) = (Self.both, "east", true)
    }
    #expect(must.code == .noPlacement)
  }

  @Test func whatHasNoAddressLeftIsNoWayOut() {
    let desk = Desk()
    pool(desk, "four-a", "10.1.0.0/24", 10)
    pool(desk, "four-b", "10.2.0.0/24", 20)
    pool(desk, "six-a", "fd00:1::/126", 10)
    pool(desk, "six-b", "fd00:2::/64", 20)
    desk.node("n1", cpus: 64)
    for number in 1...4 { _ = desk.give(PoolName(trusted: "six-a"), "owner-\(number)") }
    desk.create("web") { $0.interfaces = Self.both }
    #expect(pools(of: desk, "web") == ["four-b", "six-b"])
  }
}
