#if Bench
import ArgumentParser
import BenchHarness
import FoundationEssentials
import Glibc

/// The command line: what each DMA path costs on one ring with one payload.
@main
struct RingBench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ringbench",
    abstract: "Measures what each way of handing memory to a virtio device costs.",
    discussion: """
      Exit codes: 0 done, 1 a check failed (a wrong byte, a broken ring) or nothing could be measured, 2 the command \
      line asks for something that makes no sense, 3 this machine cannot do it, 130, 143 or 129 ended by SIGINT, \
      SIGTERM or SIGHUP (what was measured until then is printed).

      @FILE stands for the arguments in a file: words between blanks and line ends, quoted as in a shell; # begins a \
      remark.
      """,
    version: "ringbench \(Version.ringKit) (commit \(Version.shortCommit))",
    subcommands: [
      CostCommand.self, SweepCommand.self, ShapesCommand.self, RingCommand.self, ScaleCommand.self, ExhaustCommand.self,
      ExplainCommand.self, SimulateCommand.self, CompareCommand.self, ReportCommand.self, ConvertCommand.self,
      TopologyCommand.self, CheckCommand.self, DeviceCommand.self, DriveCommand.self, ConformCommand.self,
      VFIOCommand.self,
      GuestCommand.self, LoopCommand.self, ViommuServerCommand.self,
    ]
  )

  // The parser's own main exits 64 and prints usage over several lines; here a refusal is one line and says 2.
  static func main() {
    // Before anything else: a signal in the first moment, too, ends a run with what it has. Commands that have nothing
    // to end with say so themselves.
    Interrupt.install()
    ProgramArguments.occupyStandardStreams()
    // A file that may not become longer is an error of the call, not the end of the process.
    signal(SIGXFSZ, SIG_IGN)
    do {
      let arguments = CommandNames.withDefault(try ArgumentFile.expand(Array(ProgramArguments.all.dropFirst())))
      try CommandNames.check(arguments[...], of: Self.self, named: "ringbench")
      try SingleOptions.check(arguments[...], of: Self.self)
      var command = try parseAsRoot(arguments)
      try checkMemory()
      try command.run()
    } catch let error as BenchError {
      error.exit()
    } catch {
      guard exitCode(for: error) == .success else {
        BenchError.usage(Self.refusal(for: error)).exit()
      }
      // Help and version come as errors that succeed.
      exit(withError: error)
    }
  }

  /// Refuses a limit of memory (`ulimit -v`, `-d`) under which this program would crash instead of measuring.
  private static func checkMemory() throws(BenchError) {
    let byteCount = 128 << 20
    let made = unsafe mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
    guard unsafe made != MAP_FAILED else {
      throw .machine("128 MiB of memory cannot be had: \(Errno.text(errno)); raise the limit (ulimit -v, ulimit -d)")
    }
    unsafe munmap(made, byteCount)
  }

  private static func refusal(for error: any Error) -> String {
    let lines = message(for: error).split(separator: "\n").map { line in
      String(line.drop { $0 == " " })
    }
    // The parser names the command it was in at the end of its own longer text.
    let command = fullMessage(for: error).split(separator: "'").first { $0.hasSuffix(" --help") }
    return lines.joined(separator: " ") + " (see '\(command ?? "ringbench --help")')"
  }
}

/// The names of commands, for a word that is none of them.
///
/// The parser names none that is like it, and takes help for a word of a command's own.
enum CommandNames {
  private static let help = "help"
  /// What is asked of the program, not of its default command.
  private static let ownOptions = ["--version", "--generate-completion-script", "--experimental-dump-help"]
  private static let helpOptions = ["--help", "-h", "-help", "--help-hidden"]

  /// The words with `cost` in front where they name no command.
  ///
  /// The parser can have a default command, and looks through all its options for each word of every other. As there,
  /// help in front of options is that of `cost`.
  static func withDefault(_ words: [String]) -> [String] {
    guard let first = words.first else { return [CostCommand._commandName] }
    let isOwn =
      ownOptions.contains { first == $0 || first.hasPrefix("\($0)=") }
      || helpOptions.contains(first) && !(words.dropFirst().first?.hasPrefix("-") ?? false)
    return !first.hasPrefix("-") || isOwn ? words : [CostCommand._commandName] + words
  }

