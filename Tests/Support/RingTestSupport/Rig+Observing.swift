internal import CPeer
package import RingKit
internal import RingKitTesting

extension Rig {
  private func part(_ address: GuestPhysicalAddress) -> GuestBuffer {
    let offset = Int(address.rawValue - ring.buffer.address.rawValue)
    return ring.buffer.slice(at: offset, byteCount: ring.buffer.byteCount - offset)
  }

  /// The split ring, seen from outside.
  package var split: SplitView {
    get throws {
      let addresses = try SplitRing(in: ring.buffer, size: configuration.size).addresses
      return SplitView(
        descriptors: part(addresses.descriptors), available: part(addresses.available), used: part(addresses.used),
        size: configuration.size)
    }
  }

  /// The packed ring, seen from outside.
  package var packed: PackedView {
    get throws {
      let addresses = try PackedRing(in: ring.buffer, size: configuration.size).addresses
      return PackedView(
        descriptors: part(addresses.descriptors), driverEvent: part(addresses.driverEvent),
        deviceEvent: part(addresses.deviceEvent), size: configuration.size)
    }
  }

  /// The three areas a C peer works on: descriptors, driver area, device area.
  package var areas: [GuestBuffer] {
    get throws {
      switch layout {
      case .split:
        let addresses = try SplitRing(in: ring.buffer, size: configuration.size).addresses
        return [part(addresses.descriptors), part(addresses.available), part(addresses.used)]
      case .packed:
        let addresses = try PackedRing(in: ring.buffer, size: configuration.size).addresses
        return [part(addresses.descriptors), part(addresses.driverEvent), part(addresses.deviceEvent)]
      }
    }
  }

  /// A segment of the payload.
  package func segment(at offset: Int, _ length: Int) -> MemorySegment {
    payload.buffer.segment(at: offset, length: length)
  }

  /// The guest-physical address of a payload byte.
  package func address(_ offset: Int) -> UInt64 { payload.buffer.address.rawValue + UInt64(offset) }

  /// Fills payload bytes with the stream of `sequence`.
  package func fill(_ offset: Int, _ count: Int, _ sequence: UInt64, at position: Int = 0) {
    let bytes = payload.buffer.slice(at: offset, byteCount: count)
    unsafe cpeer_fill(bytes.host.pointer.assumingMemoryBound(to: UInt8.self), count, sequence, position)
  }

  /// Whether payload bytes hold the stream of `sequence`.
  package func holds(_ offset: Int, _ count: Int, _ sequence: UInt64, at position: Int = 0) -> Bool {
    let bytes = payload.buffer.slice(at: offset, byteCount: count)
    return unsafe cpeer_check(
      bytes.host.pointer.assumingMemoryBound(to: UInt8.self), count, sequence, position) == count
  }

  /// What is wrong with the books when every buffer is back: leaks, double unmaps, writes outside buffers.
  package func audit() throws -> [String] {
    try driver.flush()
    var wrong: [String] = []
    func check(_ isRight: Bool, _ text: @autoclosure () -> String) { if !isRight { wrong.append(text()) } }
    check(ring.isIntact, "bytes beside the ring were written")
    check(tables.isIntact, "bytes beside the indirect tables were written")
    check(payload.isIntact, "bytes beside the payload were written")
    check(plan.outstandingCount == 0, "\(plan.outstandingCount) mappings were never undone")
    check(plan.doubleUnmaps == 0, "\(plan.doubleUnmaps) mappings were undone twice")
    check(plan.wrongDirections == 0, "\(plan.wrongDirections) mappings were undone with the other direction")
    check(pool.usedSlots == 0, "\(pool.usedSlots) bounce slots are still in use")
    check(arena.outstanding == 0, "\(arena.outstanding) bounce parts are still in use")
    check(arena.doubleUnmaps == 0, "\(arena.doubleUnmaps) bounce parts were given back twice")
    check(arena.overruns == 0, "\(arena.overruns) bounce parts were written behind their end")
    check(
      arena.writesWhileUnmapped == 0, "\(arena.writesWhileUnmapped) bounce parts were written while nobody had them")
    if path.mapsEachBuffer {
      let counts = driver.counts
      check(counts[.maps] == counts[.unmaps], "\(counts[.maps]) maps, \(counts[.unmaps]) unmaps")
    }
    return wrong
  }
}
