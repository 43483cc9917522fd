import APITypes
import TestSupport
import Testing

@testable import CLI

@Suite struct TokenCommandTests {
  // Its checksum is right; the secret is all zeros.
  private static let token = "berth_abcdefghijklmnop_" + String(repeating: "a", count: 52) + checksum
  private static let checksum = "blkewxh"
  private let made =
    #"{"id":"abcdefghijklmnop","role":"viewer","tenant":null,"pool":null,"description":"","created_at":"2026-01-01T00:00:00Z","expires_at":null,"created_by":"anonymous","one_time":false,"revision":1,"token":"\#(token)"}"#
  private let home = ["HOME": "/h"]
  private let store = "/h/.config/berth/token"

  @Test func aMadeTokenIsPrintedOnceOrGoesIntoAFile() {
    withServer(ScriptedServer(.answer(201, made), .answer(201, made), .answer(201, made))) { server in
      let shown = berth("token create --role viewer --tenant acme --expires 30d", at: server)
      #expect(shown.code == 0 && shown.out == Self.token + "\n" && shown.err.contains("shown once"))
      #expect(server.seen[0].body == #"{"role":"viewer","tenant":"acme","expires_in_seconds":2592000}"#)
      let filed = berth("token create --role viewer --expires never --out x.token", at: server)
      #expect(filed.code == 0 && filed.out.isEmpty && !filed.err.contains(Self.token))
      #expect(filed.kept == ["x.token": Self.token + "\n"])
      #expect(server.seen[1].body == #"{"role":"viewer","expires_in_seconds":null}"#)
      #expect(berth("token create --role viewer -o json", at: server).out.contains(Self.token))
    }
    #expect(berth("token create").code == 2)
  }

  @Test func aTokenWhoseAnswerGotLostIsToBeRevoked() {
    let replay = made.replacing("\"\(Self.token)\"", with: "null")
    withServer(ScriptedServer(.answer(201, replay))) { server in
      let ran = berth("token create --role viewer", at: server)
      #expect(ran.code == 1 && ran.out.isEmpty)
      #expect(ran.err.contains("got lost") && ran.err.contains("berth token revoke abcdefghijklmnop"))
    }
  }

