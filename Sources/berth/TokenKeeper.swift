import API
import Domain
import Engine
import Platform

/// The administrator's token that a start leaves in the data directory when nobody could come in otherwise.
///
/// It lives 24 hours and goes when it has made another administrator's token. Whoever can read the directory owns the
/// data anyway, so a restart is also the way back in for those who lost their last token.
struct TokenKeeper: Sendable {
  private static let lifetime: UInt32 = 24 * 3_600

  private let path: String
  private let engine: Engine

  init(_ directory: String, _ engine: Engine) { (path, self.engine) = (directory + "/admin.token", engine) }

  /// Sees to it that somebody can come in; returns where a one-time token lies.
  func prepare(isRequired: Bool) throws(Complaint) -> String? {
    let now = engine.tokens.time
    let tokens = engine.tokens.all
    let alive = tokens.filter { $0.isAdmin && !$0.hasExpired(at: now) }
    // Nobody needs a token, or somebody has one.
    if alive.contains(where: { !$0.isOneTime }) || !isRequired && tokens.isEmpty {
      try revoke(tokens.filter(\.isOneTime))
      removeFile()
      return nil
    }
    if let kept = kept, alive.contains(where: { $0.isOneTime && $0.id == kept }) { return path }
    try revoke(tokens.filter(\.isOneTime))
    let fresh = FreshToken()
    // The file first: a token in the log that nobody knows would let nobody in.
    do throws(SecretFile.Fault) { try SecretFile.write(Array((fresh.text + "\n").utf8), to: path) } catch {
      throw Complaint("the one-time token could not be kept: \(error)", code: 70)
    }
    let request = TokenRequest(
      id: fresh.id, hash: fresh.hash, role: .clusterAdmin, scope: .global, note: "one-time, from the start",
      lifetimeSeconds: TokenKeeper.lifetime, isOneTime: true, creator: .system)
    try submit(.createToken(request))
    return path
  }

  /// Removes the file; one that is not there is none the worse.
  func removeFile() { try? FileSystem.remove(path) }

  /// The public half of the token in the file.
  private var kept: TokenID? {
    guard let bytes = try? SecretFile.read(path), bytes.count >= 22 else { return nil }
    return TokenID(bytes, 6..<22)
  }

  private func revoke(_ tokens: [Token]) throws(Complaint) {
    for token in tokens { try submit(.revokeToken(token.id)) }
  }

  private func submit(_ command: Command) throws(Complaint) {
    let answer = Waiter()
    let submission = Submission(command, actor: "system", requestID: "start", asked: "berth serve")
    guard engine.submit(submission, { answer.put($0) }) else {
      throw Complaint("the engine is busy at start", code: 70)
    }
    switch answer.take() {
    case .outcome(.token, _), .outcome(.tokenRevoked, _): return
    default: throw Complaint("the one-time token could not be stored: is the disk full?", code: 70)
    }
  }
}
