import Testing

@testable import BenchHarness

@Suite struct PlacementClassifierTests {
  private let oneNode = CPUPair(areSiblings: false, shareLastLevelCache: true, shareNode: true)
  private let twoNodes = CPUPair(areSiblings: false, shareLastLevelCache: false, shareNode: false)
  private let seen = [100.0, 105, 110, 500, 510, 520]

  private func virtual(_ pair: CPUPair) -> PlacementClassifier {
    PlacementClassifier(pair: pair, underHypervisor: true, roundTrips: seen)
  }

  @Test(arguments: [
    (CPUPair(areSiblings: true, shareLastLevelCache: true, shareNode: true), PlacementClass.smt),
    (CPUPair(areSiblings: false, shareLastLevelCache: true, shareNode: true), .sameL3),
    (CPUPair(areSiblings: false, shareLastLevelCache: false, shareNode: true), .crossL3),
    (CPUPair(areSiblings: false, shareLastLevelCache: false, shareNode: false), .crossNode),
  ])
  func bareMetalBelievesTheTopology(_ pair: CPUPair, _ expected: PlacementClass) {
    let classifier = PlacementClassifier(pair: pair, underHypervisor: false, roundTrips: seen)
    // Whatever the round trip was: cores do not move.
    #expect(classifier.verdict(SliceConditions(roundTripBefore: 48, roundTripAfter: 510)) == .kept(expected))
  }

  @Test func aVirtualMachineBelievesTheRoundTrip() {
    let classifier = virtual(oneNode)
    #expect(classifier.verdict(SliceConditions(roundTripBefore: 104, roundTripAfter: 111)) == .kept(.sameL3))
    #expect(classifier.verdict(SliceConditions(roundTripBefore: 490, roundTripAfter: 530)) == .kept(.crossL3))
  }

  @Test func crossNodeNeedsTwoNodes() {
    #expect(virtual(twoNodes).placement(of: 510) == .crossNode)
    #expect(virtual(twoNodes).placement(of: 105) == .sameL3)
    #expect(virtual(oneNode).placement(of: 510) == .crossL3)
  }

  @Test func aSliceBetweenTwoPlacementsIsDropped() {
    let slice = SliceConditions(roundTripBefore: 105, roundTripAfter: 510)
    #expect(virtual(oneNode).verdict(slice) == .dropped(.placementChanged))
  }

  @Test func aDisturbedSliceIsDropped() {
    var slice = SliceConditions(roundTripBefore: 105, roundTripAfter: 105, stolenTicks: 1)
    #expect(virtual(oneNode).verdict(slice) == .dropped(.stolenTime))
    slice.stolenTicks = 0
    slice.involuntarySwitches = 1
    #expect(virtual(oneNode).verdict(slice) == .dropped(.involuntarySwitch))
    slice.roundTripAfter = -1
    #expect(virtual(oneNode).verdict(slice) == .dropped(.probeFailed))
  }
}