  /// Refuses a word that stands where only a command can.
  ///
  /// - Throws: ``BenchError/usage(_:)`` with the name that is most like it.
  static func check(
    _ words: ArraySlice<String>, of command: any ParsableCommand.Type, named name: String
  ) throws(BenchError) {
    guard let word = words.first, !word.hasPrefix("-"), !command.configuration.subcommands.isEmpty else { return }
    if word == help { return try check(words.dropFirst(), of: command, named: name) }
    if let next = command.configuration.subcommands.first(where: { $0._commandName == word }) {
      return try check(words.dropFirst(), of: next, named: "\(name) \(word)")
    }
    let hint = like(word, in: command).map { "; did you mean '\(name) \($0)'?" } ?? ""
    throw .usage("\(name) has no command '\(word)'\(hint) (see '\(name) --help')")
  }

  /// The shown command that is most like a word, or the one below another that has just this name.
  static func like(_ word: String, in command: any ParsableCommand.Type) -> String? {
    let shown = command.configuration.subcommands.filter { $0.configuration.shouldDisplay }
    for parent in shown where parent.configuration.subcommands.contains(where: { $0._commandName == word }) {
      return "\(parent._commandName) \(word)"
    }
    let names = shown.map { $0._commandName } + [help]
    let near = names.map { ($0, distance(word, $0)) }.min { $0.1 < $1.1 }
    return near.flatMap { name, distance in distance <= max(1, word.count / 3) ? name : nil }
  }

  /// How many letters have to be put in, left out, replaced or swapped with the next.
  static func distance(_ a: String, _ b: String) -> Int {
    let (a, b) = (Array(a), Array(b))
    var rows = [Array(0...b.count)]
    for i in a.indices {
      var row = [i + 1]
      for j in b.indices {
        var least = min(row[j] + 1, rows[i][j + 1] + 1, rows[i][j] + (a[i] == b[j] ? 0 : 1))
        if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { least = min(least, rows[i - 1][j - 1] + 1) }
        row.append(least)
      }
      rows.append(row)
    }
    return rows[a.count][b.count]
  }
}

/// Options with one value that are given several times: the parser takes the last one, and says nothing.
enum SingleOptions {
  /// What the parser says of a command.
  private struct Dump: Decodable {
    struct Command: Decodable { let arguments: [Argument]? }

    struct Argument: Decodable {
      struct Name: Decodable { let name: String }
      let kind: String
      let isRepeating: Bool
      let names: [Name]?
    }

    let command: Command
  }

  /// Refuses the first of them.
  ///
  /// - Throws: ``BenchError/usage(_:)``.
  static func check(_ words: ArraySlice<String>, of root: any ParsableCommand.Type) throws(BenchError) {
    let given = words.filter { $0.hasPrefix("--") }.map { String($0.dropFirst(2).prefix { $0 != "=" }) }
    let counts = given.reduce(into: [:]) { $0[$1, default: 0] += 1 }
    let repeated = given.filter { counts[$0, default: 0] > 1 }
    guard !repeated.isEmpty else { return }
    let single = singles(of: command(words, root))
    if let name = repeated.first(where: single.contains) {
      throw .usage("--\(name) takes one value, and is given \(counts[name, default: 0]) times")
    }
  }

  /// The command that the words lead to.
  private static func command(
    _ words: ArraySlice<String>, _ root: any ParsableCommand.Type
  ) -> any ParsableCommand.Type {
    let (configuration, word) = (root.configuration, words.first)
    if let next = configuration.subcommands.first(where: { $0._commandName == word }) {
      return command(words.dropFirst(), next)
    }
    return configuration.defaultSubcommand.map { command(words, $0) } ?? root
  }

  private static func singles(of command: any ParsableCommand.Type) -> Set<String> {
    guard let dump = try? JSONDecoder().decode(Dump.self, from: Data(command._dumpHelp().utf8)) else { return [] }
    let single = (dump.command.arguments ?? []).filter { $0.kind == "option" && !$0.isRepeating }
    return Set(single.flatMap { $0.names ?? [] }.map(\.name))
  }
}
#endif
