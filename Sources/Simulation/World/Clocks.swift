// Clocks that jump. A node's wall clock is a little off, as clocks are that a time server keeps; by a fault it steps by
// seconds, or by minutes to days in either direction, and some seconds later somebody sets it right. The time since boot
// goes on through all of that.
internal import Engine
internal import TestSupport

extension World {
  /// When the world begins, by a clock that is right.
  static let beginning: Int64 = 1_700_000_000_000_000
  /// How far a clock that is kept may be off.
  static let kept: Int64 = 2_000_000
  /// The smallest and the largest jump of a clock that is not.
  static let jumps: ClosedRange<Int64> = 120_000_000...144_000_000_000

  func clock(of node: Node) -> ClockReading {
    ClockReading(wall: World.beginning + now + node.skew, boot: now + node.clockOffset)
  }

  /// What a clock is off that is kept.
  func keptSkew() -> Int64 { Int64.random(in: -World.kept...World.kept, using: &random) }

  /// A node's clock jumps, and is set right after a while.
  func jumpClock(_ index: Int, for duration: Int64) {
    let node = nodes[index]
    if random.oneIn(3) {
      saw("a clock stepped by seconds")
      node.skew = keptSkew()
      return
    }
    let isAhead = random.oneIn(2)
    let size = Int64.random(in: World.jumps, using: &random)
    saw(isAhead ? "a clock jumped ahead" : "a clock jumped back")
    if node.engine.leads { saw("a leader's clock jumped") }
    node.skew = isAhead ? size : -size
    note("the clock of \(node.name) is off by \(node.skew / 1_000_000) s")
    queue.add(
      .act { [unowned self] in
        guard abs(node.skew) > World.kept else { return }
        self.saw("a clock was set right")
        node.skew = self.keptSkew()
      }, at: now + duration)
  }

  /// The log's time against the world's: never ahead by more than a kept clock is.
  func checkTime(of batch: UInt64, _ time: Int64) {
    guard nodes[0].engine.keepsTime, time > World.beginning + now + World.kept else { return }
    violate("batch \(batch) carries a time that is \((time - World.beginning - now) / 1_000) ms ahead")
  }
}
