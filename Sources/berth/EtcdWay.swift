import CLI
import Client
import HTTPClient
import LogEtcd
import Platform

/// The way to the places where etcd answers, as people name them: addresses, and what TLS needs.
struct EtcdWay {
  let endpoints: [Endpoint]
  let door: EtcdDoor

  /// Reads addresses and files; `notice` hears, then and later, of what keeps us from etcd.
  init(_ places: [String], _ tls: EtcdTLSOptions?, notice: @escaping @Sendable (String) -> Void) throws(Complaint) {
    var endpoints: [Endpoint] = []
    for place in places {
      let address: ServerAddress
      do throws(ServerAddress.Fault) { address = try ServerAddress(place, standardPort: 2379) } catch {
        throw Complaint("--etcd: '\(place)' \(error.rule)")
      }
      guard address.isEncrypted == (tls != nil) else {
        throw Complaint("--etcd: '\(place)' is not reached as the others are: write all of them with https://, or none")
      }
      endpoints.append(address.endpoint)
    }
    self.endpoints = endpoints
    guard let tls else {
      door = EtcdDoor(nil, notice: notice)
      return
    }
    let own = tls.certificate.flatMap { certificate in
      tls.key.map { TLSFiles(certificate: certificate, key: $0) }
    }
    do throws(TLSFault) {
      door = EtcdDoor(
        try ClientTLS(authorities: tls.authorities, own: own, notice: { notice("etcd: \($0)") }), notice: notice)
    } catch { throw Complaint("--etcd-ca, --etcd-cert, --etcd-key: \(error)") }
  }

  /// Asks every place once. Where TLS keeps us from all of them there is nothing to wait for; what keeps us from some
  /// is returned. An etcd that does not answer at all may still be starting.
  func look() throws(Complaint) -> [String] {
    guard door.tls != nil else { return [] }
    let (troubles, isShut) = door.look(endpoints)
    guard isShut else { return troubles }
    throw Complaint(troubles.joined(separator: "; "), code: 1)
  }

  /// The log that is there.
  func log(node: String, url: String, prefix: String, directory: String = "DIR") -> EtcdLog {
    var options = EtcdOptions(node: node, url: url, endpoints: endpoints.count)
    (options.prefix, options.directory) = (prefix, directory)
    return EtcdLog(options, endpoints: endpoints, door: door)
  }
}
