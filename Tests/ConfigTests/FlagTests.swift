import Config
import Testing

@Suite struct FlagTests {
  private let table = FlagTable([
    Flag("port", letter: "p", value: "PORT", help: "Where to listen."),
    Flag("debug", letter: "d", help: "Say more."),
    Flag("label", letter: "l", value: "KEY=VALUE", repeats: true, help: "A label; may be given several times."),
    Flag("data-dir", value: "DIR", help: "Where the log is.")
  ])

  @Test(arguments: [
    ["--port", "80"], ["--port=80"], ["-p", "80"], ["x", "-p", "80"], ["-d", "-p", "80"]
  ])
  func everyWayOfGivingAValueIsTheSame(words: [String]) throws {
    #expect(try table.parse(words)["port"] == "80")
  }

  @Test func flagsAndPositionalArgumentsMix() throws {
    let found = try table.parse(["pool", "-d", "create", "--label", "a=1", "edge", "-l", "b=", "--", "-x", "--port"])
    #expect(found.positional == ["pool", "create", "edge", "-x", "--port"])
    #expect(found.has("debug") && found.all("label") == ["a=1", "b="] && found["port"] == nil)
  }

  @Test func aValueMayBeEmptyOrLookLikeAFlagAfterTheEqualsSign() throws {
    #expect(try table.parse(["--data-dir="])["data-dir"] == "")
    #expect(try table.parse(["--port=-1"])["port"] == "-1")
    #expect(try table.parse(["--data-dir=a=b"])["data-dir"] == "a=b")
    #expect(try table.parse(["--data-dir", "-"])["data-dir"] == "-")
    #expect(try table.parse(["-"]).positional == ["-"])
    #expect(try !table.parse(["--debug=false"]).has("debug"))
    #expect(try !table.parse([]).has("debug"))
  }

  @Test(arguments: [
    (["--prot", "80"], "--prot is no flag of this command; did you mean --port?"),
    (["--datadir=x"], "--datadir is no flag of this command; did you mean --data-dir?"),
    (["--verbose"], "--verbose is no flag of this command; --help lists them"),
    (["-x"], "-x is no flag of this command; --help lists them"),
    (["-p80"], "-p80 joins a letter with something else; write -p PORT, and each flag by itself"),
    (["-dp"], "-dp joins a letter with something else; write -d, and each flag by itself"),
    (["--port"], "--port needs a value; write --port PORT"),
    (["-p", "-d"], "--port needs a value, and '-d' looks like a flag; write --port=-d if it is the value"),
    (["-p", "1", "--port=2"], "--port may be given once; leave one out"),
    (["--debug=maybe"], "--debug is true or false, not 'maybe'; write --debug alone"),
    (["--=x"], "-- is no flag of this command; --help lists them")
  ])
  func mistakesNameTheFlagTheRuleAndTheWayOut(words: [String], message: String) {
    let fault = #expect(throws: ConfigFault.self) { try table.parse(words) }
    #expect(fault?.description == message)
  }

  @Test func helpIsDerivedFromTheTable() {
    #expect(
      table.help(width: 50) == """
          -p, --port PORT        Where to listen.
          -d, --debug            Say more.
          -l, --label KEY=VALUE  A label; may be given
                                 several times.
              --data-dir DIR     Where the log is.

        """)
  }

  @Test func aLongSynopsisGetsItsOwnLine() {
    let help = FlagTable([Flag("a", value: String(repeating: "X", count: 40), help: "Long.")]).help()
    #expect(
      help == "      --a " + String(repeating: "X", count: 40) + "\n" + String(repeating: " ", count: 34) + "Long.\n")
  }

  @Test func tablesWithDoubleNamesTrap() async {
    await #expect(processExitsWith: .failure) { _ = FlagTable([Flag("a", help: ""), Flag("a", help: "")]) }
    await #expect(processExitsWith: .failure) {
      _ = FlagTable([Flag("a", letter: "x", help: ""), Flag("b", letter: "x", help: "")])
    }
    await #expect(processExitsWith: .failure) { _ = Flag("Data", help: "") }
  }

  @Test func suggestionsAreNearOrAbsent() {
    let names = ["allocate", "release", "list"]
    #expect(suggestion(for: "alocate", among: names) == "allocate")
    #expect(suggestion(for: "lsit", among: names) == "list")
    #expect(suggestion(for: "relaese", among: names) == "release")
    #expect(suggestion(for: "serve", among: names) == nil)
    #expect(suggestion(for: "", among: names) == nil)
  }
}