  @Test func tokensAreListedAndRevokedByTheirPublicHalf() {
    let item = made.replacing(#","token":"\#(Self.token)""#, with: "")
    withServer(ScriptedServer(.ok(#"{"items":[\#(item)],"next_cursor":null}"#), .ok(item))) { server in
      let list = berth("token list", at: server)
      #expect(list.code == 0 && list.out.contains("abcdefghijklmnop") && list.out.contains("never"), "\(list.out)")
      #expect(berth("token revoke abcdefghijklmnop --yes", at: server).code == 0)
      #expect(server.seen[1].method == "DELETE" && server.seen[1].target == "/api/v1/tokens/abcdefghijklmnop")
    }
    let ran = berth("token revoke \(Self.token) --yes")
    #expect(ran.code == 2 && !ran.err.contains(Self.token) && ran.err.contains("by its id"))
  }

  @Test func loginKeepsATokenForItsServerAloneAndNeverShowsIt() {
    let me = #"{"principal":"token/abcdefghijklmnop","role":"viewer"}"#
    withServer(ScriptedServer(.ok(me), .ok(me))) { server in
      let around = Surroundings(environment: home, typed: [Self.token + " "], isTerminal: true)
      let ran = berth("login", at: server, around: around)
      #expect(ran.code == 0 && ran.err.contains("you are viewer") && !(ran.out + ran.err).contains(Self.token))
      #expect(ran.kept == [store: "\(Self.token) \(server.url)\n"])
      #expect(server.seen[0].target == "/api/v1/whoami")
      #expect(server.seen[0].headers["authorization"] == "Bearer \(Self.token)")
      // What was kept for others stays.
      let old = "berth_x http://other\nberth_y \(server.url)\n"
      let again = Surroundings(
        environment: home, secrets: [store: old], typed: [Self.token], isTerminal: true)
      #expect(
        berth("login", at: server, around: again).kept[store] == "\(Self.token) \(server.url)\nberth_x http://other\n")
    }
  }

  @Test func aWrongTokenIsNotKept() {
    withServer(ScriptedServer(.problem(401, "unauthorized", "the token is not valid here"))) { server in
      let ran = berth(
        "login", at: server, around: Surroundings(environment: home, typed: [Self.token], isTerminal: true))
      #expect(ran.code == 5 && ran.kept.isEmpty && ran.err.contains("not valid here"))
    }
    for (typed, words) in [
      ("", "no token was typed"), ("secret", "begins with berth_"),
      (String(Self.token.dropLast()), "81: was it copied"),
      (Self.token.replacing("_aaa", with: "_aab"), "a character of the token is wrong")
    ] {
      let ran = berth("login", around: Surroundings(environment: home, typed: [typed], isTerminal: true))
      #expect(ran.code == 2 && ran.err.contains(words) && ran.kept.isEmpty, "\(ran.err)")
    }
  }

  @Test func theTokenIsFoundInTurnAndGoesToItsServerAlone() {
    let empty = #"{"items":[],"next_cursor":null}"#
    withServer(ScriptedServer { _ in .ok(empty) }) { server in
      func shown(_ line: String, _ secrets: [String: String], _ more: [String: String] = [:]) -> String? {
        let environment = home.merging(more) { $1 }
        _ = berth(line, at: server, around: Surroundings(environment: environment, secrets: secrets))
        return server.seen.last?.headers["authorization"]
      }
      let (kept, oneTime) = ("\(Self.token) \(server.url)\n", "./berth-data/admin.token")
      #expect(shown("pool list", [:]) == nil)
      #expect(shown("pool list", [store: kept]) == "Bearer \(Self.token)")
      #expect(shown("pool list", [store: "\(Self.token) http://elsewhere\n"]) == nil)
      #expect(shown("pool list", [oneTime: Self.token + "\n"]) == "Bearer \(Self.token)")
      #expect(shown("pool list", ["/d/admin.token": Self.token], ["BERTH_DATA_DIR": "/d"]) == "Bearer \(Self.token)")
      #expect(shown("pool list --token-file t", ["t": Self.token]) == "Bearer \(Self.token)")
      #expect(shown("pool list", ["t": Self.token], ["BERTH_TOKEN_FILE": "t"]) == "Bearer \(Self.token)")
      #expect(shown("pool list", ["/x/berth/token": kept], ["XDG_CONFIG_HOME": "/x"]) == "Bearer \(Self.token)")
    }
    #expect(berth("pool list --token-file t").code == 2)
    let open = Surroundings(environment: home, secrets: [store: Self.token], open: [store])
    let ran = berth("pool list", around: open)
    #expect(ran.code == 2 && ran.err.contains("others may read it"))
  }

  @Test func theDoctorTellsWhatTheServerSaysOfItsSecurity() {
    let well = #"{"status":"ok","version":"1.2.3"}"#
    let findings = #"{"findings":[{"check":"access","ok":false,"detail":"everybody may"}]}"#
    withServer(ScriptedServer(.ok(well), .ok(findings), .ok(well), .problem(403, "forbidden", "role viewer"))) {
      server in
      let ran = berth("doctor", at: server)
      #expect(ran.code == 7 && ran.out.contains("!!  access: everybody may"))
      let viewer = berth("doctor", at: server)
      #expect(viewer.code == 0 && viewer.out.contains("security: not looked at: role viewer"))
    }
  }

  @Test func aTokenThatLostACharacterIsNoticed() {
    #expect(TokenText.flaw(in: Self.token) == nil)
    for place in Self.token.indices {
      var text = Self.token
      text.remove(at: place)
      #expect(TokenText.flaw(in: text) != nil)
      var other = Self.token
      other.replaceSubrange(place...place, with: other[place] == "b" ? "c" : "b")
      #expect(TokenText.flaw(in: other) != nil, "\(other)")
    }
  }
}
