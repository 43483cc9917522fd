import Addressing
import Domain
import TestSupport
import VMM
import VMMSimulated

/// A backend with the means to let time pass.
struct BackendUnderTest: Sendable, CustomStringConvertible {
  let name: String
  /// A fresh backend, and what lets its machines reach whatever they are on the way to.
  let make: @Sendable () -> (backend: any VMBackend, settle: () -> Void)

  var description: String { name }
}

/// A clock that a test moves.
final class HandClock {
  var now = Duration.zero
}

/// Every backend; a new one adds a line.
let backends: [BackendUnderTest] = [
  BackendUnderTest(name: "simulated") {
    let clock = HandClock()
    let backend = SimulatedVMs(seed: 7) { clock.now }
    return (backend, { clock.now += .seconds(60) })
  }
]

/// An order for the VM number `id`.
func order(_ id: UInt64, epoch: UInt64 = 1, cpu: Int32 = 1_000) -> VMOrder {
  VMOrder(
    id: VMID(raw: id), epoch: epoch, key: VMKey(name: VMName(trusted: "vm-\(id)")),
    resources: Resources(cpu: cpu, memory: 512))
}

/// The same with an interface that says all there is to say of a network.
func guestOrder(_ id: UInt64, epoch: UInt64 = 1) -> VMOrder {
  var address = GuestAddress(IPAddress("10.1.0.9")!, prefixLength: 24, pool: PoolName(trusted: "edge"))
  (address.gateway, address.dns) = (IPAddress("10.1.0.254"), [IPAddress("10.1.0.53")!])
  (address.vlan, address.mtu) = (120, 9_000)
  var order = order(id, epoch: epoch)
  order.interfaces = [
    GuestInterface(name: .standard, mac: MACAddress("02:00:00:00:80:00")!, addresses: [address])
  ]
  return order
}

extension VMBackend {
  /// The phase of the VM number `id`; nil if it is not there.
  func phase(_ id: UInt64) -> ObservedVM.Phase? { observe().first { $0.id == VMID(raw: id) }?.phase }
}
