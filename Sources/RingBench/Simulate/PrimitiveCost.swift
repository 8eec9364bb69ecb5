/// What a primitive costs, and how that is known.
struct PrimitiveCost: Encodable, Equatable, Sendable {
  enum Source: String, Encodable, Sendable {
    /// Timed here, on one thread (the line between two).
    case measured
    /// Given on the command line.
    case injected
    /// This machine cannot tell; taken as nothing.
    case unknown
  }

  let nanoseconds: Double
  let source: Source
}
