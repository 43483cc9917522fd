internal import APITypes
internal import Wire

extension Shape {
  static let vm = Shape(
    fields: [
      Field("NAME", "name"), Field("STATE") { stateText($0) }, Field("NODE", "node"),
      Field("ADDRESSES") { vm in
        (vm["addresses"]?.elements ?? []).compactMap { $0["ip"]?.string }.joined(separator: ",")
      },
      Field("VCPUS", "vcpus", isRight: true), Field("MEMORY", isRight: true) { mebibytes($0["memory_mib"]) },
      Field("PRIORITY", "priority", isRight: true), Field("TENANT", "tenant"),
      Field("PRICE/H", isRight: true) { money($0["hourly_price_micros"]) }, Field("WHY") { whyItWaits($0) }
    ], name: "name")

  static let node = Shape(
    fields: [
      Field("NAME", "name"), Field("STATE", "state"), Field("DATACENTER", "topology.datacenter"),
      Field("ZONE", "topology.zone"), Field("RACK", "topology.rack"),
      Field("VMS", "vms", isRight: true),
      Field("VCPUS", isRight: true) { node in
        ratio(cellText(node.at("allocated.vcpus")), cellText(node.at("effective.vcpus")))
      },
      Field("MEMORY", isRight: true) { node in
        ratio(mebibytes(node.at("allocated.memory_mib")), mebibytes(node.at("effective.memory_mib")))
      },
      Field("HEARD", isRight: true) { cellText($0.at("health.last_heartbeat_seconds")).withSuffix(" s ago") },
      Field("EPOCH", "epoch", isRight: true), Field("BACKENDS", "backends"), Field("LABELS", "labels")
    ], name: "name")

  static let latency = Shape(
    fields: [
      Field("FROM", "from"), Field("TO", "to"),
      Field("LATENCY", isRight: true) { item in
        item["microseconds"]?.integer(Int64.self).map { Thousandths.text($0) + " ms" } ?? ""
      },
      Field("NODES", "reporters", isRight: true),
      Field("HEARD", isRight: true) { cellText($0.at("age_seconds")).withSuffix(" s ago") }
    ], name: "from")

  static let tenant = Shape(
    fields: [
      Field("TENANT", "tenant"), Field("VMS", isRight: true) { used($0, "vms") },
      Field("VCPUS", isRight: true) { used($0, "vcpus") },
      Field("MEMORY", isRight: true) { tenant in
        ratio(mebibytes(tenant.at("usage.memory_mib")), mebibytes(tenant.at("limits.memory_mib")))
      },
      Field("ADDRESSES", isRight: true) { used($0, "addresses") },
      Field("MONEY/MONTH", isRight: true) { tenant in
        ratio(money(tenant.at("usage.monthly_micros")), money(tenant.at("limits.monthly_micros")))
      }, Field("ALERT", isRight: true) { cellText($0.at("budget_alert_percent")).withSuffix(" %") }
    ], name: "tenant")

  static let capacity = Shape(
    fields: [
      Field("NAME", "name"), Field("NODE", "node"), Field("TENANT", "tenant"),
      Field("VCPUS LEFT", isRight: true) { ratio(cellText($0.at("left.vcpus")), cellText($0.at("asked.vcpus"))) },
      Field("MEMORY LEFT", isRight: true) { kept in
        ratio(mebibytes(kept.at("left.memory_mib")), mebibytes(kept.at("asked.memory_mib")))
      },
      Field("PRIORITY", "priority", isRight: true), Field("EXPIRES", "expires_at"), Field("REASON", "reason")
    ], name: "name")

  static let cost = Shape(
    fields: [
      Field("TENANT", "tenant"), Field("DATACENTER", "datacenter"), Field("VM", "vm"),
      Field("VCPU HOURS", isRight: true) { hours($0["vcpu_seconds"], per: 1) },
      Field("GIB HOURS", isRight: true) { hours($0["memory_mib_seconds"], per: 1_024) },
      Field("COST", isRight: true) { money($0["micros"]) }
    ], name: "tenant")

  static let move = Shape(
    fields: [
      Field("VM", "vm.name"), Field("TENANT", "vm.tenant"), Field("FROM", "from"),
      Field("TO") { $0["to"]?.string ?? "(waits)" },
      Field("DRIVES OUT") { move in
        (move["victims"]?.elements ?? []).map { cellText($0.at("name")) }.joined(separator: ",")
      },
      Field("SAVES/H", isRight: true) { money($0["saves_hourly_micros"]) },
      Field("WHY", "why")
    ], name: "vm.name")

  /// Of a VM that does not run as it should the beginning of why; `berth vm why` has all of it.
  private static func whyItWaits(_ vm: JSONValue) -> String {
    guard !["running", "starting", "placed"].contains(cellText(vm.at("state"))) else { return "" }
    return String(cellText(vm.at("why")).prefix { $0 != "\n" && $0 != ";" })
  }

  /// The state, and what else is on its way.
  private static func stateText(_ vm: JSONValue) -> String {
    let state = cellText(vm.at("state"))
    return vm["ending"]?.bool == true ? "\(state) (ending)" : state
  }

  private static func used(_ tenant: JSONValue, _ item: String) -> String {
    ratio(cellText(tenant.at("usage.\(item)")), cellText(tenant.at("limits.\(item)")))
  }

  private static func ratio(_ part: String, _ whole: String) -> String {
    whole.isEmpty ? part : "\(part.isEmpty ? "0" : part)/\(whole)"
  }

  private static func hours(_ seconds: JSONValue?, per unit: Double) -> String {
    guard let text = seconds?.numberText, let amount = Double(text) else { return "" }
    let hundredths = Int64((amount / unit / 36).rounded())
    return Thousandths.text(hundredths * 10)
  }
}

/// An amount of MiB as people write it; from 10 GiB on with one decimal.
func mebibytes(_ value: JSONValue?) -> String {
  guard let amount = value?.integer(Int64.self) else { return "" }
  guard amount >= 10_240, amount % 1_024 != 0 else { return Amounts.text(mebibytes: amount) }
  return Thousandths.text((amount * 10 + 512) / 1_024 * 100) + "G"
}

/// Money as people write it.
func money(_ value: JSONValue?) -> String { value?.integer(Int64.self).map { Amounts.text(millionths: $0) } ?? "" }
