public import RingKit

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
