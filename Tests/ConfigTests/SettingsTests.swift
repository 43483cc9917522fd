import Config
import Testing

@Suite struct SettingsTests {
  private let table = SettingTable([
    Setting("listen", .text, default: .text("127.0.0.1:8080"), help: "Where to listen."),
    Setting("data_dir", .text, value: "DIR", help: "Where the log is."),
    Setting("workers", .integer(1...64), letter: "w", default: .integer(1), help: "Loop threads."),
    Setting("debug", .boolean, letter: "d", default: .boolean(false), help: "Say more."),
    Setting("idle", .duration(.seconds(1)...(.seconds(3600))), default: .duration(.seconds(60)), help: "Idle time."),
    Setting("log.retention", .size((1 << 20)...(1 << 40)), default: .size(20 << 30), help: "Kept history."),
    Setting("log.format", .choice(["text", "json"]), default: .text("text"), help: "Shape of lines."),
    Setting("hosts", .list, help: "Allowed hosts."),
    Setting("tls.password", .text, isSecret: true, help: "Opens the key.")
  ])

  private func settings(
    _ words: [String] = [], _ environment: [String: String] = [:], _ file: String? = nil
  ) throws -> Settings {
    let arguments = try FlagTable(table.flags).parse(words)
    return try table.resolve(
      arguments, environment: environment, file: file.map { SettingTable.File(name: "berth.toml", text: $0) })
  }

  private func faults(_ words: [String] = [], _ environment: [String: String] = [:], _ file: String? = nil) -> [String]
  {
    do {
      _ = try settings(words, environment, file)
      return []
    } catch {
      return (error as? ConfigFaults)?.faults.map(\.description) ?? ["\(error)"]
    }
  }

  @Test func theNearestSourceWins() throws {
    let file = "\n[log]\nformat = \"json\"\n"
    let environment = ["BERTH_LOG_FORMAT": "text"]
    let words = ["--log-format", "json"]
    let expected: [([String], [String: String], String?, String, String)] = [
      ([], [:], nil, "text", "default"), ([], [:], file, "json", "berth.toml:3"),
      ([], environment, file, "text", "environment BERTH_LOG_FORMAT"),
      (words, environment, file, "json", "flag --log-format"), (words, [:], nil, "json", "flag --log-format")
    ]
    for (words, environment, file, value, origin) in expected {
      let found = try settings(words, environment, file)
      #expect(found.text("log.format") == value)
      #expect(found.origin(of: "log.format").description == origin)
    }
  }

  @Test func everyKindCanComeFromEverywhere() throws {
    let words = [
      "--listen=a:1", "--data-dir", "d", "-w", "3", "-d", "--idle=90s", "--log-retention", "2MiB", "--log-format=json",
      "--hosts=a,b", "--hosts", "c", "--tls-password=p"
    ]
    let environment = [
      "BERTH_LISTEN": "a:1", "BERTH_DATA_DIR": "d", "BERTH_WORKERS": "3", "BERTH_DEBUG": "1", "BERTH_IDLE": "90s",
      "BERTH_LOG_RETENTION": "2MiB", "BERTH_LOG_FORMAT": "json", "BERTH_HOSTS": "a,b,c", "BERTH_TLS_PASSWORD": "p"
    ]
    let file = """
      listen = "a:1"
      data_dir = "d"
      workers = 3
      debug = true
      idle = "1m30s"
      hosts = ["a", "b", "c"]
      [log]
      retention = 2097152
      format = "json"
      [tls]
      password = "p"
      """
    for found in [try settings(words), try settings([], environment), try settings([], [:], file)] {
      #expect(found.text("listen") == "a:1" && found.text("data_dir") == "d" && found.integer("workers") == 3)
      #expect(found.flag("debug") && found.duration("idle") == .seconds(90))
      #expect(found.integer("log.retention") == 2 << 20 && found.text("log.format") == "json")
      #expect(found.list("hosts") == ["a", "b", "c"] && found.text("tls.password") == "p")
    }
    let silent = try settings()
    #expect(silent.text("data_dir") == nil && !silent.flag("debug") && silent.list("hosts") == [])
    #expect(silent.duration("idle") == .seconds(60) && silent.integer("workers") == 1)
  }

