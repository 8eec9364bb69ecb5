import RingKit
import RingKitTesting
import Testing
import VhostUser

/// A device of your own: it fills each buffer with the next numbers.
final class CountingDevice: VhostUserDevice {
  let queueCount = 1
  private var number: UInt8 = 0

  func configure(_ features: VirtioFeatures) {}
  func reset() { number = 0 }

  func serve(_ queue: inout VringQueue, index: Int, limit: Int) throws(VringFailure) -> VringProgress {
    try queue.serve(atMost: limit) { buffer throws(VringFailure) in
      guard buffer.writableCount > 0 else { throw .device("a buffer without room for a number") }
      try buffer.write(count: buffer.writableCount) {
        number &+= 1
        return number
      }
    }
  }
}

@Test func keepsTheRulesOfADevice() throws {
  let outcomes = try DeviceConformance(.entropy, isHostile: true).run { CountingDevice() }
  #expect(outcomes.filter { $0.verdict == .failed } == [])
}
