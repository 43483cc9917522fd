import Testing
import Wire

@testable import CLI

@Suite struct TableTests {
  private func sample() -> TextTable {
    var table = TextTable([.init("IP"), .init("OWNER"), .init("COUNT", isRight: true), .init("NOTE"), .init("EMPTY")])
    table.add(["10.1.0.2", "vm-with-a-rather-long-name.of.somebody", "7", "in the rack beside the door", ""])
    table.add(["10.1.0.130", "vm-2", "1234", "", ""])
    return table
  }

  private func text(_ table: TextTable, _ width: Int?) -> String {
    table.lines(width: width, Style(isOn: false)).joined(separator: "\n")
  }

  @Test func withRoomEverythingIsShown() {
    #expect(
      text(sample(), 200) == """
        IP          OWNER                                   COUNT  NOTE
        10.1.0.2    vm-with-a-rather-long-name.of.somebody      7  in the rack beside the door
        10.1.0.130  vm-2                                     1234
        """)
    #expect(text(sample(), nil) == text(sample(), 200))
  }

  @Test func atEightyColumnsTheLongestCellGivesWay() {
    #expect(
      text(sample(), 80) == """
        IP          OWNER                             COUNT  NOTE
        10.1.0.2    vm-with-a-rather-long-name.of.s…      7  in the rack beside the door
        10.1.0.130  vm-2                               1234
        """)
  }

  @Test func atFortyColumnsAllLongCellsGiveWay() {
    #expect(
      text(sample(), 40) == """
        IP          OWNER       COUNT  NOTE
        10.1.0.2    vm-with-a…      7  in the r…
        10.1.0.130  vm-2         1234
        """)
  }

  /// A cut address or number would be read as another one.
  @Test func addressesAndNumbersAreWholeAndTheLastColumnsGo() {
    var table = TextTable([
      .init("NAME"), .init("CIDR", isWhole: true), .init("FREE", isRight: true), .init("STRATEGY"), .init("LABELS")
    ])
    table.add(["a-pool-with-a-long-name-in-frankfurt", "2001:db8:aaaa:bbbb::/64", "18446744073709551614", "next", "a=b"]
    )
    #expect(
      text(table, 60) == """
        NAME           CIDR                                     FREE
        a-pool-with-…  2001:db8:aaaa:bbbb::/64  18446744073709551614
        """)
    #expect(table.leftOut(width: 60) == ["STRATEGY", "LABELS"] && table.leftOut(width: 200).isEmpty)
    #expect(text(table, 20).hasPrefix("NAME"), "with no room at all everything is cut")
  }

  @Test(arguments: [10, 20, 30, 40, 60, 80, 120, 200])
  func noLineIsWiderThanTheTerminal(width: Int) {
    for line in sample().lines(width: width, Style(isOn: false)) { #expect(textWidth(line) <= width, "\(line)") }
  }

  @Test func wideCharactersTakeTwoColumns() {
    var table = TextTable([.init("A"), .init("B")])
    table.add(["日本", "x"])
    table.add(["ab", "y"])
    #expect(text(table, nil) == "A     B\n日本  x\nab    y")
    #expect(shortened("日本語", to: 5) == "日本…")
  }

  @Test func whatWouldCommandTheTerminalIsNotPassedOn() {
    var table = TextTable([.init("A")])
    table.add(["\u{1B}[31mred\u{07}\u{202E}\n"])
    #expect(text(table, nil) == "A\n?[31mred???")
  }

  @Test func colourIsForTerminalsOnlyAndCanBeDeclined() {
    withServer(ScriptedServer { _ in .ok(#"{"items":[{"name":"a"}],"next_cursor":null}"#) }) { server in
      func out(_ isTerminal: Bool, _ environment: [String: String] = [:]) -> String {
        berth("pool list", at: server, around: Surroundings(environment: environment, isTerminal: isTerminal)).out
      }
      #expect(out(true).contains("\u{1B}["))
      #expect(!out(false).contains("\u{1B}["))
      #expect(!out(true, ["NO_COLOR": "1"]).contains("\u{1B}["))
      #expect(!out(true, ["TERM": "dumb"]).contains("\u{1B}["))
      #expect(berth("poool", around: Surroundings(isTerminal: true)).err.hasPrefix("\u{1B}[31merror:"))
    }
  }
}

@Suite struct HeatmapTests {
  private func map(_ shares: [Double], width: Int) -> [String] {
    let blocks = shares.enumerated().map {
      BlockUsage(block: "10.0.\($0.offset).0/24", used: $0.element * 254, usable: 254)
    }
    return Heatmap(blocks: blocks, width: width, style: Style(isOn: false)).lines
  }

  @Test func fewBlocksAreBars() {
    #expect(
      map([0, 0.5, 1], width: 60) == [
        "10.0.0.0/24  ···························  0 of 254", "10.0.1.0/24  █████████████··············  127 of 254",
        "10.0.2.0/24  ███████████████████████████  254 of 254"
      ])
    // One address of many is not nothing.
    #expect(map([1 / 254], width: 60)[0].contains("█"))
  }

  @Test func manyBlocksAreAPicture() {
    var shares = [Double](repeating: 0, count: 256)
    (shares[0], shares[1], shares[2], shares[255]) = (1, 0.5, 1 / 254, 0.999)
    let lines = map(shares, width: 80)
    #expect(lines.count == 5)
    #expect(lines[0] == "10.0.0.0/24    █▄▁" + String(repeating: "·", count: 61))
    #expect(lines[3].hasSuffix("·▇"))
    #expect(map(shares, width: 40).dropLast().allSatisfy { $0.count <= 40 })
  }

  @Test func theCommandReadsAllPagesOfUsage() {
    let server = ScriptedServer { request in
      request.target.contains("cursor=2")
        ? .ok(#"{"items":[{"block":"10.0.1.0/24","allocated":3,"usable":254}],"next_cursor":null}"#)
        : .ok(#"{"items":[{"block":"10.0.0.0/24","allocated":254,"usable":254}],"next_cursor":"2"}"#)
    }
    withServer(server) { server in
      let ran = berth("pool heatmap p", at: server)
      #expect(ran.out.contains("10.0.0.0/24") && ran.out.contains("3 of 254"))
    }
  }
}

@Suite struct PrinterTests {
  private let pool =
    #"{ "name":"edge", "cidr":"10.1.0.0/16","capacity":{"available":65530},"dns":[],"labels":{"a":"b"}}"#

  @Test func jsonIsWhatTheServerSaidByteForByte() {
    withServer(ScriptedServer(.ok(pool))) { #expect(berth("pool show edge -o json", at: $0).out == pool + "\n") }
  }

  @Test func severalPagesBecomeOneDocument() {
    let server = ScriptedServer { request in
      request.target.contains("cursor=b")
        ? .ok(#"{"items":[{"name":"b"}],"next_cursor":null}"#) : .ok(#"{"items":[{"name":"a"}],"next_cursor":"b"}"#)
    }
    withServer(server) { server in
      #expect(
        berth("pool list -o json", at: server).out == #"{"items":[{"name":"a"},{"name":"b"}],"next_cursor":null}"#
          + "\n")
      #expect(berth("pool list -o name", at: server).out == "a\nb\n")
      // A page that was asked for stays a page, with its cursor.
      let page = berth("pool list --limit 1", at: server)
      #expect(page.out == "NAME\na\n" && page.err.contains("--cursor b"))
      #expect(berth("pool list --limit 1 -o json", at: server).out.contains("\"next_cursor\":\"b\""))
    }
  }

  @Test func aListThatDoesNotGoOnIsLeft() {
    withServer(ScriptedServer { _ in .ok(#"{"items":[],"next_cursor":"x"}"#) }) { server in
      #expect(berth("pool list", at: server).code == 4)
      #expect(server.seen.count == 2)
    }
  }

  @Test func anObjectIsShownFieldByField() {
    withServer(ScriptedServer(.ok(pool))) { server in
      #expect(
        berth("pool show edge", at: server).out == """
          name                edge
          cidr                10.1.0.0/16
          capacity.available  65530
          labels              a=b

          """)
    }
  }

  @Test func yamlSaysTheSameAsTheJSON() throws {
    let text = """
      {"name":"edge","free":340282366920938463463374607431768211456,"on":true,"none":null,"dns":["10.0.0.1","::1"],
      "ranges":[],"labels":{},"topology":{"rack":"no","zone":"z 1"},"items":[{"a":1,"b":["x"]},[2]],"odd":"a: b\\n#\\u007f"}
      """
    #expect(
      yaml(try JSONValue(parsing: Array(text.utf8))) == """
        name: edge
        free: 340282366920938463463374607431768211456
        "on": true
        none: null
        dns:
          - "10.0.0.1"
          - "::1"
        ranges: []
        labels: {}
        topology:
          rack: "no"
          zone: "z 1"
        items:
          - a: 1
            b:
              - x
          - - 2
        odd: "a: b\\n#\\x7F"

        """)
  }

  @Test func anAllocationIsARowAndItsNameTheAddress() {
    let body = #"{"ip":"10.1.0.2","pool":"edge","owner":"vm-1","cidr":null,"generation":7}"#
    let server = ScriptedServer { _ in .answer(200, body, headers: ["Berth-Unchanged": "hostname"]) }
    withServer(server) { server in
      let ran = berth("ip allocate vm-1 --pool edge --hostname new", at: server)
      #expect(ran.out == "IP        POOL  OWNER  GENERATION\n10.1.0.2  edge  vm-1            7\n")
      #expect(ran.err == "it was allocated before and kept its: hostname\n")
      #expect(berth("ip allocate vm-1 --pool edge -o name", at: server).out == "10.1.0.2\n")
    }
  }
}
