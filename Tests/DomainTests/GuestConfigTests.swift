import Addressing
import TestSupport
import Testing

@testable import Domain

private let web = VMName(trusted: "web-1")

private func address(
  _ text: String, gateway: String? = nil, dns: [String] = [], vlan: UInt16? = nil, mtu: UInt16? = nil
) -> GuestAddress {
  let parts = text.split(separator: "/")
  var address = GuestAddress(
    IPAddress(parts[0])!, prefixLength: Int(parts[1])!, pool: PoolName(trusted: "edge"))
  (address.gateway, address.dns) = (gateway.map { IPAddress($0)! }, dns.map { IPAddress($0)! })
  (address.vlan, address.mtu) = (vlan, mtu)
  return address
}

private func interface(named name: String = "eth0", mac: String = "02:00:00:00:80:00", _ addresses: GuestAddress...)
  -> GuestInterface
{
  GuestInterface(name: InterfaceName(trusted: name), mac: MACAddress(mac)!, addresses: addresses)
}

@Suite struct GuestConfigTests {
  // MARK: The kernel's argument

  @Test func s0_40_theKernelsArgumentHasThePoolsGatewayAndMask() {
    let edge = address("10.1.0.9/16", gateway: "10.1.0.1", dns: ["2001:db8::53", "10.1.0.53", "9.9.9.9", "1.1.1.1"])
    #expect(
      [interface(edge)].kernelArgument(of: web)
        == "ip=10.1.0.9::10.1.0.1:255.255.0.0:web-1:eth0:off:10.1.0.53:9.9.9.9", "two name servers, of its own family")
    #expect(
      [interface(address("10.1.0.9/31", gateway: "10.1.0.8"))].kernelArgument(of: web)
        == "ip=10.1.0.9::10.1.0.8:255.255.255.254:web-1:eth0:off")
    #expect(
      [interface(address("10.1.0.9/24"))].kernelArgument(of: web) == "ip=10.1.0.9:::255.255.255.0:web-1:eth0:off",
      "without a gateway")
    // The kernel's own name of the device, whatever it is called later.
    let second = [
      interface(named: "six", address("2001:db8::9/64")), interface(named: "lan", address("2001:db8::8/64"), edge)
    ]
    #expect(second.kernelArgument(of: web)?.contains(":web-1:eth1:off") == true)
  }

  @Test func whatAKernelWouldMisunderstandIsNotSaid() {
    #expect([GuestInterface]().kernelArgument(of: web) == nil)
    #expect([interface()].kernelArgument(of: web) == nil)
    #expect([interface(address("2001:db8::9/64", gateway: "2001:db8::1"))].kernelArgument(of: web) == nil)
    #expect([interface(address("10.1.0.9/32"))].kernelArgument(of: web) == nil, "its mask is the word for none")
    #expect([interface(address("10.1.0.9/24", gateway: "10.9.0.1"))].kernelArgument(of: web) == nil)
  }

  @Test(arguments: [
    ("web-1.example.org", "web-1.example.org"), ("a:off:eth9", ""), ("me@home", ""), ("snake_case", ""),
    (String(repeating: "x", count: 63) + ".y", ""), (String(repeating: "x", count: 61) + ".yz", ":")
  ]) func aNameThatIsNoHostNameIsLeftOut(name: String, said: String) {
    let host = said == ":" ? name : said
    #expect(
      [interface(address("10.1.0.9/24"))].kernelArgument(of: VMName(trusted: name))
        == "ip=10.1.0.9:::255.255.255.0:\(host):eth0:off")
  }

  // MARK: cloud-init

  @Test func s0_40_theNetworkConfigHasThePoolsGatewayAndPrefix() {
    let guest = [
      interface(
        address(
          "10.1.0.9/24", gateway: "10.1.0.254", dns: ["10.1.0.53", "2001:db8:1::53"], vlan: 120, mtu: 9_000),
        address(
          "2001:db8:1::9/64", gateway: "2001:db8:1::1", dns: ["2001:db8:1::53"], vlan: 120, mtu: 1_500)),
      interface(named: "san", mac: "52:54:00:12:34:56", address("192.168.7.4/29")),
      interface(
        named: "wan", mac: "52:54:00:12:34:57", address("198.51.100.7/32", gateway: "203.0.113.1"),
        address("198.51.100.8/32", gateway: "203.0.113.1"), address("10.9.0.2/31", gateway: "10.9.0.3"))
    ]
    #expect(
      guest.networkConfig == """
        version: 2
        ethernets:
          "eth0":
            match:
              macaddress: "02:00:00:00:80:00"
            set-name: "eth0"
            mtu: 1500
            addresses:
              - "10.1.0.9/24"
              - "2001:db8:1::9/64"
            routes:
              - to: "0.0.0.0/0"
                via: "10.1.0.254"
              - to: "::/0"
                via: "2001:db8:1::1"
            nameservers:
              addresses:
                - "10.1.0.53"
                - "2001:db8:1::53"
          "san":
            match:
              macaddress: "52:54:00:12:34:56"
            set-name: "san"
            addresses:
              - "192.168.7.4/29"
          "wan":
            match:
              macaddress: "52:54:00:12:34:57"
            set-name: "wan"
            addresses:
              - "198.51.100.7/32"
              - "198.51.100.8/32"
              - "10.9.0.2/31"
            routes:
              - to: "0.0.0.0/0"
                via: "203.0.113.1"
                on-link: true
                metric: 2000
              - to: "0.0.0.0/0"
                via: "10.9.0.3"
                metric: 3000

        """)
  }

  @Test func whoHasNoAddressHasNoConfigAndWhoHasNoInterfaceAnEmptyOne() {
    #expect([interface(address("10.1.0.9/24")), interface(named: "eth1")].networkConfig == nil)
    #expect([GuestInterface]().networkConfig == "version: 2\nethernets: {}\n")
  }

  /// Whatever the network is like, all of it can be read again, by a reader of our own and by Python's.
  @Test func s0_40_allThatAGuestMustKnowIsReadBack() throws {
    var random = SeededRandom(announcedAs: "guest configuration")
    let guests = (0..<400).map { _ in someGuest(&random) }
    let texts = guests.map { $0.networkConfig! }
    for (guest, text) in zip(guests, texts) {
      #expect(try read(text) == guest.map { Wanted(guest, $0).line }, "\(text)")
      checkKernel(guest)
    }
    let all = Array(texts.joined(separator: "\u{1}").utf8)
    guard let ended = try? ChildProcess.run("python3", ["-c", python], input: all), ended.status != .exited(127),
      ended.status != .exited(77)
    else {
      print("skipped Python's reading: there is no python3 here, or it has no yaml")
      return
    }
    #expect(ended.status == .exited(0), "\(ended.errors)")
    #expect(ended.output == guests.flatMap { guest in guest.map { Wanted(guest, $0).line + "\n" } }.joined())
  }

  private func checkKernel(_ guest: [GuestInterface]) {
    let first = guest.flatMap(\.addresses).first { $0.ip.family == .ipv4 }
    guard let text = guest.kernelArgument(of: web) else {
      let isInside = first?.gateway.map { first!.network.contains($0) } ?? true
      #expect(first == nil || first!.prefixLength == 32 || first!.prefixLength == 0 || !isInside)
      return
    }
    let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
    #expect(parts.count >= 7 && parts.count <= 9 && parts[1].isEmpty && parts[4] == "web-1" && parts[6] == "off")
    #expect(parts[0] == "ip=\(first!.ip)" && parts[2] == first!.gateway.map { "\($0)" } ?? "")
    #expect(UInt32(truncatingIfNeeded: IPAddress(parts[3])!.bits) == ~0 << UInt32(32 - first!.prefixLength))
    #expect(Array(parts[7...]) == first!.dns.filter { $0.family == .ipv4 }.prefix(2).map { "\($0)" })
    let place = guest.firstIndex { $0.addresses.contains { $0.ip.family == .ipv4 } }!
    #expect(parts[5] == "eth\(place)")
  }
}

