import Addressing
import Domain

/// Reservations: addresses that are never given out.
extension Ledger {
  func reserve(_ name: PoolName, _ range: AddressRange, _ reason: String, _ context: Context) throws(Rejection)
    -> Decided
  {
    let state = try pool(name)
    guard state.cidr.range.contains(range) else {
      throw Rejection(.addressOutsidePool, "\(range) is not inside pool \(name) (\(state.cidr))", field: "range")
    }
    guard reason.utf8.count <= Limits.reasonBytes else {
      throw .invalid("reason", "at most \(Limits.reasonBytes) bytes")
    }
    guard state.reservations.count < Limits.reservations else { throw tooManyReservations(name) }
    if let other = state.reservations.first(where: { $0.range.overlaps(range) }) {
      throw Rejection(
        .reservationExists, "\(other.range) is reserved already (\(other.reason)): delete that reservation first",
        field: "range")
    }
    try checkNobodyHolds(range, state)
    let reservation = Reservation(
      pool: name, range: range, reason: reason, createdAt: context.time, revision: context.revision)
    return Decided(
      outcome: .reservation(reservation), kind: .reservationCreated, effects: [.put(.reservation(reservation))])
  }

  func tooManyReservations(_ name: PoolName) -> Rejection {
    Rejection(.tooManyReservations, "pool \(name) has \(Limits.reservations) reservations: join some into ranges")
  }

  private func checkNobodyHolds(_ range: AddressRange, _ state: PoolState) throws(Rejection) {
    let name = state.name
    if let bits = state.allocated.firstMember(in: range.bits) {
      let ip = IPAddress(family: range.family, bits: bits)
      throw addressInUse(ip, tables.allocation(holding: ip, in: name))
    }
    guard let index = indexes[name] else { return }
    for usable in state.usable {
      guard let part = usable.intersection(range) else { continue }
      if let bits = index.taken.firstMember(in: part.bits) {
        let ip = IPAddress(family: range.family, bits: bits)
        throw Rejection(
          .addressQuarantined, "\(ip) rests in quarantine: wait until it ends, then reserve", field: "range")
      }
    }
  }

  func unreserve(_ name: PoolName, _ first: IPAddress) throws(Rejection) -> Decided {
    let state = try pool(name)
    guard let reservation = state.reservations.first(where: { $0.range.first == first }) else {
      throw Rejection(
        .reservationNotFound,
        "no reservation of pool \(name) begins at \(first); gateway, network and broadcast addresses are reserved by themselves"
      )
    }
    return Decided(
      outcome: .reservationDeleted(reservation), kind: .reservationDeleted,
      effects: [.delete(.reservation(reservation))]
    )
  }
}
