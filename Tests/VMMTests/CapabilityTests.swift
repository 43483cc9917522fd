import Addressing
import Domain
import Testing
import VMM

@Suite struct CapabilityTests {
  @Test func whatABackendCannotDoIsSaidInWords() {
    let little = VMCapabilities(mostCPU: 2_000)
    #expect(little.flaw(in: order(1)) == nil)
    #expect(little.flaw(in: order(1, cpu: 2_001))?.contains("at most 2 vCPUs") == true)
    var pinned = order(1)
    pinned.seat.cpus = CPUSet(0..<2)
    #expect(little.flaw(in: pinned)?.contains("processors of its own") == true)
    var device = order(1)
    device.seat.devices = [DeviceID(trusted: "0000:3b:00.0")]
    #expect(little.flaw(in: device)?.contains("devices") == true)
    #expect(VMCapabilities(pins: true, passesDevices: true).flaw(in: device) == nil)
  }

  /// Whatever a backend can do: it cannot give an address.
  @Test(arguments: backends) func s0_39_anInterfaceWithoutAnAddressIsAFlawForEveryBackend(_ under: BackendUnderTest) {
    let can = under.make().backend.capabilities
    #expect(can.flaw(in: order(1)) == nil, "a VM without interfaces needs no address")
    #expect(can.flaw(in: guestOrder(1)) == nil)
    var bare = guestOrder(1)
    bare.interfaces.append(GuestInterface(name: InterfaceName(trusted: "san"), mac: MACAddress(bits: 2), addresses: []))
    #expect(can.flaw(in: bare)?.hasPrefix("interface san has no address") == true)
  }

  /// The host tags the frames of an interface with one VLAN.
  @Test(arguments: backends) func anInterfaceInTwoVLANsIsAFlawForEveryBackend(_ under: BackendUnderTest) {
    let can = under.make().backend.capabilities
    func flaw(_ vlans: UInt16?...) -> String? {
      var order = guestOrder(1)
      let addresses = vlans.enumerated().map { number, vlan in
        let pool = PoolName(trusted: "p\(number)")
        var address = GuestAddress(IPAddress("10.1.0.\(number)")!, prefixLength: 24, pool: pool)
        address.vlan = vlan
        return address
      }
      order.interfaces = [GuestInterface(name: .standard, mac: order.interfaces[0].mac, addresses: addresses)]
      return can.flaw(in: order)
    }
    #expect(flaw(120) == nil && flaw(nil) == nil && flaw(120, 120) == nil && flaw(nil, 120) == nil)
    #expect(flaw(120, 121) == flaw(120, nil, 121)?.replacing("p2", with: "p1"))
    for word in ["eth0", "p0 (VLAN 120)", "p1 (VLAN 121)"] { #expect(flaw(120, 121)?.contains(word) == true) }
  }
}
