import RingKit

/// What one look at the machine found, and what to do about it.
package struct CheckFinding: Codable, Equatable, Sendable {
  /// How much a finding matters.
  package enum Weight: String, Codable, Sendable {
    /// As a measurement wants it.
    case fine
    /// Worth knowing; figures stay what they are.
    case note
    /// Figures would differ from run to run, or be worse than the machine's own.
    case disturbs
  }

  /// What was looked at.
  package let check: String
  package let weight: Weight
  package let finding: String
  /// `nil` where nothing has to be done.
  package let advice: String?

  init(_ check: String, _ weight: Weight, _ finding: String, advice: String? = nil) {
    (self.check, self.weight, self.finding, self.advice) = (check, weight, finding, advice)
  }

  /// As it stands among the warnings of a result.
  package var warning: String { "\(check): \(finding)" + (advice.map { "; \($0)" } ?? "") }
}

/// What on a machine would disturb a measurement between two CPUs; reads files, and changes nothing.
///
/// What the kernel does not show is left out: there is no finding about it.
package struct MachineCheck: Sendable {
  let tree: SystemTree
  /// The CPUs of the two threads, or the only one.
  let cpus: [Int]

  /// - Parameters:
  ///   - tree: where /proc and /sys are.
  ///   - cpus: those of the measuring threads.
  package init(_ tree: SystemTree = SystemTree(), cpus: [Int]) {
    (self.tree, self.cpus) = (tree, cpus)
  }

  /// All findings, in the order of the list that is printed.
  package func findings() -> [CheckFinding] {
    let checks = [
      governor, boost, siblings, isolation, load, otherUsers, interrupts, quota, steal, hypervisor, clockSource,
      transparentPages, hugePages, nodeBalancing, container,
    ]
    return checks.compactMap { $0() }
  }

  static let cpuFolder = "/sys/devices/system/cpu"

  /// The two CPUs in words.
  var cpuNames: String { cpus.count == 1 ? "CPU \(CPUList.text(cpus))" : "CPUs \(CPUList.text(cpus))" }

  var onlineCPUs: [Int] { CPUList.parse(tree.text("\(Self.cpuFolder)/online") ?? "") }

  /// The value after a key of /proc/self/status, /proc/cpuinfo and their like.
  func value(of key: String, in path: String) -> Substring? {
    for line in tree.lines(path) where line.hasPrefix(key) {
      let rest = line.dropFirst(key.count).drop { $0 == " " || $0 == "\t" }
      if rest.first == ":" { return rest.dropFirst().drop { $0 == " " || $0 == "\t" } }
    }
    return nil
  }

  var isUnderHypervisor: Bool {
    guard let flags = value(of: "flags", in: "/proc/cpuinfo") else {
      return tree.exists("/sys/hypervisor/type") || tree.exists("/proc/device-tree/hypervisor")
    }
    return flags.split(separator: " ").contains("hypervisor")
  }
}

extension String {
  /// A word of the kernel's or of another program's, fit for a terminal and short.
  init(foreign text: some StringProtocol) { self = String(String(printable: text.utf8).prefix(40)) }
}
