internal import Config

/// The settings of `berth serve`.
enum ServeSettings {
  static let configFile = Flag("config", value: "FILE", help: "Read settings from this TOML file. [BERTH_CONFIG]")

  static let table = SettingTable([
    Setting(
      "listen", .text, value: "HOST:PORT",
      help: "Where to listen; 127.0.0.1 when left out. Any other address than loopback needs TLS, or --insecure."),
    Setting(
      "port", .integer(0...65_535), letter: "p", value: "PORT", default: .integer(8080),
      help: "The port, when --listen names none; 0 takes any free one."),
    Setting("data_dir", .text, value: "DIR", default: .text("./berth-data"), help: "Where the log lives."),
    Setting(
      "network", .text, letter: "n", value: "NETWORK",
      help: "Prefix (172.16.0) or CIDR of the default pool, 172.16.0.0/24 when left out; only for a fresh directory."),
    Setting(
      "gateway", .text, letter: "g", value: "ADDRESS",
      help: "Its gateway, the first host when left out; only for a fresh directory."),
    Setting("tls_cert", .text, value: "FILE", help: "The server's certificate (PEM); read again when it changes."),
    Setting("tls_key", .text, value: "FILE", help: "Its private key (PEM), which only its owner may read."),
    Setting("tls_client_ca", .text, value: "FILE", help: "Let in clients with a certificate of these CAs."),
    Setting(
      "tls_clients", .choice(["required", "optional"]), default: .text("required"),
      help: "Whether clients may go without a certificate when --tls-client-ca is given."),
    Setting("tls_min_version", .choice(["1.3", "1.2"]), default: .text("1.3"), help: "The oldest TLS that is spoken."),
    Setting(
      "enrol_ca_cert", .text, value: "FILE",
      help: "Sign certificates for agents with this CA (PEM); needs --enrol-ca-key."
    ),
    Setting("enrol_ca_key", .text, value: "FILE", help: "Its private key (PEM), which only its owner may read."),
    Setting(
      "enrol_days", .integer(1...3_650), value: "N", default: .integer(90),
      help: "How long an agent's certificate is good."
    ),
    Setting("debug", .boolean, letter: "d", default: .boolean(false), help: "Log in detail."),
    Setting(
      "insecure", .boolean, default: .boolean(false),
      help: "Serve on a public address without TLS and tokens: whoever reaches it may change everything."),
    Setting(
      "auth", .choice(["auto", "required"]), default: .text("auto"),
      help: "Who needs a token: everybody once there is one (auto), or everybody from the start (required)."),
    Setting("cors_origin", .list, value: "ORIGIN", help: "A web page's origin that may call the API."),
    Setting("host_name", .list, value: "NAME", help: "A name that requests may use for a server on loopback."),
    Setting("log_format", .choice(["text", "json"]), default: .text("text"), help: "The form of log lines."),
    Setting("loops", .integer(1...64), value: "N", help: "Threads that serve connections."),
    Setting(
      "snapshot_every", .integer(1...1_000_000_000), value: "N", help: "Take a snapshot after this many entries."),
    Setting("etcd", .list, value: "URL,...", help: "Be a node of the cluster whose log is in this etcd."),
    Setting("etcd_ca", .text, value: "FILE", help: "Believe https etcd of these CAs (PEM), not those of the system."),
    Setting("etcd_cert", .text, value: "FILE", help: "The certificate to show etcd (PEM); needs --etcd-key."),
    Setting("etcd_key", .text, value: "FILE", help: "Its private key (PEM), which only its owner may read."),
    Setting(
      "node_ca", .text, value: "FILE",
      help: "With --etcd: believe only nodes of these CAs, and not of all in --tls-client-ca."),
    Setting("node", .text, value: "NAME", help: "With --etcd: this node's name, unique in the cluster."),
    Setting(
      "advertise", .text, value: "URL",
      help: "With --etcd: where the other nodes reach this one; where it listens, when left out."),
    Setting(
      "peer_token_file", .text, value: "FILE",
      help:
        "With --etcd, without TLS, once there are tokens: a cluster-admin's, for telling the leader how this node is."
    ),
    Setting("etcd_prefix", .text, value: "TEXT", help: "What the keys in etcd begin with, /berth/ when left out."),
    Setting(
      "batch_max", .integer(1...4_096), value: "N", help: "At most so many commands in one batch; else whatever waits."),
    Setting(
      "node_lease_seconds", .integer(2...3_600), value: "N", default: .integer(15),
      help: "A node of the fleet that is silent for so long is lost; a third of it later its VMs may start elsewhere."),
    Setting(
      "scheduler", .list, value: "'NAME=URL [weight=N] [timeout=TIME] [only=filter|score]'",
      help: "Ask this filter and scorer outside about every VM that is to be placed; 4 at most."),
    Setting(
      "scrub_seconds", .integer(0...31_536_000), value: "N", default: .integer(86_400),
      help: "Read the whole log again once in so many seconds and look at all rows; 0 = never.")
  ])

