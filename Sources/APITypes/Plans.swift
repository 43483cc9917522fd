package import Domain
package import Wire

/// Reads the body of `POST /api/v1/plan`: exactly one question.
package func decodeWhatIf(_ body: [UInt8]) throws(JSONFault) -> WhatIf {
  var reader = JSONReader(body)
  var questions: [WhatIf] = []
  try reader.object { (key, reader) throws(JSONFault) in
    switch key {
    case "drain": questions.append(.drain(try reader.name()))
    case "lose":
      guard let datacenter = try reader.placeOrNull() else { throw reader.invalid("must name a datacenter") }
      questions.append(.lose(datacenter: datacenter))
    case "add": questions.append(try reader.nodesToAdd())
    case "cheaper": questions.append(try reader.cheaper())
    case "fit": questions.append(.fit(try reader.vmRequest(tenant: .standard)))
    default: throw reader.unknownField(key)
    }
  }
  try reader.end()
  guard questions.count == 1 else { throw reader.invalid("ask one of drain, lose, add, cheaper, fit") }
  return questions[0]
}

extension JSONReader {
  fileprivate mutating func nodesToAdd() throws(JSONFault) -> WhatIf {
    var node = NodeBody(.none)
    var name = NodeName(trusted: "what-if")
    var count = 1
    try object { (key, reader) throws(JSONFault) in
      switch key {
      case "count": count = try reader.whole(1...Limits.count)
      case "name": name = try reader.name()
      default: if try !node.read(key, &reader) { throw reader.unknownField(key) }
      }
    }
    return .add(node.node(name), count: count)
  }

  fileprivate mutating func cheaper() throws(JSONFault) -> WhatIf {
    var policy = CostPolicy()
    try object { (key, reader) throws(JSONFault) in
      switch key {
      case "tenant": policy.tenant = try reader.nameOrNull()
      case "exclude_tenants":
        let names = try reader.list(atMost: Limits.count) { (reader) throws(JSONFault) in
          try reader.name(TenantName.self)
        }
        policy.excludedTenants = Set(names)
      case "exclude_labels": policy.excludedLabels = try reader.labels()
      case "min_saving_hourly_micros": policy.leastSaving = try reader.whole(0...Money.max)
      case "max_moves": policy.mostMoves = try reader.whole(1...Limits.planMoves)
      default: throw reader.unknownField(key)
      }
    }
    return .cheaper(policy)
  }

  /// Reads what would happen, from an answer.
  package mutating func planReport() throws(JSONFault) -> PlanReport {
    var report = PlanReport()
    try object { (key, reader) throws(JSONFault) in
      switch key {
      case "moves": report.moves = try reader.list { (reader) throws(JSONFault) in try reader.move() }
      case "move_count": report.moveCount = try reader.integer()
      case "unplaced": report.unplaced = try reader.integer()
      case "fitting": report.fitting = try reader.integer()
      case "saves_hourly_micros": report.saves = try reader.integer()
      case "notes": report.notes = try reader.list { (reader) throws(JSONFault) in try reader.string() }
      default: throw reader.unknownField(key)
      }
    }
    return report
  }

  private mutating func move() throws(JSONFault) -> PlanReport.Move {
    var vm: VMKey?
    var (from, to): (NodeName?, NodeName?) = (nil, nil)
    var victims: [VMKey] = []
    var saves: Money = 0
    var why = ""
    try object { (key, reader) throws(JSONFault) in
      switch key {
      case "vm": vm = try reader.vmKey()
      case "from": from = try reader.nameOrNull()
      case "to": to = try reader.nameOrNull()
      case "victims": victims = try reader.list { (reader) throws(JSONFault) in try reader.vmKey() }
      case "saves_hourly_micros": saves = try reader.integer()
      case "why": why = try reader.string()
      default: throw reader.unknownField(key)
      }
    }
    guard let vm else { throw missing("vm") }
    return PlanReport.Move(vm: vm, from: from, to: to, victims: victims, saves: saves, why: why)
  }

  private mutating func vmKey() throws(JSONFault) -> VMKey {
    var (tenant, name): (TenantName, VMName?) = (.standard, nil)
    try object { (key, reader) throws(JSONFault) in
      switch key {
      case "tenant": tenant = try reader.name()
      case "name": name = try reader.name()
      default: throw reader.unknownField(key)
      }
    }
    guard let name else { throw missing("name") }
    return VMKey(tenant: tenant, name: name)
  }
}

extension JSONWriter {
  /// Writes what would happen.
  package mutating func plan(_ report: PlanReport) {
    object { out in
      out.key("moves")
      out.array { out in for move in report.moves { out.move(move) } }
      out.field("move_count", report.moveCount)
      out.field("unplaced", report.unplaced)
      out.field("fitting", report.fitting)
      out.field("saves_hourly_micros", report.saves)
      out.field("notes", report.notes)
    }
  }

  private mutating func move(_ move: PlanReport.Move) {
    object { out in
      out.key("vm")
      out.vmKey(move.vm)
      out.field("from", move.from)
      out.field("to", move.to)
      out.key("victims")
      out.array { out in for victim in move.victims { out.vmKey(victim) } }
      out.field("saves_hourly_micros", move.saves)
      out.field("why", move.why)
    }
  }

  /// Writes a VM's tenant and name as an object.
  package mutating func vmKey(_ key: VMKey) {
    object { out in
      out.field("tenant", key.tenant)
      out.field("name", key.name)
    }
  }
}
