#if Bench
import ArgumentParser
import BenchHarness

/// The command line: what each DMA path costs on one ring with one payload.
@main
struct RingBench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ringbench",
    abstract: "Measures what each way of handing memory to a virtio device costs.",
    discussion: """
      Exit codes: 0 done, 1 a check failed (a wrong byte, a broken ring), 2 the command line asks for something that \
      makes no sense, 3 this machine cannot do it, 130 interrupted (what was measured until then is printed).
      """,
    version: "ringbench \(Version.ringKit)",
    subcommands: [
      CostCommand.self, SweepCommand.self, ShapesCommand.self, RingCommand.self, ExhaustCommand.self,
      ExplainCommand.self, SimulateCommand.self, TopologyCommand.self, DeviceCommand.self, DriveCommand.self,
      VFIOCommand.self, GuestCommand.self, LoopCommand.self, ViommuServerCommand.self,
    ],
    defaultSubcommand: CostCommand.self
  )

  // The parser's own main exits 64 and prints usage over several lines; here a refusal is one line and says 2.
  static func main() {
    do {
      var command = try parseAsRoot()
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

  private static func refusal(for error: any Error) -> String {
    let lines = message(for: error).split(separator: "\n").map { line in
      String(line.drop { $0 == " " })
    }
    // The parser names the command it was in at the end of its own longer text.
    let command = fullMessage(for: error).split(separator: "'").first { $0.hasSuffix(" --help") }
    return lines.joined(separator: " ") + " (see '\(command ?? "ringbench --help")')"
  }
}
#endif
