import FuzzSupport
import Glibc
import RingIOMMU
import RingKit
import RingKitTesting

/// A device that writes anything anywhere it can, at any time between two calls of our driver.
@_cdecl("LLVMFuzzerTestOneInput")
public func hostileDevice(_ data: UnsafePointer<UInt8>, _ count: Int) -> CInt {
  var input = FuzzInput(data, count)
  let configuration = FuzzConfiguration(&input)
  let guest = configuration.path == .swiotlb ? bouncing : open
  guest.fill()
  let regions = RegionTranslator(memory: guest.memory, counter: UncountedWork())
  switch configuration.path {
  case .direct:
    connect(configuration, guest, DirectMapper(memory: guest.memory, counter: UncountedWork()), regions, &input)
  case .swiotlb:
    let mapper = SwiotlbMapper(memory: guest.memory, pool: pool, cpu: 0, counter: UncountedWork())
    connect(configuration, guest, mapper, regions, &input)
    check(pool.usedSlots == 0, "\(pool.usedSlots) bounce slots leaked")
  case .iommuStrict, .iommuLazy:
    let mapper = IOMMUMapper(
      domain: domain, policy: configuration.path == .iommuStrict ? .strict : .lazy, counter: UncountedWork())
    connect(
      configuration, guest, mapper, IOMMUTranslator(domain: domain, iotlbSets: 4, counter: UncountedWork()), &input)
  }
  guest.checkSentinels()
  return 0
}

private let open = FuzzGuest(isBouncing: false)
private let bouncing = FuzzGuest(isBouncing: true)
private let pool = must { try SwiotlbPool(bouncing.pool) }
private let domain = {
  var configuration = IOMMUConfiguration()
  configuration.servedBy = .waiter
  return IOMMUDomain(memory: open.memory, configuration: configuration)
}()

private func connect<Mapper: DMAMapper & ~Copyable, Translator: DMATranslator & ~Copyable>(
  _ configuration: FuzzConfiguration, _ guest: FuzzGuest, _ mapper: consuming Mapper,
  _ translator: consuming Translator, _ input: inout FuzzInput
) {
  let size = configuration.queue.size
  do {
    if configuration.isPacked {
      let ring = try PackedRing(in: guest.ring(byteCount: PackedRing.byteCount(size: size)), size: size)
      var driver = try PackedDriverQueue(
        configuration.queue, ring: ring, indirectTables: guest.tables, mapper: mapper)
      var device = try PackedDeviceQueue(configuration.queue, ring: ring, translator: translator)
      var attack = Attack(configuration, guest, guest.ring(byteCount: PackedRing.byteCount(size: size)))
      attack.run(&driver, &device, &input)
    } else {
      let ring = try SplitRing(in: guest.ring(byteCount: SplitRing.byteCount(size: size)), size: size)
      var driver = try SplitDriverQueue(
        configuration.queue, ring: ring, indirectTables: guest.tables, mapper: mapper)
      var device = try SplitDeviceQueue(configuration.queue, ring: ring, translator: translator)
      var attack = Attack(configuration, guest, guest.ring(byteCount: SplitRing.byteCount(size: size)))
      attack.run(&driver, &device, &input)
    }
  } catch { fatalError("set-up: \(error)") }
}

/// One execution: what is in flight, by an account that shares nothing with the library's.
private struct Attack {
  let configuration: FuzzConfiguration
  let guest: FuzzGuest
  let ring: GuestBuffer
  let view: RingMemory
  let size: Int
  var visible: [UInt64: UInt32] = [:]
  var added: [UInt64: UInt32] = [:]
  /// Whether nothing but the library wrote the ring since the last reset.
  var isHonest = true
  var token: UInt64 = 0
  var buffer = 0
  var held: [DeviceChain] = []

  init(_ configuration: FuzzConfiguration, _ guest: FuzzGuest, _ ring: GuestBuffer) {
    self.configuration = configuration
    self.guest = guest
    self.ring = ring
    size = configuration.queue.size
    view = RingMemory(in: ring, isPacked: configuration.isPacked, size: size)
  }

