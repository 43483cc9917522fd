import Domain

extension Fleet {
  /// What the view says, in words and in an order of its own: two views of the same rows say the same, whatever came in
  /// between. For tests and for `berth check`.
  package borrowing func fingerprint() -> [String] {
    var lines: [String] = []
    for (name, number) in numbers.sorted(by: { $0.key < $1.key }) {
      let node = Int(number)
      var ids: [UInt64] = []
      var slot = firstVM[node]
      while slot >= 0 {
        ids.append(vms.id[Int(slot)])
        slot = vms.next[Int(slot)]
      }
      let bands = bands[node * Fleet.bandCount..<(node + 1) * Fleet.bandCount].map { "\($0)" }
      lines.append(
        "\(name) free \(free[node]) used \(used[node]) kept \(kept[node]) vms \(ids.sorted()) bands \(bands)"
          + " cells \(plainCells.cells[node]) \(deviceCells.cells[node]) \(hardware[node].fingerprint)")
    }
    let (racks, known) = (places, nodes.map { $0?.name.text ?? "" })
    for (key, group) in namedGroups() {
      let words = groups[group].fingerprint { scope, domain in
        scope == .node ? known[Int(domain)] : racks.words(scope, domain)
      }
      lines.append("\(key.tenant)/\(key.name) \(words)")
    }
    lines.append("vms \(vms.slots.count) preemptible \(preemptibleCount) away \(away.count)")
    lines.append("kept \(reservations.keys.sorted())")
    return lines
  }

  private borrowing func namedGroups() -> [(GroupKey, Int)] {
    var named: [(GroupKey, Int)] = []
    for (number, key) in groupKeys.values.enumerated() { if let key { named.append((key, number)) } }
    return named.sorted { ($0.0.tenant, $0.0.name) < ($1.0.tenant, $1.0.name) }
  }

  /// Bytes that nodes hold, and bytes that VMs hold.
  package borrowing func residentBytes() -> (nodes: Int, vms: Int) {
    let perNode =
      MemoryLayout<Node?>.stride + MemoryLayout<Hardware>.stride + 5 * 16 + 16 + 12 + Fleet.bandCount * 16 + 64
    return (
      nodes.capacity * perNode + plainCells.residentBytes + deviceCells.residentBytes,
      vms.residentBytes + ruleSets.count * 200 + groups.count * 400
    )
  }
}
