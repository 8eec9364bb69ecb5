/// One step of a simulated operation.
package enum SimulatedStep: Equatable, Sendable {
  /// Nothing that others could be in the way of.
  case work(Double)
  /// Holds a lock, the one of its kind or the CPU's own, for that long.
  ///
  /// `lines`: cache lines behind the lock that must be fetched when another CPU held it last.
  case locked(isOwn: Bool, Double, lines: Double)
  /// Waits for the unit, which serves one request after the other.
  case served(Double)
}
