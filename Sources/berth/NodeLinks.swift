import API
import CLI
import Client
import HTTPClient
import Platform

/// How nodes of a cluster reach each other, and by what they know each other: with TLS both ways, or in the clear.
struct NodeLinks {
  /// How this node reaches the others; nil = without TLS.
  let tls: ClientTLS?
  /// Whose certificates may say that they are a node's; nil = without TLS none may.
  let authorities: AuthorityList?

  /// Checks that what this node shows is what the others will want to see, before anything is opened.
  init(
    _ wish: ClusterSettings, _ server: ServeTLSOptions?, notice: @escaping @Sendable (String) -> Void
  ) throws(Complaint) {
    guard let place = try? ServerAddress(wish.advertise), case .tcp(let host, _) = place.endpoint else {
      throw Complaint("--advertise: '\(wish.advertise)' is no URL such as https://10.0.0.1:8443")
    }
    guard place.isEncrypted == (server != nil) else {
      throw Complaint(
        server == nil
          ? "--advertise \(wish.advertise): other nodes would find no TLS here: give --tls-cert, --tls-key and "
            + "--tls-client-ca, or advertise an http:// URL"
          : "--advertise \(wish.advertise): this node speaks TLS: advertise an https:// URL, or leave --tls-cert out")
    }
    guard let server else {
      guard wish.nodeAuthorities == nil else {
        throw Complaint("--node-ca is for nodes that speak TLS: add --tls-cert")
      }
      (tls, authorities) = (nil, nil)
      return
    }
    guard let believed = wish.nodeAuthorities ?? server.clientAuthorities else {
      throw Complaint("nodes know each other by certificates: name the CA that signs them with --tls-client-ca")
    }
    do throws(TLSFault) {
      try NodeLinks.check(server.certificate, name: wish.node, host: host, authorities: believed)
      tls = try ClientTLS(
        authorities: believed, own: TLSFiles(certificate: server.certificate, key: server.key),
        serverURI: "berth://node/", notice: { notice("towards other nodes: \($0)") })
      authorities = try AuthorityList(believed)
    } catch { throw Complaint("\(error)") }
  }

  private static func check(
    _ certificate: String, name: String, host: String, authorities: String
  ) throws(TLSFault) {
    let way = "`berth cert node \(name) --ip ADDRESS --dns NAME` makes one"
    let uri = "berth://node/\(name)"
    guard try CertificateFacts.read(certificate)[0].uris.contains(uri) else {
      throw TLSFault("\(certificate) is not the certificate of node \(name) (it has no URI \(uri)): \(way)")
    }
    guard CertificateFacts.leads(certificate, to: authorities) else {
      throw TLSFault(
        "other nodes would turn \(certificate) down: it must be signed by a CA in \(authorities), in date, and serve "
          + "as a server's and as a client's: \(way)")
    }
    guard try CertificateFacts.carries(certificate, name: host) else {
      throw TLSFault("\(certificate) does not carry \(host), where other nodes reach this one: \(way)")
    }
  }
}
