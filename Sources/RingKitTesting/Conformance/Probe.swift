internal import CRing
internal import Glibc
internal import RingKit

/// How a request is cut into segments.
enum RawCut {
  /// As a plain driver does.
  case plain
  /// Into these lengths; what is left over is the last segment.
  case lengths(readable: [Int], writable: [Int])
  /// Into so many segments in all.
  case count(Int)
}

/// A queue of the device under test that a check drives.
final class Probe {
  let port: any ConformancePort
  let subject: Subject
  let features: VirtioFeatures
  let memory: GuestMemory
  var queue: RawQueue
  /// Reads and writes of the device go into this; every byte between them belongs to no buffer.
  let data: GuestBuffer
  let milliseconds: Int
  /// Milliseconds after which a device is taken to have nothing to do.
  var quiet: Int { min(max(3, milliseconds / 130), 20) }
  /// The rule that is broken when the bytes of an answer are wrong.
  let rule: String
  /// What was made available last, in words.
  private(set) var sent = "nothing"
  /// Times the device notified the driver.
  var calls = 0
  private var arena: RawArena
  private var receiver: RawReceiver?
  private var sender: RawSender?
  /// Buffers to receive into for which no frame was sent yet.
  private var owed = 0
  private var number = 0

  static let guard0: UInt8 = 0xee
  private static let base: UInt64 = 1 << 28
  private static let (ringBytes, tableBytes, dataBytes) = (1 << 20, 1 << 20, 1 << 20)

  init(
    _ port: any ConformancePort, _ subject: Subject, features: VirtioFeatures, size: Int, position: Int, firstSlot: Int,
    milliseconds: Int, rule: String
  ) throws {
    (self.port, self.subject, self.features) = (port, subject, features)
    (self.milliseconds, self.rule) = (milliseconds, rule)
    let all = Self.ringBytes + Self.tableBytes + Self.dataBytes
    let region = try MemoryRegion(
      at: GuestPhysicalAddress(Self.base), byteCount: all + (subject.kind == .network ? RawPartner.byteCount : 0))
    memory = try GuestMemory([region])
    let whole = GuestBuffer(whole: region)
    let isPacked = features.contains(.packedRing)
    let ring = RingMemory(in: whole.slice(at: 0, byteCount: Self.ringBytes), isPacked: isPacked, size: size)
    let tables = whole.slice(at: Self.ringBytes, byteCount: Self.tableBytes)
    data = whole.slice(at: Self.ringBytes + Self.tableBytes, byteCount: Self.dataBytes)
    for buffer in [tables, data] {
      // SAFETY: memory of this probe, which no device has seen yet.
      unsafe memset(buffer.host.pointer, Int32(Self.guard0), buffer.byteCount)
    }
    arena = RawArena(data)
    queue = RawQueue(
      ring, isInOrder: features.contains(.inOrder), position: position, firstSlot: firstSlot, tables: tables)
    guard subject.kind == .network else { return }
    let partner = RawPartner(
      whole.slice(at: all, byteCount: RawPartner.byteCount), isPacked: isPacked, isInOrder: features.contains(.inOrder))
    if subject.isReceiving { sender = RawSender(partner) } else { receiver = RawReceiver(partner) }
  }

  /// Hands memory and rings to the device.
  func start() throws {
    try port.share(memory)
    if let receiver { try port.start(0, receiver.partner.ring, base: receiver.partner.base) }
    try port.start(subject.queue, queue.ring, base: queue.base)
    if let sender { try port.start(1, sender.partner.ring, base: sender.partner.base) }
    if receiver != nil { port.kick(0) }
  }

  /// The next request.
  func next(units: Int = 1) -> SubjectRequest {
    number += 1
    return subject.request(number, units: units)
  }

  /// Writes a request into the ring; visible to the device after ``publish(kicking:)``.
  func add(_ request: SubjectRequest, _ cut: RawCut = .plain, _ form: RawForm = .direct) {
    let (readable, writable) = Self.lengths(request, cut)
    var at = 0
    var segments = readable.map { length in
      let buffer = arena.take(length, alignment: 1, gap: 5)
      buffer.copyIn(Array(request.readable[at..<at + length]))
      at += length
      return RawSegment(buffer: buffer, isWritable: false)
    }
    segments += writable.map { length in
      let buffer = arena.take(length, alignment: 1, gap: 5)
      buffer.copyIn([UInt8](repeating: Subject.poison, count: length))
      return RawSegment(buffer: buffer, isWritable: true)
    }
    let position = queue.position
    queue.add(request, segments, form)
    owed += 1
    sent =
      "at \(position) of a ring of \(queue.ring.size), \(form.text): readable \(Self.text(readable)), "
      + "writable \(Self.text(writable))"
  }

