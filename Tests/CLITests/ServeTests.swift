import Testing

@testable import CLI

@Suite struct ServeTests {
  @Test(
    arguments: [
      ("serve", [:], "127.0.0.1 8080 ./berth-data - - false false []"),
      (
        "serve -p 9000 -n 192.168.1 -g 192.168.1.254 -d", [:],
        "127.0.0.1 9000 ./berth-data 192.168.1 192.168.1.254 true false []"
      ),
      ("serve --listen 0.0.0.0:80 --insecure", [:], "0.0.0.0 80 ./berth-data - - false true []"),
      ("serve --listen [::1]:81", [:], "::1 81 ./berth-data - - false false []"),
      ("serve --listen 10.0.0.1 -p 82", [:], "10.0.0.1 82 ./berth-data - - false false []"),
      // A flag after the image's name goes over the image's variable.
      (
        "serve -p 9000", ["BERTH_LISTEN": "0.0.0.0:8080", "BERTH_INSECURE": "1"],
        "0.0.0.0 9000 ./berth-data - - false true []"
      ),
      (
        "serve --cors-origin http://a --cors-origin http://b", ["BERTH_DEBUG": "1"],
        "127.0.0.1 8080 ./berth-data - - true false [\"http://a\", \"http://b\"]"
      ),
      (
        "serve", ["BERTH_DATA_DIR": "/data", "BERTH_CORS_ORIGIN": "http://a,http://b"],
        "127.0.0.1 8080 /data - - false false [\"http://a\", \"http://b\"]"
      )
    ] as [(String, [String: String], String)])
  func settingsComeFromFlagThenVariableThenDefault(line: String, environment: [String: String], seen: String) {
    let ran = berth(line, around: Surroundings(environment: environment))
    #expect(ran.code == 0 && ran.out == seen + "\n", "\(ran.out)\(ran.err)")
  }

  @Test(arguments: [
    ("serve -p 70000", "--port takes a whole number from 0 to 65535"),
    ("serve --listen a:b", "'a:b' is no place to listen"), ("serve --listen ::1:80", "is no place to listen"),
    ("serve --listen 127.0.0.1:80 -p 81", "--listen says port 80 and --port says 81"),
    ("serve --config no.toml", "cannot open no.toml"), ("serve --config bad.toml", "did you mean port?")
  ])
  func whatCannotBeMeantIsRefused(line: String, sentence: String) {
    let ran = berth(line, around: Surroundings(files: ["bad.toml": "prot = 1\n"]))
    #expect(ran.code == 2 && ran.out.isEmpty)
    #expect(ran.err.contains(sentence), "\(ran.err)")
  }

  @Test func theFileGoesUnderFlagAndVariable() {
    let around = Surroundings(
      environment: ["BERTH_CONFIG": "b.toml", "BERTH_NETWORK": "10.0.0"],
      files: ["b.toml": "port = 7000\nnetwork = \"10.9.9\"\ngateway = \"10.0.0.9\"\n"])
    #expect(berth("serve", around: around).out == "127.0.0.1 7000 ./berth-data 10.0.0 10.0.0.9 false false []\n")
    #expect(berth("serve -p 1", around: around).out.hasPrefix("127.0.0.1 1 "))
    let shown = berth("config show --origin", around: around).out
    #expect(shown.contains("port                7000                   b.toml:1"), "\(shown)")
    #expect(shown.contains("environment BERTH_NETWORK") && shown.contains("default"))
    #expect(shown.contains("server "))
    #expect(!berth("config show", around: around).out.contains("ORIGIN"))
    #expect(berth("config show -o json", around: around).out.contains(#"{"setting":"port","value":"7000"}"#))
  }

  @Test func aVariableThatNothingKnowsIsSaid() {
    let ran = berth("serve", around: Surroundings(environment: ["BERTH_PROT": "1", "BERTH_SERVER": "x"]))
    #expect(ran.code == 0)
    #expect(ran.err == "warning: BERTH_PROT is set, and no setting has this name\n")
  }

  @Test func offlineCommandsGetTheirFlags() {
    #expect(berth("check --data-dir /d --rebuild -o json").out == "check /d true true\n")
    #expect(berth("check", around: Surroundings(environment: ["BERTH_DATA_DIR": "/e"])).out == "check /e false false\n")
    #expect(berth("log dump --since 5 --limit 9").out == "dump ./berth-data 5 9\n")
    #expect(berth("log dump --since x").code == 2)
  }

  @Test func theVersionIsPrinted() {
    #expect(berth("version").out == "berth 1.2.3\n")
    #expect(berth("version -o json").out == "{\"version\":\"1.2.3\"}\n")
  }
}
