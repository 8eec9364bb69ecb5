import RingKit

/// One point of the ring sweep.
struct RingPoint: Hashable, Sendable {
  var ring: RingLayout
  var inOrder: Bool
  var batch: Int
  var queueSize: Int
  var outstanding: Int
  var chain: Int
  var indirect: Bool
  var eventIndex: Bool
  var notification: NotificationMode

  var features: VirtioFeatures {
    var features: VirtioFeatures = .version1
    if ring == .packed { features.insert(.packedRing) }
    if inOrder { features.insert(.inOrder) }
    if indirect { features.insert(.indirectDescriptors) }
    if eventIndex { features.insert(.eventIndex) }
    return features
  }

  /// For an error message.
  var label: String {
    "\(ring.name)\(inOrder ? " in-order" : ""), batch \(batch), queue \(queueSize), \(outstanding) outstanding"
  }

  /// Descriptors of the ring that one buffer takes.
  var descriptorsPerBuffer: Int { indirect ? 1 : chain }

  /// Whether the ring can hold it: a batch must fit into what is outstanding, and that into the ring.
  var isPossible: Bool {
    batch <= outstanding && outstanding * descriptorsPerBuffer <= queueSize && (!indirect || chain > 1)
      && (ring == .packed || queueSize & (queueSize - 1) == 0)
  }
}
