import Platform
import TestSupport
import Testing

@testable import CLI

@Suite struct CertificateTests {
  private let directory = TemporaryDirectory()

  private func make(_ line: String) -> Ran { berth("cert \(line) --dir \(directory.path)") }

  @Test func aCAAndWhatItSignsAreFilesForTheirOwnerAlone() throws {
    #expect(make("ca").out == "\(directory.path)/ca.pem\n\(directory.path)/ca.key\n")
    #expect(make("node a --dns a.example --ip 10.0.0.1 --ip fd00::1").code == 0)
    #expect(make("agent host-7").code == 0)
    #expect(Files.names(in: directory.path) == ["a.key", "a.pem", "ca.key", "ca.pem", "host-7.key", "host-7.pem"])
    for name in Files.names(in: directory.path) {
      #expect(try FileSystem.stamp(of: directory.file(name))?.isReadByAll == false)
    }
    let files = TLSFiles(certificate: directory.file("a.pem"), key: directory.file("a.key"))
    _ = try TLSContext.server(files, authorities: directory.file("ca.pem"), clients: .required)
  }

  @Test func nothingIsOverwritten() {
    #expect(make("ca").code == 0)
    let before = Files.text(directory.file("ca.key"))
    let again = make("ca")
    #expect(again.code == 1 && again.err.contains("is there already"))
    #expect(Files.text(directory.file("ca.key")) == before)
  }

  @Test func withoutACAThereIsNothingToSignWith() {
    let ran = make("node a")
    #expect(ran.code == 1 && ran.err.contains("`berth cert ca` makes the CA first"))
    #expect(Files.names(in: directory.path).isEmpty)
  }

  @Test(arguments: [
    ("node a --dns x,DNS:evil", "is no DNS name"), ("node a --ip 10.0.0", "is no IP address"),
    ("node a --days 9999", "the CA itself ends before that")
  ])
  func whatCannotStandInACertificateIsRefused(line: String, sentence: String) {
    #expect(make("ca").code == 0)
    let ran = make(line)
    #expect(ran.code == 1 && ran.err.contains(sentence), "\(ran.err)")
    #expect(Files.names(in: directory.path) == ["ca.key", "ca.pem"])
  }
}
