import APITypes
import Addressing
import AgentHost
import Client
import Domain
import TestSupport
import Testing
import VMM

/// A backend that only notes what it is ordered.
private final class NotingVMs: VMBackend {
  let name = BackendName(trusted: "noting")
  let capabilities = VMCapabilities()
  let quietFor: Duration? = nil
  private let orders: Collected<VMOrder>
  private var machines: [VMID: VMOrder] = [:]

  init(_ orders: Collected<VMOrder>) { self.orders = orders }

  func observe() -> [ObservedVM] { machines.keys.sorted().map { ObservedVM(machines[$0]!, .running) } }

  func ensure(_ order: VMOrder) {
    guard machines[order.id] == nil else { return }
    machines[order.id] = order
    orders.add(order)
  }

  func stop(_ id: VMID, epoch: UInt64, graceSeconds: UInt32) { machines[id] = nil }
  func remove(_ id: VMID, epoch: UInt64) { machines[id] = nil }
}

/// What guests are told of their networks: through a backend, and through the API.
@Suite("The network of a guest") struct GuestNetworkTests {
  private static let wanted =
    #","interfaces":[{"name":"eth0","families":["ipv4","ipv6"],"pool_labels":{"net":"front"}},"#
    + #"{"name":"san","pool":"storage","ip":"192.168.7.4","mac":"52:54:00:12:34:56"}]"#

