import RingKit

@testable import VhostUser

/// A disk that dies after so many requests, with at least one more fetched and not completed.
final class MortalDisk: VhostUserDevice {
  private let disk: BlockDevice
  private var lives: Int
  private let fetching: Int
  private let die: () -> Void
  /// The heads of what it fetched when it died.
  private(set) var seen: [UInt16] = []

  init(_ disk: BlockDevice, lives: Int, fetching: Int, die: @escaping () -> Void = {}) {
    (self.disk, self.lives, self.fetching, self.die) = (disk, lives, fetching, die)
    // A step that stops in the middle of a request would take a life too.
    disk.stepNanoseconds = .max / 2
  }

  var deviceFeatures: VirtioFeatures { disk.deviceFeatures }
  var queueCount: Int { disk.queueCount }
  var configuration: [UInt8] { disk.configuration }
  func configure(_ features: VirtioFeatures) { disk.configure(features) }
  func forget(index: Int) { disk.forget(index: index) }
  func reset() { disk.reset() }

  func serve(_ queue: inout VringQueue, index: Int, limit: Int) throws(VringFailure) -> VringProgress {
    while lives > 0 {
      let progress = try disk.serve(&queue, index: index, limit: 1)
      if case .empty = progress { return progress }
      lives -= 1
    }
    do throws(QueueError) {
      for _ in 0..<fetching { if let chain = try queue.next() { seen.append(chain.id) } }
      // It dies with a request in flight, so it waits until the driver has offered one.
      if seen.isEmpty { return .empty }
    } catch { throw .queue(error) }
    die()
    return .idle
  }
}
