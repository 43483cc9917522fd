// VMM: the contract for what runs VMs on one node: QEMU, Firecracker, a pretence.
//
// A backend has four verbs. `observe` is the only truth: a complete list of the machines that are really there, each
// with the id and the placement epoch it was started under. `ensure`, `stop` and `remove` say what is wanted, return at
// once and report nothing; what came of them is seen by observing. So a lost answer, a restart of the agent and a machine
// that dies by itself are one case, not three.
//
// A backend that can (`prepares`) fetches what a machine needs before anybody knows whether it will run: what is prepared
// is observed as such, takes no room, and `ensure` starts it under the epoch of its own order.
//
// What always holds: a backend has at most one machine of an id at any moment. `ensure` does nothing while one is there
// that was started, whatever its epoch; from the moment it returns on, `observe` tells of the machine, as coming up or as failed. `stop`
// and `remove` do nothing to a machine of another epoch than the one they name, so an order that comes late cannot hit
// its successor. Only what is down, or was never started, can be removed. Each verb may be repeated any number of times.
//
// Of a machine that moves, one side runs and speaks at any moment: the side that takes it over reports it as running
// when the other has stopped it. A machine that is stopped without grace says nothing from then on, even if it does not
// go down.
//
// A backend never pretends: what it cannot do stands in its capabilities, and an order that needs it fails, visibly. So
// does an order with an interface that has no address, whatever the backend: there is one place that gives addresses, and
// it is not here. A VM without interfaces has none and runs.
//
// Refused: operations with ids and results of their own (a second truth beside `observe`, to be kept over restarts);
// callbacks (the agent decides when it looks); a verb to restart (the new epoch of a placement does that).
package import Domain

/// What runs the VMs of one node; called by one thread at a time.
package protocol VMBackend: AnyObject {
  /// What it is called: `simulated`, `qemu`.
  var name: BackendName { get }
  /// What it can do.
  var capabilities: VMCapabilities { get }
  /// All machines that are there, in order of their ids.
  func observe() -> [ObservedVM]
  /// Brings a machine up, unless one of this id is there that was started.
  func ensure(_ order: VMOrder)
  /// Has at hand what a machine needs, unless one of this id is there; nothing of it runs.
  func prepare(_ order: VMOrder)
  /// Lets a machine go down by itself for so long, then ends it; 0 = ends it at once. A shorter time replaces a longer one.
  func stop(_ id: VMID, epoch: UInt64, graceSeconds: UInt32)
  /// Clears away a machine that is down.
  func remove(_ id: VMID, epoch: UInt64)
  /// How long it makes sense not to look: something changes by itself then; nil = it cannot tell.
  var quietFor: Duration? { get }
}

extension VMBackend {
  /// Whoever cannot prepare says so in its capabilities, and is not asked.
  package func prepare(_ order: VMOrder) {}
}

/// What a backend can do; more is added as something needs it.
package struct VMCapabilities: Hashable, Sendable {
  /// Whether it can have at hand what a machine needs without starting it.
  package var prepares: Bool
  /// Whether machines can have processors of their own.
  package var pins: Bool
  /// Whether machines can have devices.
  package var passesDevices: Bool
  /// The most thousandths of a vCPU of one machine; nil = no limit of its own.
  package var mostCPU: Int32?

  /// Names them.
  package init(prepares: Bool = false, pins: Bool = false, passesDevices: Bool = false, mostCPU: Int32? = nil) {
    self.prepares = prepares
    (self.pins, self.passesDevices, self.mostCPU) = (pins, passesDevices, mostCPU)
  }

  /// What an order needs that is missing, here or in itself, in words; nil = nothing.
  package func flaw(in order: VMOrder) -> String? {
    if let name = order.interfaces.withoutAddress {
      return "interface \(name) has no address: Berth gives addresses, and no backend makes one up"
    }
    if let flaw = order.interfaces.lazy.compactMap(\.vlanFlaw).first { return flaw }
    if !pins, !order.seat.cpus.isEmpty { return "this backend cannot give a VM processors of its own" }
    if !passesDevices, !order.seat.devices.isEmpty { return "this backend cannot give a VM devices" }
    if let mostCPU, order.resources.cpu > mostCPU { return "this backend gives a VM at most \(mostCPU / 1_000) vCPUs" }
    return nil
  }
}