  /// Whether the first word is a flag that only `serve` has.
  static func begin(_ arguments: [String]) -> Bool {
    guard let first = arguments.first else { return false }
    let name = first.prefix { $0 != "=" }
    return (table.flags + [configFile]).contains { flag in
      name == "--\(flag.name)" || flag.letter.map { first.hasPrefix("-\($0)") } == true
    }
  }

  /// Decides all settings by flag, environment, file, default.
  static func resolve(_ invocation: Invocation) throws(Failure) -> Settings {
    var file: SettingTable.File?
    if let path = invocation["config"] ?? invocation.environment["BERTH_CONFIG"] {
      do throws(CommandIO.FileUnreadable) {
        let text = String(validating: try invocation.io.readFile(path), as: UTF8.self)
        guard let text else { throw CommandIO.FileUnreadable("\(path) is not UTF-8 text") }
        file = SettingTable.File(name: path, text: text)
      } catch { throw .usage(error.reason, "--config names the settings file") }
    }
    do throws(ConfigFaults) {
      return try table.resolve(invocation.arguments, environment: invocation.environment, file: file)
    } catch { throw Failure(error) }
  }

  /// Variables that look like ours and that no command knows.
  static func unknownVariables(_ settings: Settings) -> [String] {
    let known =
      ClientSettings.table.settings.map(\.variable) + ["BERTH_CONFIG", "BERTH_SEED", "BERTH_STATIC", "BERTH_REJOINED"]
    return settings.unknownVariables.filter { !known.contains($0) }
  }
}

extension ServeOptions {
  init(_ settings: Settings) throws(Failure) {
    let named = settings.integer("port").map { UInt16($0) } ?? 8080
    var (host, port) = ("127.0.0.1", named)
    if let listen = settings.text("listen") {
      let split = try Self.split(listen, settings.origin(of: "listen"))
      host = split.host
      port = try Self.port(split.port, named, settings)
    }
    let enrolment = try EnrolmentOptions(settings)
    self.init(
      host: host, port: port, dataDirectory: settings.text("data_dir") ?? "./berth-data",
      network: settings.text("network"), gateway: settings.text("gateway"), debug: settings.flag("debug"),
      tls: try ServeTLSOptions(settings), insecure: settings.flag("insecure"),
      authRequired: settings.text("auth") == "required", corsOrigins: settings.list("cors_origin"),
      hostNames: settings.list("host_name"), logsJSON: settings.text("log_format") == "json",
      loops: settings.integer("loops").map { Int($0) },
      snapshotEvery: settings.integer("snapshot_every").map { UInt64($0) },
      nodeLeaseSeconds: settings.integer("node_lease_seconds").map { Int($0) } ?? 15,
      scrubSeconds: settings.integer("scrub_seconds").map { Int($0) } ?? 0,
      cluster: try Self.cluster(settings, host: host, port: port),
      batchMax: settings.integer("batch_max").map { Int($0) }, enrolment: enrolment,
      schedulers: try SchedulerSettings.all(settings.list("scheduler")), settings: settings)
  }

