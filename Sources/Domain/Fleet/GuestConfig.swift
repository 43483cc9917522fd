internal import Addressing

// How a guest is told of its network, in two forms that guests know. Of a VLAN it is told nothing: the host tags its frames,
// so that a guest can neither leave its VLAN nor has to know of it.

extension [GuestInterface] {
  /// The argument that lets a Linux kernel set up the first IPv4 address while it boots (`ip=` of the kernel's nfsroot
  /// document); nil = it cannot be said so. There may be no such address. Of a /32 the kernel takes the mask for none and
  /// guesses one by class, and a gateway outside of the network is an error to it.
  package func kernelArgument(of vm: VMName) -> String? {
    for (place, item) in enumerated() {
      guard let address = item.addresses.first(where: { $0.ip.family == .ipv4 }) else { continue }
      let network = address.network
      guard (1..<32).contains(network.length), address.gateway.map(network.contains) ?? true else { return nil }
      // The kernel counts devices as they stand on the bus; their names come later. A host name with a colon would be two.
      let host = vm.text.utf8.count <= 64 && Hostname.accepts(vm.text) ? vm.text : ""
      let gateway = address.gateway.map { "\($0)" } ?? ""
      let fields = ["\(address.ip)", "", gateway, "\(network.mask)", host, "eth\(place)", "off"]
      let dns = address.dns.filter { $0.family == .ipv4 }.prefix(2).map { "\($0)" }
      return "ip=" + (fields + dns).joined(separator: ":")
    }
    return nil
  }

  /// The network-config of cloud-init, version 2, as YAML; nil = an interface has no address. All text stands in quotes:
  /// to YAML a MAC address of digits is a number, and a name may be anything that can be typed.
  package var networkConfig: String? {
    if withoutAddress != nil { return nil }
    var lines = ["version: 2", isEmpty ? "ethernets: {}" : "ethernets:"]
    var defaults: [AddressFamily: Int] = [:]
    for item in self {
      let name = quoted(item.name)
      lines += ["  \(name):", "    match:", "      macaddress: \"\(item.mac)\"", "    set-name: \(name)"]
      // All of them are in one wire: what the narrowest network carries.
      if let mtu = item.addresses.compactMap(\.mtu).min() { lines.append("    mtu: \(mtu)") }
      lines.append("    addresses:")
      lines += item.addresses.map { "      - \"\($0.ip)/\($0.prefixLength)\"" }
      lines += routes(of: item, &defaults)
      let dns = once(item.addresses.flatMap(\.dns))
      if !dns.isEmpty { lines += ["    nameservers:", "      addresses:"] + dns.map { "        - \"\($0)\"" } }
    }
    return lines.map { $0 + "\n" }.joined()
  }
}

/// A way out through each gateway; `defaults` counts those of all interfaces before. They are written as networks because
/// cloud-init knows the word `default` only where netplan is (where it is not, `metric` and `on-link` have no effect).
private func routes(of item: GuestInterface, _ defaults: inout [AddressFamily: Int]) -> [String] {
  let gateways = once(item.addresses.compactMap(\.gateway))
  var lines = gateways.isEmpty ? [] : ["    routes:"]
  for gateway in gateways {
    let everything = gateway.family == .ipv4 ? "0.0.0.0/0" : "::/0"
    lines += ["      - to: \"\(everything)\"", "        via: \"\(gateway)\""]
    if !item.addresses.contains(where: { $0.network.contains(gateway) }) { lines.append("        on-link: true") }
    let count = defaults[gateway.family, default: 0] + 1
    defaults[gateway.family] = count
    // The first one counts, the others wait: one without a metric has 0 (IPv4) or 1024 (IPv6) in Linux.
    if count > 1 { lines.append("        metric: \(count * 1_000)") }
  }
  return lines
}

/// Each address once, in the order in which it came first.
private func once(_ addresses: [IPAddress]) -> [IPAddress] {
  var seen: Set<IPAddress> = []
  return addresses.filter { seen.insert($0).inserted }
}

/// A name has printable ASCII characters alone; two of them mean something between quotes.
private func quoted(_ name: InterfaceName) -> String {
  name.text.reduce(into: "\"") { $0 += $1 == "\"" || $1 == "\\" ? "\\\($1)" : "\($1)" } + "\""
}
