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
}
