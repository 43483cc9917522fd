import CLI

/// Who can reach the server and who needs a token, decided before anything is opened.
struct Doors {
  /// Whether other machines can reach it.
  let isReachable: Bool
  /// Whether connections are encrypted.
  let hasTLS: Bool
  /// Whether everybody needs a token from the start.
  let isTokenRequired: Bool
  /// What must be said loudly.
  let warning: String?

  /// Refuses an address that others reach without TLS and tokens, unless that is what was asked for.
  init(_ settings: ServeOptions, hasTLS: Bool) throws(Complaint) {
    isReachable = !isLoopback(settings.host)
    self.hasTLS = hasTLS
    guard isReachable, !hasTLS else {
      // With TLS and seen from outside, tokens come with it.
      isTokenRequired = settings.authRequired || isReachable && !settings.insecure
      warning = nil
      return
    }
    guard settings.insecure else {
      throw Complaint(
        "\(settings.host) can be reached from other machines, and there is no TLS: "
          + "listen on 127.0.0.1, or say --insecure (BERTH_INSECURE=1) if the network is yours alone")
    }
    isTokenRequired = settings.authRequired
    warning =
      isTokenRequired
      ? "INSECURE: tokens and answers pass \(settings.host):\(settings.port) unencrypted"
      : "INSECURE: anybody who reaches \(settings.host):\(settings.port) can give out and release addresses"
  }
}
