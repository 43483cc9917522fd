import Foundation
import Platform
import TestSupport
import Testing

/// Certificates for a cluster, made by `berth cert` as the documents say.
final class Papers {
  let directory = TemporaryDirectory()
  /// What clients of a test show; nil = nothing.
  private let shown: String?
  /// The CAs whose clients nodes let in.
  var clientAuthorities = "ca.pem"

  /// Makes a CA, and the certificate that tests show.
  init(shown: String? = "tester") throws {
    self.shown = shown
    try make("ca")
    if let shown { try make("agent \(shown)") }
  }

  func file(_ name: String) -> String { directory.file("certs/\(name)") }

  /// The files of somebody.
  func files(_ name: String) -> TLSFiles { TLSFiles(certificate: file("\(name).pem"), key: file("\(name).key")) }

  /// `berth cert` with these words.
  func make(_ words: String) throws {
    let words = ["cert"] + words.split(separator: " ").map(String.init) + ["--dir", directory.file("certs")]
    let ended = try Berth.run(words)
    #expect(ended.status == .exited(0), "\(ended)")
  }

  private func makeOnce(_ name: String) throws {
    guard !FileManager.default.fileExists(atPath: file("\(name).pem")) else { return }
    try make("node \(name) --ip 127.0.0.1")
  }

  /// What a member of etcd is told.
  func member(_ name: String) throws -> [String] {
    try makeOnce(name)
    let files = files(name)
    return [
      "--client-cert-auth", "--trusted-ca-file", file("ca.pem"), "--cert-file", files.certificate, "--key-file",
      files.key, "--peer-client-cert-auth", "--peer-trusted-ca-file", file("ca.pem"), "--peer-cert-file",
      files.certificate, "--peer-key-file", files.key
    ]
  }

  /// What a node is told.
  func node(_ name: String) throws -> [String] {
    try makeOnce(name)
    let files = files(name)
    return [
      "--tls-cert", files.certificate, "--tls-key", files.key, "--tls-client-ca", file(clientAuthorities),
      "--etcd-ca", file("ca.pem"), "--etcd-cert", files.certificate, "--etcd-key", files.key
    ]
  }

  /// How a test asks a node.
  func client(_ name: String? = nil) throws -> TLSContext {
    try TLSContext.client(authorities: file("ca.pem"), own: (name ?? shown).map(files))
  }
}
