internal import Glibc
public import RingKit

/// A keyboard (virtio 1.2, 5.8) whose keys are pressed by what is written to a pipe: each character is a key, pressed
/// and released.
///
/// One thread's. It waits for the pipe and for the driver's buffers, and uses no CPU meanwhile. Characters for which
/// the driver gave no buffers stay in the pipe; those without a key, such as ones beyond ASCII, are left out.
public final class InputDevice: VhostUserDevice {
  /// Characters that became keys.
  public private(set) var keyCount: UInt64 = 0
  private let input: Int32
  private let name: [UInt8]
  private var isOpen = true
  /// Events that wait for buffers, from `next` on.
  private var events: [InputEvent] = []
  private var next = 0
  /// Which part of the configuration space the driver looks at.
  private var selection: (select: UInt8, subselect: UInt8) = (0, 0)

  /// A keyboard that reads from a descriptor, which the caller keeps open.
  ///
  /// - Parameters:
  ///   - fileDescriptor: a pipe, a terminal, or what else can be waited for.
  ///   - name: what the guest calls it, 128 bytes at most.
  public init(reading fileDescriptor: Int32, name: String = "ringkit keyboard") {
    input = fileDescriptor
    self.name = Array(name.utf8.prefix(128))
  }

  /// It has none.
  public var deviceFeatures: VirtioFeatures { [] }
  /// Events, and what the driver says of lights.
  public var queueCount: Int { 2 }
  /// Nothing depends on it.
  public func configure(_ features: VirtioFeatures) {}

  /// The pipe, until it ends; not while events wait for buffers.
  public var sources: [EventSource] { isOpen && events.isEmpty ? [EventSource(input, serving: 0)] : [] }

  /// Reads what is in the pipe.
  public func handle(_ source: EventSource) {
    var bytes = [UInt8](repeating: 0, count: 64)
    let count = unsafe Glibc.read(input, &bytes, bytes.count)
    if count == 0 || count < 0 && errno != EINTR && errno != EAGAIN { isOpen = false }
    for byte in bytes.prefix(max(count, 0)) {
      guard let key = Key(byte) else { continue }
      keyCount += 1
      events += key.events
    }
  }

  /// Writes an event to each buffer; what the driver says of lights is taken and ignored.
  public func serve(_ queue: inout VringQueue, index: Int, limit: Int) throws(VringFailure) -> VringProgress {
    if index == 1 { return try queue.serve(atMost: limit) { _ in } }
    guard next < events.count else { return .idle }
    let progress = try deliver(&queue, limit)
    guard next == events.count else { return progress }
    events.removeAll(keepingCapacity: true)
    next = 0
    return .idle
  }

  private func deliver(_ queue: inout VringQueue, _ limit: Int) throws(VringFailure) -> VringProgress {
    // In locals: nothing of the object is touched per buffer.
    let (events, first) = (events, next)
    var written = 0
    defer { next = first + written }
    return try queue.serve(atMost: min(limit, events.count - first)) { buffer throws(VringFailure) in
      let event = events[first + written]
      try buffer.write(event.type)
      try buffer.write(event.code)
      try buffer.write(event.value)
      written += 1
    }
  }

  /// Forgets keys that were not delivered, and what the driver looked at.
  public func reset() {
    events = []
    next = 0
    selection = (0, 0)
  }

  // MARK: Configuration space

  /// `struct virtio_input_config`, with the part that the driver selected.
  public var configuration: [UInt8] {
    let part = selectedPart
    var bytes = [selection.select, selection.subselect, UInt8(part.count)] + [UInt8](repeating: 0, count: 5) + part
    bytes += [UInt8](repeating: 0, count: 136 - bytes.count)
    return bytes
  }

  /// Selects a part; the rest of what is written means nothing.
  public func write(_ access: ConfigAccess) -> Bool {
    for (i, byte) in access.bytes.enumerated() {
      switch Int(access.offset) + i {
      case 0: selection.select = byte
      case 1: selection.subselect = byte
      default: break
      }
    }
    return access.offset < 2
  }

  private var selectedPart: [UInt8] {
    switch selection {
    case (1, 0): return name
    // A virtual bus, no vendor, product 1, version 1.
    case (3, 0): return [6, 0, 0, 0, 1, 0, 1, 0]
    case (0x11, UInt8(InputEvent.keyType)): return Key.bitmap
    default: return []
    }
  }
}

/// `struct virtio_input_event`: what Linux's input layer takes.
struct InputEvent {
  static let keyType: UInt16 = 1

  let type: UInt16
  let code: UInt16
  let value: UInt32

  static func key(_ code: UInt16, isDown: Bool) -> InputEvent {
    InputEvent(type: keyType, code: code, value: isDown ? 1 : 0)
  }

  /// What came since the last one is one change.
  static let report = InputEvent(type: 0, code: 0, value: 0)
}

/// A key of a keyboard in the US layout, by Linux's numbers (linux/input-event-codes.h).
struct Key {
  let code: UInt16
  let isShifted: Bool

  private static let shift: UInt16 = 42

  /// The rows of keys: the number of the first, and what they give without and with the shift key.
  private static let rows: [(first: UInt16, plain: String, shifted: String)] = [
    (2, "1234567890-=", "!@#$%^&*()_+"), (16, "qwertyuiop[]", "QWERTYUIOP{}"), (30, "asdfghjkl;'`", "ASDFGHJKL:\"~"),
    (43, "\\zxcvbnm,./", "|ZXCVBNM<>?"), (14, "\u{7f}\t", ""), (28, "\n", ""), (57, " ", ""),
  ]

  private static let keys: [UInt8: Key] = {
    var keys: [UInt8: Key] = [:]
    for row in rows {
      for (text, isShifted) in [(row.plain, false), (row.shifted, true)] {
        for (i, byte) in text.utf8.enumerated() { keys[byte] = Key(code: row.first + UInt16(i), isShifted: isShifted) }
      }
    }
    return keys
  }()

  private init(code: UInt16, isShifted: Bool) { (self.code, self.isShifted) = (code, isShifted) }

  /// The key of a character of ASCII, `nil` when there is none.
  init?(_ byte: UInt8) {
    guard let key = Self.keys[byte] else { return nil }
    self = key
  }

  /// Pressed and released.
  var events: [InputEvent] {
    let stroke: [InputEvent] = [.key(code, isDown: true), .report, .key(code, isDown: false), .report]
    if !isShifted { return stroke }
    return [.key(Self.shift, isDown: true), .report] + stroke + [.key(Self.shift, isDown: false), .report]
  }

  /// A bit for each key there is.
  static let bitmap: [UInt8] = {
    var bitmap = [UInt8](repeating: 0, count: 8)
    for code in keys.values.map(\.code) + [shift] { bitmap[Int(code / 8)] |= 1 << UInt8(code % 8) }
    return bitmap
  }()
}
