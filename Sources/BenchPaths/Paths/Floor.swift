import BenchPlan
import CRingBench
import RingIOMMU
import RingKit
import RingPlatform

/// The smallest program that moves the lines of a ring, as a case.
@safe
package final class Floor: @unchecked Sendable {
  private let floor: OpaquePointer

  /// The programs a point is held against: the fastest of the references is its floor.
  ///
  /// A split ring in which nothing is promised of the order has to be able to write every entry of its available ring,
  /// so its floor does. One whose heads keep their slots need not; that floor is measured beside it.
  package static func kinds(for point: RingPoint) -> [FloorKind] {
    switch (point.ring, point.inOrder) {
    case (.split, false):
      [
        FloorKind("split", CRB_FLOOR_SPLIT),
        FloorKind("split, static available ring", CRB_FLOOR_SPLIT_STATIC, isReference: false),
      ]
    case (.split, true): [FloorKind("split in-order", CRB_FLOOR_SPLIT_IN_ORDER)]
    case (.packed, false):
      [FloorKind("packed", CRB_FLOOR_PACKED), FloorKind("packed, 64-byte stores", CRB_FLOOR_PACKED_VECTOR)]
    case (.packed, true):
      [
        FloorKind("packed in-order", CRB_FLOOR_PACKED_IN_ORDER),
        FloorKind("packed in-order, 64-byte stores", CRB_FLOOR_PACKED_IN_ORDER_VECTOR),
      ]
    }
  }

  /// `nil` where the CPU or the point does not suit the kind.
  package init?(_ kind: crb_floor_kind, _ point: RingPoint) {
    let size = UInt32(point.queueSize)
    guard crb_floor_possible(kind, size, UInt32(point.batch)) else { return nil }
    var made: OpaquePointer?
    guard unsafe crb_floor_create(kind, size, UInt32(point.outstanding), UInt32(point.batch), &made) == 0,
      let made = unsafe made
    else { return nil }
    unsafe floor = made
  }

  deinit { unsafe crb_floor_destroy(floor) }

  /// Takes turns like any other; ends of a slice it agrees on by itself.
  package func benchCase(_ label: String) -> BenchCase {
    let benchCase = BenchCase(
      label, DriverEnd(run: { count, _ throws(SliceFailure) in unsafe crb_floor_drive(self.floor, UInt64(count)) }),
      DeviceEnd(run: { _ throws(SliceFailure) in unsafe crb_floor_serve(self.floor) }))
    // It moves groups of descriptors and has no other way to count.
    benchCase.granule = benchCase.batchMultiple
    return benchCase
  }
}
