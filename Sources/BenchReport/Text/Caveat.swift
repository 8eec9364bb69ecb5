import BenchHarness
import BenchPaths

/// What a reader must know before the figures.
package enum Caveat {
  /// Empty, or sentences that end in a space.
  package static func text(interrupted: Bool, disturbed: Bool) -> String {
    (interrupted ? "Interrupted: this is what was measured until then. " : "")
      + (disturbed
        ? "Other programs wanted these CPUs all the time, so slices they disturbed count: take the times with care. "
        : "")
  }
}
