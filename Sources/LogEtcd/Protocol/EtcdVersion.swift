/// What is known of a version of etcd.
package enum EtcdVersion {
  /// The verdict on a version.
  package enum Verdict: Hashable, Sendable {
    /// Nothing known against it.
    case fine
    /// Works, and a person should know this.
    case warn(String)
    /// Loses data: not served on.
    case refuse(String)
  }

  /// Judges a version such as `3.4.23`.
  package static func judge(_ text: String) -> Verdict {
    let numbers = text.prefix { $0 != "-" && $0 != "+" }.split(separator: ".", omittingEmptySubsequences: false)
    guard numbers.count == 3, let major = Int(numbers[0]), let minor = Int(numbers[1]), let patch = Int(numbers[2])
    else { return .warn("etcd says that its version is \(text), which Berth does not know") }
    switch (major, minor, patch) {
    case (3, 5, 0...2):
      return .refuse("etcd \(text) can lose acknowledged writes after a crash; upgrade it to 3.5.28 or later")
    case (3, 5, 3...5):
      return .warn("etcd \(text) can become inconsistent when it crashes during a defragmentation; upgrade to 3.5.28")
    case (3, 5, ..<28), (3, 6, ..<9):
      return .warn(
        "etcd \(text) can answer stale reads and lose watch events; Berth does not rely on either; upgrade it")
    case (3, 4, ..<42):
      return .warn(
        "etcd \(text) is of an ended line with known defects that Berth works around; prefer 3.5.28 or 3.6.9")
    case (3, 4, _): return .warn("etcd \(text) is of an ended line; prefer 3.5.28 or 3.6.9")
    case (3, 5..., _): return .fine
    default: return .warn("etcd \(text) is not a version that Berth was tested with")
    }
  }
}
