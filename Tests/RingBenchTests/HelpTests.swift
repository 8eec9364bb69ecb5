#if Bench
import ArgumentParser
import Testing

@testable import RingBench

/// What a help text tells its reader to type.
@Suite struct HelpTests {
  /// Every command, and its help.
  private static let texts: [(name: String, text: String)] = {
    var found: [(String, String)] = []
    func add(_ command: any ParsableCommand.Type) {
      // Not wrapped: a command is one line.
      found.append((command._commandName, RingBench.helpMessage(for: command, columns: 2000)))
      for child in command.configuration.subcommands { add(child) }
    }
    add(RingBench.self)
    return found
  }()

  /// The commands in a text that this program would be started with: those by themselves on a line, which are whole,
  /// and those in quotes, which may leave out what has to follow.
  private static func commands(_ text: String) -> [(line: String, isWhole: Bool)] {
    var commands: [(String, Bool)] = []
    for line in text.split(separator: "\n") {
      let words = line.drop { $0 == " " }
      if words.hasPrefix("ringbench ") { commands.append((String(words.prefix { $0 != "#" && $0 != "&" }), true)) }
      for part in line.split(separator: "'") where part.hasPrefix("ringbench ") && !part.hasPrefix("ringbench help ") {
        commands.append((String(part), false))
      }
    }
    return commands
  }

  @Test func everyCommandThatAHelpTextPrintsIsUnderstood() throws {
    var count = 0
    for (name, text) in Self.texts {
      for (command, isWhole) in Self.commands(text) {
        count += 1
        let words = command.split(separator: " ").dropFirst().map { String($0) }
        do { _ = try RingBench.parseAsRoot(words) } catch {
          let reason = RingBench.message(for: error)
          #expect(!isWhole && reason.hasPrefix("Missing"), "in the help of \(name): \(command): \(reason)")
        }
      }
    }
    #expect(count >= 10)
  }

  @Test func theDisksCommandForQEMUIsWholeAndNamesNoNumberOfQueues() throws {
    let text = try #require(Self.texts.first { $0.name == "blk" }?.text)
    let line = try #require(text.split(separator: "\n").first { $0.contains("qemu-system-x86_64") })
    #expect(line.contains("path=PATH") && line.contains("share=on") && line.contains("vhost-user-blk-pci,chardev=c"))
    // QEMU takes a queue for each CPU of the guest, so that many are offered.
    #expect(!line.contains("num-queues"))
    let command = try #require(
      try RingBench.parseAsRoot(["device", "blk", "--socket", "x", "--file", "y"]) as? DeviceBlockCommand)
    #expect(command.queues == 64)
    let net = try #require(try RingBench.parseAsRoot(["device", "net", "--socket", "x"]) as? DeviceNetCommand)
    #expect(net.pairs == 8)
  }
}
#endif