  private static func cluster(_ settings: Settings, host: String, port: UInt16) throws(Failure) -> ClusterSettings? {
    let etcd = settings.list("etcd")
    guard !etcd.isEmpty else {
      guard settings.text("node") == nil, settings.text("advertise") == nil else {
        throw .usage("--node and --advertise are for a node of a cluster", "add --etcd, or leave them out")
      }
      return nil
    }
    let etcdTLS = try EtcdTLSOptions(
      etcd, authorities: settings.text("etcd_ca"), certificate: settings.text("etcd_cert"),
      key: settings.text("etcd_key"))
    guard let node = settings.text("node") else {
      throw .usage("a node of a cluster needs a name", "add --node NAME, another one for each node")
    }
    let isPlain = node.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: ",") }
    guard isPlain, node.utf8.count <= 63 else {
      throw .usage("'\(node)' is no name for a node", "use up to 63 letters, digits, dots and dashes")
    }
    let prefix = settings.text("etcd_prefix") ?? "/berth/"
    guard prefix.hasPrefix("/"), prefix.hasSuffix("/"), prefix.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
      throw .usage("--etcd-prefix '\(prefix)' does not begin and end with a slash", "such as /berth/")
    }
    let shown = host.contains(":") ? "[\(host)]" : host
    let scheme = settings.text("tls_cert") == nil ? "http" : "https"
    let isUseful = port > 0 && host != "0.0.0.0" && host != "::"
    guard let advertise = settings.text("advertise") ?? (isUseful ? "\(scheme)://\(shown):\(port)" : nil) else {
      throw .usage(
        "the other nodes cannot reach \(shown):\(port)", "add --advertise URL with an address of this machine")
    }
    return ClusterSettings(
      etcd: etcd, etcdTLS: etcdTLS, prefix: prefix, node: node, advertise: advertise,
      peerTokenFile: settings.text("peer_token_file"), nodeAuthorities: settings.text("node_ca"))
  }

  /// What was said closer to the command wins: `-p 9000` over the port in an image's BERTH_LISTEN.
  private static func port(_ listened: UInt16?, _ named: UInt16, _ settings: Settings) throws(Failure) -> UInt16 {
    guard let listened else { return named }
    let (listen, port) = (rank(settings.origin(of: "listen")), rank(settings.origin(of: "port")))
    if listen == port, listened != named {
      throw .usage("--listen says port \(listened) and --port says \(named)", "leave one out")
    }
    return port > listen ? named : listened
  }

  private static func rank(_ origin: Origin) -> Int {
    switch origin {
    case .flag: 3
    case .environment: 2
    case .file: 1
    case .fallback: 0
    }
  }

  /// `host:port`, `host`, `[v6]:port`, `:port`.
  private static func split(_ text: String, _ origin: Origin) throws(Failure) -> (host: String, port: UInt16?) {
    let wrong = Failure.usage(
      "'\(text)' is no place to listen",
      "write HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080; it comes from \(origin)")
    var (host, rest) = (text[...], text[text.endIndex...])
    if text.hasPrefix("["), let end = text.firstIndex(of: "]") {
      (host, rest) = (text[text.index(after: text.startIndex)..<end], text[text.index(after: end)...])
    } else if let colon = text.lastIndex(of: ":") {
      (host, rest) = (text[..<colon], text[colon...])
      if host.contains(":") { throw wrong }
    }
    if rest.isEmpty { return (String(host), nil) }
    let digits = rest.dropFirst()
    guard rest.hasPrefix(":"), let port = UInt16(digits), digits.utf8.allSatisfy({ (48...57).contains($0) }) else {
      throw wrong
    }
    return (host.isEmpty ? "127.0.0.1" : String(host), port)
  }
}

