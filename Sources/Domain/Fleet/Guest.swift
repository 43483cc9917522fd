package import Addressing

/// An interface of a VM as its guest has it.
package struct GuestInterface: Hashable, Sendable {
  /// Its name in the guest.
  package let name: InterfaceName
  /// Its hardware address.
  package let mac: MACAddress
  /// Its addresses.
  package let addresses: [GuestAddress]

  /// Names all of it.
  package init(name: InterfaceName, mac: MACAddress, addresses: [GuestAddress]) {
    (self.name, self.mac, self.addresses) = (name, mac, addresses)
  }
}

/// An address of an interface, with what its guest must know of the network.
package struct GuestAddress: Hashable, Sendable {
  /// The address.
  package let ip: IPAddress
  /// The network's length.
  package let prefixLength: Int
  /// The router.
  package var gateway: IPAddress?
  /// Name servers.
  package var dns: [IPAddress] = []
  /// The VLAN, which the host tags: the guest sees frames without a tag.
  package var vlan: UInt16?
  /// The MTU.
  package var mtu: UInt16?
  /// From which pool.
  package let pool: PoolName

  /// An address of a pool, in a network of this length.
  package init(_ ip: IPAddress, prefixLength: Int, pool: PoolName) {
    (self.ip, self.prefixLength, self.pool) = (ip, prefixLength, pool)
  }

  /// The network that it lies in.
  package var network: Prefix { Prefix(containing: ip, length: prefixLength) }
}

extension GuestInterface {
  /// The VLAN that its host tags; nil = none. Addresses whose pool names none go along with the others.
  package var vlan: UInt16? { addresses.lazy.compactMap(\.vlan).first }

  /// Why no host can carry it, in words; nil = its addresses are of one VLAN.
  package var vlanFlaw: String? {
    guard let first = addresses.first(where: { $0.vlan != nil }),
      let other = addresses.first(where: { $0.vlan != nil && $0.vlan != first.vlan })
    else { return nil }
    return GuestInterface.twoVLANs(name, (first.pool, first.vlan), (other.pool, other.vlan))
  }

  /// Says that two pools cannot serve one interface.
  package static func twoVLANs(
    _ name: InterfaceName, _ first: (pool: PoolName, vlan: UInt16?), _ other: (pool: PoolName, vlan: UInt16?)
  ) -> String {
    func text(_ one: (pool: PoolName, vlan: UInt16?)) -> String { "\(one.pool) (VLAN \(one.vlan ?? 0))" }
    return "interface \(name) would be in pools \(text(first)) and \(text(other)), and it can be in one VLAN only"
  }
}

extension [GuestInterface] {
  /// The first that has no address; Berth alone gives one.
  package var withoutAddress: InterfaceName? { first { $0.addresses.isEmpty }?.name }
}
