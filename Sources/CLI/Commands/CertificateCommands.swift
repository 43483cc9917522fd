internal import Config
internal import Platform

let certificateDirectory = Flag("dir", value: "DIR", help: "Where the files are. Default: the current directory.")
private let leafFlags = [
  certificateDirectory,
  Flag("dns", value: "NAME", repeats: true, help: "A name under which others connect to it."),
  Flag("ip", value: "ADDRESS", repeats: true, help: "An address under which others connect to it."),
  Flag("days", value: "N", help: "How long it is good. Default: 365.")
]

/// Certificates without a CA of one's own. Keys go into files that only their owner can read; none is ever printed or
/// taken from the command line.
let certificateCommands: [Command] = [
  Command(
    "cert ca", "Make a certificate authority: ca.pem for everybody, ca.key for nobody else.",
    details: """
      Whoever has ca.key can make certificates that Berth believes: keep it off the machines that serve.
      Nothing is overwritten.
      """,
    place: .local,
    flags: [
      certificateDirectory, Flag("name", value: "NAME", help: "Its name. Default: Berth CA."),
      Flag("days", value: "N", help: "How long it is good. Default: 3650.")
    ],
    examples: [Example("berth cert ca --dir ./certs", "the first step")]
  ) { run throws(Failure) in
    let days = try run.days(3_650)
    let pair: CertificatePair
    do throws(TLSFault) {
      pair = try CertificateAuthority.make(name: run["name"] ?? "Berth CA", .days(days))
    } catch { throw Failure(.refused, error.sentence) }
    return try run.store(pair, "ca")
  },
  Command(
    "cert node", "Make a node's certificate, signed by the CA in the directory.",
    [Positional("NAME", "The node's name.")], place: .local, flags: leafFlags,
    examples: [
      Example("berth cert node a --dir ./certs --dns a.example.com --ip 10.0.0.1", "certs/a.pem and certs/a.key")
    ]
  ) { run throws(Failure) in try run.issue("node") },
  Command(
    "cert agent", "Make an agent's certificate, signed by the CA in the directory.",
    [Positional("NAME", "The agent's name.")], place: .local, flags: leafFlags,
    examples: [Example("berth cert agent host-7 --dir ./certs", "certs/host-7.pem and certs/host-7.key")]
  ) { run throws(Failure) in try run.issue("agent") },
  Command(
    "cert enrol", "Get this machine's certificate from the server, with a token of enrolment.",
    details: """
      The key is made here and never leaves: the server signs a request. agent.key, agent.pem and the CA's ca.pem go into \
      --dir. If the answer is lost, run the same line again: with the key that is there already the server gives the same \
      certificate. `berth token create --enrol NAME` makes the token, for --token-file.
      """,
    flags: [certificateDirectory],
    examples: [
      Example(
        "berth cert enrol --server https://berth.example:8443 --ca ca.pem --token-file host-7.token --dir /etc/berth",
        "once, on the machine of the agent")
    ], action: enrol)
]

extension Invocation {
  private static let certificateBytesMax = 64 << 10

  fileprivate func days(_ standard: Int) throws(Failure) -> Int {
    guard let text = self["days"] else { return standard }
    guard let days = Int(text), (1...36_500).contains(days) else {
      throw .usage("--days: '\(printable(text))' is no number of days from 1 to 36500")
    }
    return days
  }

  private func path(_ name: String) -> String { self["dir"].map { "\($0)/\(name)" } ?? name }

  fileprivate func issue(_ kind: String) throws(Failure) -> ExitCode {
    let name = needed(0)
    let isName =
      (1...64).contains(name.utf8.count) && name != "ca" && name.utf8.first != UInt8(ascii: ".")
      && name.utf8.allSatisfy {
        (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0) || [45, 46, 95].contains($0)
      }
    guard isName else {
      throw .usage("'\(printable(name))' is no name: 1 to 64 of A-Z a-z 0-9 . _ -, and not ca")
    }
    let days = try days(365)
    var subject = CertificateSubject(commonName: name, uri: "berth://\(kind)/\(name)")
    subject.dnsNames = arguments.all("dns")
    subject.addresses = arguments.all("ip")
    let authority = CertificatePair(certificate: try read("ca.pem"), key: try read("ca.key"))
    let pair: CertificatePair
    do throws(TLSFault) {
      pair = try CertificateAuthority(authority).issue(subject, .days(days))
    } catch { throw Failure(.refused, error.sentence) }
    return try store(pair, name)
  }

  private func read(_ name: String) throws(Failure) -> [UInt8] {
    do throws(FileFault) {
      let file = try File(path(name), .read)
      return try file.read(at: 0, count: min(try file.size(), Self.certificateBytesMax))
    } catch { throw Failure(.refused, "\(error)", hints: ["`berth cert ca` makes the CA first; --dir says where"]) }
  }

  /// Writes both files, or says which one is there already; the key first, since a certificate is worth nothing alone.
  fileprivate func store(_ pair: CertificatePair, _ name: String) throws(Failure) -> ExitCode {
    let (key, certificate) = (path("\(name).key"), path("\(name).pem"))
    var found: String?
    do throws(FileFault) {
      for path in [key, certificate] where try FileSystem.kind(of: path) != .absent { found = path }
      if found == nil {
        if let directory = self["dir"] { try FileSystem.makeDirectory(directory) }
        for (path, bytes) in [(key, pair.key), (certificate, pair.certificate)] {
          let file = try File(path, .createNew)
          try file.write(bytes, at: 0)
          try file.sync()
        }
      }
    } catch { throw Failure(.refused, "\(error)") }
    if let found {
      throw Failure(.refused, "\(found) is there already", hints: ["nothing was overwritten: move it away first"])
    }
    io.print("\(certificate)\n\(key)\n")
    return .ok
  }
}