extension EtcdTLSOptions {
  /// What the flags about etcd come down to; nil when it is reached without TLS.
  init?(_ places: [String], authorities: String?, certificate: String?, key: String?) throws(Failure) {
    let secure = places.count { $0.hasPrefix("https://") }
    guard secure == 0 || secure == places.count else {
      throw .usage("--etcd names https and http places", "write all of them with https://, or none")
    }
    guard (certificate == nil) == (key == nil) else {
      throw .usage("etcd's clients show a certificate with its key", "give both --etcd-cert and --etcd-key")
    }
    guard secure > 0 else {
      guard authorities == nil, certificate == nil else {
        throw .usage("--etcd-ca, --etcd-cert and --etcd-key are for etcd over TLS", "write --etcd https://HOST:2379")
      }
      return nil
    }
    self.init(authorities: authorities, certificate: certificate, key: key)
  }
}

extension EnrolmentOptions {
  fileprivate init?(_ settings: Settings) throws(Failure) {
    let (certificate, key) = (settings.text("enrol_ca_cert"), settings.text("enrol_ca_key"))
    guard let certificate, let key else {
      guard certificate == nil, key == nil else {
        throw .usage("a CA has a certificate and a key", "give both --enrol-ca-cert and --enrol-ca-key")
      }
      return nil
    }
    guard settings.text("tls_client_ca") != nil else {
      throw .usage("certificates of agents are worth nothing without TLS", "add --tls-cert, --tls-key, --tls-client-ca")
    }
    self.init(certificate: certificate, key: key, days: settings.integer("enrol_days").map { Int($0) } ?? 90)
  }
}

extension ServeTLSOptions {
  fileprivate init?(_ settings: Settings) throws(Failure) {
    let (certificate, key) = (settings.text("tls_cert"), settings.text("tls_key"))
    let authorities = settings.text("tls_client_ca")
    guard let certificate, let key else {
      guard certificate == nil, key == nil, authorities == nil else {
        throw .usage("TLS needs both --tls-cert and --tls-key", "`berth cert node` makes the two for a CA of your own")
      }
      return nil
    }
    self.init(
      certificate: certificate, key: key, clientAuthorities: authorities,
      clientsMayGoWithout: settings.text("tls_clients") == "optional",
      allowsTLS12: settings.text("tls_min_version") == "1.2")
  }
}

/// Runs the server.
let serveCommand = Command(
  "serve", "Run a server.",
  details: """
    The first start makes the data directory and a pool called default. Later starts keep what is stored there.
    Every setting can also be a variable, or a key in the file that --config names; a flag goes first.
    """,
  place: .local, flags: ServeSettings.table.flags + [ServeSettings.configFile],
  examples: [
    Example("berth serve", "on 127.0.0.1:8080, with the log in ./berth-data"),
    Example("berth serve -p 9000 --network 192.168.1", "another port and another default network"),
    Example("berth serve --auth required", "nobody gets in without a token, not even from this machine"),
    Example(
      "berth serve --listen 0.0.0.0:8443 --tls-cert a.pem --tls-key a.key --tls-client-ca ca.pem",
      "encrypted, for clients with a certificate of that CA"),
    Example("berth serve --listen 0.0.0.0:8080 --insecure", "for a whole lab, without any protection"),
    Example("berth serve --etcd http://127.0.0.1:2379 --node a", "a node of the cluster on this etcd"),
    Example(
      "berth serve --listen 10.0.0.1:8443 --tls-cert a.pem --tls-key a.key --tls-client-ca ca.pem --node a"
        + " --etcd https://10.0.0.1:2379 --etcd-ca ca.pem --etcd-cert a.pem --etcd-key a.key",
      "the same, all of it over mutual TLS")
  ]
) { invocation throws(Failure) in
  let settings = try ServeSettings.resolve(invocation)
  for name in ServeSettings.unknownVariables(settings) {
    invocation.io.remark("warning: \(printable(name)) is set, and no setting has this name")
  }
  return invocation.ended(invocation.handlers.serve(try ServeOptions(settings), invocation.io))
}

extension Invocation {
  /// The code of a handler; one that is none of ours counts as refused.
  func ended(_ code: Int32) -> ExitCode { ExitCode(rawValue: code) ?? .refused }
}
