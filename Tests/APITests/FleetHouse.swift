import APITypes
import Domain
import HTTPClient
import Testing
import Wire

/// Nodes, agents and VMs for tests, made as their users make them.
extension House {
  /// Registers a node of 16 vCPU, 32 GiB and 100 GiB, which may promise nine tenths of that; returns its epoch.
  @discardableResult
  func register(
    _ name: String, datacenter: String = "fra", more: String = "", expect status: Int = 201,
    _ location: SourceLocation = #_sourceLocation
  ) throws -> UInt64 {
    let body =
      #"{"capacity":{"vcpus":16,"memory_mib":32768,"disk_mib":102400,"bandwidth_mbps":10000},"topology":{"datacenter":"\#(datacenter)","zone":"a","rack":"\#(name)"},"backends":["simulated"]\#(more)}"#
    let answer = try call("PUT", "/api/v1/nodes/\(name)", body, expect: status, location)
    return UInt64(answer["epoch"] ?? "") ?? 0
  }

  /// What an agent says of its node, and what it is told.
  @discardableResult
  func report(
    _ node: String, _ epoch: UInt64, seen: String = "0", _ vms: [(vm: Heard, state: String)] = [], wait: Int? = nil,
    expect status: Int = 200, _ location: SourceLocation = #_sourceLocation
  ) throws -> Heard {
    let facts = vms.map { #"{"id":\#($0.vm["id"] ?? "0"),"epoch":\#($0.vm["epoch"] ?? "0"),"state":"\#($0.state)"}"# }
    let body = #"{"epoch":\#(epoch),"seen_revision":\#(seen),"vms":[\#(facts.joined(separator: ","))]}"#
    let query = wait.map { "?wait_ms=\($0)" } ?? ""
    return try post("/api/v1/nodes/\(node)/report\(query)", body, expect: status, location)
  }

  /// Makes a VM of 2 vCPU and 1 GiB.
  @discardableResult
  func vm(
    _ name: String, more: String = "", expect status: Int = 201, _ location: SourceLocation = #_sourceLocation
  ) throws -> Heard {
    try post(
      "/api/v1/vms", #"{"name":"\#(name)","vcpus":2,"memory_mib":1024\#(more)}"#, expect: status, location)
  }

  /// A VM as it is now.
  @discardableResult
  func look(_ name: String, expect status: Int = 200, _ location: SourceLocation = #_sourceLocation) throws -> Heard {
    try get("/api/v1/vms/\(name)", expect: status, location)
  }
}
