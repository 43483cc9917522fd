// AgentHost: the loop around `Agent`: registers nodes, reports, carries out what follows, for one node or for thousands.
//
// A call to Berth blocks its thread, so nodes are divided among a few crews, each a thread that serves its nodes in turn;
// a node is touched by the thread of its crew alone. A report takes well under a millisecond of either side, and a node
// reports every two seconds, so one crew carries hundreds.
//
// How a node learns at once that something of it has changed: a single node leaves its report with Berth and is answered
// when there is news. Thousands would need as many connections for that; they follow the stream of events instead, one
// for the whole process, and whoever is named in one reports out of turn. Both only save time: what counts is the list
// that a report is answered with.
//
// When Berth does not answer, a node waits longer after each try, up to five seconds, and the next server is asked. An
// answer that its registration is not known, or is an older one, makes it register again. No call outlasts the lease of
// any node of its crew by more than a moment, and after each that took long all of them are looked after: what must be
// cut is cut in time, also while nobody answers.
//
// Refused: a thread for each node; retries inside a call (the next heartbeat is the retry, with fresher news).
package import APITypes
package import Client
package import Domain
internal import Platform
package import VMM

/// A node that this process speaks for.
package struct HostedNode: Sendable {
  /// Its name.
  package let name: NodeName
  /// What it says when it registers; what it leaves out is the operator's.
  package let body: NodeBody
  /// When its owner says that it takes it back; nil = never.
  package var reclaim: Reclaim?

  /// An owner who takes a node back.
  package struct Reclaim: Sendable {
    /// How long after the agent has begun it is said.
    package let after: Duration
    /// In what time the node is gone then.
    package let notice: Duration

    /// Joins the two.
    package init(after: Duration, notice: Duration) { (self.after, self.notice) = (after, notice) }
  }

  /// Joins the two.
  package init(_ name: NodeName, _ body: NodeBody, reclaim: Reclaim? = nil) {
    (self.name, self.body, self.reclaim) = (name, body, reclaim)
  }
}

/// What a process of agents is told.
package struct AgentHostOptions: Sendable {
  /// The nodes.
  package var nodes: [HostedNode]
  /// Threads that serve them.
  package var threads: Int
  /// How long a call may take.
  package var patience = Duration.seconds(2)
  /// How far other datacenters are.
  package var distances = Distances.unknown
  /// In what time a node reports until Berth says otherwise.
  package var heartbeat = Duration.seconds(2)

  /// Names the nodes.
  package init(nodes: [HostedNode], threads: Int? = nil) {
    self.nodes = nodes
    self.threads = max(1, min(threads ?? 1 + nodes.count / 250, nodes.count))
  }
}

/// What became of the nodes of a process so far.
package struct AgentHostCounts: Hashable, Sendable {
  /// Nodes that Berth has heard, and answered, at their last try.
  package var connected = 0
  /// Nodes that it has not.
  package var silent = 0
  /// Machines that are up.
  package var machines = 0
  /// Reports that were answered.
  package var reports = 0
  /// Why the last call failed.
  package var trouble: String?

  /// None yet.
  package init() {}
}

/// The agents of some nodes.
package final class AgentHost: Sendable {
  private let crews: [Crew]
  private let watch: EventWatch?
  private let distances: Distances

  /// Starts threads; `backend` makes what runs the VMs of a node, on the thread that will use it.
  package init(
    _ options: AgentHostOptions, _ client: Client, backend: @escaping @Sendable (NodeName) -> any VMBackend
  ) {
    let polls = options.nodes.count == 1
    let crews = (0..<options.threads).map { number in
      let nodes = options.nodes.indices.filter { $0 % options.threads == number }.map { options.nodes[$0] }
      return Crew(number, nodes, options, Door(client), polls: polls, backend: backend)
    }
    self.crews = crews
    distances = options.distances
    guard !polls else {
      watch = nil
      return
    }
    let homes = Dictionary(
      uniqueKeysWithValues: options.nodes.enumerated().map { ($1.name.text, crews[$0 % options.threads]) })
    watch = EventWatch(client) { name in homes[name]?.wake(name) }
  }

  /// How it stands.
  package var counts: AgentHostCounts {
    crews.reduce(into: AgentHostCounts()) { sum, crew in
      let one = crew.counts
      sum.connected += one.connected
      sum.silent += one.silent
      sum.machines += one.machines
      sum.reports += one.reports
      sum.trouble = sum.trouble ?? one.trouble
    }
  }

  /// Ends the loops; machines are left as they are.
  package func stop() {
    watch?.stop()
    if case .measured(let meter) = distances { meter.stop() }
    for crew in crews { crew.stop() }
    for crew in crews { crew.join() }
  }
}

/// The time of this machine as agents count it: a lease ends too while the machine sleeps.
package func agentClock() -> Duration { .nanoseconds(MonotonicTime.sinceBoot.nanoseconds) }
