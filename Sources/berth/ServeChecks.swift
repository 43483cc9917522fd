import Addressing

/// Whether only this machine can reach the address.
func isLoopback(_ host: String) -> Bool {
  if host == "localhost" { return true }
  guard let address = IPAddress(host) else { return false }
  return address.family == .ipv4 ? address.bits >> 24 == 127 : address.bits == 1
}

/// The network of the simple API: a CIDR, or three numbers as a /24 ("172.16.0" is 172.16.0.0/24).
func simpleExtent(network: String?, gateway: String?) throws(Complaint) -> (cidr: Prefix, gateway: IPAddress?) {
  let text = network ?? "172.16.0"
  let dots = text.utf8.count { $0 == UInt8(ascii: ".") }
  let cidr: Prefix
  do {
    cidr = try Prefix(parsing: text.contains("/") ? text : dots == 2 ? "\(text).0/24" : text)
  } catch {
    throw Complaint(
      "--network: '\(text)' is neither a network such as 192.168.0.0/16 nor the first three numbers of a /24 such as 172.16.0\(hint(error))"
    )
  }
  guard let gateway else { return (cidr, cidr.length <= cidr.family.bitCount - 2 ? cidr.hosts.first : nil) }
  guard let address = IPAddress(gateway) else { throw Complaint("--gateway: '\(gateway)' is not an address") }
  guard cidr.hosts.contains(address) else {
    throw Complaint(
      "--gateway: \(address) is not a host address of \(cidr): leave it out for \(cidr.hosts.first), or change --network"
    )
  }
  return (cidr, address)
}

private func hint(_ fault: Prefix.Fault) -> String {
  if case .hostBits(let meant) = fault { "; did you mean \(meant)?" } else { "" }
}

/// Why a command of the executable could not be carried out.
struct Complaint: Error {
  let text: String
  let code: Int32

  init(_ text: String, code: Int32 = 2) { (self.text, self.code) = (text, code) }
}
