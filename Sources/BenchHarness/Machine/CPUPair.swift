/// How two CPUs lie to each other, as the topology tells it.
package struct CPUPair: Equatable, Sendable {
  package let areSiblings: Bool
  package let shareLastLevelCache: Bool
  package let shareNode: Bool
}
