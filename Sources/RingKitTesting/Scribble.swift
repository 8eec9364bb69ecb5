public import RingKit

extension RingMemory {
  /// Writes what a hostile driver might: anything, anywhere it may write, mostly descriptors that look right.
  ///
  /// - Parameters:
  ///   - random: what chooses.
  ///   - addresses: addresses that the device may come across; the first two lead to memory, if any do.
  ///   - tables: where the first two addresses lead, at least 128 bytes.
  package func scribbleAsDriver(_ random: inout SeededGenerator, addresses: [UInt64], tables: GuestBuffer) {
    for _ in 0..<Int(random.next() % 24) {
      let value = word(&random, addresses: addresses)
      switch random.next() % 8 {
      case 0...4:
        // Mostly whole descriptors that look right, so that the device gets far enough to meet the rest.
        let slot = Int(random.next() % UInt64(size))
        store64(addresses[Int(random.next() % 2)], descriptors, 16 * slot)
        if random.next() % 4 == 0 { store64(value, descriptors, 16 * slot) }
        store64(plausible(value, &random), descriptors, 16 * slot + 8)
      case 5: store64(value, tables, Int(random.next() % 16) * 8)
      case 6: store16(UInt16(truncatingIfNeeded: value), driverArea, 0)
      default: scribbleOffer(value, &random)
      }
    }
  }

  /// The second word of a descriptor with a small length, some flags, and a `next` in the ring.
  private func plausible(_ value: UInt64, _ random: inout SeededGenerator) -> UInt64 {
    if random.next() % 4 == 0 { return value }
    let flags = random.next() & 7 & random.next()
    let small = random.next() % 5 * 16
    if !isPacked { return small | flags << 32 | random.next() % UInt64(size) << 48 }
    let lap: UInt64 = random.next() % 2 == 0 ? 0x80 : 0x8000
    return small | (flags | lap) << 48
  }

  private func scribbleOffer(_ value: UInt64, _ random: inout SeededGenerator) {
    guard !isPacked else { return store16(UInt16(truncatingIfNeeded: value), driverArea, 2) }
    let index = availableIndex
    store16(UInt16(random.next() % UInt64(size)), driverArea, 4 + 2 * (Int(index) % size))
    availableIndex = random.next() % 8 == 0 ? UInt16(truncatingIfNeeded: value) : index &+ 1
    if random.next() % 8 == 0 {
      store16(UInt16(truncatingIfNeeded: value), driverArea, 4 + 2 * Int(random.next() % UInt64(size + 1)))
    }
  }

  /// Writes what a hostile device might: mostly completions that look right, sometimes anything anywhere in the ring.
  ///
  /// - Parameters:
  ///   - random: what chooses.
  ///   - address: an address that the driver used.
  package func scribbleAsDevice(_ random: inout SeededGenerator, address: UInt64) {
    let isWild = random.next() % 12 == 0
    for _ in 0..<Int(random.next() % 4) {
      let value = word(&random, addresses: [address])
      let slot = Int(random.next() % UInt64(size))
      let length = random.next() % 6 == 0 ? UInt32(truncatingIfNeeded: value) : 0
      if isPacked {
        let lap: UInt64 = random.next() % 2 == 0 ? 0x8080 : 0
        let flags = lap | (length > 0 ? 2 : 0)
        let id = isWild ? value & 0xffff : random.next() % UInt64(size)
        store64(isWild ? value : UInt64(length) | id << 32 | flags << 48, descriptors, 16 * slot + 8)
        if isWild { store64(value, descriptors, 16 * slot) }
        store16(UInt16(truncatingIfNeeded: value), deviceArea, random.next() % 2 == 0 ? 0 : 2)
      } else {
        let index = usedIndex
        setUsedEntry(at: index, id: isWild ? UInt32(truncatingIfNeeded: value) : UInt32(slot), length: length)
        usedIndex = isWild ? UInt16(truncatingIfNeeded: value) : index &+ 1
        if isWild { availableEvent = UInt16(truncatingIfNeeded: value >> 8) }
      }
    }
  }

  /// Zeroes all three parts, as a driver does that begins anew.
  func clear() {
    for part in [descriptors, driverArea, deviceArea] {
      for offset in stride(from: 0, to: part.byteCount - 1, by: 2) { store16(0, part, offset) }
    }
  }

