/// When a ``FaultInjectingMapper`` fails, and its account of what is mapped.
///
/// Owned by the mapper's thread while that runs.
final class FaultPlan: @unchecked Sendable {
  /// The map call that fails, counted from 1 on; 0 for none.
  var failingMap = 0
  /// The unmap call that fails, counted from 1 on; 0 for none.
  var failingUnmap = 0
  var maps = 0
  var unmaps = 0
  /// Numbers of the mappings not undone.
  var outstanding: Set<UInt64> = []
  var next: UInt64 = 1
  var doubleUnmaps = 0
  var wrongDirections = 0
  /// What the queue told of each unmap, in order: device-writable or not, and the bytes said to be written.
  var told: [Told] = []

  struct Told: Equatable {
    var isWritable: Bool
    var written: UInt32
  }
}
