package import Addressing

extension VM {
  /// The hardware address of one of its interfaces: the one that was chosen, or one that follows from the VM's id and
  /// the interface's place, so that it needs no row and stays the same wherever the VM goes.
  package func mac(of name: InterfaceName) -> MACAddress {
    let place = spec.interfaces.firstIndex { $0.name == name }
    if let place, let chosen = spec.interfaces[place].mac { return chosen }
    // 46 bits beside "locally administered" and "of one receiver": six of them in the first byte, above those two.
    let number = (id.raw << 4 | UInt64(place ?? Limits.interfaces - 1)) & (1 << 46 - 1)
    return MACAddress(bits: (number >> 40) << 42 | 2 << 40 | number & (1 << 40 - 1))
  }
}
