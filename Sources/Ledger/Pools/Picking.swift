import Addressing
import Domain

/// Which address: the four strategies, explicit addresses, runs and child prefixes.
extension Ledger {
  /// One free address by the pool's strategy; nil = none is free.
  func pickOne(_ state: PoolState, _ index: PoolIndex, _ context: Context, _ number: Int) -> IPAddress? {
    guard index.available > .zero else { return nil }
    let range = state.cidr.range
    let bits: UInt128? =
      switch state.pool.strategy {
      case .lowest: index.taken.firstFree(in: range.bits)
      case .next: firstFree(index, range, from: index.cursor.flatMap(\.next) ?? range.first)
      case .random: firstFree(index, range, from: randomAddress(range, context, number))
      case .oldest: index.touched?.firstFree(in: range.bits) ?? longestReleased(state, index)
      }
    return bits.map { IPAddress(family: range.family, bits: $0) }
  }

  /// The first free address from `from` on, wrapping once.
  private func firstFree(_ index: PoolIndex, _ range: AddressRange, from: IPAddress) -> UInt128? {
    guard range.contains(from) else { return index.taken.firstFree(in: range.bits) }
    return index.taken.firstFree(in: from.bits...range.last.bits) ?? index.taken.firstFree(in: range.bits)
  }

  /// A start drawn from the batch's seed; addresses behind a run of taken ones are a little likelier.
  private func randomAddress(_ range: AddressRange, _ context: Context, _ number: Int) -> IPAddress {
    var state = context.seed &+ context.revision &* 0xD1B5_4A32_D192_ED03 &+ UInt64(number) &* 0xDA94_2042_E4DD_58B5
    func draw() -> UInt64 {
      state &+= 0x9E37_79B9_7F4A_7C15
      var z = state
      z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
      z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
      return z ^ (z >> 31)
    }
    let bits = UInt128(draw()) << 64 | UInt128(draw())
    let offset = range.countLessOne == .max ? bits : bits % (range.countLessOne + 1)
    return IPAddress(family: range.family, bits: range.first.bits + offset)
  }

  /// The address that was released the longest ago; items that no longer say the truth are dropped on the way.
  private func longestReleased(_ state: PoolState, _ index: PoolIndex) -> UInt128? {
    let name = state.name
    while let item = index.changeDue({ $0.popOldest() }) {
      let key = RowKey.address(name, item.ip)
      guard case .released(let row) = row(key), row.order == item.when, row.quarantineUntil == nil else {
        // If only a pending row says so, the item may be true again.
        if overlay.row(KeyProbe(key)) != nil { note(.oldest(index, item)) }
        continue
      }
      guard state.cidr.contains(item.ip), !index.taken.contains(item.ip.bits) else {
        index.changeDue { $0.setAside(item) }
        continue
      }
      note(.oldest(index, item))
      return item.ip.bits
    }
    return index.taken.firstFree(in: state.cidr.range.bits)
  }

  /// An explicit address, an explicit child prefix, or the first free child prefix.
  func pickBlock(_ request: AllocateRequest, _ state: PoolState, _ index: PoolIndex) throws(Rejection) -> Prefix {
    let cidr = state.cidr
    let length = request.prefixLength ?? cidr.family.bitCount
    guard length <= cidr.family.bitCount, length >= cidr.length else {
      throw .invalid(
        "prefix_length", "must be \(cidr.length) to \(cidr.family.bitCount) in pool \(state.name) (\(cidr))")
    }
    if let address = request.address { return try explicitBlock(address, length, state, index) }
    let log = cidr.family.bitCount - length
    guard log < 128, let bits = index.taken.firstFreeBlock(log: log, in: cidr.range.bits) else {
      throw Rejection(
        .poolExhausted,
        "pool \(state.name) has no free block of length \(length): see `berth pool free \(state.name) --length \(length)`",
        field: "prefix_length"
      ).with("quarantined", state.quarantinedCount.exact ?? .max)
    }
    return Prefix(containing: IPAddress(family: cidr.family, bits: bits), length: length)
  }

