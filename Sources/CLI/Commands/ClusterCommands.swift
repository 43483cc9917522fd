internal import Client
internal import Config
internal import Wire

/// The cluster: seeing it, moving its leader, moving into it and out of it.
let clusterCommands: [Command] = [
  Command(
    "cluster status", "Show who leads, which nodes there are and how far they are, and how etcd is.",
    examples: [
      Example("berth cluster status", "from any node"),
      Example("berth cluster status -o json", "everything that the nodes say of themselves")
    ], action: showCluster),
  Command(
    "cluster depose", "End the leadership of the node that leads; the nodes choose again at once.",
    details: "For a leader that is wedged, or whose machine is to be stopped. It may be chosen again.",
    place: .destructive, examples: [Example("berth cluster depose --yes", "a change of leaders takes under a second")]
  ) { run throws(Failure) in
    try run.confirm("end the leadership of the node that leads")
    return try run.show(run.call(.post, "cluster", "depose"), name: "node")
  },
  Command(
    "cluster rejoin", "Move a node's damaged archive aside, so that its next start fetches it anew.",
    details: """
      The node must be stopped. Nothing is deleted: the files are in DIR/aside-N afterwards. What only this node still had
      of the past is history of the cluster no longer, until it is put back.
      """,
    place: .local, flags: [clusterDirectory, Command.yes],
    examples: [Example("berth cluster rejoin --data-dir ./berth-data --yes", "then start the node again")]
  ) { run throws(Failure) in
    let directory = run["data-dir"] ?? run.environment["BERTH_DATA_DIR"] ?? "./berth-data"
    try run.confirm("move the archive in \(directory) aside")
    return run.ended(run.handlers.rejoin(directory, run.io))
  },
  Command(
    "cluster migrate", "Move a Berth of one machine into etcd, or a cluster onto one machine.",
    details: """
      Nothing may serve either side. The target must be empty; the source is only read. Both state hashes are printed, and
      they are compared. Into etcd go a snapshot and the newest batch; older history stays in the directory, which can
      then be a node's: start it with --data-dir DIR --etcd.
      """,
    place: .local,
    flags: [
      Flag("from", value: "DIR|etcd://...", help: "Where it is."),
      Flag(
        "to", value: "etcd://...|DIR",
        help: "Where it shall be: etcd://HOST:PORT[,HOST:PORT], etcds://... for TLS, or a new directory."),
      Flag("etcd-ca", value: "FILE", help: "Believe etcd of these CAs (PEM), not those of the system. [BERTH_ETCD_CA]"),
      Flag("etcd-cert", value: "FILE", help: "The certificate to show etcd (PEM). [BERTH_ETCD_CERT]"),
      Flag("etcd-key", value: "FILE", help: "Its private key (PEM). [BERTH_ETCD_KEY]"),
      Flag("etcd-prefix", value: "TEXT", help: "What the keys in etcd begin with. Default: /berth/.")
    ],
    examples: [
      Example(
        "berth cluster migrate --from ./berth-data --to etcd://127.0.0.1:2379", "from one machine to a cluster"),
      Example("berth cluster migrate --from etcd://127.0.0.1:2379 --to ./single", "and back"),
      Example(
        "berth cluster migrate --from ./berth-data --to etcds://10.0.0.1:2379"
          + " --etcd-ca ca.pem --etcd-cert a.pem --etcd-key a.key", "into an etcd that asks for certificates")
    ]
  ) { run throws(Failure) in
    guard let from = run["from"], let to = run["to"] else {
      throw .usage("`berth cluster migrate` needs --from and --to", "one of them is a directory, the other etcd://...")
    }
    let prefix = run["etcd-prefix"] ?? "/berth/"
    let options =
      switch (MigratePlace(from), MigratePlace(to)) {
      case (.directory(let directory), .etcd(let places)):
        MigrateOptions(
          directory: directory, etcd: places, etcdTLS: try run.etcdTLS(places), prefix: prefix, isIntoCluster: true)
      case (.etcd(let places), .directory(let directory)):
        MigrateOptions(
          directory: directory, etcd: places, etcdTLS: try run.etcdTLS(places), prefix: prefix, isIntoCluster: false)
      default:
        throw .usage("a migration goes from a directory to etcd://... or back", "write etcd://HOST:PORT[,HOST:PORT]")
      }
    return run.ended(run.handlers.migrate(options, run.io))
  }
]

