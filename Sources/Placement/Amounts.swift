import Domain

/// Processors, memory, disk and bandwidth side by side, compared at once.
typealias Amounts = SIMD4<Int32>

extension Resources {
  var amounts: Amounts { Amounts(cpu, memory, disk, bandwidth) }

  init(_ amounts: Amounts) {
    self.init(cpu: amounts[0], memory: amounts[1], disk: amounts[2], bandwidth: amounts[3])
  }
}

extension SIMD4<Int32> {
  func fits(in other: Self) -> Bool { all(self .<= other) }

  /// The lesser of each.
  func least(_ other: Self) -> Self { pointwiseMin(self, other) }

  /// Each, or 0 if negative.
  var positive: Self { pointwiseMax(self, .zero) }
}
