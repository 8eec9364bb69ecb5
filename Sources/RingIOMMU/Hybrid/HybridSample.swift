public import RingKit

/// What one buffer of a size costs on either path.
public struct HybridSample: Equatable, Sendable {
  /// Which way its bytes went.
  public let direction: DMADirection
  /// Its length in bytes.
  public let byteCount: Int
  /// The median when it is copied, in nanoseconds.
  public let copyNanoseconds: Double
  /// The median when it is mapped.
  public let mapNanoseconds: Double

  /// A sample.
  public init(direction: DMADirection, byteCount: Int, copyNanoseconds: Double, mapNanoseconds: Double) {
    self.direction = direction
    self.byteCount = byteCount
    self.copyNanoseconds = copyNanoseconds
    self.mapNanoseconds = mapNanoseconds
  }
}
