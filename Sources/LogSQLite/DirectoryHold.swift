package import Log
import Platform

/// Keeps servers out of a directory that is read from end to end, and changes nothing else in it.
package final class DirectoryHold: Sendable {
  private let layout: DirectoryLayout
  /// Nil where it cannot be had: nothing may be written there, or there never was a LOCK. One made here could belong to
  /// somebody other than the server's user, who could not open it.
  private let lock: DirectoryLock?

  /// Takes the directory's lock, if there is one to take, until this object goes; a fault when somebody has it.
  package init(_ path: String) throws(LogFault) {
    layout = DirectoryLayout(path)
    let file = layout.file(DirectoryLayout.lock)
    guard try onFiles({ () throws(FileFault) in try FileSystem.kind(of: file) }) == .other else {
      lock = nil
      return
    }
    do throws(LogFault) { lock = try DirectoryLock(layout) } catch {
      if case .locked = error { throw error }
      // `isUndisturbed` finds who came all the same.
      lock = nil
    }
  }

  /// Whether nobody serves the directory and its log still ends with `head`.
  package func isUndisturbed(since head: LogHead) throws(LogFault) -> Bool {
    if lock == nil, try DirectoryLock.holder(layout) != nil { return false }
    return try SQLiteReader(layout.file(DirectoryLayout.log)).head() == head
  }
}
