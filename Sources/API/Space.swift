internal import APITypes
internal import Addressing
internal import Domain
internal import Engine
internal import HTTPServer
internal import Ledger
internal import Wire

/// Most blocks in one answer of `usage`.
let usageLimit = 4_096
/// Most blocks in one answer of `free`.
let freeLimit = 256

/// What of a pool is free, and where.
let spaceEndpoints: [Endpoint] = [
  Endpoint(
    method: .get, pattern: "/api/v1/pools/{pool}/suggestion", id: "suggest", tag: "space", permission: .poolsRead,
    summary: "The address that would be given now; reserves nothing.",
    answers: [.init(200, "The address.", Schemas.suggestion)],
    refusals: [.init(404, "pool_not_found"), .init(409, "pool_exhausted"), .init(503, "busy", "stopping")],
    asksWriter: true, handler: suggest),
  Endpoint(
    method: .get, pattern: "/api/v1/pools/{pool}/usage", id: "usage", tag: "space", permission: .spaceRead,
    summary: "How many addresses are allocated in each /24 (IPv6: in each block of a 65,536th of the pool).",
    query: [.init("limit", "Most blocks in the answer.", .integer(1, usageLimit, standard: 256)), .cursor],
    answers: [.init(200, "Blocks in order.", Schemas.usage)], refusals: [.init(404, "pool_not_found")], handler: usage),
  Endpoint(
    method: .get, pattern: "/api/v1/pools/{pool}/free", id: "free", tag: "space", permission: .spaceRead,
    summary: "The largest free blocks that are at least as large as the length says.",
    query: [
      .init("length", "Prefix length of the smallest block that counts.", .integer(0, 128), isRequired: true),
      .init("limit", "Most blocks in the answer.", .integer(1, freeLimit, standard: 16))
    ],
    answers: [.init(200, "Free blocks, the largest first.", Schemas.free)],
    refusals: [.init(404, "pool_not_found"), .init(503, "busy", "stopping")], asksWriter: true, handler: free)
]

@Sendable private func suggest(_ call: Call) throws(Problem) {
  try call.submit(.suggest(try call.pool())) { outcome in
    guard case .suggestion(let ip, let pool) = outcome else { unexpected(outcome) }
    var out = JSONWriter()
    out.object { out in
      out.field("pool", pool.name)
      out.field("ip", address: ip)
      out.field("gateway", address: pool.extent.gateway)
      out.field("pool_cidr", prefix: pool.cidr)
      out.field("reserved", false)
    }
    return Rendered(body: out.finish())
  }
}

@Sendable private func free(_ call: Call) throws(Problem) {
  guard let length = try call.integer("length", 0...128) else { throw .invalid("length", "this parameter is required") }
  let limit = try call.integer("limit", 1...freeLimit) ?? 16
  try call.submit(.freeBlocks(try call.pool(), length: length, limit: limit)) { outcome in
    guard case .freeBlocks(let blocks, let pool) = outcome else { unexpected(outcome) }
    var out = JSONWriter()
    out.object { out in
      out.field("pool", pool.name)
      out.field("length", length)
      out.key("blocks")
      out.array { out in for block in blocks { out.prefix(block) } }
    }
    return Rendered(body: out.finish())
  }
}

@Sendable private func usage(_ call: Call) throws(Problem) {
  let name = try call.pool()
  let limit = try call.integer("limit", 1...usageLimit) ?? 256
  let after = try call.cursor().map { (cursor) throws(Problem) in
    guard let ip = IPAddress(cursor.key) else { throw .badCursor }
    return ip
  }
  var walk = UsageWalk(name, after: after, limit: limit)
  while walk.next(call.api.engine) {}
  guard let pool = walk.pool else { throw .noPool(name) }
  var out = JSONWriter(capacity: 128 + 64 * walk.blocks.count)
  out.object { out in
    out.field("pool", name)
    out.field("cidr", prefix: pool.cidr)
    out.field("block_length", UsageWalk.blockLength(of: pool.cidr))
    out.key("items")
    out.array { out in
      for block in walk.blocks {
        out.object { out in
          out.field("block", prefix: block.prefix)
          out.field("allocated", block.allocated)
          out.field("usable", block.usable)
        }
      }
    }
    out.field("next_cursor", walk.goesOn ? walk.blocks.last.map { Cursor("\($0.prefix.first)").text } : nil)
  }
  call.send(out.finish(), revision: walk.revision)
}

/// Counts a pool's addresses block by block, a few blocks in each hold of the lock.
private struct UsageWalk {
  struct Block {
    let prefix: Prefix
    let allocated: UInt128
    var usable = AddressCount.zero
  }

  private static let slice = 128

  let name: PoolName
  let limit: Int
  var after: IPAddress?
  var pool: Pool?
  var blocks: [Block] = []
  var goesOn = false
  var revision: Revision = 0

  init(_ name: PoolName, after: IPAddress?, limit: Int) { (self.name, self.after, self.limit) = (name, after, limit) }

  static func blockLength(of cidr: Prefix) -> Int {
    cidr.family == .ipv4 ? max(24, cidr.length) : min(128, cidr.length + 16)
  }

  mutating func next(_ engine: Engine) -> Bool {
    let room = min(UsageWalk.slice, limit - blocks.count)
    let after = after
    let (found, usable, isOver) = engine.read { tables -> ([Block], [AddressRange], Bool) in
      revision = tables.revision
      guard let state = tables.pools[name] else { return ([], [], true) }
      pool = state.pool
      var found: [Block] = []
      var block = UsageWalk.block(of: state.pool.cidr, after: after)
      while let current = block, found.count < room {
        found.append(Block(prefix: current, allocated: state.allocatedCount(in: current.range)))
        block = UsageWalk.block(of: state.pool.cidr, after: current.first)
      }
      goesOn = block != nil
      return (found, state.usable, block == nil)
    }
    var from = 0
    for var block in found {
      while from < usable.count, usable[from].last < block.prefix.first { from += 1 }
      block.usable = AddressCount(
        of: usable[from...].prefix { $0.first <= block.prefix.last }.compactMap { $0.intersection(block.prefix.range) })
      blocks.append(block)
    }
    self.after = blocks.last?.prefix.first
    return !isOver && blocks.count < limit
  }

  /// The first block, or the one after that which begins at `after`.
  private static func block(of cidr: Prefix, after: IPAddress?) -> Prefix? {
    let length = blockLength(of: cidr)
    guard let after, after >= cidr.first else { return Prefix(containing: cidr.first, length: length) }
    guard let next = Prefix(containing: after, length: length).last.next, cidr.contains(next) else { return nil }
    return Prefix(containing: next, length: length)
  }
}
