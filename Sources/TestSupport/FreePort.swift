internal import Glibc

/// A TCP port of 127.0.0.1 that nobody listened on a moment ago: for servers that cannot be asked which port they took.
package func freePort() -> UInt16 {
  let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
  precondition(descriptor >= 0, "no socket: errno \(errno)")
  defer { _ = close(descriptor) }
  var address = sockaddr_in()
  address.sin_family = sa_family_t(AF_INET)
  address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
  var length = socklen_t(MemoryLayout<sockaddr_in>.size)
  let result = unsafe withUnsafeMutablePointer(to: &address) {
    unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
      unsafe bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
    }
  }
  precondition(result, "cannot bind 127.0.0.1: errno \(errno)")
  return UInt16(bigEndian: address.sin_port)
}
