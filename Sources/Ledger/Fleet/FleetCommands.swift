import Domain

/// Nodes and VMs: the commands.
extension Ledger {
  func decide(_ command: FleetCommand, _ context: Context) throws(Rejection) -> Decided {
    allowWork()
    return switch command {
    case .registerNode(let node): try registerNode(node, context)
    case .updateNode(let name, let patch, let ifMatch): try updateNode(name, patch, ifMatch, context)
    case .setNode(let name, let wish): try setNode(name, wish, context)
    case .reclaimNode(let name, let seconds): try reclaimNode(name, seconds, context)
    case .fenceNode(let name): try fenceNode(name, context)
    case .deleteNode(let name): try deleteNode(name, context)
    case .nodesLost(let names): nodesLost(names, context)
    case .leasesEnded(let names): leasesEnded(names, context)
    case .createVM(let request): try createVM(request, context)
    case .updateVM(let key, let patch, let ifMatch): try updateVM(key, patch, ifMatch, context)
    case .deleteVM(let key, let force): try deleteVM(key, force: force, context)
    case .startVM(let key): try startVM(key, context)
    case .stopVM(let key): try stopVM(key, context)
    case .restartVM(let key): try restartVM(key, context)
    case .migrateVM(let key, let name): try migrateVM(key, to: name, context)
    case .reportVMs(let node, let epoch, let reports): try reportVMs(node, epoch, reports, context)
    case .schedule: schedule(context)
    case .advise(let said): advise(said, context)
    case .measured(let latencies): measured(latencies, context)
    case .setQuota(let quota): try setQuota(quota, context)
    case .deleteQuota(let tenant): try deleteQuota(tenant, context)
    case .reserveCapacity(let row): try reserveCapacity(row, context)
    case .releaseCapacity(let name): try releaseCapacity(name, context)
    case .plan(let question): try plan(question, context)
    }
  }

  /// What a draft comes down to, with all that follows from it; VMs `about` are answered with their addresses, `gone` are
  /// those of a VM that is gone.
  func decided(
    _ kind: EntryKind, _ draft: FleetDraft, about keys: [VMKey] = [], gone: [Allocation] = []
  ) -> Decided {
    var draft = draft
    reviewStandbys(&draft)
    reviewQuotas(&draft)
    let effects = draft.effects
    var grants = gone.map(grant)
    for key in keys { if let vm = vm(key, draft) { grants += addresses(of: vm, draft).map(grant) } }
    let told: Entry.Told = grants.isEmpty ? .nothing : .grants(grants, unchanged: [])
    guard let outcome = FleetOutcome(of: kind, effects, told) else { preconditionFailure("\(kind) without an answer") }
    return Decided(outcome: .fleet(outcome), kind: kind, effects: effects, told: told)
  }

  /// The answer when a VM is as it was asked to be.
  func unchanged(_ vm: VM, _ draft: FleetDraft) -> Decided {
    Decided(outcome: .fleet(.vms([placed(vm, draft)], isNew: false)))
  }

  func find(_ key: VMKey, _ draft: FleetDraft) throws(Rejection) -> VM {
    if let vm = vm(key, draft) { return vm }
    throw Rejection(
      .vmNotFound, "there is no VM \(key.name) of tenant \(key.tenant): `berth vm list` shows those there are")
  }

  func wrongState(_ vm: VM, _ why: String) -> Rejection {
    Rejection(.vmState, "VM \(vm.key.name) is \(vm.isEnding ? "being deleted" : vm.state.name): \(why)")
      .with("state", text: vm.state.name)
  }
}