private let clusterDirectory = Flag("data-dir", value: "DIR", help: "The node's archive. Default: ./berth-data.")

/// Where a log is.
private enum MigratePlace {
  case directory(String)
  case etcd([String])

  init(_ text: String) {
    let kinds = [("etcd://", "http"), ("etcds://", "https")]
    guard let (mark, scheme) = kinds.first(where: { text.hasPrefix($0.0) }) else {
      self = .directory(text)
      return
    }
    self = .etcd(text.dropFirst(mark.count).split(separator: ",").map { "\(scheme)://\($0)" })
  }
}

extension Invocation {
  /// How connections to etcd are encrypted, by flags and variables.
  fileprivate func etcdTLS(_ places: [String]) throws(Failure) -> EtcdTLSOptions? {
    guard places.first?.hasPrefix("https://") == true else {
      guard self["etcd-ca"] == nil, self["etcd-cert"] == nil, self["etcd-key"] == nil else {
        throw .usage("--etcd-ca, --etcd-cert and --etcd-key are for etcd over TLS", "write etcds://HOST:PORT")
      }
      return nil
    }
    func named(_ flag: String, _ variable: String) -> String? { self[flag] ?? environment[variable] }
    return try EtcdTLSOptions(
      places, authorities: named("etcd-ca", "BERTH_ETCD_CA"), certificate: named("etcd-cert", "BERTH_ETCD_CERT"),
      key: named("etcd-key", "BERTH_ETCD_KEY"))
  }
}

private func showCluster(_ run: Invocation) throws(Failure) -> ExitCode {
  let answer = try run.send(run.call(.get, "cluster"))
  let shape = Shape(
    fields: [
      Shape.Field("NODE", "node", isWhole: true), Shape.Field("ROLE", "role"),
      Shape.Field("REVISION", "revision", isRight: true), Shape.Field("LAG", "lag", isRight: true),
      Shape.Field("SEEN", isRight: true) { node in
        guard let ago = node["last_seen_ms"]?.integer(Int64.self) else { return "" }
        return node["silent"]?.bool == true ? "\(ago / 1_000) s!" : "\(ago) ms"
      },
      Shape.Field("VERSION", "version"), Shape.Field("URL", "url")
    ], name: "node")
  try run.printer.show(answer, shape, list: "nodes")
  guard run.printer.format == .table else { return .ok }
  let value: JSONValue
  do throws(ClientFault) { value = try answer.value() } catch { throw Failure(error) }
  let style = run.printer.style
  func line(_ text: String) { run.io.print(printable(text) + "\n") }
  // A new leader has not heard of a node that went before it came; who asks may know of it.
  let urls = value.at("nodes").elements?.map { cellText($0.at("url")) } ?? []
  for name in run.serverNames where run.serverNames.count > 1 && !urls.contains(name) {
    line("not among them: \(name) (it is down, or has another name in the cluster)")
  }
  if let leader = value["leader"], let node = leader["node"]?.string {
    line("leader: \(node), epoch \(cellText(leader.at("epoch")))")
  } else {
    run.io.print(style.red("no leader") + printable(" (answered by \(cellText(value.at("answered_by"))))") + "\n")
  }
  let etcd = value.at("etcd")
  let silent = cellText(etcd.at("silent_ms"))
  line("etcd: \(cellText(etcd.at("version"))), answered \(silent.isEmpty ? "never" : "\(silent) ms ago")")
  for warning in etcd.at("warnings").elements ?? [] { line("  \(cellText(warning))") }
  let alarms = value["alarms"]?.elements ?? []
  for alarm in alarms { run.io.print(style.red("ALARM") + printable(" \(cellText(alarm))") + "\n") }
  return alarms.isEmpty && value["leader"]?.isNull == false ? .ok : .differs
}
