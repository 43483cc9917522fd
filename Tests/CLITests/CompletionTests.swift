import TestSupport
import Testing

@testable import CLI

@Suite struct CompletionTests {
  private let directory = TemporaryDirectory()

  private func script(_ shell: String) -> String {
    let path = directory.file("completion.\(shell)")
    Files.write(Array(berth("completion \(shell)").out.utf8), to: path)
    return path
  }

  /// Whether a shell takes the script; nil when the shell is not installed.
  private func accepted(_ shell: String) throws -> Ended? {
    guard let ended = try? ChildProcess.run(shell, ["-n", script(shell)]) else {
      print("skipped: \(shell) is not installed")
      return nil
    }
    return ended
  }

  @Test(arguments: ["bash", "zsh", "fish"]) func theShellTakesItsScript(shell: String) throws {
    guard let ended = try accepted(shell) else { return }
    #expect(ended.status == .exited(0) && ended.errors.isEmpty, "\(ended.errors)")
  }

  @Test func fishTakesEveryLine() throws {
    guard let ended = try? ChildProcess.run("fish", ["--no-config", script("fish")]) else {
      print("skipped: fish is not installed")
      return
    }
    // A wrong option of `complete` is an error when it runs, not when it is parsed.
    #expect(ended.errors.isEmpty, "\(ended.errors)")
  }

  /// What bash offers for the last of `words`, with a `berth` that knows two pools.
  private func offered(_ words: [String]) throws -> [String] {
    let call = """
      source \(script("bash"))
      berth() { [[ "$*" == 'pool list -o name' ]] && printf 'edge\\nlab\\n'; }
      COMP_WORDS=(\(words.map { "'\($0)'" }.joined(separator: " ")))
      COMP_CWORD=\(words.count - 1)
      _berth
      printf '%s\\n' "${COMPREPLY[@]}"
      """
    let ended = try ChildProcess.run("bash", ["-c", call])
    #expect(ended.errors.isEmpty, "\(ended.errors)")
    return ended.output.split(separator: "\n").map(String.init)
  }

  @Test func bashOffersNounsVerbsFlagsPoolsAndChoices() throws {
    #expect(try offered(["berth", "po"]) == ["pool"])
    #expect(try offered(["berth", ""]).contains("serve"))
    #expect(try offered(["berth", "pool", "e"]) == ["expand", "enable"])
    #expect(try offered(["berth", "ip-pool", "sh"]) == ["show"])
    #expect(try offered(["berth", "pool", "show", ""]) == ["edge", "lab"])
    #expect(try offered(["berth", "pool", "create", "x", "--ci"]) == ["--cidr"])
    #expect(try offered(["berth", "ip", "allocate", "vm-1", "--pool", "l"]) == ["lab"])
    #expect(try offered(["berth", "pool", "list", "-o", "j"]) == ["json"])
    #expect(try offered(["berth", "pool", "create", "x", "--strategy", "o"]) == ["oldest"])
    #expect(try offered(["berth", "completion", ""]) == ["bash", "zsh", "fish"])
    // The value of a flag is no word of the command.
    #expect(try offered(["berth", "--server", "pool", "ip", "who"]) == ["who-has"])
    #expect(try offered(["berth", "serve", "--li"]) == ["--listen"])
  }

  @Test func everyCommandAndFlagIsInEveryScript() {
    for shell in ["bash", "zsh", "fish"] {
      let text = berth("completion \(shell)").out
      for command in CommandTable.standard.commands {
        #expect(text.contains(command.words.last!), "\(shell) lacks \(command.name)")
        for flag in command.flags {
          #expect(text.contains(shell == "fish" ? "-l \(flag.name)" : "--\(flag.name)"), "\(shell): \(flag.name)")
        }
      }
    }
  }
}
