package import Domain
package import Wire

/// What is in use, as an agent measured it: soft state that is never logged.
package struct UsageBody: Hashable, Sendable {
  /// In use on the whole node.
  package var amounts: Resources
  /// In use by each VM.
  package var vms: [(id: VMID, amounts: Resources)] { zip(ids, each).map { ($0, $1) } }
  private var ids: [VMID] = []
  private var each: [Resources] = []

  /// Says what the node uses.
  package init(_ amounts: Resources) { self.amounts = amounts }

  /// Adds what a VM uses.
  package mutating func add(_ id: VMID, _ amounts: Resources) {
    ids.append(id)
    each.append(amounts)
  }
}

/// Body of `POST /api/v1/nodes/{node}/report`.
package struct ReportBody: Hashable, Sendable {
  /// The node's epoch, as its registration was answered.
  package var epoch: UInt64
  /// `revision` of the newest answer with a list; 0 = it has none.
  package var seenRevision: Revision
  /// What became of VMs.
  package var vms: [VMReport]
  /// What is in use.
  package var usage: UsageBody?
  /// How long a packet takes to other datacenters, in microseconds.
  package var latencies: [Latency]
  /// In how many seconds the node's owner takes it back; nil = it does not.
  package var reclaimSeconds: UInt32?

  /// How far a datacenter is.
  package struct Latency: Hashable, Sendable {
    /// The datacenter.
    package let datacenter: String
    /// There and back.
    package let microseconds: UInt32

    /// Joins the two.
    package init(_ datacenter: String, _ microseconds: UInt32) {
      (self.datacenter, self.microseconds) = (datacenter, microseconds)
    }
  }

  /// Datacenters in one report.
  package static let latenciesMax = 256

  /// Says that the node lives.
  package init(
    epoch: UInt64, seenRevision: Revision = 0, vms: [VMReport] = [], usage: UsageBody? = nil, latencies: [Latency] = []
  ) {
    (self.epoch, self.seenRevision, self.vms) = (epoch, seenRevision, vms)
    (self.usage, self.latencies) = (usage, latencies)
  }

  /// Reads a body.
  package init(decoding body: [UInt8]) throws(JSONFault) {
    var reader = JSONReader(body)
    var epoch: UInt64?
    var read = ReportBody(epoch: 0)
    try reader.object { (key, reader) throws(JSONFault) in
      switch key {
      case "epoch": epoch = try reader.integer()
      case "seen_revision": read.seenRevision = try reader.integer()
      case "vms":
        read.vms = try reader.list(atMost: Limits.reports) { (reader) throws(JSONFault) in
          try VMReport(decoding: &reader)
        }
      case "usage": read.usage = try reader.null() ? nil : try UsageBody(decoding: &reader)
      case "reclaim_seconds": read.reclaimSeconds = try reader.wholeOrNull(1...Limits.noticeSeconds)
      case "latencies":
        read.latencies = try reader.list(atMost: ReportBody.latenciesMax) { (reader) throws(JSONFault) in
          try Latency(decoding: &reader)
        }
      default: throw reader.unknownField(key)
      }
    }
    try reader.end()
    guard let epoch else { throw reader.missing("epoch") }
    read.epoch = epoch
    self = read
  }

  /// The body as a document.
  package var encoded: [UInt8] {
    var out = JSONWriter(capacity: 128 + 64 * vms.count)
    out.object { out in
      out.field("epoch", epoch)
      out.field("seen_revision", seenRevision)
      out.key("vms")
      out.array { out in for report in vms { out.report(report) } }
      if let usage { out.usage(usage) }
      if let reclaimSeconds { out.field("reclaim_seconds", reclaimSeconds) }
      if !latencies.isEmpty {
        out.key("latencies")
        out.array { out in
          for item in latencies {
            out.object { out in
              out.field("datacenter", item.datacenter)
              out.field("microseconds", item.microseconds)
            }
          }
        }
      }
    }
    return out.finish()
  }
}

extension VMReport {
  fileprivate init(decoding reader: inout JSONReader) throws(JSONFault) {
    var (id, epoch): (UInt64?, UInt64?) = (nil, nil)
    var fact: Fact?
    var detail = ""
    try reader.object { (key, reader) throws(JSONFault) in
      switch key {
      case "id": id = try reader.integer()
      case "epoch": epoch = try reader.integer()
      case "state": fact = try reader.word { (fact: Fact) in fact.name }
      case "detail": detail = try reader.lineOrNull(Limits.reasonBytes)
      default: throw reader.unknownField(key)
      }
    }
    guard let id else { throw reader.missing("id") }
    guard let epoch else { throw reader.missing("epoch") }
    guard let fact else { throw reader.missing("state") }
    self.init(id: VMID(raw: id), epoch: epoch, fact: fact, detail: detail)
  }
}

extension ReportBody.Latency {
  fileprivate init(decoding reader: inout JSONReader) throws(JSONFault) {
    var datacenter: String?
    var microseconds: UInt32?
    try reader.object { (key, reader) throws(JSONFault) in
      switch key {
      case "datacenter": datacenter = try reader.placeOrNull()
      case "microseconds": microseconds = try reader.integer()
      default: throw reader.unknownField(key)
      }
    }
    guard let datacenter else { throw reader.missing("datacenter") }
    guard let microseconds else { throw reader.missing("microseconds") }
    self.init(datacenter, microseconds)
  }
}

extension UsageBody {
  fileprivate init(decoding reader: inout JSONReader) throws(JSONFault) {
    var read = UsageBody(.none)
    try reader.object { (key, reader) throws(JSONFault) in
      if try read.amounts.read(key, &reader) { return }
      guard "vms" ~= key else { throw reader.unknownField(key) }
      var ids: Set<VMID> = []
      try reader.array { (reader) throws(JSONFault) in
        var id: UInt64?
        var amounts = Resources.none
        try reader.object { (key, reader) throws(JSONFault) in
          if try amounts.read(key, &reader) { return }
          guard "id" ~= key else { throw reader.unknownField(key) }
          id = try reader.integer()
        }
        guard let id else { throw reader.missing("id") }
        guard ids.count < Limits.count, ids.insert(VMID(raw: id)).inserted else {
          throw reader.invalid("at most \(Limits.count) VMs, each once")
        }
        read.add(VMID(raw: id), amounts)
      }
    }
    self = read
  }
}

extension JSONWriter {
  fileprivate mutating func report(_ report: VMReport) {
    object { out in
      out.field("id", report.id.raw)
      out.field("epoch", report.epoch)
      out.field("state", report.fact.name)
      if !report.detail.isEmpty { out.field("detail", report.detail) }
    }
  }

  fileprivate mutating func usage(_ usage: UsageBody) {
    key("usage")
    object { out in
      out.amounts(usage.amounts)
      out.key("vms")
      out.array { out in
        for item in usage.vms {
          out.object { out in
            out.field("id", item.id.raw)
            out.amounts(item.amounts)
          }
        }
      }
    }
  }
}
