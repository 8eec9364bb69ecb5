import CRingBench
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

/// Exit codes beyond those of ``BenchError``.
package enum ExitCodes {
  /// What a shell reports for a process that SIGINT ended (128 + 2).
  package static let interrupted: Int32 = 130
}

/// The C library's words for an error number.
package enum Errno {
  package static func text(_ error: Int32) -> String {
    // SAFETY: strerror returns a terminated string that stays valid until this thread's next call of it.
    unsafe strerror(error).map { unsafe String(cString: $0) } ?? "error \(error)"
  }
}

/// Ctrl-C: the first asks the run to end with what it has, the second ends the process.
package enum Interrupt {
  /// Called once, before threads are started.
  package static func install() { _ = crb_interrupt_install() }

  /// SIGTERM as well, for what serves until it is told to end.
  package static func installTermination() { _ = crb_termination_install() }

  /// Whether the run was asked to end; one relaxed load, for any thread.
  package static var isRequested: Bool { crb_interrupted() }
}
