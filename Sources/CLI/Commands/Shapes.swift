internal import Wire

extension Shape {
  static let pool = Shape(
    fields: [
      Field("NAME", "name"), Field("CIDR", "cidr", isWhole: true), Field("GATEWAY", "gateway", isWhole: true),
      Field("USED", isRight: true) { $0.at("capacity.allocated").numberText ?? "" },
      Field("FREE", "capacity.available", isRight: true), Field("USABLE", "capacity.usable", isRight: true),
      Field("FULL", isRight: true) { cellText($0.at("capacity.utilization_percent")).withSuffix(" %") },
      Field("STRATEGY", "strategy"), Field("NETWORK", "network"), Field("ENABLED", "enabled"),
      Field("LABELS", "labels")
    ], name: "name")

  static let allocation = Shape(
    fields: [
      Field("IP", "cidr", "ip", isWhole: true), Field("POOL", "pool"), Field("OWNER", "owner"),
      Field("INTERFACE", "interface"),
      Field("TENANT", "tenant"), Field("HOSTNAME", "hostname"), Field("MAC", "mac", isWhole: true),
      Field("NODE", "node"),
      Field("GATEWAY", "gateway", isWhole: true), Field("EXPIRES", "expires_at"),
      Field("GENERATION", "generation", isRight: true),
      Field("LABELS", "labels")
    ], name: "ip")

  static let reservation = Shape(
    fields: [
      Field("RANGE", "range", isWhole: true), Field("REASON", "reason"), Field("AUTOMATIC", "automatic"),
      Field("CREATED", "created_at")
    ], name: "range")

  static let match = Shape(
    fields: [
      Field("POOL", "pool"), Field("NETWORK", "network"), Field("STATE", "state"),
      Field("OWNER", "allocation.owner"), Field("INTERFACE", "allocation.interface"),
      Field("TENANT", "allocation.tenant"), Field("HOSTNAME", "allocation.hostname"),
      Field("MAC", "allocation.mac", isWhole: true),
      Field("SINCE", "allocation.created_at"), Field("EXPIRES", "allocation.expires_at")
    ], name: "allocation.owner")

  static let interval = Shape(
    fields: [
      Field("IP", "ip", isWhole: true), Field("POOL", "pool"), Field("OWNER", "owner"), Field("INTERFACE", "interface"),
      Field("TENANT", "tenant"), Field("FROM", "from"), Field("TO", "to"),
      Field("GENERATION", "generation", isRight: true)
    ], name: "owner")

  static let block = Shape(fields: [Field("BLOCK", "", isWhole: true)], name: "")

  static let usage = Shape(
    fields: [
      Field("BLOCK", "block", isWhole: true), Field("ALLOCATED", "allocated", isRight: true),
      Field("USABLE", "usable", isRight: true)
    ], name: "block")

  static let conflict = Shape(
    fields: [
      Field("LINE", "line", isRight: true), Field("IP", "ip", isWhole: true), Field("CODE", "code"),
      Field("REASON", "detail")
    ], name: "ip")
}

extension String {
  /// The text with something behind it, unless it is empty.
  func withSuffix(_ suffix: String) -> String { isEmpty ? "" : self + suffix }
}
