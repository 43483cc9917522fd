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

extension JSONWriter {
  /// Writes an allocation as the simple API shows it.
  package mutating func simple(_ allocation: Allocation, gateway: IPAddress?, network: Prefix) {
    beginObject()
    field("ip", address: allocation.ip)
    field("vm_id", allocation.owner.text)
    field("gateway", address: gateway)
    field("network", prefix: network)
    field("hostname", allocation.hostname?.text)
    endObject()
  }
}
