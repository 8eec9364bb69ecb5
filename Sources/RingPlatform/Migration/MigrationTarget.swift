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

/// Why a target does not take a queue; the source goes on.
public struct MigrationRefusal: Error, Equatable, Sendable {
  /// One thing that the target, or the state, lacks.
  public enum Shortage: Equatable, Sendable {
    /// The target's device does not offer a feature that is in use.
    case feature(VirtioFeatures)
    /// Its queue is smaller than the one in use.
    case queueSize(needed: Int, available: Int)
    /// The source's memory is out of its devices' reach, the target's is not.
    case securePlatform
    /// The target is secure and needs a feature that the source did not negotiate.
    case negotiated(VirtioFeatures)
    /// The state is not one.
    case validState(QueueStateError)
  }

  /// Everything that is missing.
  public let missing: [Shortage]
}

extension MigrationRefusal: CustomStringConvertible {
  /// One sentence that names all of it.
  public var description: String {
    "the target refuses the queue: " + missing.map(\.description).joined(separator: "; ")
  }
}

extension MigrationRefusal.Shortage: CustomStringConvertible {
  /// What is missing.
  public var description: String {
    switch self {
    case .feature(let feature):
      "its device does not offer \(feature), which is in use" + (feature.qemuOption.map { " (QEMU: \($0))" } ?? "")
    case .queueSize(let needed, let available): "its queue holds \(available) descriptors, \(needed) are needed"
    case .securePlatform: "it is not a secure platform, as the source is"
    case .negotiated(let feature): "it is a secure platform, and the queue runs without \(feature)"
    case .validState(let error): error.description
    }
  }
}