  /// A value a hostile peer might like: small, near a limit, an address, or anything.
  private func word(_ random: inout SeededGenerator, addresses: [UInt64]) -> UInt64 {
    switch random.next() % 8 {
    case 0: return random.next()
    case 1: return random.next() % UInt64(2 * size + 2)
    case 2: return addresses[Int(random.next() % UInt64(addresses.count))] &+ random.next() % 64 &- 32
    case 3: return .max &- random.next() % 64
    case 4:
      // A descriptor's second word: a small length, flags, and a next or id in the ring.
      let flags = random.next() & 0x8087
      return random.next() % 80 | flags << 32 | random.next() % UInt64(size + 1) << 48
    case 5:
      let flags = random.next() & 0x8087
      return random.next() % 80 | random.next() % UInt64(size + 1) << 32 | flags << 48
    case 6: return random.next() & 0xffff_ffff
    default: return 0
    }
  }
}

extension HostilePeer {
  private static var featureSets: [VirtioFeatures] {
    [[], .indirectDescriptors, .inOrder, .eventIndex, [.indirectDescriptors, .inOrder, .eventIndex]]
  }

  /// Attacks a device with anything: a driver writes random words wherever it may before each step.
  ///
  /// That no step traps or hangs is what this is for. After an error the queue is reset and gets a new device.
  ///
  /// - Parameters:
  ///   - rounds: steps for each set of features.
  ///   - makeDevice: as for ``attackDevice(_:)``; a step may throw whatever it likes.
  /// - Returns: how many steps threw.
  /// - Throws: what `makePath` or `makeDevice` throws, or why there is no such queue; and for a queue that threw a
  ///   violation and does not say that it is broken.
  public func scribbleAtDevice(
    rounds: Int, _ makeDevice: (GuestMemory) throws -> (inout Layout.Device) throws -> Void
  ) throws -> Int {
    var random = SeededGenerator(seed: seed)
    var errors = 0
    for features in Self.featureSets {
      var observed = try observedQueue(features)
      let stage = try observed.driverStage(position: 0, table: [], variation: 0)
      let tables =
        observed.memory.sharedBuffer(at: GuestPhysicalAddress(stage.readable), byteCount: 128) ?? observed.payload
      let addresses = [stage.readable, stage.writable, stage.end, observed.ring.descriptors.address.rawValue]
      var serve = try makeDevice(observed.memory)
      for _ in 0..<rounds {
        observed.ring.scribbleAsDriver(&random, addresses: addresses, tables: tables)
        do { try serve(&observed.queue.device) } catch {
          try Self.expectBroken(observed.queue.device.isBroken, after: error)
          errors += 1
          observed.queue.device.reset()
          observed.ring.clear()
          serve = try makeDevice(observed.memory)
        }
      }
      observed.end()
    }
    return errors
  }

  /// Attacks a driver with anything: a device writes random words wherever it may before each step.
  ///
  /// That no step traps or hangs is what this is for. After an error the queue is reset and gets a new driver.
  ///
  /// - Parameters:
  ///   - rounds: steps for each set of features.
  ///   - makeDriver: as for ``attackDriver(answering:_:)``; a step may throw whatever it likes.
  /// - Returns: how many steps threw.
  /// - Throws: what `makePath` or `makeDriver` throws, or why there is no such queue; what a reset throws; and for a
  ///   queue that threw a violation and does not say that it is broken.
  public func scribbleAtDriver(
    rounds: Int, _ makeDriver: (GuestMemory) throws -> (inout Layout.Driver) throws -> Void
  ) throws -> Int {
    var random = SeededGenerator(seed: seed)
    var errors = 0
    for features in Self.featureSets {
      var observed = try observedQueue(features)
      let address = observed.payload.address.rawValue
      var drive = try makeDriver(observed.memory)
      for _ in 0..<rounds {
        observed.ring.scribbleAsDevice(&random, address: address)
        do { try drive(&observed.queue.driver) } catch {
          try Self.expectBroken(observed.queue.driver.isBroken, after: error)
          errors += 1
          try observed.queue.driver.reset { _ in }
          drive = try makeDriver(observed.memory)
        }
      }
      observed.end()
    }
    return errors
  }

  private static func expectBroken(_ isBroken: Bool, after error: any Error) throws {
    if case .violation? = HostileOutcome.queueError(of: error), !isBroken {
      throw Seen("the queue threw a violation and is not broken: \(error)")
    }
  }
}
