internal import Config

/// The settings of every command that asks a server.
enum ClientSettings {
  static let table = SettingTable([
    Setting(
      "server", .list, value: "URL,...", default: .list(["http://127.0.0.1:8080"]),
      help: "Where Berth answers; several places are tried in turn."),
    Setting("ca", .text, value: "FILE", help: "Believe https servers of these CAs (PEM), not those of the system."),
    Setting("cert", .text, value: "FILE", help: "The certificate to show (PEM); needs --key."),
    Setting("key", .text, value: "FILE", help: "Its private key (PEM), which only its owner may read."),
    Setting(
      "token_file", .text, value: "FILE",
      help: "A file with the token to show; without it what `berth login` kept for the server."),
    Setting(
      "output", .choice(["table", "json", "yaml", "name"]), letter: "o", default: .text("table"),
      help: "How results are printed; json is what the API says, unchanged.")
  ])

  /// For commands that print something without asking a server.
  static let localOutput = Flag("output", letter: "o", value: "table|json|yaml", help: "How results are printed.")
}
