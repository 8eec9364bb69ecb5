/// Where and how undisturbed the times of a shape were measured; counts need neither.
struct ShapeConditions: Sendable {
  var placement: PlacementClass?
  var roundTrip: Double?
  var slicesDroppedBy: [DropReason: Int] = [:]
  var isDisturbed = false
}
