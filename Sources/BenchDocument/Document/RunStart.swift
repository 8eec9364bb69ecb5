import BenchHarness
import FoundationEssentials
import Glibc
import RingKit

/// What is known of a run when it begins: the rest follows when it ends.
package struct RunStart: Sendable {
  private let subcommand: String
  private let date = Date()
  private let load = Self.load()
  private let clock = ContinuousClock()
  private let began: ContinuousClock.Instant

  package init(of subcommand: String) {
    self.subcommand = subcommand
    began = clock.now
  }

  /// The run, once it is over.
  package func record(seed: UInt64?, anonymous: Bool) -> RunRecord {
    let duration = began.duration(to: clock.now) / .milliseconds(1)
    return RunRecord(
      startedAt: date.formatted(.iso8601), durationSeconds: (duration.rounded()) / 1000,
      host: anonymous ? nil : Self.host(), subcommand: subcommand, command: Self.command(ProgramArguments.all),
      commit: Version.commit, version: Version.ringKit, toolchain: Version.toolchain, optimised: Version.isOptimised,
      seed: seed.map { "\($0)" }, loadBefore: load, loadAfter: Self.load())
  }

  private static func load() -> Double? {
    SystemFile.text("/proc/loadavg")?.split(separator: " ").first.flatMap { Double($0) }
  }

  private static func host() -> String? {
    var name = [CChar](repeating: 0, count: 257)
    // SAFETY: the last byte is not written, so the name is terminated.
    guard unsafe gethostname(&name, name.count - 1) == 0 else { return nil }
    return String(printable: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) })
  }

  /// The arguments as a shell takes them; the program by its name alone.
  package static func command(_ arguments: [String]) -> String {
    let name = arguments.first?.split(separator: "/").last.map { String($0) } ?? "ringbench"
    return ([name] + arguments.dropFirst().map(quoted)).joined(separator: " ")
  }

  private static func quoted(_ argument: String) -> String {
    let isPlain =
      !argument.isEmpty
      && argument.utf8.allSatisfy { byte in
        (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
          || "-_./:=,+@%".utf8.contains(byte)
      }
    return isPlain
      ? argument
      : "'" + argument.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
  }
}