// MARK: Reading back

/// What must stand there of an interface, in a line.
private struct Wanted {
  let line: String

  init(_ guest: [GuestInterface], _ item: GuestInterface) {
    var routes: [String] = []
    var seen: [IPAddress] = []
    let earlier = guest.prefix { $0.name != item.name }.map { Set($0.addresses.compactMap(\.gateway)) }
    for gateway in item.addresses.compactMap(\.gateway) where !seen.contains(gateway) {
      let before =
        earlier.joined().count { $0.family == gateway.family } + seen.count { $0.family == gateway.family }
      seen.append(gateway)
      let isNear = item.addresses.contains { $0.network.contains(gateway) }
      let to = gateway.family == .ipv4 ? "0.0.0.0/0" : "::/0"
      routes.append("\(to)>\(gateway)>\(isNear ? "" : "on-link")>\(before == 0 ? "" : "\(before + 1)000")")
    }
    var dns: [String] = []
    for server in item.addresses.flatMap(\.dns).map({ "\($0)" }) where !dns.contains(server) { dns.append(server) }
    let mtu = item.addresses.compactMap(\.mtu).min().map { "\($0)" } ?? ""
    let addresses = item.addresses.map { "\($0.ip)/\($0.prefixLength)" }
    line = [
      item.name.text, item.mac.description, item.name.text, mtu, addresses.joined(separator: ","),
      routes.joined(separator: ","), dns.joined(separator: ",")
    ].joined(separator: " ")
  }
}

private struct NotRead: Error { let line: Substring }

