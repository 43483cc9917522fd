internal import Glibc
internal import Synchronization

/// A TCP port of 127.0.0.1 that nobody listens on: for servers that cannot be asked which port they took. All lie below
/// those that the kernel gives to connections, or one might be somebody's by the time that the server takes it; and
/// one follows the other, so that no two who ask at once are given the same.
package func freePort() -> UInt16 {
  while true {
    let port = ports.lowerBound + UInt16(next.add(1, ordering: .relaxed).oldValue % UInt64(ports.count))
    if canBeTaken(port) { return port }
  }
}

/// The first port for `cluster.sh`: its three nodes take this and the next two, its members of etcd six at 10,000 and
/// 11,000 above. None of them is one of `freePort`'s, or somebody else's by the time that they start.
package func freeClusterPort() -> UInt16 {
  while true {
    let first = 10_000 + freePort() % 300 * 3
    let all = [0, 10_000, 11_000].flatMap { above in (0..<3).map { first + above + $0 } }
    if all.allSatisfy(canBeTaken) { return first }
  }
}

private let ports: Range<UInt16> = 23_000..<32_700
private let next = Atomic<UInt64>(.random(in: 0..<UInt64(ports.count)))

private func canBeTaken(_ port: UInt16) -> Bool {
  let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
  precondition(descriptor >= 0, "no socket: errno \(errno)")
  defer { _ = close(descriptor) }
  var address = sockaddr_in()
  address.sin_family = sa_family_t(AF_INET)
  address.sin_port = port.bigEndian
  address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
  let length = socklen_t(MemoryLayout<sockaddr_in>.size)
  return unsafe withUnsafeMutablePointer(to: &address) {
    unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe bind(descriptor, $0, length) == 0 }
  }
}
