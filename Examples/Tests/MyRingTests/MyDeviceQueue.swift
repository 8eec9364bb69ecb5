import RingKit

/// A split ring whose device's end is your own: RingKit's driver, and the smallest device that keeps the rules.
enum MySplit<Path: PairedPath & ~Copyable>: VirtqueueLayout {
  typealias Driver = SplitDriverQueue<Path>
  typealias Device = MyDeviceQueue<Path.Translator>

  static func byteCount(size: Int) -> Int { SplitRing.byteCount(size: size) }

  static func makeEnds(
    _ configuration: QueueConfiguration, in memory: GuestMemory, over path: consuming Path
  ) throws -> Virtqueue<Self> {
    var configuration = configuration
    // What this device does not do is not agreed on.
    configuration.features.subtract([.packedRing, .indirectDescriptors])
    let buffer = try memory.allocate(byteCount(size: configuration.size), alignment: 128)
    let ring = try SplitRing(in: buffer, size: configuration.size)
    let hasEvents = configuration.features.contains(.eventIndex)
    let device = MyDeviceQueue(ring, buffer, memory, path.makeTranslator(), hasEvents: hasEvents)
    return Virtqueue(try SplitDriverQueue(configuration, ring: ring, mapper: path), device)
  }
}

/// For one thread, with the driver on it: bytes of the ring are read and written one by one.
struct MyDeviceQueue<Translator: DMATranslator & ~Copyable>: DeviceQueue, ~Copyable {
  let size: Int
  private(set) var isBroken = false
  private let memory: GuestMemory
  private let hasEvents: Bool
  private let (descriptors, available, used): (GuestBuffer, GuestBuffer, GuestBuffer)
  private var translator: Translator
  private var table: [TranslatedSegment] = []
  private var (fetched, completed, published, announced): (UInt16, UInt16, UInt16, UInt16) = (0, 0, 0, 0)

  init(
    _ ring: SplitRing, _ buffer: GuestBuffer, _ memory: GuestMemory, _ translator: consuming Translator, hasEvents: Bool
  ) {
    func part(_ address: GuestPhysicalAddress, _ byteCount: Int) -> GuestBuffer {
      buffer.slice(at: Int(address.rawValue - buffer.address.rawValue), byteCount: byteCount)
    }
    size = ring.size
    descriptors = part(ring.addresses.descriptors, 16 * ring.size)
    available = part(ring.addresses.available, 6 + 2 * ring.size)
    used = part(ring.addresses.used, 6 + 8 * ring.size)
    (self.memory, self.hasEvents) = (memory, hasEvents)
    self.translator = translator
  }

  var work: Translator.Counter { translator.work }
  var inFlightCount: Int { Int(fetched &- completed) }
  var segments: Span<TranslatedSegment> { @_lifetime(borrow self) get { table.span } }

  mutating func next() throws(QueueError) -> DeviceChain? {
    if isBroken { throw .broken }
    let index = UInt16(available.number(at: 2, 2))
    if index == fetched { return nil }
    do throws(QueueError) {
      guard Int(index &- published) <= size else { throw .violation(RingViolation(.s11, value: UInt64(index))) }
      let head = available.number(at: 4 + 2 * (Int(fetched) % size), 2)
      try walk(head)
      fetched &+= 1
      return DeviceChain(id: UInt16(head), descriptorCount: 1, ChainSegments(table.span, in: memory))
    } catch {
      isBroken = !error.isPending
      throw error
    }
  }

  private mutating func walk(_ head: UInt64) throws(QueueError) {
    table = []
    var (slot, isWriting) = (head, false)
    for _ in 0..<size {
      guard slot < size else { throw .violation(RingViolation(.s4, value: slot, limit: UInt64(size))) }
      let at = 16 * Int(slot)
      let (address, length) = (descriptors.number(at: at, 8), UInt32(descriptors.number(at: at + 8, 4)))
      let flags = descriptors.number(at: at + 12, 2)
      guard flags & 4 == 0 else { throw .violation(RingViolation(.s6, value: flags)) }
      guard flags & 2 != 0 || !isWriting else { throw .violation(RingViolation(.s2, value: flags)) }
      isWriting = flags & 2 != 0
      do throws(DMAFault) {
        let access: DMADirection = isWriting ? .deviceWritable : .deviceReadable
        table += try translator.segments(at: IOVA(address), byteCount: length, for: access, in: memory)
      } catch { throw .fault(error) }
      if flags & 1 == 0 { return }
      slot = descriptors.number(at: at + 14, 2)
    }
    throw .violation(RingViolation(.s8, value: UInt64(size) + 1, limit: UInt64(size)))
  }

  mutating func complete(_ chain: DeviceChain, written: UInt32) {
    precondition(completed != fetched && written <= chain.writableByteCount)
    let at = 4 + 8 * (Int(completed) % size)
    used.store(UInt64(chain.id), at: at, 4)
    used.store(UInt64(written), at: at + 4, 4)
    completed &+= 1
  }

  mutating func serve<Failure: Error>(
    atMost limit: Int, _ body: (DeviceChain, borrowing ChainSegments) throws(Failure) -> UInt32
  ) throws(ServeError<Failure>) -> Int {
    var count = 0
    defer { publish() }
    while count < limit {
      let chain: DeviceChain
      do throws(QueueError) {
        guard let found = try next() else { break }
        chain = found
      } catch { throw .queue(error) }
      let written: UInt32
      do throws(Failure) { written = try body(chain, ChainSegments(table.span, in: memory)) } catch {
        throw .body(error)
      }
      complete(chain, written: written)
      service()
      count += 1
    }
    return count
  }

  mutating func publish() {
    published = completed
    used.store(UInt64(published), at: 2, 2)
  }

  // With EVENT_IDX each side says at which position it wants to be told; without it, whether.
  mutating func isNotificationDue() -> Bool {
    defer { announced = published }
    guard hasEvents else { return announced != published && available.number(at: 0, 2) & 1 == 0 }
    let event = UInt16(available.number(at: 4 + 2 * size, 2))
    return published &- event &- 1 < published &- announced
  }

  mutating func enableNotifications() -> Bool {
    if hasEvents { used.store(UInt64(fetched), at: 4 + 8 * size, 2) } else { used.store(0, at: 0, 2) }
    return available.number(at: 2, 2) != fetched
  }

  mutating func disableNotifications() { if !hasEvents { used.store(1, at: 0, 2) } }
  mutating func service() { translator.service() }
  mutating func shareThread(_ isShared: Bool) { translator.shareThread(isShared) }
  mutating func resume(at position: UInt16) -> Bool { false }

  mutating func reset() {
    (fetched, completed, published, announced) = (0, 0, 0, 0)
    isBroken = false
  }
}

extension GuestBuffer {
  fileprivate func number(at offset: Int, _ byteCount: Int) -> UInt64 {
    copyOut(at: offset, byteCount: byteCount).reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }

  fileprivate func store(_ number: UInt64, at offset: Int, _ byteCount: Int) {
    copyIn((0..<byteCount).map { UInt8(truncatingIfNeeded: number >> (8 * UInt64($0))) }, at: offset)
  }
}