  private static func text(_ lengths: [Int]) -> String {
    guard lengths.count > 6 else { return lengths.isEmpty ? "none" : lengths.map(String.init).joined(separator: "+") }
    return "\(lengths.prefix(3).map(String.init).joined(separator: "+"))+… (\(lengths.count) segments)"
  }

  static func lengths(_ request: SubjectRequest, _ cut: RawCut) -> (readable: [Int], writable: [Int]) {
    switch cut {
    case .plain: return (request.readableCut, request.writableCut)
    case .lengths(let readable, let writable):
      return (whole(readable, request.readable.count), whole(writable, request.writableByteCount))
    case .count(let count):
      // One end stays as it is, so that all others go to the longer one.
      if request.writableByteCount == 0 { return (parts(count, request.readable.count), []) }
      if request.readable.isEmpty { return ([], parts(count, request.writableByteCount)) }
      let rest = max(count - 1, 1)
      guard rest > 1 else { return ([request.readable.count], [request.writableByteCount]) }
      // A status has a segment of its own, as most drivers have it.
      return ([request.readable.count], parts(rest - 1, request.writableByteCount - 1) + [1])
    }
  }

  private static func whole(_ lengths: [Int], _ total: Int) -> [Int] {
    var (parts, left): ([Int], Int) = ([], total)
    for length in lengths where left > 0 {
      parts.append(min(length, left))
      left -= min(length, left)
    }
    return left > 0 ? parts + [left] : parts
  }

  private static func parts(_ count: Int, _ total: Int) -> [Int] {
    let count = min(count, total)
    return (0..<count).map { total * ($0 + 1) / count - total * $0 / count }
  }

  /// Makes what was added available.
  func publish(kicking: Bool = true) {
    queue.publish()
    if kicking { kick() }
    stimulate(owed)
  }

  /// Sends frames for buffers to receive into; of another queue nothing has to be done.
  func stimulate(_ count: Int) {
    owed = 0
    guard sender != nil, count > 0, let isDue = try? sender?.send(count, subject), isDue else { return }
    port.kick(1)
  }

  func kick() { port.kick(subject.queue) }

  /// Sends a request and waits for it, whose bytes have to be right.
  @discardableResult
  func roundTrip(
    _ cut: RawCut = .plain, _ form: RawForm = .direct, units: Int = 1
  ) throws -> RawQueue.Completion {
    add(next(units: units), cut, form)
    publish()
    return try finish(1)[0]
  }

  /// Waits for so many buffers, whose bytes have to be right.
  @discardableResult
  func finish(_ count: Int) throws -> [RawQueue.Completion] {
    let done = try collect(count)
    for completion in done {
      if let wrong = completion.flight.request.check(completion.flight.written) { throw Finding(rule, wrong) }
    }
    return done
  }

  /// Waits for so many buffers.
  func collect(_ count: Int) throws -> [RawQueue.Completion] {
    var done: [RawQueue.Completion] = []
    let deadline = port.now + UInt64(milliseconds) * 1_000_000
    var turns = 0
    // A frame may have been dropped while there was no buffer for it.
    var lost = cring_nanoseconds() + 30_000_000
    stimulate(owed)
    while done.count < count {
      let batch = try queue.collect()
      done += batch
      guard batch.isEmpty else { continue }
      if cring_nanoseconds() > lost {
        stimulate(count - done.count)
        lost += 30_000_000
      }
      turns += 1
      guard turns > 4000 else {
        cring_spin_hint()
        continue
      }
      guard port.now < deadline else {
        if let trace = queue.trace() { throw trace }
        throw Hang(seen: "\(done.count) of \(count) buffers came back within \(milliseconds) ms")
      }
      try serve(milliseconds: 2)
    }
    try serve(milliseconds: 0)
    return done
  }

  /// Waits for a while, and looks at nothing but what the device asks.
  func pause(_ milliseconds: Int) throws {
    let deadline = port.now + UInt64(milliseconds) * 1_000_000
    while port.now < deadline { try serve(milliseconds: 2) }
  }

