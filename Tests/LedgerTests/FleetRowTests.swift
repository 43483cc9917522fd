import Domain
import Testing

@testable import Ledger

@Suite struct FleetRowTests {
  /// Names of 127 and 128 bytes have lengths of one and two bytes; one tenant's VM is not another's.
  @Test func rowsOfTheFleetAreFoundByTheirKeys() {
    let tables = Tables(seed: 7)
    var rows: [Row] = []
    for length in [1, 127, 128] {
      let text = String(repeating: "x", count: length)
      rows.append(.fleet(.node(Node(name: NodeName(trusted: text), physical: Resources(cpu: 1, memory: 1)))))
      for tenant in ["a", "b"] {
        let key = VMKey(tenant: TenantName(trusted: tenant), name: VMName(trusted: text))
        rows.append(
          .fleet(.vm(VM(key: key, id: VMID(revision: UInt64(rows.count)), spec: VMSpec(Resources(cpu: 1, memory: 1))))))
      }
    }
    rows.append(.fleet(.quota(Quota(tenant: TenantName(trusted: "a")))))
    rows.append(
      .fleet(
        .capacity(
          CapacityReservation(
            name: CapacityName(trusted: "a"), tenant: .standard, node: NodeName(trusted: "x"), asked: .none, priority: 1
          ))))
    tables.apply(rows.map { .put($0) }, revision: 1, time: 1)
    for row in rows { #expect(tables.rows.row(KeyProbe(row.key)) == row) }
    tables.apply(rows.map { .put($0) }, revision: 2, time: 1)
    #expect(tables.rowCount == rows.count)
    tables.apply(rows.map { .delete($0) }, revision: 3, time: 1)
    #expect(tables.rowCount == 0 && tables.stateHash == 0)
  }
}
