internal import RingKit

/// Buffers that go round on one thread.
package struct Exchange {
  package let rig: Rig

  package init(_ rig: Rig) { self.rig = rig }

  /// Adds `count` buffers of one segment and publishes them together.
  package func offer(_ count: Int, firstToken: UInt64 = 0) throws {
    for i in 0..<count {
      let direction: DMADirection = i % 2 == 0 ? .deviceWritable : .deviceReadable
      let result = try rig.driver.add(
        rig.segment(at: i % 32 * 128, 64), direction, token: firstToken + UInt64(i))
      guard result == .added else { throw Unexpected.full }
    }
    rig.driver.publish()
  }

  /// Fetches and completes `count` buffers, and publishes them together.
  package func serve(_ count: Int) throws {
    for _ in 0..<count { rig.device.complete(try rig.device.fetch()) }
    rig.device.publish()
  }

  /// Lets `count` buffers go round together, beside others that are in flight.
  package func goRound(_ count: Int) throws {
    try offer(count)
    try serve(count)
    for _ in 0..<count {
      guard try rig.driver.nextUsed() != nil else { throw Unexpected.count(0) }
    }
  }

  /// Lets `count` buffers go round, in batches as large as the ring.
  ///
  /// This is how a ring's indices get near their wrap.
  package func run(_ count: Int) throws {
    var left = count
    while left > 0 {
      let batch = min(left, rig.configuration.size)
      try offer(batch)
      try serve(batch)
      var back = 0
      while try rig.driver.nextUsed() != nil { back += 1 }
      guard back == batch else { throw Unexpected.count(back) }
      left -= batch
    }
  }

  package enum Unexpected: Error {
    case full
    case count(Int)
  }
}
