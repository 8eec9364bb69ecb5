import Glibc

/// Why the command ends without a result; each kind has its exit code.
package enum BenchError: Error, Equatable {
  /// The command line asks for something that makes no sense here: exit 2.
  case usage(String)
  /// This machine cannot do what was asked: exit 3.
  case machine(String)
  /// A check failed while measuring (a wrong byte, a broken ring): exit 1.
  case check(String)

  package var message: String {
    switch self {
    case .usage(let text), .machine(let text), .check(let text): text
    }
  }

  package var exitCode: Int32 {
    switch self {
    case .check: 1
    case .usage: 2
    case .machine: 3
    }
  }

  /// Says it in one line on standard error and ends the process.
  package func exit() -> Never {
    StandardStream.error.write("ringbench: \(message)\n")
    Glibc.exit(exitCode)
  }
}