  /// Two pools for one interface of both families, and one without gateway, name servers, VLAN and MTU.
  private func pools(_ house: House) throws {
    let front = #""labels":{"net":"front"},"vlan":120"#
    try house.post(
      "/api/v1/pools",
      #"{"name":"edge","cidr":"10.1.0.0/24","gateway":"10.1.0.254","dns":["10.1.0.53","2001:db8::53"],"mtu":9000,\#(front)}"#,
      expect: 201)
    try house.post(
      "/api/v1/pools", #"{"name":"edge6","cidr":"2001:db8:1::/64","dns":["2001:db8::53"],\#(front)}"#, expect: 201)
    try house.post("/api/v1/pools", #"{"name":"storage","cidr":"192.168.7.0/29","gateway":null}"#, expect: 201)
  }

  private func given(_ ip: String, _ length: Int, _ pool: String, gateway: String? = nil) -> GuestAddress {
    var address = GuestAddress(IPAddress(ip)!, prefixLength: length, pool: PoolName(trusted: pool))
    address.gateway = gateway.flatMap { IPAddress($0) }
    return address
  }

  /// The whole way: pools and VM over the API, the agent's own loop and client, what arrives at the backend.
  @Test func s0_38_aBackendIsGivenAddressPrefixGatewayNameServersVLANMTUAndMAC() throws {
    let house = try House()
    try pools(house)
    let orders = Collected<VMOrder>()
    let node = HostedNode(NodeName(trusted: "n1"), NodeBody(Resources(cpu: 8_000, memory: 8_192, disk: 1 << 20)))
    let host = AgentHost(
      AgentHostOptions(nodes: [node]), Client([try ServerAddress("127.0.0.1:\(house.server.port)")])
    ) { _ in NotingVMs(orders) }
    defer { host.stop() }
    #expect(eventually { host.counts.connected == 1 }, "\(host.counts)")
    let vm = try house.vm("web", more: Self.wanted)
    #expect(eventually { !orders.all.isEmpty }, "\(host.counts)")
    var (edge, edge6) = (
      given("10.1.0.1", 24, "edge", gateway: "10.1.0.254"),
      given("2001:db8:1::2", 64, "edge6", gateway: "2001:db8:1::1")
    )
    (edge.dns, edge.vlan, edge.mtu) = ([IPAddress("10.1.0.53")!, IPAddress("2001:db8::53")!], 120, 9_000)
    (edge6.dns, edge6.vlan) = ([IPAddress("2001:db8::53")!], 120)
    let expected = [
      GuestInterface(name: .standard, mac: MACAddress(vm["addresses.0.mac"]!)!, addresses: [edge, edge6]),
      GuestInterface(
        name: InterfaceName(trusted: "san"), mac: MACAddress("52:54:00:12:34:56")!,
        addresses: [given("192.168.7.4", 29, "storage")])
    ]
    #expect(orders.all.map(\.interfaces) == [expected])
    // And a person who asks is shown the same.
    let shown = try house.get("/api/v1/vms/web/network")
    #expect(shown["kernel_argument"] == expected.kernelArgument(of: VMName(trusted: "web")))
    #expect(shown["network_config"] == expected.networkConfig)
  }

  @Test func s0_40_aGuestsConfigurationCarriesThePoolsGatewayAndMask() throws {
    let house = try House()
    try house.register("n1")
    try pools(house)
    let vm = try house.vm("web", more: Self.wanted)
    let shown = try house.get("/api/v1/vms/web/network")
    #expect(shown["tenant"] == "default" && shown["name"] == "web")
    #expect(shown["interfaces.0.name"] == "eth0" && shown["interfaces.0.mac"] == vm["addresses.0.mac"])
    let first = "interfaces.0.addresses.0"
    #expect(shown["\(first).ip"] == "10.1.0.1" && shown["\(first).prefix_length"] == "24")
    #expect(shown["\(first).gateway"] == "10.1.0.254" && shown["\(first).dns.1"] == "2001:db8::53")
    #expect(shown["\(first).vlan"] == "120" && shown["\(first).mtu"] == "9000" && shown["\(first).pool"] == "edge")
    #expect(shown["interfaces.0.addresses.1.ip"] == "2001:db8:1::2")
    #expect(shown["interfaces.1.mac"] == "52:54:00:12:34:56" && shown["interfaces.1.addresses.0.gateway"] == nil)
    #expect(shown["kernel_argument"] == "ip=10.1.0.1::10.1.0.254:255.255.255.0:web:eth0:off:10.1.0.53")
    let config = shown["network_config"] ?? ""
    #expect(config.contains(#"- "10.1.0.1/24""#) && config.contains(#"via: "10.1.0.254""#), "\(config)")
    // What the pool says now is what counts.
    try house.call("PATCH", "/api/v1/pools/edge", #"{"dns":["10.1.0.99"]}"#, expect: 200)
    #expect(try house.get("/api/v1/vms/web/network")["interfaces.0.addresses.0.dns.0"] == "10.1.0.99")
  }

  @Test func anInterfaceOfPoolsInTwoVLANsIsRefusedWithTheFieldTheRuleAndTheWayOut() throws {
    let house = try House()
    try house.register("n1")
    try pools(house)
    try house.call("PATCH", "/api/v1/pools/edge6", #"{"vlan":121}"#, expect: 200)
    let refused = try house.vm("web", more: Self.wanted, expect: 400)
    #expect(refused["code"] == "invalid_field" && refused["errors.0.field"] == "interfaces")
    for word in ["edge (VLAN 120)", "edge6 (VLAN 121)", "one VLAN", "pool_labels"] {
      #expect(refused["detail"]?.contains(word) == true, "\(refused["detail"] ?? "")")
    }
    try house.get("/api/v1/vms/web", expect: 404)
    try house.call("PATCH", "/api/v1/pools/edge6", #"{"vlan":120}"#, expect: 200)
    try house.vm("web", more: Self.wanted)
  }

  /// Names that Linux refuses are refused where they are made; those that are there are still found.
  @Test(arguments: ["eth0:1", "..", "eth%d", "all"]) func namesThatLinuxDoesNotHaveAreNotMade(_ name: String) throws {
    let house = try House()
    let refused = try house.vm("web", more: #","interfaces":[{"name":"\#(name)","pool":"default"}]"#, expect: 400)
    #expect(refused["errors.0.field"] == "interfaces[0].name" && refused["detail"]?.contains("':'") == true)
    let allocation = try house.post(
      "/api/v1/pools/default/allocations", #"{"owner":"a","interface":"\#(name)"}"#, expect: 400)
    #expect(allocation["errors.0.field"] == "interface")
    let query = name.replacing("%", with: "%25")
    #expect(try house.get("/api/v1/allocations?owner=a&interface=\(query)")["items.0.ip"] == nil)
    try house.delete("/api/v1/allocations?owner=a&interface=\(query)", expect: 404)
    for never in ["%C3%97", "a%2Fb", "a%20b", "1234567890123456"] {
      try house.get("/api/v1/allocations?interface=\(never)", expect: 400)
    }
  }

  @Test func whoHasNoAddressYetHasNoConfigurationAndWhoHasNoNetworkAnEmptyOne() throws {
    let house = try House()
    try house.vm("waits")
    let waits = try house.get("/api/v1/vms/waits/network")
    #expect(waits["interfaces.0.name"] == "eth0" && waits["interfaces.0.addresses.0.ip"] == nil)
    #expect(waits.json?["network_config"]?.isNull == true && waits.json?["kernel_argument"]?.isNull == true)
    try house.vm("alone", more: #","interfaces":[]"#)
    let alone = try house.get("/api/v1/vms/alone/network")
    #expect(alone["network_config"] == "version: 2\nethernets: {}\n")
    #expect(alone.json?["kernel_argument"]?.isNull == true)
    #expect(try house.get("/api/v1/vms/none/network", expect: 404)["code"] == "vm_not_found")
  }
}
