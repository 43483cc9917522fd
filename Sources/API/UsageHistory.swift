internal import Domain
internal import Engine
internal import Platform

/// What VMs really used, as agents said: soft state of whoever leads, bounded, and forgotten in one or two weeks.
// Unchecked because `lock` guards what changes.
final class UsageHistory: @unchecked Sendable {
  /// VMs kept in each of the two halves.
  static let most = 131_072
  /// After so long the newer half becomes the older one.
  static let half = Duration.seconds(7 * 24 * 3_600)

  private struct Known {
    var histogram = UsageHistogram()
    var last = Resources.none
  }

  private let lock = Lock()
  private var recent: [VMID: Known] = [:]
  private var older: [VMID: Known] = [:]
  private var since = MonotonicTime.now

  /// Takes what was measured of VMs; those that the node does not have are left out by the caller.
  func add(_ measured: [(vm: VM, used: Resources)]) {
    lock.withLock {
      if since + UsageHistory.half <= .now || recent.count >= UsageHistory.most {
        (older, recent, since) = (recent, [:], .now)
      }
      for item in measured {
        recent[item.vm.id, default: Known()].histogram.add(item.used, of: item.vm.spec.resources)
        recent[item.vm.id]?.last = item.used
      }
    }
  }

  /// What a VM used when it was last measured; nil = nobody has said so.
  func last(of id: VMID) -> Resources? { lock.withLock { (recent[id] ?? older[id])?.last } }

  /// What is known of a VM.
  func histogram(of id: VMID) -> UsageHistogram? {
    lock.withLock {
      guard var known = recent[id]?.histogram else { return older[id]?.histogram }
      if let before = older[id]?.histogram { known.add(before) }
      return known
    }
  }
}
