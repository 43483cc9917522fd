internal import Config

/// Scripts that let a shell complete the command line, made from the table.
struct Completion {
  private let table: CommandTable

  init(_ table: CommandTable) { self.table = table }

  private var nouns: [(word: String, summary: String)] {
    table.nouns.flatMap { noun in ([noun.word] + noun.aliases).map { ($0, noun.summary) } }
  }

  private var firstWords: [(word: String, summary: String)] {
    nouns + table.commands.filter { $0.words.count == 1 }.map { ($0.name, $0.summary) }
  }

  /// Commands under each way to write them: `pool create`, `ip-pool create`.
  private var spelt: [(words: String, command: Command)] {
    table.commands.flatMap { command -> [(String, Command)] in
      let aliases = table.nouns.first { $0.word == command.words[0] && command.words.count > 1 }?.aliases ?? []
      return ([command.words[0]] + aliases).map { (([$0] + command.words.dropFirst()).joined(separator: " "), command) }
    }
  }

  /// Flags that swallow the word behind them.
  private var valueFlags: [Flag] {
    var seen: Set<String> = []
    return table.commands.flatMap(\.flags).filter { $0.value != nil && seen.insert($0.name).inserted }
  }

  private func spellings(_ flag: Flag) -> [String] { ["--\(flag.name)"] + (flag.letter.map { ["-\($0)"] } ?? []) }

  /// The words that a flag's value is one of.
  private func choices(_ flag: Flag) -> [String] {
    flag.value.map { $0.contains("|") ? $0.split(separator: "|").map(String.init) : [] } ?? []
  }

  /// What a shell runs to find a value that is no fixed word.
  private func offer(_ flag: Flag) -> Positional.Offer {
    if !choices(flag).isEmpty { return .words(choices(flag)) }
    return switch flag.value {
    case "POOL": .pools
    case "NODE": .nodes
    case "FILE", "DIR": .files
    default: .nothing
    }
  }

  private static let pools = "berth pool list -o name 2>/dev/null"
  private static let nodes = "berth node list -o name 2>/dev/null"
  private static let vms = "berth vm list -o name 2>/dev/null"

  // MARK: - bash and zsh

  /// The cases that set `words` (or call for files) by what stands behind the cursor; the same text in bash and zsh.
  private func cases(file: String) -> String {
    func act(_ offer: Positional.Offer) -> String {
      switch offer {
      case .nothing: "words=''"
      case .pools: "words=$(\(Self.pools))"
      case .nodes: "words=$(\(Self.nodes))"
      case .vms: "words=$(\(Self.vms))"
      case .files: file
      case .words(let words): "words='\(words.joined(separator: " "))'"
      }
    }
    // First what a flag takes in one command and not in others of its name.
    var out = "  case \"$at $prev\" in\n"
    let usual = Dictionary(uniqueKeysWithValues: valueFlags.map { ($0.name, offer($0)) })
    for (words, command) in spelt {
      for flag in command.flags where flag.value != nil && usual[flag.name] != offer(flag) {
        out += "    '\(words)'*' --\(flag.name)') \(act(offer(flag))); done=1 ;;\n"
      }
    }
    out += "  esac\n  [[ -n $done ]] || case \"$prev\" in\n"
    for flag in valueFlags { out += "    \(spellings(flag).joined(separator: "|"))) \(act(offer(flag))); done=1 ;;\n" }
    out += "  esac\n  if [[ -z $done ]]; then\n    case \"$at\" in\n"
    out += "      '') words='\(firstWords.map(\.word).joined(separator: " "))' ;;\n"
    for noun in table.nouns {
      let verbs = table.commands(of: noun).map { $0.words[1] }.joined(separator: " ")
      out += "      \(([noun.word] + noun.aliases).map { "'\($0)'" }.joined(separator: "|"))) words='\(verbs)' ;;\n"
    }
    for (words, command) in spelt {
      let flags = command.flags.map { "--\($0.name)" }.joined(separator: " ")
      // The argument behind the words of the command first; its flags behind that, or when a dash was typed.
      let first = command.positionals.first?.offer ?? .nothing
      out += "      '\(words)') if [[ $cur == -* ]]; then words='\(flags)'; else \(act(first)); fi ;;\n"
      out += "      '\(words) '*) words='\(flags)' ;;\n"
    }
    return out + "    esac\n  fi\n"
  }

