internal import CRing
internal import Glibc
public import RingKit

/// The device's side of a connection to a driver in another process: receives memory and queues, and maps nothing else.
///
/// The driver is not believed: length, header, number and every field of a message are checked, regions must be sealed
/// files of the size that was told. What is wrong is told to the driver, ends the connection and is thrown; descriptors
/// that came along are closed, and regions mapped so far go with the `GuestMemory`. One thread asks for
/// the next wish; one, the same or another, answers.
@safe
public final class DeviceEndpoint: @unchecked Sendable {
  /// Queues that one device takes at most.
  public static let mostQueues = 1024

  private let socket: DeviceSocket
  private var received: UInt64 = 0
  // Two threads may answer. A number is taken and sent under the lock, so that numbers arrive in order.
  // Of the C library, because the thread sanitizer does not know Swift's.
  private let lock: UnsafeMutablePointer<pthread_mutex_t>
  private var sent: UInt64 = 0
  private var hasMemory = false
  private var hasStarted = false
  private var queueCount = 0

  /// An endpoint of a connected socket.
  public init(_ socket: DeviceSocket) {
    self.socket = socket
    unsafe lock = .allocate(capacity: 1)
    unsafe lock.initialize(to: pthread_mutex_t())
    unsafe pthread_mutex_init(lock, nil)
  }

  deinit {
    socket.shut()
    unsafe pthread_mutex_destroy(lock)
    unsafe lock.deallocate()
  }

  /// Waits for the driver's next wish; ``agree()`` or ``refuse(_:)`` answers it.
  ///
  /// - Throws: ``DeviceHandshakeError``; ``DeviceHandshakeError/closed`` when the driver has gone.
  public func next() throws(DeviceHandshakeError) -> DeviceRequest {
    do throws(DeviceHandshakeError) {
      let (message, descriptors) = try socket.receive()
      var rest = descriptors
      defer { Self.close(rest) }
      received += 1
      guard message.words[1] == received else { throw .wrongSequence(expected: received, found: message.words[1]) }
      if message.kind != .memory, message.kind != .queue, !descriptors.isEmpty {
        throw .wrongDescriptors(expected: 0, found: descriptors.count)
      }
      switch message.kind {
      case .memory where !hasMemory && !hasStarted:
        let memory = try Self.map(message, &rest)
        hasMemory = true
        return .memory(memory)
      case .queue where hasMemory && !hasStarted:
        guard queueCount < Self.mostQueues else { throw .wrongField("queue", UInt64(queueCount)) }
        queueCount += 1
        return .queue(try DeviceQueueDescription(message, &rest))
      case .start where hasMemory && !hasStarted:
        try message.requireZero(2..<DeviceMessage.configurationWords.lowerBound)
        hasStarted = true
        return .start(message.configuration)
      default: throw .unexpected(kind: message.kind.rawValue)
      }
    } catch {
      if error != .closed {
        try? answer(.reply, .malformed, error.description)
        socket.shut()
      }
      throw error
    }
  }

  /// Tells the driver that its wish was granted.
  ///
  /// - Throws: ``DeviceHandshakeError/closed`` when the driver has gone.
  public func agree() throws(DeviceHandshakeError) { try answer(.reply, .done, "") }

  /// Tells the driver why its wish is not granted.
  ///
  /// - Throws: ``DeviceHandshakeError/closed`` when the driver has gone.
  public func refuse(_ reason: String) throws(DeviceHandshakeError) { try answer(.reply, .refused, reason) }

  /// Tells the driver how the device ended: the last message.
  ///
  /// - Parameter failure: what went wrong, up to 224 bytes; `nil` when nothing did.
  /// - Throws: ``DeviceHandshakeError/closed`` when the driver has gone.
  public func report(_ failure: String?) throws(DeviceHandshakeError) {
    try answer(.report, failure == nil ? .done : .failed, failure ?? "")
  }

  private func answer(
    _ kind: DeviceMessage.Kind, _ status: DeviceMessage.Status, _ text: String
  ) throws(DeviceHandshakeError) {
    var message = DeviceMessage(kind, status, text)
    unsafe pthread_mutex_lock(lock)
    defer { unsafe pthread_mutex_unlock(lock) }
    sent += 1
    message.words[1] = sent
    try socket.send(message)
  }

  /// Maps what came; a descriptor that a region took over is no longer among `descriptors`.
  private static func map(
    _ message: DeviceMessage, _ descriptors: inout [Int32]
  ) throws(DeviceHandshakeError) -> GuestMemory {
    let words = message.words
    guard (1...UInt64(DeviceMessage.mostRegions)).contains(words[2]) else {
      throw .wrongField("region count", words[2])
    }
    let count = Int(words[2])
    guard descriptors.count == count else { throw .wrongDescriptors(expected: count, found: descriptors.count) }
    try message.requireZero(3 + 2 * count..<32)
    var regions: [MemoryRegion] = []
    for i in 0..<count {
      guard words[4 + 2 * i] <= UInt64(Int.max) else { throw .wrongField("region size", words[4 + 2 * i]) }
      do throws(MemoryError) {
        regions.append(
          try MemoryRegion(
            attaching: descriptors[0], byteCount: Int(words[4 + 2 * i]), at: GuestPhysicalAddress(words[3 + 2 * i])))
      } catch { throw .memory(error) }
      descriptors.removeFirst()
    }
    do throws(MemoryError) { return try GuestMemory(regions) } catch { throw .memory(error) }
  }

  static func close(_ descriptors: [Int32]) {
    for descriptor in descriptors { cring_channel_close(descriptor) }
  }
}

/// What a driver wants of a device in another process.
public enum DeviceRequest: Sendable {
  /// Here is the memory; it comes first and once.
  case memory(GuestMemory)
  /// Here is a queue in it.
  case queue(DeviceQueueDescription)
  /// Begin; it comes once. Eight words for the program.
  case start([UInt64])
}
