// The executable: wires concrete media, rooms and the process together, and decides nothing.
//
// Only this room knows that the log is SQLite, that the door is HTTP on a socket, and that there is a process with
// arguments, an environment, signals and an exit code. Everything else gets what it needs handed in, which is what
// lets tests and simulators hand in something else.
// Refused: a second way to start the parts. What is served, checked and dumped is opened here and nowhere else.
import API
import CLI
import Platform

@main
enum Main {
  static func main() {
    // SQLite makes its files as the system lets it.
    CurrentProcess.keepFilesPrivate()
    let environment = CurrentProcess.environment
    let handlers = Handlers(
      version: BerthAPI.version,
      serve: { options, _ in Serve(options).run() },
      check: { options, io in Inspect.check(options, io) },
      dumpLog: { options, io in Inspect.dump(options, io) },
      rejoin: { directory, io in Move.rejoin(directory, io) },
      migrate: { options, io in Move.migrate(options, io) },
      agent: { options, io in AgentCommand.run(options, io) })
    let code = CLI.run(
      arguments: Array(CommandLine.arguments.dropFirst()), environment: environment, handlers: handlers,
      io: .standard(environment: environment))
    ProcessEnd.orderly(code)
  }
}