  /// Waits until the device notifies; false when it does not.
  func awaitCall() throws -> Bool {
    let deadline = port.now + UInt64(milliseconds) * 1_000_000
    while true {
      if port.takeCall(subject.queue) { return true }
      guard port.now < deadline else { return false }
      try serve(milliseconds: 2)
    }
  }

  /// Answers the device, and gives the buffers back that it received frames into.
  func serve(milliseconds: Int32) throws {
    try port.wait(milliseconds: milliseconds)
    guard var receiver else { return }
    let isDue = try receiver.serve(subject, rule)
    self.receiver = receiver
    if isDue { port.kick(0) }
  }
}

extension RawForm {
  var text: String {
    switch self {
    case .direct: "a chain"
    case .table(let flags) where flags == 0: "a table"
    case .table(let flags): "a table whose descriptor has the flags \(flags | RawDescriptor.indirect)"
    case .tail(let direct): "a chain of \(direct) that ends in a table"
    }
  }
}

/// The other queue of a network device, of which one queue is looked at: its ring, and buffers for its frames.
struct RawPartner {
  private static let (ringBytes, bufferBytes) = (16_384, 2048)
  fileprivate static let size = 128
  static let byteCount = ringBytes + size * bufferBytes

  fileprivate var queue: RawQueue
  private var arena: RawArena

  var ring: RingMemory { queue.ring }
  var base: UInt32 { queue.usedBase }

  init(_ buffer: GuestBuffer, isPacked: Bool, isInOrder: Bool) {
    let ring = RingMemory(in: buffer.slice(at: 0, byteCount: Self.ringBytes), isPacked: isPacked, size: Self.size)
    queue = RawQueue(ring, isInOrder: isInOrder, position: 0, firstSlot: 0, tables: buffer.slice(at: 0, byteCount: 16))
    arena = RawArena(buffer.slice(at: Self.ringBytes, byteCount: Self.size * Self.bufferBytes))
  }

  fileprivate mutating func take(_ byteCount: Int = bufferBytes) -> GuestBuffer { arena.take(byteCount, alignment: 1) }
}

/// The transmit queue of a network device whose receive queue is looked at: a plain driver.
struct RawSender {
  private(set) var partner: RawPartner
  private var number = 0

  init(_ partner: RawPartner) { self.partner = partner }

  /// Sends so many frames, as far as there is room; true when the device has to be told.
  mutating func send(_ count: Int, _ subject: Subject) throws -> Bool {
    while try !partner.queue.collect().isEmpty {}
    let sent = min(count, partner.queue.room)
    for _ in 0..<sent {
      number += 1
      let frame = subject.frame(number)
      let buffer = partner.take(frame.readable.count)
      buffer.copyIn(frame.readable)
      partner.queue.add(frame, [RawSegment(buffer: buffer, isWritable: false)], .direct)
    }
    partner.queue.publish()
    return sent > 0
  }
}

/// The receive queue of a network device whose transmit queue is looked at: a plain driver.
struct RawReceiver {
  private(set) var partner: RawPartner

  init(_ partner: RawPartner) {
    self.partner = partner
    for _ in 0..<RawPartner.size { add(self.partner.take()) }
    self.partner.queue.publish()
  }

  private mutating func add(_ buffer: GuestBuffer) {
    let request = SubjectRequest(
      readable: [], readableCut: [], writableCut: [buffer.byteCount], check: { _ in nil }, writtenAtLeast: { _ in 0 })
    partner.queue.add(request, [RawSegment(buffer: buffer, isWritable: true)], .direct)
  }

  /// Looks at what was received and makes the buffers available again; true when the device has to be told.
  mutating func serve(_ subject: Subject, _ rule: String) throws -> Bool {
    var wrong: String?
    var isDue = false
    // A device that sends without end keeps no check from its end.
    for _ in 0..<2 * RawPartner.size {
      let done = try partner.queue.collect()
      if done.isEmpty { break }
      for completion in done {
        let bytes = completion.flight.written
        if let text = subject.received(bytes, length: Int(completion.length ?? 0)) { wrong = wrong ?? text }
        add(completion.flight.segments[0].buffer)
      }
      partner.queue.publish()
      isDue = true
    }
    if let wrong { throw Finding(rule, wrong) }
    return isDue
  }
}
