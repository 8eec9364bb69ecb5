import FuzzSupport
import Glibc
import RingIOMMU
import RingKit
import RingKitTesting

/// A driver that writes anything anywhere it can, at any time between two calls of our device.
@_cdecl("LLVMFuzzerTestOneInput")
public func hostileDriver(_ data: UnsafePointer<UInt8>, _ count: Int) -> CInt {
  var input = FuzzInput(data, count)
  let configuration = FuzzConfiguration(&input)
  let guest = configuration.path == .swiotlb ? bouncing : open
  guest.fill()
  switch configuration.path {
  case .direct, .swiotlb:
    // Without an IOMMU any shared memory can be named; where everything is bounced, payload and tables are out of
    // reach.
    let translator = RegionTranslator(memory: guest.memory, counter: UncountedWork())
    connect(configuration, guest, [guest.pool.address.rawValue, guest.payload.address.rawValue], translator, &input)
  case .iommuStrict, .iommuLazy:
    // Two pages to read and one to write are mapped, and nothing else.
    var mapper = IOMMUMapper(domain: domain, policy: .strict, counter: UncountedWork())
    var addresses: [UInt64] = []
    var mappings: [(IOMMUMapping, DMADirection)] = []
    for (offset, direction) in [(0, DMADirection.deviceReadable), (4096, .deviceReadable), (8192, .deviceWritable)] {
      let (address, mapping) = must { try mapper.map(guest.payload.segment(at: offset, length: 4096), direction) }
      addresses.append(address.rawValue)
      mappings.append((mapping, direction))
    }
    let translator = IOMMUTranslator(domain: domain, iotlbSets: 4, counter: UncountedWork())
    connect(configuration, guest, addresses, translator, &input)
    for (mapping, direction) in mappings { must { try mapper.unmap(mapping, direction) } }
  }
  return 0
}

private let open = FuzzGuest(isBouncing: false)
private let bouncing = FuzzGuest(isBouncing: true)
private let domain = {
  var configuration = IOMMUConfiguration()
  configuration.servedBy = .waiter
  return IOMMUDomain(memory: open.memory, configuration: configuration)
}()

private func connect<Translator: DMATranslator & ~Copyable>(
  _ configuration: FuzzConfiguration, _ guest: FuzzGuest, _ addresses: [UInt64],
  _ translator: consuming Translator, _ input: inout FuzzInput
) {
  let size = configuration.queue.size
  do {
    if configuration.isPacked {
      let buffer = guest.ring(byteCount: PackedRing.byteCount(size: size))
      memset(buffer.host.pointer, 0, buffer.byteCount)
      var device = try PackedDeviceQueue(
        configuration.queue, ring: PackedRing(in: buffer, size: size), translator: translator)
      var attack = Attack(configuration, guest, buffer, addresses)
      attack.run(&device, &input)
    } else {
      let buffer = guest.ring(byteCount: SplitRing.byteCount(size: size))
      memset(buffer.host.pointer, 0, buffer.byteCount)
      var device = try SplitDeviceQueue(
        configuration.queue, ring: SplitRing(in: buffer, size: size), translator: translator)
      var attack = Attack(configuration, guest, buffer, addresses)
      attack.run(&device, &input)
    }
  } catch { fatalError("set-up: \(error)") }
}

/// One execution.
private struct Attack {
  let configuration: FuzzConfiguration
  let guest: FuzzGuest
  let ring: GuestBuffer
  let addresses: [UInt64]
  let view: RingMemory
  let size: Int
  var held: [DeviceChain] = []
  /// Where the next plausible descriptor goes, and the lap of a packed ring.
  var position = 0
  var lap = true

  init(_ configuration: FuzzConfiguration, _ guest: FuzzGuest, _ ring: GuestBuffer, _ addresses: [UInt64]) {
    self.configuration = configuration
    self.guest = guest
    self.ring = ring
    self.addresses = addresses
    size = configuration.queue.size
    view = RingMemory(in: ring, isPacked: configuration.isPacked, size: size)
  }

  mutating func run<Device: DeviceQueue & ~Copyable>(_ device: inout Device, _ input: inout FuzzInput) {
    var steps = 0
    while !input.isEmpty && steps < 400 {
      steps += 1
      switch input.below(12) {
      case 0, 1, 2: describe(&input)
      case 3: offer(&input)
      case 4: write(ring, &input)
      case 5: writeTable(&input)
      case 6, 7: fetch(&device, 1 + input.below(8))
      case 8: complete(&device, &input)
      case 9: serve(&device, 1 + input.below(20))
      case 10:
        let bits = input.byte()
        if bits & 1 != 0 { _ = device.isNotificationDue() }
        if bits & 2 != 0 { _ = device.enableNotifications() }
        if bits & 4 != 0 { device.disableNotifications() }
        device.service()
      default: if input.below(8) == 0 { reset(&device) } else { write(ring, &input) }
      }
      check(device.inFlightCount == held.count, "\(device.inFlightCount) chains held instead of \(held.count)")
    }
  }

  // MARK: the driver

  private func address(_ choice: UInt8) -> UInt64 {
    if choice & 0xc0 == 0xc0 { return [0, .max, .max - 4095, 0x10_0000][Int(choice & 3)] }
    return addresses[Int(choice >> 4) % addresses.count] &+ UInt64(choice & 15) * 273
  }

