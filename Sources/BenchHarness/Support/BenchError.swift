import CRing
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

  /// Whether it tells of a wait that a signal ended, which is no matter of the machine.
  var isGivenUp: Bool {
    if case .machine = self { Interrupt.isRequested } else { false }
  }

  /// Says it in one line on standard error and ends the process.
  package func exit() -> Never {
    StandardStream.error.write("ringbench: \(message)\n")
    Glibc.exit(isGivenUp ? Interrupt.exitCode : exitCode)
  }
}

/// The C library's words for an error number.
package enum Errno {
  package static func text(_ error: Int32) -> String {
    // SAFETY: strerror returns a terminated string that stays valid until this thread's next call of it.
    unsafe strerror(error).map { unsafe String(cString: $0) } ?? "error \(error)"
  }
}

/// Ctrl-C, SIGTERM and SIGHUP: the first asks the run to end with what it has, the second ends the process.
package enum Interrupt {
  /// Called first of all, before threads are started.
  package static func install() {
    crb_interrupt_install()
    // Memory of gibibytes is populated for longer than one may wait.
    cring_populate_until(crb_interrupted)
  }

  /// For a command that has nothing to end with: from now on the first signal ends the process.
  package static func endAtOnce() { crb_interrupt_end_at_once() }

  /// For a child, which ends with its parent whatever the whole group is sent.
  package static func ignore() { crb_interrupt_ignore() }

  /// Whether the run was asked to end; one relaxed load, for any thread.
  package static var isRequested: Bool { crb_interrupted() }

  /// What a shell reports for a process that the signal ended: 130, 143 or 129.
  package static var exitCode: Int32 { 128 + crb_interrupt_signal() }
}

/// What this process was started with.
package enum ProgramArguments {
  /// main's, the program's name first; Swift's own come from /proc, which a container may not have.
  package static var all: [String] {
    let count = crb_argument_count()
    guard count > 0 else { return CommandLine.arguments }
    return (0..<count).compactMap { number in
      // SAFETY: argv's strings are terminated and stay for the life of the process.
      unsafe crb_argument(number).map { unsafe String(cString: $0) }
    }
  }

  /// Keeps the numbers of standard streams that this process was started without from the files it opens.
  ///
  /// A disk's image that became standard output would get the report written into it.
  package static func occupyStandardStreams() { crb_standard_streams_occupy() }

  /// A path that starts this program once more.
  package static var ownPath: String { unsafe String(cString: crb_program_path()) }
}
