import RingKit
import VhostUser

/// Answers letters: reads text from each buffer and writes it back in capitals.
final class Clerk: VhostUserDevice {
  let queueCount = 1

  func serve(_ queue: inout VringQueue, index: Int, limit: Int) throws(VringFailure) -> VringProgress {
    try queue.serve(atMost: limit) { letter throws(VringFailure) in
      let text = String(decoding: try letter.read(count: letter.readableCount), as: UTF8.self)
      try letter.write(Array(text.uppercased().utf8))
    }
  }

  /// Nothing is kept that came from a sender.
  func reset() {}

  /// The other process: waits at a socket, and serves until it is killed or the sender has gone.
  static func work(at path: String) throws {
    let server = try VhostUserServer(at: path)
    try server.run(Clerk(), telling: { event in if case .ended = event { server.stop() } })
  }
}

/// Sends letters to a clerk in another process, over memory, rings and doorbells that it hands over once.
final class Sender {
  static let letterBytes = 64
  let frontend: VhostUserFrontend
  let letters: GuestBuffer
  let (kick, call): (EventDoorbell, EventDoorbell)
  let count: Int
  var queue: SplitDriverQueue<DirectMapper<UncountedWork>>
  var free: [Int]
  var (sent, answers) = (0, [Int](repeating: 0, count: 0))

  init(_ connection: VhostUserConnection, letters count: Int) throws {
    let size = 64
    let memory = try GuestMemory(byteCount: 1 << 20)
    let ring = try SplitRing(in: memory.allocate(SplitRing.byteCount(size: size), alignment: 4096), size: size)
    let slots = size / 2
    letters = try memory.allocate(slots * 2 * Self.letterBytes)
    queue = try SplitDriverQueue(QueueConfiguration(size: size), ring: ring, mapper: DirectMapper(memory))
    (kick, call) = (try EventDoorbell(), try EventDoorbell())
    (self.count, free, answers) = (count, Array(0..<slots), [Int](repeating: 0, count: count))
    frontend = VhostUserFrontend(connection)
    try frontend.negotiate([], required: [], of: .console, protocolFeatures: .inflight, queues: 1)
    try frontend.share(memory)
    // The clerk notes in shared memory what it has in hand, so that its successor finds it.
    guard try frontend.trackInflight(queues: 1, size: size) else { fatalError("the clerk keeps no notes") }
    try frontend.start(0, VringSetup(ring, kick: kick, call: call))
  }

  /// Sends what there is room for, and takes the answers that came; returns how many letters are answered.
  func turn() throws -> Int {
    while let slot = free.last, sent < count {
      let at = slot * 2 * Self.letterBytes
      let text = Array("letter \(sent)".utf8)
      letters.copyIn(text, at: at)
      let letter = [letters.segment(at: at, length: text.count)]
      let answer = [letters.segment(at: at + Self.letterBytes, length: text.count)]
      let result = try queue.add(
        readable: letter.span, writable: answer.span, token: UInt64(sent) << 8 | UInt64(slot))
      guard result == .added else { break }
      free.removeLast()
      sent += 1
    }
    queue.publish()
    if queue.isNotificationDue() { kick.ring() }
    if !queue.enableNotifications() { _ = call.wait(milliseconds: 100) }
    while let done = try queue.nextUsed() {
      let (number, slot) = (Int(done.token >> 8), Int(done.token & 0xff))
      let at = slot * 2 * Self.letterBytes + Self.letterBytes
      let text = String(decoding: letters.copyOut(at: at, byteCount: Int(done.writtenByteCount)), as: UTF8.self)
      guard text == "LETTER \(number)" else { fatalError("letter \(number) was answered with '\(text)'") }
      answers[number] += 1
      free.append(slot)
    }
    try? frontend.service()
    return answers.count { $0 > 0 }
  }

  /// Goes on with another clerk, which finds the ring as the last one left it.
  func goOn(with connection: VhostUserConnection) throws {
    while !frontend.hasLostBackend { try? frontend.service() }
    _ = try turn()
    try frontend.reconnect(connection)
    try frontend.resume(0, at: queue.devicePosition)
    kick.ring()
  }
}
