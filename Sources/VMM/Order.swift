package import Addressing
package import Domain

/// A machine to be brought up: a VM as one placement of it wants it.
package struct VMOrder: Hashable, Sendable {
  /// Which VM.
  package let id: VMID
  /// Which placement of it.
  package let epoch: UInt64
  /// Its tenant and name.
  package let key: VMKey
  /// What it takes.
  package var resources: Resources
  /// The image it boots.
  package var image = ""
  /// The kernel, where the image has none.
  package var kernel = ""
  /// What the node gave it beyond counted amounts.
  package var seat = Seat.plain
  /// Whether it is started elsewhere when this node falls silent, so that it must not run here past the lease.
  package var failover = FailoverPolicy.never
  /// Whether it is taken over from another node, where it runs: it neither runs nor speaks here before it has stopped
  /// there, and fails if it cannot be had.
  package var isIncoming = false
  /// Its interfaces.
  package var interfaces: [Interface] = []

  /// Wants a machine with no interfaces, and all else as usual.
  package init(id: VMID, epoch: UInt64, key: VMKey, resources: Resources) {
    (self.id, self.epoch, self.key, self.resources) = (id, epoch, key, resources)
  }

  /// An interface of the guest.
  package struct Interface: Hashable, Sendable {
    /// Its name.
    package let name: InterfaceName
    /// Its hardware address.
    package let mac: MACAddress
    /// Its addresses.
    package let addresses: [Address]

    /// Joins them.
    package init(name: InterfaceName, mac: MACAddress, addresses: [Address]) {
      (self.name, self.mac, self.addresses) = (name, mac, addresses)
    }
  }

  /// An address of an interface, with what a guest must know to use it.
  package struct Address: Hashable, Sendable {
    /// The address.
    package let ip: IPAddress
    /// How many bits its network has.
    package let prefixLength: Int
    /// The way out.
    package var gateway: IPAddress?
    /// Name servers.
    package var dns: [IPAddress] = []
    /// The VLAN of the network.
    package var vlan: UInt16?
    /// The largest packet of the network.
    package var mtu: UInt16?

    /// An address in a network of this length.
    package init(_ ip: IPAddress, prefixLength: Int) { (self.ip, self.prefixLength) = (ip, prefixLength) }
  }
}
