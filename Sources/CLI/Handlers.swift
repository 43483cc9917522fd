package import Client
package import Config

/// What the executable does for commands that need no server.
package struct Handlers: Sendable {
  /// What `berth version` says.
  package var version: String
  /// Runs a server until it is told to stop.
  package var serve: @Sendable (ServeOptions, CommandIO) -> Int32
  /// Checks a data directory.
  package var check: @Sendable (CheckOptions, CommandIO) -> Int32
  /// Prints a log.
  package var dumpLog: @Sendable (LogDumpOptions, CommandIO) -> Int32

  /// Moves a node's archive aside.
  package var rejoin: @Sendable (_ directory: String, CommandIO) -> Int32
  /// Moves a log from one medium to the other.
  package var migrate: @Sendable (MigrateOptions, CommandIO) -> Int32
  /// Runs the agents of nodes until it is told to stop.
  package var agent: @Sendable (AgentOptions, CommandIO) -> Int32

  /// Joins the handlers.
  package init(
    version: String, serve: @escaping @Sendable (ServeOptions, CommandIO) -> Int32,
    check: @escaping @Sendable (CheckOptions, CommandIO) -> Int32,
    dumpLog: @escaping @Sendable (LogDumpOptions, CommandIO) -> Int32,
    rejoin: @escaping @Sendable (_ directory: String, CommandIO) -> Int32 = { _, _ in 1 },
    migrate: @escaping @Sendable (MigrateOptions, CommandIO) -> Int32 = { _, _ in 1 },
    agent: @escaping @Sendable (AgentOptions, CommandIO) -> Int32 = { _, _ in 1 }
  ) {
    (self.version, self.serve, self.check, self.dumpLog) = (version, serve, check, dumpLog)
    (self.rejoin, self.migrate, self.agent) = (rejoin, migrate, agent)
  }
}

/// What `berth serve` was told, decided and checked.
package struct ServeOptions: Sendable {
  /// The address to listen on, without brackets.
  package let host: String
  /// The port; 0 = any.
  package let port: UInt16
  /// Where the log lives.
  package let dataDirectory: String
  /// Prefix (`172.16.0`) or CIDR of the default pool, as typed; nil when nobody said.
  package let network: String?
  /// Its gateway, as typed; nil when nobody said.
  package let gateway: String?
  /// Whether to log what is going on in detail.
  package let debug: Bool
  /// How connections are encrypted; nil = not at all.
  package let tls: ServeTLSOptions?
  /// Whether a public address without TLS and tokens was allowed.
  package let insecure: Bool
  /// Whether everybody needs a token from the start.
  package let authRequired: Bool
  /// Origins whose pages may call the API.
  package let corsOrigins: [String]
  /// Host names that requests may be addressed to while listening on loopback.
  package let hostNames: [String]
  /// Whether log lines are JSON.
  package let logsJSON: Bool
  /// Threads that serve connections; nil = as the machine has processors.
  package let loops: Int?
  /// A snapshot after this many entries; nil = the engine's own number.
  package let snapshotEvery: UInt64?
  /// A node of the fleet that is silent for so long is lost.
  package let nodeLeaseSeconds: Int
  /// All of the log is read again once in so many seconds; 0 = never.
  package let scrubSeconds: Int
  /// The cluster that it is a node of; nil = it keeps its own log.
  package let cluster: ClusterSettings?
  /// At most so many commands in one batch; nil = whatever waits.
  package let batchMax: Int?
  /// How certificates for agents are signed; nil = not here.
  package let enrolment: EnrolmentOptions?
  /// Filters and scorers outside.
  package let schedulers: [SchedulerSettings]
  /// All values with their origins.
  package let settings: Settings
}

/// What a node of a cluster was told.
package struct ClusterSettings: Sendable {
  /// Where etcd answers.
  package let etcd: [String]
  /// How connections to it are encrypted; nil = not at all.
  package let etcdTLS: EtcdTLSOptions?
  /// What its keys begin with.
  package let prefix: String
  /// This node's name.
  package let node: String
  /// Where other nodes reach it.
  package let advertise: String
  /// The file with the token that it shows the other nodes.
  package let peerTokenFile: String?
  /// The file with the CAs whose nodes are believed; nil = those of `clientAuthorities`.
  package let nodeAuthorities: String?
}

