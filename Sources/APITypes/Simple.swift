package import Addressing
package import Domain
package import Wire

/// Body of `POST /api/v1/ip/allocate`.
package struct SimpleAllocateBody: Sendable {
  /// Who wants an address.
  package let vmID: OwnerName
  /// The guest's name, if told.
  package let hostname: Hostname?

  /// Ids that are names of routes, and so cannot be asked for one by one.
  package static let reservedIDs = ["allocations", "stats", "allocate", "release", "release-by-ip"]

  /// Names who wants an address.
  package init(vmID: OwnerName, hostname: Hostname? = nil) { (self.vmID, self.hostname) = (vmID, hostname) }

  /// Reads a body.
  package init(decoding body: [UInt8]) throws(JSONFault) {
    var reader = JSONReader(body)
    var vmID: OwnerName?
    var hostname: Hostname?
    try reader.object { (key, reader) throws(JSONFault) in
      switch key {
      case "vm_id":
        let name = try reader.name(OwnerName.self)
        if Self.reservedIDs.contains(name.text) { throw reader.invalid("'\(name)' is the name of a route") }
        vmID = name
      case "hostname": hostname = try reader.nameOrNull()
      default: throw reader.unknownField(key)
      }
    }
    try reader.end()
    guard let vmID else { throw reader.missing("vm_id") }
    (self.vmID, self.hostname) = (vmID, hostname)
  }

  /// The body as bytes.
  package var encoded: [UInt8] {
    var out = JSONWriter()
    out.object { out in
      out.field("vm_id", vmID)
      out.field("hostname", hostname)
    }
    return out.finish()
  }
}

/// An allocation as the simple API shows it.
package struct SimpleAllocation: Hashable, Sendable {
  /// The address.
  package let ip: IPAddress
  /// Who holds it.
  package let vmID: OwnerName
  /// The router.
  package let gateway: IPAddress?
  /// The pool's network.
  package let network: Prefix
  /// The guest's name.
  package let hostname: Hostname?

  /// What the simple API shows of a grant.
  package init(_ grant: Grant) {
    (ip, vmID, hostname) = (grant.allocation.ip, grant.allocation.owner, grant.allocation.hostname)
    (gateway, network) = (grant.gateway, grant.network)
  }

  /// Reads one.
  package init(decoding reader: inout JSONReader) throws(JSONFault) {
    var ip: IPAddress?
    var vmID: OwnerName?
    var gateway: IPAddress?
    var network: Prefix?
    var hostname: Hostname?
    try reader.object { (key, reader) throws(JSONFault) in
      switch key {
      case "ip": ip = try reader.address()
      case "vm_id": vmID = try reader.name()
      case "gateway": gateway = try reader.addressOrNull()
      case "network": network = try reader.prefix()
      case "hostname": hostname = try reader.nameOrNull()
      default: throw reader.unknownField(key)
      }
    }
    guard let ip, let vmID, let network else { throw reader.missing(ip == nil ? "ip" : "vm_id") }
    (self.ip, self.vmID, self.gateway, self.network, self.hostname) = (ip, vmID, gateway, network, hostname)
  }
}

extension JSONWriter {
  /// Writes an allocation of the simple API.
  package mutating func simple(_ allocation: SimpleAllocation) {
    beginObject()
    field("ip", address: allocation.ip)
    field("vm_id", allocation.vmID.text)
    field("gateway", address: allocation.gateway)
    field("network", prefix: allocation.network)
    field("hostname", allocation.hostname?.text)
    endObject()
  }
}
