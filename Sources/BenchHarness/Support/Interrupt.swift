import CRingBench

/// Ctrl-C: the first asks the run to end with what it has, the second ends the process.
package enum Interrupt {
  /// Called once, before threads are started.
  package static func install() { _ = crb_interrupt_install() }

  /// SIGTERM as well, for what serves until it is told to end.
  package static func installTermination() { _ = crb_termination_install() }

  /// Whether the run was asked to end; one relaxed load, for any thread.
  package static var isRequested: Bool { crb_interrupted() }
}
