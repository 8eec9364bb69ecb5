/// How two CPUs lie to each other, as the topology tells it.
struct CPUPair: Equatable, Sendable {
  let areSiblings: Bool
  let shareLastLevelCache: Bool
  let shareNode: Bool
}
