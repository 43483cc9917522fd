import Testing

@testable import CLI

@Suite struct ParsingTests {
  @Test(arguments: [
    ("poll list", "'poll' is no command of berth", "did you mean `berth pool`?"),
    ("pool craete x", "`berth pool` has no 'craete'", "did you mean `berth pool create`?"),
    ("xyzzy", "'xyzzy' is no command of berth", "`berth help` lists them"),
    ("pool create", "`berth pool create` needs NAME", "usage: berth pool create NAME [flags]"),
    ("pool create a b --cidr 10.0.0.0/8", "'b' is one argument too many", "usage:"),
    ("pool create a", "a pool needs a network", "add --cidr"),
    ("pool list --lable a=b", "--lable is no flag of this command", "did you mean --label?"),
    ("pool list -o xml", "--output takes one of table, json, yaml, name", ""),
    ("pool list --server https://a:b", "has no port", "it comes from flag --server"),
    ("pool list --server https://a --cert c.pem", "a certificate needs its key", "both --cert and --key"),
    ("pool list --server https://a --ca /nowhere.pem", "cannot read the CA certificates in /nowhere.pem", ""),
    ("serve --tls-cert c.pem", "TLS needs both --tls-cert and --tls-key", "berth cert node"),
    ("serve --tls-client-ca ca.pem", "TLS needs both --tls-cert and --tls-key", ""),
    ("cert node a/b", "'a/b' is no name", ""), ("cert node ca", "'ca' is no name", ""),
    ("cert ca --days 0", "--days: '0' is no number of days", ""),
    ("pool list --server a,b:0", "the server 'b:0' has no port", ""),
    ("ip allocate a --ip 10.0.0.9", "--ip needs the pool", "add --pool"),
    ("ip allocate a --pool p --zone z", "--zone lets Berth choose a pool", ""),
    ("ip allocate a --label x", "--label takes KEY=VALUE", ""),
    ("ip allocate a --count many", "--count takes a whole number", ""),
    ("pool update p --lease 1.5s", "--lease takes a time in whole seconds", ""),
    ("pool update p", "nothing was given to change", ""), ("ip history", "whose history?", ""),
    ("completion tcsh", "there is no completion for 'tcsh'", "bash, zsh and fish"),
    ("--server a", "there is no command", "`berth help` lists them")
  ])
  func whatIsTypedWronglyIsExplainedWithCode2(line: String, sentence: String, hint: String) {
    let ran = berth(line)
    #expect(ran.code == 2)
    #expect(ran.out.isEmpty)
    #expect(ran.err.hasPrefix("error: "))
    #expect(ran.err.contains(sentence) && ran.err.contains(hint), "\(ran.err)")
  }

  @Test func flagsMayStandInFrontOfTheNoun() {
    withServer(ScriptedServer(.ok("{\"items\":[],\"next_cursor\":null}"))) { server in
      let ran = berth(["--server", server.url, "-o", "json", "pool", "list"])
      #expect(ran.code == 0)
      #expect(ran.out == "{\"items\":[],\"next_cursor\":null}\n")
    }
  }

  @Test func theOldNounStillWorks() {
    withServer(ScriptedServer(.ok("{\"name\":\"a\"}"))) { server in
      #expect(berth("ip-pool show a -o name", at: server).out == "a\n")
      #expect(server.seen[0].target == "/api/v1/pools/a")
    }
  }

  @Test func wordsAreEscapedInPathsAndQueries() {
    withServer(ScriptedServer(.ok("{}"), .ok("{\"allocations\":[]}"))) { server in
      _ = berth(["pool", "show", "a/b?c"], at: server)
      _ = berth(["ip", "release", "pod&x=1"], at: server)
      #expect(server.seen.map(\.target) == ["/api/v1/pools/a%2Fb%3Fc", "/api/v1/allocations?owner=pod%26x%3D1"])
    }
  }

  @Test(arguments: [
    ("10.0.0.1", true), ("fe80::1", true), ("::ffff:1.2.3.4", true), ("1:2:3:4:5:6:7:8", true), ("vm-1", false),
    ("10.0.0", false), ("aa:bb:cc:dd:ee:ff", false), ("ns:pod", false), ("1.2.3.web", false)
  ])
  func addressesAndOwnersAreToldApart(word: String, isAddress: Bool) {
    #expect(looksLikeAddress(word) == isAddress)
  }

  @Test func flagsBecomeTheBody() {
    withServer(ScriptedServer(.answer(201, "{\"name\":\"edge\"}"), .answer(201, "{\"ip\":\"10.1.0.2\"}"))) { server in
      let flags = "--cidr 10.1.0.0/16 --gateway none --range 10.1.1.0/24,10.1.2.1-10.1.2.9 --vlan 7 --lease 1h30m"
      #expect(berth("pool create edge \(flags) --zone z1 --label a=b=c --disabled", at: server).code == 0)
      #expect(
        server.seen[0].body == """
          {"name":"edge","cidr":"10.1.0.0/16","gateway":null,"ranges":["10.1.1.0/24","10.1.2.1-10.1.2.9"],"vlan":7,\
          "lease_seconds":5400,"topology":{"zone":"z1"},"labels":{"a":"b=c"},"enabled":false}
          """)
      #expect(berth("ip allocate vm-1 --family ipv4 --family ipv6 --pool-label t=x --dry-run", at: server).code == 0)
      #expect(server.seen[1].target == "/api/v1/allocations?dry_run=true")
      #expect(server.seen[1].body == #"{"owner":"vm-1","families":["ipv4","ipv6"],"pool_labels":{"t":"x"}}"#)
    }
  }
}
