import BenchHarness
import BenchPaths

/// Where and how undisturbed the times of a shape were measured; counts need neither.
package struct ShapeConditions: Sendable {
  package var placement: PlacementClass?
  package var roundTrip: Double?
  package var slicesDroppedBy: [DropReason: Int] = [:]
  package var isDisturbed = false

  package init(
    placement: PlacementClass? = nil, roundTrip: Double? = nil, slicesDroppedBy: [DropReason: Int] = [:],
    isDisturbed: Bool = false
  ) {
    self.placement = placement
    self.roundTrip = roundTrip
    self.slicesDroppedBy = slicesDroppedBy
    self.isDisturbed = isDisturbed
  }

}