  mutating func run<Driver: DriverQueue & ~Copyable, Device: DeviceQueue & ~Copyable>(
    _ driver: inout Driver, _ device: inout Device, _ input: inout FuzzInput
  ) {
    var steps = 0
    while !input.isEmpty && steps < 400 {
      steps += 1
      do throws(QueueError) { try step(&driver, &device, &input) } catch {
        switch error {
        case .mapping(.bouncePoolFull):
          check(!driver.isBroken, "a full pool broke the queue")
        case .violation:
          check(!isHonest, "an honest device is called a liar: \(error)")
          check(driver.isBroken, "a violation, and the queue is not broken")
          do throws(QueueError) {
            _ = try driver.nextUsed()
            check(false, "a broken queue goes on")
          } catch { check(error == .broken, "\(error) from a broken queue") }
          reset(&driver, &device)
        default: check(false, "\(error)")
        }
      }
      check(
        driver.inFlightCount == visible.count + added.count,
        "\(driver.inFlightCount) in flight instead of \(visible.count + added.count)")
    }
    if configuration.path == .swiotlb { guest.checkPool() }
    reset(&driver, &device)
    do { try driver.flush() } catch { check(false, "\(error)") }
  }

  private mutating func step<Driver: DriverQueue & ~Copyable, Device: DeviceQueue & ~Copyable>(
    _ driver: inout Driver, _ device: inout Device, _ input: inout FuzzInput
  ) throws(QueueError) {
    switch input.below(16) {
    case 0: try addSingles(&driver, &input)
    case 1: try addChain(&driver, &input)
    case 2: publish(&driver)
    case 3:
      for _ in 0...input.below(8) {
        guard let completion = try driver.nextUsed() else { break }
        take(completion)
      }
    case 4, 5: try reclaim(&driver, 1 + input.below(20))
    case 6: fetch(&device, 1 + input.below(8))
    case 7: complete(&device, &input)
    case 8: serve(&device, 1 + input.below(20))
    case 9: writeRing(&input)
    case 10: lie(&input)
    case 11:
      // Anywhere in the pool, but never the byte that tells a leak.
      let offset = Int(input.word16()) * 8 % guest.pool.byteCount
      let value = input.byte()
      if configuration.path == .swiotlb {
        // Indirect tables are bounced too.
        isHonest = false
        memset(guest.pool.host.pointer + offset, Int32(value == FuzzGuest.sentinel ? 0 : value), 8)
      }
    case 12:
      let bits = input.byte()
      if bits & 1 != 0 { _ = driver.isNotificationDue() }
      if bits & 2 != 0 { _ = driver.enableNotifications() }
      if bits & 4 != 0 { driver.disableNotifications() }
      if bits & 8 != 0 { _ = device.enableNotifications() }
      if bits & 16 != 0 { device.disableNotifications() }
      if bits & 32 != 0 { _ = device.isNotificationDue() }
    case 13:
      if input.below(8) == 0 { reset(&driver, &device) } else { try driver.poll() }
    default:
      // Rounds in order: slots are counted again once the ring was empty for long enough.
      for _ in 0...input.below(8) {
        try addSingles(&driver, &input)
        publish(&driver)
        serve(&device, size)
        try reclaim(&driver, size)
      }
    }
  }

  // MARK: the driver

  private mutating func segment(_ length: Int) -> MemorySegment {
    buffer = (buffer + 1) % FuzzGuest.bufferCount
    return guest.payload.segment(at: guest.offset(buffer), length: length)
  }

  private mutating func addSingles<Driver: DriverQueue & ~Copyable>(
    _ driver: inout Driver, _ input: inout FuzzInput
  ) throws(QueueError) {
    let (wanted, bits) = (1 + input.below(8), input.byte())
    let length = 1 + Int(bits >> 1) % FuzzGuest.bufferByteCount
    let segments = (0..<wanted).map { _ in segment(length) }
    let first = token
    let before = driver.inFlightCount
    defer {
      for i in 0..<(driver.inFlightCount - before) { added[first + UInt64(i)] = bits & 1 != 0 ? UInt32(length) : 0 }
      token += UInt64(wanted)
    }
    _ = try driver.add(atMost: wanted, bits & 1 != 0 ? .deviceWritable : .deviceReadable) { i in
      (segment: segments[i], token: first + UInt64(i))
    }
  }

  private mutating func addChain<Driver: DriverQueue & ~Copyable>(
    _ driver: inout Driver, _ input: inout FuzzInput
  ) throws(QueueError) {
    let (count, writable) = (1 + input.below(min(size, 6)), input.below(7))
    let split = count - min(writable, count)
    let segments = (0..<count).map { _ in segment(FuzzGuest.bufferByteCount) }
    token += 1
    let result = try driver.add(
      readable: Array(segments[..<split]).span, writable: Array(segments[split...]).span, token: token - 1)
    if result == .added { added[token - 1] = UInt32((count - split) * FuzzGuest.bufferByteCount) }
  }