  /// Sets `at` to the words of the command so far, without flags and their values.
  private func walk(_ element: String, from start: String, to end: String) -> String {
    """
      for ((i = \(start); i < \(end); i++)); do
        case "\(element)" in
          \(valueFlags.flatMap(spellings).joined(separator: "|"))) ((i++)) ;;
          -*) ;;
          *) at="${at:+$at }\(element)" ;;
        esac
      done

    """
  }

  /// For bash.
  var bash: String {
    """
    # Completion of berth for bash; made by `berth completion bash`.
    _berth() {
      local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} at='' words='' done='' i
    \(walk("${COMP_WORDS[i]}", from: "1", to: "COMP_CWORD"))\
    \(cases(file: "compopt -o default 2>/dev/null"))\
      COMPREPLY=($(compgen -W "$words" -- "$cur"))
    }
    complete -F _berth berth

    """
  }

  /// For zsh.
  var zsh: String {
    """
    #compdef berth
    # Completion of berth for zsh; made by `berth completion zsh`.
    _berth() {
      local cur=${words[CURRENT]} prev=${words[CURRENT-1]} at='' done='' i
      local -a line=("${(@)words}")
      local words=''
    \(walk("${line[i]}", from: "2", to: "CURRENT"))\
    \(cases(file: "_files; return"))\
      compadd -- ${=words}
    }
    if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _berth "$@"; else compdef _berth berth; fi

    """
  }

  // MARK: - fish

  /// For fish.
  var fish: String {
    var out = """
      # Completion of berth for fish; made by `berth completion fish`.
      function __berth_at
        set -l at
        set -l skip 0
        for word in (commandline -opc)[2..-1]
          if test $skip = 1
            set skip 0
            continue
          end
          switch $word
            case \(valueFlags.flatMap(spellings).joined(separator: " "))
              set skip 1
            case '-*'
            case '*'
              set -a at $word
          end
        end
        test "$at[1..2]" = "$argv" -o "$at" = "$argv"
      end
      complete -c berth -f

      """
    for first in firstWords {
      out += "complete -c berth -n '__berth_at' -a \(first.word) -d \(quoted(first.summary))\n"
    }
    for noun in table.nouns {
      for command in table.commands(of: noun) {
        for word in [noun.word] + noun.aliases {
          out += "complete -c berth -n '__berth_at \(word)' -a \(command.words[1]) -d \(quoted(command.summary))\n"
        }
      }
    }
    for (words, command) in spelt {
      if let offer = command.positionals.first?.offer {
        out += fishOffer("complete -c berth -n '__berth_at \(words)'", offer)
      }
      for flag in command.flags {
        var line = "complete -c berth -n '__berth_at \(words)' -l \(flag.name)"
        if let letter = flag.letter { line += " -s \(letter)" }
        line += " -d \(quoted(flag.help))"
        out += flag.value == nil ? line + "\n" : fishOffer(line + " -r", offer(flag), always: true)
      }
    }
    return out
  }

  private func fishOffer(_ line: String, _ offer: Positional.Offer, always: Bool = false) -> String {
    switch offer {
    case .nothing: always ? line + "\n" : ""
    case .pools: line + " -a '(\(Self.pools))'\n"
    case .nodes: line + " -a '(\(Self.nodes))'\n"
    case .vms: line + " -a '(\(Self.vms))'\n"
    case .files: line + " -F\n"
    case .words(let words): line + " -a '\(words.joined(separator: " "))'\n"
    }
  }

  private func quoted(_ text: String) -> String {
    "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "\\'") + "'"
  }
}