  @Test func mistakesNameThePlaceTheRuleAndTheWayOut() {
    #expect(
      faults(["-w", "65"]) == ["--workers takes a whole number from 1 to 64, not '65'; leave it out for 1"])
    #expect(
      faults([], ["BERTH_IDLE": "5"]) == [
        "BERTH_IDLE takes a time from 1s to 1h, such as 90s or 1h30m, not '5'; leave it out for 1m"
      ])
    #expect(
      faults([], [:], "\n[log]\nretention = \"1KB\"") == [
        "berth.toml:3: log.retention takes a size from 1MiB to 1TiB, such as 64MiB, not \"1KB\"; leave it out for 20GiB"
      ])
    #expect(faults([], [:], "workers = \"3\"").count == 1, "a string is no number in the file")
    #expect(
      faults([], ["BERTH_DEBUG": "maybe"]) == ["BERTH_DEBUG takes true or false, not 'maybe'; leave it out for false"])
    #expect(
      faults([], ["BERTH_LOG_FORMAT": "xml"]) == [
        "BERTH_LOG_FORMAT takes one of text, json, not 'xml'; leave it out for text"
      ])
    #expect(
      faults(["--data-dir="]) == ["--data-dir takes a text that is not empty, not ''; correct it or leave it out"])
    #expect(faults(["--hosts=a,,b"]).count == 1)
  }

  @Test func unknownKeysAreErrorsWithALine() {
    #expect(faults([], [:], "listne = \"x\"") == ["berth.toml:1: listne is no setting; did you mean listen?"])
    #expect(
      faults([], [:], "[tls]\npasword = \"x\"") == [
        "berth.toml:2: tls.pasword is no setting; did you mean tls.password?"
      ])
    #expect(faults([], [:], "xyz = 1") == ["berth.toml:1: xyz is no setting; `berth config show` lists all settings"])
    #expect(faults([], [:], "a = ") == ["berth.toml:1: there is no value; put text in quotes: \"\""])
  }

  @Test func allMistakesAreReportedAtOnce() {
    let all = faults(["-w", "0"], ["BERTH_IDLE": "x"], "workers = 99\nfoo = 1\ndebug = 1")
    #expect(all.count == 5, "also the file's workers, which the flag would override: \(all)")
  }

  @Test func secretsAreNotShown() throws {
    let rows = try settings(["--tls-password=hunter2", "--idle=2m"]).rows
    #expect(rows.map(\.key) == table.settings.map(\.key))
    #expect(rows.last?.value == "(hidden)")
    #expect(rows.first { $0.key == "data_dir" }?.value == "(none)")
    #expect(rows.first { $0.key == "idle" }?.value == "2m")
    #expect(faults([], ["BERTH_TLS_PASSWORD": ""]).allSatisfy { !$0.contains("''") })
  }

  @Test func unknownVariablesAreTold() throws {
    let found = try settings([], ["BERTH_LISTNE": "x", "BERTH_IDLE": "5s", "PATH": "/bin"])
    #expect(found.unknownVariables == ["BERTH_LISTNE"])
  }

  @Test func helpTellsDefaultsAndVariables() {
    let help = FlagTable(table.flags).help(width: 120)
    #expect(help.contains("  -w, --workers N ") && help.contains("Loop threads. Default: 1. [BERTH_WORKERS]"))
    #expect(
      help.contains("--log-format text|json ") && help.contains("Kept history. Default: 20GiB. [BERTH_LOG_RETENTION]"))
    #expect(help.contains("-d, --debug ") && help.contains("Say more. [BERTH_DEBUG]"))
  }
}