  private mutating func publish<Driver: DriverQueue & ~Copyable>(_ driver: inout Driver) {
    driver.publish()
    visible.merge(added) { $1 }
    added = [:]
  }

  private mutating func reclaim<Driver: DriverQueue & ~Copyable>(
    _ driver: inout Driver, _ limit: Int
  ) throws(QueueError) {
    let failure: QueueError?
    do throws(QueueError) {
      let count = try driver.reclaim(atMost: limit)
      check(count <= limit && count == driver.completions.count, "\(count) of at most \(limit)")
      failure = nil
    } catch { failure = error }
    if failure != .broken { for i in driver.completions.indices { take(driver.completions[i]) } }
    if let failure { throw failure }
  }

  private mutating func take(_ completion: Completion) {
    let capacity = visible.removeValue(forKey: completion.token)
    check(capacity != nil, "token \(completion.token) is not in flight")
    check(completion.writtenByteCount <= capacity ?? 0, "\(completion.writtenByteCount) bytes in \(capacity ?? 0)")
  }

  private mutating func reset<Driver: DriverQueue & ~Copyable, Device: DeviceQueue & ~Copyable>(
    _ driver: inout Driver, _ device: inout Device
  ) {
    var tokens: [UInt64] = []
    do throws(QueueError) { try driver.reset { tokens.append($0) } } catch { check(false, "\(error)") }
    check(tokens.sorted() == (Array(visible.keys) + Array(added.keys)).sorted(), "reset gives back \(tokens)")
    check(driver.freeDescriptorCount == size && driver.inFlightCount == 0, "the queue is not empty after a reset")
    (visible, added, held) = ([:], [:], [])
    device.reset()
    isHonest = true
  }

  // MARK: the device

  /// What an honest device finds is memory it can see; after a lie the ring may say anything.
  private mutating func fetch<Device: DeviceQueue & ~Copyable>(_ device: inout Device, _ limit: Int) {
    for _ in 0..<limit {
      do throws(QueueError) {
        guard let chain = try device.next() else { return }
        held.append(chain)
        if isHonest {
          for i in device.segments.indices where device.segments[i].access == .deviceWritable {
            memset(device.segments[i].host.pointer, Int32(FuzzGuest.reply), device.segments[i].byteCount)
          }
        }
      } catch {
        check(!isHonest, "an honest driver is called a liar: \(error)")
        return
      }
    }
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
    if configuration.queue.features.contains(.inOrder) && device.inFlightCount != 0 { return }
    let isHonest = isHonest
    do {
      _ = try device.serve(atMost: limit) { chain, segments throws(Never) in
        if isHonest {
          for i in segments.indices where segments[i].access == .deviceWritable {
            memset(segments[i].host.pointer, Int32(FuzzGuest.reply), segments[i].byteCount)
          }
        }
        return UInt32(clamping: chain.writableByteCount)
      }
    } catch { check(!isHonest, "an honest driver is called a liar: \(error)") }
  }

  private mutating func writeRing(_ input: inout FuzzInput) {
    isHonest = false
    let (kind, at) = (input.byte(), Int(input.word16()))
    let start = ring.host.pointer
    if kind & 1 != 0 {
      start.storeBytes(of: input.word64(), toByteOffset: at % (ring.byteCount / 8) * 8, as: UInt64.self)
    } else {
      start.storeBytes(of: input.word16(), toByteOffset: at % (ring.byteCount / 2) * 2, as: UInt16.self)
    }
  }

  /// A completion that looks right: an id in the ring, and mostly no length.
  private mutating func lie(_ input: inout FuzzInput) {
    isHonest = false
    let (bits, slot, id) = (input.byte(), input.below(size), UInt16(input.below(size + 1)))
    let length: UInt32 = bits & 1 != 0 ? 0 : UInt32(input.byte())
    if configuration.isPacked {
      let lap = bits & 2 != 0 ? RawDescriptor.available | RawDescriptor.used : 0
      let flags = lap | (length != 0 ? RawDescriptor.write : 0)
      view[slot] = RawDescriptor(view[slot].address, length, flags: flags, link: id)
    } else {
      let index = view.usedIndex
      view.setUsedEntry(at: index, id: UInt32(id), length: length)
      view.usedIndex = index &+ 1 &+ UInt16(bits >> 6)
    }
  }
}
