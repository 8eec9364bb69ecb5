internal import RingKit
internal import RingKitTesting
internal import Testing

/// Drives a queue with every way of adding, serving and reclaiming, mixed at random, and knows what must come back.
package final class BatchModel {
  private let rig: Rig
  private let inOrder: Bool
  private var random: SeededGenerator
  private var nextToken: UInt64 = 0
  /// Added and not published, published and not fetched, fetched and not completed: oldest first.
  private var added: [(token: UInt64, capacity: UInt32)] = []
  private var visible: [(token: UInt64, capacity: UInt32)] = []
  private var held: [(chain: DeviceChain, token: UInt64)] = []
  /// Completed and not published, published and not reclaimed, in the order the driver may see them.
  private var completed: [Completion] = []
  private var due: [Completion] = []
  package private(set) var reclaimed = 0

  package init(_ rig: Rig, inOrder: Bool, seed: UInt64) {
    self.rig = rig
    self.inOrder = inOrder
    random = SeededGenerator(seed: seed)
  }

  package func step() throws {
    switch pick(8) {
    case 0: try addOne()
    case 1, 2: try addMany()
    case 3: publish()
    case 4: try fetchAndHold()
    case 5: try serve()
    case 6: completeSome()
    default: try reclaim()
    }
  }

  /// Everything that is on its way comes home.
  package func drain() throws {
    publish()
    while try rig.device.next().map({ take($0) }) != nil {}
    while !held.isEmpty { complete(at: 0) }
    rig.device.publish()
    (due, completed) = (due + completed, [])
    // Bounded: a queue that loses a buffer must fail here, not hang.
    for _ in 0..<10_000 where !due.isEmpty { try reclaim() }
    #expect(due.isEmpty)
    #expect(try rig.driver.nextUsed() == nil)
  }

  private func pick(_ bound: Int) -> Int { Int(random.next() % UInt64(bound)) }

  private func addOne() throws {
    let readable = (0..<pick(3)).map { rig.segment(at: 128 * $0, 16) }
    let writable = (0..<pick(3)).map { rig.segment(at: 128 * $0 + 64, 16) }
    guard !readable.isEmpty || !writable.isEmpty, readable.count + writable.count <= rig.driver.size else { return }
    guard try rig.driver.add(readable: readable, writable: writable, token: nextToken) == .added else { return }
    added.append((nextToken, UInt32(16 * writable.count)))
    nextToken += 1
  }

  private func addMany() throws {
    let direction: DMADirection = pick(2) == 0 ? .deviceReadable : .deviceWritable
    let (size, free, first) = (rig.driver.size, rig.driver.freeDescriptorCount, nextToken)
    let wanted = pick(size + 2)
    let count = try rig.driver.add(atMost: wanted, direction) { i in
      (segment: rig.segment(at: 128 * (i % size), 32), token: first + UInt64(i))
    }
    #expect(count == min(wanted, free))
    for i in 0..<count { added.append((first + UInt64(i), direction == .deviceWritable ? 32 : 0)) }
    nextToken += UInt64(count)
  }

  private func publish() {
    rig.driver.publish()
    visible += added
    added = []
  }

  private func fetchAndHold() throws {
    for _ in 0..<pick(4) {
      guard let chain = try rig.device.next() else {
        #expect(visible.isEmpty, "the device does not see what was published")
        return
      }
      take(chain)
    }
  }

  @discardableResult
  private func take(_ chain: DeviceChain) -> Bool {
    guard let buffer = visible.first else {
      Issue.record("the device got a buffer that was not published")
      return false
    }
    #expect(chain.writableByteCount == UInt64(buffer.capacity))
    visible.removeFirst()
    held.append((chain, buffer.token))
    return true
  }

  private func serve() throws {
    // With IN_ORDER nothing may be held when a batch is served on the spot.
    if inOrder { while !held.isEmpty { complete(at: 0) } }
    let (limit, expected) = (pick(6), visible)
    var served: [Completion] = []
    let count = try rig.device.serve(atMost: limit) { chain, segments in
      let buffer = expected[served.count]
      #expect(chain.writableByteCount == UInt64(buffer.capacity))
      #expect(segments.reduce(0) { $0 + $1.byteCount } == Int(chain.readableByteCount + chain.writableByteCount))
      let written = self.written(buffer.capacity)
      served.append(Completion(token: buffer.token, writtenByteCount: written))
      return written
    }
    #expect(count == min(limit, expected.count) && served.count == count)
    visible.removeFirst(count)
    // Serving publishes, what was completed before included.
    due += completed + served
    completed = []
  }

  private func written(_ capacity: UInt32) -> UInt32 {
    pick(3) == 0 ? UInt32(pick(Int(capacity) + 1)) : capacity
  }

  private func completeSome() {
    for _ in 0..<pick(4) where !held.isEmpty { complete(at: inOrder ? 0 : pick(held.count)) }
    if pick(2) == 0 {
      rig.device.publish()
      (due, completed) = (due + completed, [])
    }
  }

  private func complete(at index: Int) {
    let (chain, token) = held.remove(at: index)
    let count = written(UInt32(chain.writableByteCount))
    rig.device.complete(chain, written: count)
    completed.append(Completion(token: token, writtenByteCount: count))
  }

  private func reclaim() throws {
    if pick(3) == 0 {
      let one = try rig.driver.nextUsed()
      #expect(one == due.first)
      if one != nil { forget(1) }
      return
    }
    let limit = pick(rig.driver.size + 3)
    let got = try rig.driver.reclaim(atMost: limit)
    #expect(got == Array(due.prefix(min(limit, rig.driver.size))))
    forget(got.count)
  }

  private func forget(_ count: Int) {
    due.removeFirst(min(count, due.count))
    reclaimed += count
  }
}