/// How connections to etcd are encrypted.
package struct EtcdTLSOptions: Sendable {
  /// The file with the CAs whose etcd is believed; nil = those of the system.
  package let authorities: String?
  /// The file with the certificate to show.
  package let certificate: String?
  /// The file with its private key.
  package let key: String?

  /// Names the files.
  init(authorities: String?, certificate: String?, key: String?) {
    (self.authorities, self.certificate, self.key) = (authorities, certificate, key)
  }
}

/// What `berth agent` was told.
package struct AgentOptions: Sendable {
  /// A node to speak for.
  package struct Node: Sendable {
    /// Its name.
    package let name: String
    /// Where it stands.
    package let datacenter, zone, rack: String?
  }

  /// The way to Berth.
  package let client: Client
  /// The nodes.
  package let nodes: [Node]
  /// What each has: thousandths of a vCPU, MiB, MiB, Mbit/s.
  package let cpu, memory, disk, bandwidth: Int32
  /// What an hour of a vCPU and of a GiB of memory costs there, in millionths; nil = the operator says.
  package let prices: (cpu: Int64, memory: Int64)?
  /// What makes the pretence.
  package let seed: UInt64
  /// How long a VM takes to come up, about.
  package let startDelay: Duration
  /// Of a million starts so many fail, and of a million VMs so many die.
  package let startFailures, crashes: UInt32
  /// Of a thousand parts of what it has a VM pretends to use so many.
  package let load: UInt32
  /// How far one datacenter pretends to be from the next; nil = nothing is pretended.
  package let latencyStep: Duration?
  /// Places by which distances are measured.
  package let latencyTo: [LatencyTarget]
  /// Threads that serve the nodes; nil = as many as they need.
  package let threads: Int?
}

/// A place by which the distance of a datacenter is measured.
package struct LatencyTarget: Sendable {
  /// The most there are.
  static let most = 64

  /// The datacenter.
  package let datacenter: String
  /// Where one can connect to.
  package let address: ServerAddress
}

/// What `berth cluster migrate` was told.
package struct MigrateOptions: Sendable {
  /// The log of one machine.
  package let directory: String
  /// Where etcd answers.
  package let etcd: [String]
  /// How connections to it are encrypted; nil = not at all.
  package let etcdTLS: EtcdTLSOptions?
  /// What its keys begin with.
  package let prefix: String
  /// Whether etcd is the target.
  package let isIntoCluster: Bool
}

/// How `berth serve` signs certificates for agents.
package struct EnrolmentOptions: Sendable {
  /// The file with the CA's certificate.
  package let certificate: String
  /// The file with its private key.
  package let key: String
  /// How many days a certificate is good.
  package let days: Int

  /// Names the files.
  init(certificate: String, key: String, days: Int) {
    (self.certificate, self.key, self.days) = (certificate, key, days)
  }
}

/// How `berth serve` encrypts connections.
package struct ServeTLSOptions: Sendable {
  /// The file with the server's certificate.
  package let certificate: String
  /// The file with its private key.
  package let key: String
  /// The file with the CAs whose clients are let in; nil = clients are asked for nothing.
  package let clientAuthorities: String?
  /// Whether clients may go without a certificate.
  package let clientsMayGoWithout: Bool
  /// Whether TLS 1.2 is spoken too.
  package let allowsTLS12: Bool
}

/// What `berth check` was told.
package struct CheckOptions: Sendable {
  /// Where the log lives.
  package let dataDirectory: String
  /// Whether derived files are to be made anew.
  package let rebuild: Bool
  /// Whether the report is JSON.
  package let json: Bool
}

/// What `berth log dump` was told.
package struct LogDumpOptions: Sendable {
  /// Where the log lives.
  package let dataDirectory: String
  /// Entries after this revision; nil = from the oldest at hand.
  package let since: UInt64?
  /// At most so many entries; nil = all.
  package let limit: UInt64?
  /// Whether each entry is a line of JSON.
  package let json: Bool
}