  private mutating func describe(_ input: inout FuzzInput) {
    let (choice, flags, length, id) = (
      input.byte(), UInt64(input.byte()), UInt64(input.byte()), UInt64(input.below(17))
    )
    let bytes = UInt32(truncatingIfNeeded: flags & 8 != 0 ? length << 24 : length * 16)
    let kind = UInt16(flags & 7)
    if configuration.isPacked {
      view[position] = RawDescriptor(
        address(choice), bytes, flags: kind | (lap ? RawDescriptor.available : RawDescriptor.used), link: UInt16(id))
    } else {
      // Mostly the descriptor behind this one.
      let next = flags & 16 != 0 ? UInt16(id) : UInt16((position + 1) % size)
      view[position] = RawDescriptor(address(choice), bytes, flags: kind, link: next)
    }
    position += 1
    if position == size { (position, lap) = (0, !lap) }
  }

  private mutating func offer(_ input: inout FuzzInput) {
    let bits = input.byte()
    if configuration.isPacked {
      if bits & 1 != 0 { (position, lap) = (0, bits & 2 != 0) }
      return
    }
    view.offer(UInt16(bits) % UInt16(size))
    view.availableIndex &+= UInt16(bits >> 6)
  }

  private func write(_ buffer: GuestBuffer, _ input: inout FuzzInput) {
    let (kind, at) = (input.byte(), Int(input.word16()))
    if kind & 1 != 0 {
      let offset = at % (buffer.byteCount / 8) * 8
      buffer.host.pointer.storeBytes(of: input.word64(), toByteOffset: offset, as: UInt64.self)
    } else {
      let offset = at % (buffer.byteCount / 2) * 2
      buffer.host.pointer.storeBytes(of: input.word16(), toByteOffset: offset, as: UInt16.self)
    }
  }

  /// An entry of an indirect table at the offset that ``address(_:)`` names.
  private func writeTable(_ input: inout FuzzInput) {
    let area = configuration.path == .swiotlb ? guest.pool : guest.payload
    let start = area.host.pointer + 272 * input.below(16) + 16 * input.below(8)
    start.storeBytes(of: address(input.byte()), as: UInt64.self)
    let (length, flags, next) = (UInt64(input.byte()), UInt64(input.byte()), UInt64(input.below(17)))
    let word =
      configuration.isPacked ? length * 16 | (flags & 7) << 48 : length * 16 | (flags & 7) << 32 | next << 48
    start.storeBytes(of: word, toByteOffset: 8, as: UInt64.self)
  }

  // MARK: the device

  private mutating func fetch<Device: DeviceQueue & ~Copyable>(_ device: inout Device, _ limit: Int) {
    for _ in 0..<limit {
      do throws(QueueError) {
        guard let chain = try device.next() else { return }
        var bytes: UInt64 = 0
        for i in device.segments.indices { bytes += inside(device.segments[i]) }
        check(device.segments.count == chain.segmentCount, "\(chain.segmentCount) segments")
        check(bytes == chain.readableByteCount + chain.writableByteCount && bytes <= 1 << 32, "\(bytes) bytes")
        held.append(chain)
      } catch { return refused(error, &device) }
    }
  }

  private mutating func refused<Device: DeviceQueue & ~Copyable>(_ error: QueueError, _ device: inout Device) {
    switch error {
    case .violation, .fault: check(device.isBroken, "\(error), and the queue is not broken")
    default: check(false, "\(error)")
    }
    do throws(QueueError) {
      _ = try device.next()
      check(false, "a broken queue goes on")
    } catch { check(error == .broken, "\(error) from a broken queue") }
    reset(&device)
  }

  /// A segment must lie where the device may go, and is touched at both ends.
  private func inside(_ segment: TranslatedSegment) -> UInt64 {
    check(segment.byteCount > 0 && guest.isShared(segment.host.rawValue, segment.byteCount), "\(segment) is not shared")
    if configuration.path.rawValue >= FuzzConfiguration.Path.iommuStrict.rawValue {
      let offset = segment.host.rawValue &- guest.payload.host.rawValue
      let (from, to): (UInt, UInt) = segment.access == .deviceWritable ? (8192, 12_288) : (0, 8192)
      check(offset >= from && offset + UInt(segment.byteCount) <= to, "\(segment) is not mapped for that")
    }
    // Read only: what is written would be the next descriptor, and an input must mean the same each time.
    _ = segment.bytes[0] &+ segment.bytes[segment.byteCount - 1]
    return UInt64(segment.byteCount)
  }

  private mutating func complete<Device: DeviceQueue & ~Copyable>(_ device: inout Device, _ input: inout FuzzInput) {
    for _ in 0...input.below(4) where !held.isEmpty {
      let bits = input.byte()
      let at = configuration.queue.features.contains(.inOrder) ? 0 : Int(bits >> 1) % held.count
      let chain = held.remove(at: at)
      let all = UInt32(clamping: chain.writableByteCount)
      device.complete(chain, written: bits & 1 != 0 ? all : all / 2)
    }
    device.publish()
  }

  private mutating func serve<Device: DeviceQueue & ~Copyable>(_ device: inout Device, _ limit: Int) {
    if configuration.queue.features.contains(.inOrder) && !held.isEmpty { return }
    var failure: QueueError?
    do {
      let count = try device.serve(atMost: limit) { chain, segments throws(Never) in
        var bytes: UInt64 = 0
        for i in segments.indices { bytes += inside(segments[i]) }
        check(bytes == chain.readableByteCount + chain.writableByteCount, "\(bytes) bytes")
        return UInt32(clamping: chain.writableByteCount)
      }
      check(count <= limit, "\(count) served of at most \(limit)")
    } catch { if case .queue(let error) = error { failure = error } }
    if let failure { refused(failure, &device) }
  }

  private mutating func reset<Device: DeviceQueue & ~Copyable>(_ device: inout Device) {
    device.reset()
    held = []
    (position, lap) = (0, true)
    memset(ring.host.pointer, 0, ring.byteCount)
  }
}
