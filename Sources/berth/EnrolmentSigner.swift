import API
import CLI
import Platform

extension EnrolmentOptions {
  /// The CA that signs certificates for agents, read once; the file with its key must be its owner's alone.
  func signer() throws(Complaint) -> AgentSigner {
    let (certificatePEM, keyPEM): ([UInt8]?, [UInt8]?)
    do throws(FileFault) {
      let file = try File(certificate, .read)
      certificatePEM = try file.read(at: 0, count: min(try file.size(), SecretFile.bytesMax))
    } catch { throw Complaint("--enrol-ca-cert: \(error)") }
    do throws(SecretFile.Fault) { keyPEM = try SecretFile.read(key) } catch {
      throw Complaint("--enrol-ca-key: \(error)")
    }
    guard let certificatePEM, let keyPEM else { throw Complaint("--enrol-ca-key: there is no \(key)") }
    do throws(TLSFault) {
      return try AgentSigner(
        CertificateAuthority(CertificatePair(certificate: certificatePEM, key: keyPEM)), days: days)
    } catch { throw Complaint("--enrol-ca-cert, --enrol-ca-key: \(error)") }
  }
}
