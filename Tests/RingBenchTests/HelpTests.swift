#if Bench
import ArgumentParser
import Testing

@testable import RingBench

/// What a help text tells its reader to type.
@Suite struct HelpTests {
  /// Every command that the program lists, and its help.
  private static let texts: [(name: String, text: String)] = {
    var found: [(String, String)] = []
    func add(_ command: any ParsableCommand.Type) {
      // Not wrapped: a command is one line.
      found.append((command._commandName, RingBench.helpMessage(for: command, columns: 2000)))
      for child in command.configuration.subcommands where child.configuration.shouldDisplay { add(child) }
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
    var seen: Set<String> = []
    for (name, text) in Self.texts {
      for (command, isWhole) in Self.commands(text) where seen.insert("\(command) \(isWhole)").inserted {
        let words = command.split(separator: " ").dropFirst().map { String($0) }
        do { _ = try RingBench.parseAsRoot(CommandNames.withDefault(words)) } catch {
          let reason = RingBench.message(for: error)
          #expect(!isWhole && reason.hasPrefix("Missing"), "in the help of \(name): \(command): \(reason)")
        }
      }
    }
    #expect(seen.count >= 10)
  }

  /// A line of an example that a terminal of 80 columns wraps cannot be copied into a shell.
  @Test func noExampleAndNoUsageIsWrappedAtEightyColumns() {
    var count = 0
    for (name, text) in Self.texts {
      let lines = text.split(separator: "\n")
      // Prose begins at the margin and is made to be wrapped; what is behind the usage are options.
      let usage = lines.firstIndex { $0.hasPrefix("USAGE:") } ?? 0
      for line in lines[...usage] where line.hasPrefix("  ") || line.hasPrefix("USAGE:") {
        count += 1
        #expect(line.count <= 80, "in the help of \(name): \(line)")
      }
    }
    #expect(count >= 60)
  }

  @Test func theDisksCommandForQEMUIsWholeAndNamesNoNumberOfQueues() throws {
    let text = try #require(Self.texts.first { $0.name == "blk" }?.text)
    #expect(text.contains("path=PATH") && text.contains("share=on") && text.contains("vhost-user-blk-pci,chardev=c"))
    // QEMU takes a queue for each CPU of the guest, so that many are offered.
    #expect(!text.contains("num-queues"))
    let command = try #require(
      try RingBench.parseAsRoot(["device", "blk", "--socket", "x", "--file", "y"]) as? DeviceBlockCommand)
    #expect(command.queues == 64)
    let net = try #require(try RingBench.parseAsRoot(["device", "net", "--socket", "x"]) as? DeviceNetCommand)
    #expect(net.pairs == 8)
  }
}
#endif
