package import Domain

/// A machine to be brought up: a VM as one placement of it wants it.
package struct VMOrder: Hashable, Sendable {
  /// Which VM.
  package let id: VMID
  /// Which placement of it.
  package let epoch: UInt64
  /// Its tenant and name.
  package let key: VMKey
  /// What it takes.
  package var resources: Resources
  /// The image it boots.
  package var image = ""
  /// The kernel, where the image has none.
  package var kernel = ""
  /// What the node gave it beyond counted amounts.
  package var seat = Seat.plain
  /// Whether it is started elsewhere when this node falls silent, so that it must not run here past the lease.
  package var failover = FailoverPolicy.never
  /// Whether it is taken over from another node, where it runs: it neither runs nor speaks here before it has stopped
  /// there, and fails if it cannot be had.
  package var isIncoming = false
  /// Its interfaces, each with its addresses and what its guest must know of their networks.
  package var interfaces: [GuestInterface] = []

  /// Wants a machine with no interfaces, and all else as usual.
  package init(id: VMID, epoch: UInt64, key: VMKey, resources: Resources) {
    (self.id, self.epoch, self.key, self.resources) = (id, epoch, key, resources)
  }
}