  private func explicitBlock(_ address: IPAddress, _ length: Int, _ state: PoolState, _ index: PoolIndex)
    throws(Rejection) -> Prefix
  {
    let (pool, cidr) = (state.pool, state.cidr)
    guard cidr.contains(address) else {
      throw Rejection(
        .addressOutsidePool,
        "\(address) is not in pool \(pool.name) (\(cidr)): choose an address inside, or another pool",
        field: "ip")
    }
    let block = Prefix(containing: address, length: length)
    guard block.first == address else {
      throw .invalid("ip", "\(address)/\(length) has host bits set; did you mean \(block.first)?")
    }
    guard let bits = index.taken.firstMember(in: block.range.bits) else { return block }
    let taken = IPAddress(family: cidr.family, bits: bits)
    if !state.usable.contains(where: { $0.contains(taken) }) {
      throw Rejection(.addressReserved, "IP address \(taken) is reserved: \(reasonReserved(taken, state))", field: "ip")
    }
    if let holder = holding(taken, state) { throw addressInUse(taken, holder) }
    throw Rejection(
      .addressQuarantined, "IP address \(taken) rests in quarantine after its release: choose another", field: "ip")
  }

  private func reasonReserved(_ ip: IPAddress, _ state: PoolState) -> String {
    if ip == state.pool.extent.gateway { return "it is the gateway of pool \(state.name)" }
    if ip == state.cidr.reservedFirst || ip == state.cidr.reservedLast {
      return "it is the network, anycast or broadcast address of \(state.cidr)"
    }
    if let found = state.reservations.first(where: { $0.range.contains(ip) }) {
      return "\(found.reason) (\(found.range))"
    }
    return "it is outside the ranges of pool \(state.name)"
  }

  /// The allocation that holds `ip`, pending included.
  func holding(_ ip: IPAddress, _ state: PoolState) -> Allocation? {
    let lengths = Set(state.childLengths.keys).union([ip.family.bitCount])
    for length in overlay.isEmpty ? lengths.sorted(by: >) : Array((0...ip.family.bitCount).reversed()) {
      let block = Prefix(containing: ip, length: length)
      if case .allocation(let row) = row(.address(state.name, block.first)), row.block.contains(ip) { return row }
    }
    return nil
  }

  func addressInUse(_ ip: IPAddress, _ holder: Allocation?) -> Rejection {
    let owner = holder?.owner.text ?? "another"
    return Rejection(.addressInUse, "IP address \(ip) is already in use by machine \(owner)", field: "ip")
      .with("owner", text: owner)
  }

  /// The first run of free addresses without gaps.
  func pickRun(_ wanted: Int, _ state: PoolState, _ index: PoolIndex) throws(Rejection) -> [IPAddress] {
    let range = state.cidr.range
    let count = UInt128(wanted)
    guard let first = index.taken.firstFreeRun(of: count, in: range.bits) else {
      if index.available >= AddressCount(count) {
        throw Rejection(
          .poolExhausted,
          "pool \(state.name) has \(index.available) free addresses but no \(count) in one run: ask without `contiguous`, or for fewer",
          field: "count"
        ).with("quarantined", state.quarantinedCount.exact ?? .max)
      }
      throw exhausted(state, index)
    }
    return (first...first + count - 1).map { IPAddress(family: range.family, bits: $0) }
  }

  // MARK: Questions

  func suggest(_ name: PoolName, _ context: Context) throws(Rejection) -> Decided {
    let state = try pool(name)
    guard let index = indexes[name], let ip = pickOne(state, index, context, 0) else {
      throw exhausted(state, indexes[name] ?? PoolIndex(state))
    }
    return Decided(outcome: .suggestion(ip, state.pool))
  }

  func freeBlocks(_ name: PoolName, _ length: Int, _ limit: Int) throws(Rejection) -> Decided {
    let state = try pool(name)
    let bitCount = state.family.bitCount
    guard (state.cidr.length...bitCount).contains(length), bitCount - length < 128 else {
      throw .invalid("length", "must be \(max(1, state.cidr.length)) to \(bitCount) in pool \(name)")
    }
    let found = indexes[name]?.taken.largestFreeBlocks(
      log: bitCount - length, limit: min(max(limit, 1), Limits.count), in: state.cidr.range.bits)
    let blocks = (found?.found ?? []).map {
      Prefix(containing: IPAddress(family: state.family, bits: $0.first), length: bitCount - $0.log)
    }
    return Decided(outcome: .freeBlocks(blocks, state.pool))
  }
}
