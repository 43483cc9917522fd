import Domain

/// Nodes and VMs: the commands.
extension Ledger {
  func decide(_ command: FleetCommand, _ context: Context) throws(Rejection) -> Decided {
    throw .invalid("command", "\(command) is not decided here yet")
  }
}
