import TestSupport
import Testing

@testable import CLI

@Suite struct HelpTests {
  @Test func theFrontPageListsEveryNounAndCommand() {
    let ran = berth("help")
    #expect(ran.code == 0)
    #expect(
      ran.out == """
        Berth hands out IP addresses and never gives one to two owners.

        Usage: berth COMMAND [arguments] [flags]

        Nouns, each with verbs:
          pool      Pools of addresses. create, update, expand, rollback, delete, enable, disable, reserve,
                    unreserve, list, show, reservations, allocations, free, suggest, heatmap.
          ip        Addresses and who has them. allocate, release, renew, update, show, list, suggest,
                    who-has, history.
          vm        Virtual machines: what is wanted, where it is, and why. create, list, show, why,
                    network, update, start, stop, restart, migrate, delete.
          node      The hosts that carry VMs. list, show, latency, register, update, delete, cordon,
                    uncordon, drain, reclaim, fence.
          tenant    Who has what, and how much at most. list, quota.
          capacity  Room on nodes that is kept for a tenant. list, reserve, release.
          cost      What VMs cost. report, billing, policy.
          plan      What would happen if. what-if.
          cluster   The nodes, their leader, and etcd. status, depose, rejoin, migrate.
          token     Tokens: who may come in. create, list, revoke.
          cert      Certificates for those who have no CA. ca, node, agent, enrol.
          config    Settings and where they come from. show.
          log       The log of a stopped Berth. dump.

        Commands:
          serve       Run a server.
          agent       Speak for a node, or for a fleet of simulated ones.
          import      Take over addresses that are in use, from a CSV or JSON file.
          export      Write everything, as of one moment, as JSON.
          events      Follow the changes as they happen.
          login       Keep a token for the servers of --server.
          doctor      Look whether a Berth is well, and say what to do if not.
          check       Check a data directory while no server runs on it.
          completion  Print a shell's completion of this command line.
          version     Print the version of this program.
          help        Show the help of a command, or the manual page.

        Start with `berth serve`, then `berth ip allocate vm-1`.
        `berth COMMAND --help` shows arguments, flags and examples.

        """)
    #expect(berth("--help").out == ran.out && berth("-h").out == ran.out)
    // Nothing was asked for, so nothing was done.
    #expect(berth("").out == ran.out && berth("").code == 2)
  }

  @Test func aNounListsItsVerbs() {
    let ran = berth("config --help")
    #expect(ran.code == 0)
    #expect(
      ran.out == """
        Settings and where they come from.

        Usage: berth config VERB [flags]

        Verbs:
          show  Show all settings and, with --origin, where each comes from.

        `berth config VERB --help` shows arguments, flags and examples.

        """)
    #expect(berth("config").out == ran.out && berth("help config").out == ran.out)
    #expect(berth("pool").out.contains("(also: berth ip-pool)"))
  }

  @Test func aCommandShowsArgumentsFlagsAndExamples() {
    let ran = berth("pool rollback --help", around: Surroundings(width: 80))
    #expect(
      ran.out == """
        Give a pool the extent back that it had before.

        Usage: berth pool rollback POOL [flags]

        Refused while somebody lives outside of it; the answer lists them.

        Arguments:
          POOL  The name of the pool.

        Flags:
              --dry-run  Only say what would happen.

        Common flags:
              --server URL,...            Where Berth answers; several places are tried
                                          in turn. Default: http://127.0.0.1:8080.
                                          [BERTH_SERVER]
              --ca FILE                   Believe https servers of these CAs (PEM), not
                                          those of the system. [BERTH_CA]
              --cert FILE                 The certificate to show (PEM); needs --key.
                                          [BERTH_CERT]
              --key FILE                  Its private key (PEM), which only its owner
                                          may read. [BERTH_KEY]
              --token-file FILE           A file with the token to show; without it what
                                          `berth login` kept for the server.
                                          [BERTH_TOKEN_FILE]
          -o, --output table|json|yaml|name
                                          How results are printed; json is what the API
                                          says, unchanged. Default: table.
                                          [BERTH_OUTPUT]
          -y, --yes                       Do not ask before something is destroyed.
          -h, --help                      Show this help.

        Examples:
          # undo the last expand
          berth pool rollback default --yes

        """, "\(ran.out)")
    #expect(berth("help pool rollback", around: Surroundings(width: 80)).out == ran.out)
  }

  @Test func helpFitsTheTerminal() {
    for command in CommandTable.standard.commands {
      let text = berth(command.words + ["--help"], around: Surroundings(width: 80)).out
      // Lines to be copied are not broken.
      let long = text.split(separator: "\n").filter { $0.count > 80 && !$0.contains("berth ") }
      #expect(long.isEmpty, "\(command.name): \(long)")
    }
  }

  /// Each example must at least be understood: `berth` and its flags up to what is the shell's.
  @Test func everyExampleParses() throws {
    for command in CommandTable.standard.commands {
      #expect(!command.examples.isEmpty && command.summary.hasSuffix("."), "\(command.name)")
      for example in command.examples {
        let inner = example.line.firstRange(of: "$(").map { example.line[$0.upperBound...].prefix { $0 != ")" } }
        let inParens = example.line.firstRange(of: "<(").map { example.line[$0.upperBound...].prefix { $0 != ")" } }
        let line = (inner ?? inParens ?? example.line[...]).prefix { $0 != "|" && $0 != ">" }
        let words = shellWords(String(line))
        #expect(words.first == "berth", "\(example.line)")
        guard case .command(let found, let rest) = try CommandTable.standard.find(Array(words.dropFirst())) else {
          #expect(words.dropFirst().first == "help", "\(example.line)")
          continue
        }
        #expect(found.name == command.name, "\(example.line)")
        _ = try found.parse(rest)
      }
    }
  }

  @Test func theManualPageIsCleanRoff() throws {
    let page = berth("help --man").out
    for command in CommandTable.standard.commands {
      let name = command.name.split(separator: "-").joined(separator: "\\-")
      #expect(page.contains(".SS berth \(name)"), "\(command.name) is missing")
    }
    guard let groff = try? ChildProcess.run("groff", ["-man", "-Tutf8", "-ww"], input: Array(page.utf8)) else {
      print("skipped: groff is not installed")
      return
    }
    #expect(groff.status == .exited(0))
    #expect(groff.errors == "")
    #expect(groff.output.contains("192.168.7.100-192.168.7.199"))
  }

  private func shellWords(_ line: String) -> [String] {
    line.split(separator: "'", omittingEmptySubsequences: false).enumerated().flatMap { index, piece in
      index % 2 == 1 ? [String(piece)] : piece.split(separator: " ").map(String.init)
    }
  }
}
