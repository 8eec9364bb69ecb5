/// What can be said of two paths over a range of sizes.
package struct CrossoverFinding: Equatable, Sendable {
  /// Who is cheaper at every size that tells.
  package enum Cheaper: Equatable, Sendable {
    case first
    case second
    /// They overtake each other, or nowhere differ.
    case neither
  }

  /// By size; empty: no crossover in range.
  package var crossovers: [Crossover]
  package var cheaper: Cheaper
}
