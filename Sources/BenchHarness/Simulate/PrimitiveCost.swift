/// What a primitive costs, and how that is known.
package struct PrimitiveCost: Encodable, Equatable, Sendable {
  package enum Source: String, Encodable, Sendable {
    /// Timed here, on one thread (the line between two).
    case measured
    /// Given on the command line.
    case injected
    /// This machine cannot tell; taken as nothing.
    case unknown
  }

  package let nanoseconds: Double
  package let source: Source

  package init(nanoseconds: Double, source: Source) {
    self.nanoseconds = nanoseconds
    self.source = source
  }
}
