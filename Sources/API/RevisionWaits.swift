internal import Domain
internal import Engine
internal import Platform

/// Requests that wait for a revision to come to this node.
struct RevisionWaits: Sendable {
  /// What is waited for.
  enum Place { case published, readable }

  /// How long anybody waits.
  static let patience = Duration.seconds(1)
  /// So many may wait.
  static let most = 4_096

  private let waits: Waits<(revision: Revision, place: Place)>

  init(_ engine: Engine) {
    waits = Waits("berth-waits", most: RevisionWaits.most) { keys in
      let (published, readable) = (engine.status.revision, engine.readableRevision)
      return keys.map { $0.revision <= ($0.place == .published ? published : readable) }
    }
  }

  /// As `Waits.wait`: true when the revision is there, false when it did not come in time.
  func wait(for revision: Revision, _ place: Place, then: @escaping @Sendable (Bool) -> Void) -> Bool {
    waits.wait(for: (revision, place), until: .now + RevisionWaits.patience, then: then)
  }

  /// Something was published, or can be read now.
  func notify() { waits.notify() }

  /// Answers who waits, and ends the thread.
  func stop() { waits.stop() }
}
