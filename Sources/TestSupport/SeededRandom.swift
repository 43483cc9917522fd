internal import Glibc
internal import Platform

/// SplitMix64 (Steele, Lea, Flood 2014): one word of state, every seed is good, the same numbers on every machine.
package struct SeededRandom: RandomNumberGenerator, Sendable {
  /// What to give to `init(seed:)` to get the same numbers again.
  package let seed: UInt64
  private var state: UInt64

  /// Starts the sequence of `seed`.
  package init(seed: UInt64) {
    self.seed = seed
    state = seed
  }

  /// A fresh seed, or the one in `BERTH_SEED`, printed under `name` so that a failing run can be repeated.
  package init(announcedAs name: String) {
    let chosen = unsafe getenv("BERTH_SEED").flatMap { unsafe UInt64(String(cString: $0)) }
    self.init(seed: chosen ?? Entropy.uint64())
    print("\(name): BERTH_SEED=\(seed)")
  }

  /// The next 64 bits.
  package mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }

  /// Whether a thing that happens once in `n` happens now.
  package mutating func oneIn(_ n: Int) -> Bool { Int.random(in: 0..<n, using: &self) == 0 }

  /// One element of `choices`, which must not be empty.
  package mutating func pick<C: RandomAccessCollection>(_ choices: C) -> C.Element {
    precondition(!choices.isEmpty, "nothing to pick from")
    return choices[choices.index(choices.startIndex, offsetBy: Int.random(in: 0..<choices.count, using: &self))]
  }
}
