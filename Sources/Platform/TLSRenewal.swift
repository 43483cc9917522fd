/// A TLS context made of files, and made again when they have changed: connections that live go on with what they began
/// with. A change is noticed by the next connection, and looked for at most once a second.
// Unchecked because everything mutable is guarded by `lock`.
package final class TLSRenewal: @unchecked Sendable {
  private static let patience = Duration.seconds(1)

  private let files: [String]
  private let make: @Sendable () throws(TLSFault) -> TLSContext
  private let notice: @Sendable (String) -> Void
  private let lock = Lock()
  private var current: TLSContext
  private var count = 0
  private var stamps: [FileStamp?]
  private var nextLook: MonotonicTime

  /// Makes the first context, or says why there is none. The first of the files is the one that notices name.
  package init(
    _ files: [String], notice: @escaping @Sendable (String) -> Void,
    make: @escaping @Sendable () throws(TLSFault) -> TLSContext
  ) throws(TLSFault) {
    (self.files, self.make, self.notice) = (files, make, notice)
    stamps = TLSRenewal.stamps(of: files)
    current = try make()
    nextLook = .now + TLSRenewal.patience
  }

  /// For a new connection, with a number that is another one after each change.
  package func context(at now: MonotonicTime) -> (context: TLSContext, generation: Int) {
    lock.withLock {
      if now >= nextLook {
        nextLook = now + TLSRenewal.patience
        let found = TLSRenewal.stamps(of: files)
        if found != stamps { read(found) }
      }
      return (current, count)
    }
  }

  /// Reads the files whether they look changed or not; false when they cannot be used.
  package func reload() -> Bool { lock.withLock { read(TLSRenewal.stamps(of: files)) } }

  @discardableResult
  private func read(_ found: [FileStamp?]) -> Bool {
    // Said once for each state of the files.
    stamps = found
    let named = files.first ?? ""
    do throws(TLSFault) {
      current = try make()
      count += 1
      notice("new connections use the certificate that \(named) holds now")
      return true
    } catch {
      notice("the changed certificate files cannot be used, the old ones stay: \(error)")
      return false
    }
  }

  /// A file that cannot be looked at is another than one that can.
  private static func stamps(of files: [String]) -> [FileStamp?] { files.map { try? FileSystem.stamp(of: $0) } }
}
