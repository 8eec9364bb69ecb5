import RingKit
import RingKitTesting
import Testing

@Suite("Shadow buffers against a model")
struct ShadowAgainstModelTests {
  private struct Live {
    var address: IOVA
    var mapping: ShadowMapping
    var offset: Int
    var length: Int
    var direction: DMADirection
  }

  @Test("random traffic leaves the driver's memory as a model has it", arguments: [1, 2, 3] as [UInt64])
  func random(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    let fixture = try ShadowFixture(slots: 6, slotByteCount: 256, driverByteCount: 16_384)
    var model = [UInt8](repeating: 0, count: fixture.driver.byteCount)
    for i in model.indices {
      model[i] = UInt8.random(in: 1...255, using: &generator)
      unsafe fixture.driver.bytes[i] = model[i]
    }
    var mapper = try fixture.mapper()
    var live: [Live] = []
    for step in 0..<4000 {
      if Bool.random(using: &generator), live.count < 6 {
        // Each slot of 256 bytes belongs to one mapping at a time.
        let slot =
          (0..<64).filter { slot in !live.contains { $0.offset / 256 == slot } }
          .randomElement(using: &generator) ?? 0
        let length = Int.random(in: 1...256, using: &generator)
        let offset = slot * 256 + Int.random(in: 0...256 - length, using: &generator)
        let direction: DMADirection = Bool.random(using: &generator) ? .deviceReadable : .deviceWritable
        let mapped = try mapper.map(fixture.driver.segment(at: offset, length: length), direction)
        if direction == .deviceReadable {
          #expect(unsafe isEqual(fixture.seen(mapped.address, length), to: model[offset..<offset + length]))
        }
        live.append(
          Live(address: mapped.address, mapping: mapped.mapping, offset: offset, length: length, direction: direction))
      } else if !live.isEmpty {
        let done = live.remove(at: Int.random(in: 0..<live.count, using: &generator))
        var claimed = 0
        if done.direction == .deviceWritable {
          let stored = Int.random(in: 0...done.length, using: &generator)
          claimed = Int.random(in: 0...done.length, using: &generator)
          // What it stores and does not report stays its own affair; what it reports and did not store is zero.
          let bytes = unsafe fixture.seen(done.address, min(stored, claimed))
          for i in bytes.indices { unsafe bytes[i] = UInt8.random(in: 1...255, using: &generator) }
          for i in 0..<claimed { model[done.offset + i] = i < bytes.count ? unsafe bytes[i] : 0 }
        }
        _ = try mapper.unmap(done.mapping, done.direction, written: UInt32(claimed))
      }
      if step % 256 == 0 {
        #expect(unsafe isEqual(fixture.bytes(0..<model.count), to: model[...]), "seed \(seed), step \(step)")
      }
    }
    for rest in live { _ = try mapper.unmap(rest.mapping, rest.direction, written: 0) }
    #expect(unsafe isEqual(fixture.bytes(0..<model.count), to: model[...]), "seed \(seed)")
    let counts = mapper.work.counts
    #expect(counts[.maps] == counts[.unmaps])
  }
}
