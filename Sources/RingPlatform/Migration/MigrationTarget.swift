public import RingKit

/// What a queue finds where it is to be moved to.
///
/// A guest negotiates its features once, and does not notice that it moved: so the target's device has to offer every
/// one of them, and room for the whole ring.
public struct MigrationTarget: Equatable, Sendable {
  /// The target's machine.
  public var platform: Platform
  /// What the target's device offers.
  public var offered: VirtioFeatures
  /// Descriptors that its queue can have at most.
  public var maximumQueueSize: Int

  /// A target.
  public init(platform: Platform, offered: VirtioFeatures, maximumQueueSize: Int) {
    self.platform = platform
    self.offered = offered
    self.maximumQueueSize = maximumQueueSize
  }

  /// Takes a queue, or says everything that it lacks for that.
  ///
  /// To be asked before the source is given up: asking changes nothing.
  ///
  /// - Throws: ``MigrationRefusal``.
  public func admit(_ state: QueueState) throws(MigrationRefusal) {
    do throws(QueueStateError) { try state.validate() } catch {
      throw MigrationRefusal(missing: [.validState(error)])
    }
    var missing: [MigrationRefusal.Shortage] = []
    for bit in 0..<64 {
      let feature = VirtioFeatures(bits: bit)
      if state.features.contains(feature), !offered.contains(feature) { missing.append(.feature(feature)) }
    }
    if state.size > maximumQueueSize {
      missing.append(.queueSize(needed: state.size, available: maximumQueueSize))
    }
    if state.isSecure, !platform.isSecure { missing.append(.securePlatform) }
    if platform.isSecure {
      // What it refuses a new device, it refuses one that moves in.
      for feature in [VirtioFeatures.version1, .accessPlatform] where !state.features.contains(feature) {
        missing.append(.negotiated(feature))
      }
    }
    if !missing.isEmpty { throw MigrationRefusal(missing: missing) }
  }
}