/// Reads a network-config line by line, knowing no more than its form; the same lines as `Wanted`.
private func read(_ text: String) throws -> [String] {
  func unquoted(_ text: Substring) -> String {
    var out = ""
    var rest = text.dropFirst().dropLast()
    while let next = rest.popFirst() { out.append(next == "\\" ? rest.popFirst() ?? next : next) }
    return out
  }
  var found: [(name: String, mac: String, set: String, mtu: String, ips: [String], routes: [[String]], dns: [String])] =
    []
  for line in text.split(separator: "\n") where !line.hasSuffix(":") || line.hasPrefix("  \"") {
    let last = found.count - 1
    func behind(_ start: String) -> String? {
      line.hasPrefix(start) ? unquoted(line.dropFirst(start.count)) : nil
    }
    if line.hasPrefix("  \"") {
      found.append((unquoted(line.dropFirst(2).dropLast()), "", "", "", [], [], []))
    } else if let mac = behind("      macaddress: ") {
      found[last].mac = mac
    } else if let name = behind("    set-name: ") {
      found[last].set = name
    } else if line.hasPrefix("    mtu: ") {
      found[last].mtu = String(line.dropFirst(9))
    } else if let to = behind("      - to: ") {
      found[last].routes.append([to, "", "", ""])
    } else if let via = behind("        via: ") {
      found[last].routes[found[last].routes.count - 1][1] = via
    } else if line == "        on-link: true" {
      found[last].routes[found[last].routes.count - 1][2] = "on-link"
    } else if line.hasPrefix("        metric: ") {
      found[last].routes[found[last].routes.count - 1][3] = String(line.dropFirst(16))
    } else if let server = behind("        - ") {
      found[last].dns.append(server)
    } else if let ip = behind("      - ") {
      found[last].ips.append(ip)
    } else if line != "version: 2", line != "ethernets: {}" {
      throw NotRead(line: line)
    }
  }
  return found.map { item in
    [
      item.name, item.mac, item.set, item.mtu, item.ips.joined(separator: ","),
      item.routes.map { $0.joined(separator: ">") }.joined(separator: ","), item.dns.joined(separator: ",")
    ].joined(separator: " ")
  }
}

/// The same with a real reader of YAML.
private let python = """
  import sys
  try:
      import yaml
  except ImportError:
      sys.exit(77)
  for text in sys.stdin.read().split("\\x01"):
      config = yaml.safe_load(text)
      assert config["version"] == 2
      for name, item in config["ethernets"].items():
          routes = [">".join([r["to"], r["via"], "on-link" if r.get("on-link") is True else "", str(r.get("metric", ""))])
                    for r in item.get("routes", [])]
          print(" ".join([name, item["match"]["macaddress"], item["set-name"], str(item.get("mtu", "")),
                          ",".join(item["addresses"]), ",".join(routes),
                          ",".join(item.get("nameservers", {}).get("addresses", []))]))
  """

/// A guest of any kind, with names that mean something to YAML.
private func someGuest(_ random: inout SeededRandom) -> [GuestInterface] {
  var names: Set<InterfaceName> = []
  while names.count < Int.random(in: 0...4, using: &random) {
    let hostile = ["no", "~", "1e3", "0x1f", "null", "&a", "*a", "!x", "#", "-", "{}", "a:b", "\"", "\\", "'%@`"]
    let bytes = (0..<Int.random(in: 1...15, using: &random)).map { _ in UInt8.random(in: 33...126, using: &random) }
    let any = String(decoding: bytes.filter { $0 != 47 }, as: UTF8.self)
    if let name = InterfaceName(stored: random.oneIn(2) ? random.pick(hostile) : any) { names.insert(name) }
  }
  return names.sorted().map { name in
    let addresses = (0..<Int.random(in: 1...3, using: &random)).map { _ in someAddress(&random) }
    // All digits, which YAML would take for a number in base 60.
    let mac = random.oneIn(3) ? 0x5254_0012_3456 : UInt64.random(in: 0..<(1 << 48), using: &random)
    return GuestInterface(name: name, mac: MACAddress(bits: mac), addresses: addresses)
  }
}

private func someAddress(_ random: inout SeededRandom) -> GuestAddress {
  func ip(_ family: AddressFamily) -> IPAddress {
    IPAddress(family: family, bits: UInt128.random(in: 0...family.maxBits, using: &random))
  }
  let family = random.pick(AddressFamily.allCases)
  let length = random.oneIn(4) ? family.bitCount : Int.random(in: 0...family.bitCount, using: &random)
  var address = GuestAddress(ip(family), prefixLength: length, pool: .simple)
  switch Int.random(in: 0...3, using: &random) {
  case 0: break
  case 1: address.gateway = ip(family)
  default: address.gateway = address.network.first
  }
  address.dns = (0..<Int.random(in: 0...3, using: &random)).map { _ in ip(random.pick(AddressFamily.allCases)) }
  if random.oneIn(2) { address.mtu = UInt16.random(in: 68...9_000, using: &random) }
  if random.oneIn(2) { address.vlan = UInt16.random(in: 1...4_094, using: &random) }
  return address
}
