import FuzzSupport
import Glibc
import RingKit
import Synchronization

/// The hostile end of a vhost-user connection whose other end is a front-end: answers by the protocol's text, or
/// others.
///
/// A thread of its own answers, because a front-end waits for each answer and takes none before it asked.
final class BackendPeer: @unchecked Sendable {
  /// A translation that the front-end gave.
  struct Update {
    let address: UInt64
    let byteCount: UInt64
    let user: UInt64
    let permissions: UInt8
  }

  /// What a front-end hands back of the notes that it was given.
  struct Notes: Equatable {
    let byteCount: UInt64
    let offset: UInt64
    let shape: UInt64
  }

  private struct Heard {
    var messages: UInt64
    var notes: Notes?
    var updates: [Update] = []
    var channel: CInt = -1
    var isOver = false
  }

  let own: CInt
  private let heard: Mutex<Heard>
  private var thread = pthread_t()
  // The thread's alone.
  private var input: FuzzInput
  private var pending: [UInt8] = []
  private var wanted: UInt64
  private var isPacked: Bool
  private var expected: Notes?
  private var file: (inode: UInt64, byteCount: Int)?
  private let extensions: UInt64

  /// Answers with what `input` says, until the other end is gone; one that comes after others knows what these were
  /// sent and handed.
  init(
    _ socket: CInt, extensions: UInt64, after messages: UInt64 = 0, notes: Notes? = nil, isPacked: Bool = false,
    _ input: FuzzInput
  ) {
    own = socket
    heard = Mutex(Heard(messages: messages))
    (expected, wanted, self.isPacked) = (notes, notes?.shape ?? 0, isPacked)
    self.input = input
    self.extensions = extensions
    let me = Unmanaged.passRetained(self).toOpaque()
    let code = pthread_create(
      &thread, nil,
      { context in
        guard let context else { return nil }
        Unmanaged<BackendPeer>.fromOpaque(context).takeRetainedValue().listen()
        return nil
      }, me)
    check(code == 0, "no thread")
  }

  /// The other end must be gone.
  func close() {
    shutdown(own, CInt(SHUT_RDWR))
    pthread_join(thread, nil)
    let channel = heard.withLock { $0.channel }
    if channel >= 0 { Glibc.close(channel) }
    Glibc.close(own)
  }

  /// Nothing more will come.
  func finish() { shutdown(own, CInt(SHUT_WR)) }

  private func listen() {
    while true {
      var watch = pollfd(fd: own, events: Int16(POLLIN), revents: 0)
      _ = poll(&watch, 1, -1)
      guard let (bytes, descriptors) = receiveRaw(own) else { break }
      pending += bytes
      file = nil
      for descriptor in descriptors { take(descriptor) }
      parse()
    }
    heard.withLock { $0.isOver = true }
  }

  /// What is answered to one request.
  private func reply(_ request: UInt32, _ flags: UInt32, _ payload: [UInt8]) {
    func word(_ i: Int) -> UInt64 {
      payload.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: 8 * i, as: UInt64.self) }
    }
    switch request {
    case 1: answer(1, [0xf_7000_0000])
    case 15: answer(15, [extensions])
    case 17: answer(17, [16])
    case 2:
      isPacked = word(0) & 1 << 34 != 0
      if flags & 8 != 0 { answer(2, [0]) }
    case 11:
      let used = isPacked ? UInt64(input.word16()) << 48 : 0
      answer(11, [word(0) & 0xffff_ffff | UInt64(input.word16()) << 32 | used])
    case 24: answer(24, [word(0), 0] + [UInt64](repeating: 7, count: 32), count: payload.count)
    case 31:
      (wanted, expected) = (word(2), nil)
      answer(31, [4096, 0, wanted], files: [Self.notes])
    case 32:
      let notes = Notes(byteCount: word(0), offset: word(1), shape: word(2))
      check(expected.map { $0 == notes } ?? true, "\(notes) where others were handed before")
      checkNotes(notes.byteCount, notes.offset, notes.shape)
      heard.withLock { $0.notes = notes }
      fallthrough
    default: if flags & 8 != 0 { answer(request, [0]) }
    }
  }

  /// Memory to note in what is in flight: more than is given, so that what begins elsewhere may fit.
  static let notes = region.fileDescriptor ?? -1
  private static let inode = {
    var status = stat()
    fstat(notes, &status)
    return UInt64(status.st_ino)
  }()
  private static let region = must { try MemoryRegion(at: GuestPhysicalAddress(0), byteCount: 8192) }

  /// What is handed back is this end's file, of the shape that was asked for, and as long as a successor needs it.
  private func checkNotes(_ byteCount: UInt64, _ offset: UInt64, _ shape: UInt64) {
    let (queues, size) = (wanted & 0xffff, wanted >> 16 & 0xffff)
    let entry: UInt64 = isPacked ? 32 : 16
    let needed = queues * ((entry + entry * size + 63) / 64 * 64)
    check(shape & 0xffff_ffff == wanted & 0xffff_ffff, "notes of another shape: \(shape) for \(wanted)")
    check(byteCount >= needed, "\(byteCount) bytes of notes, and \(queues) queues of \(size) need \(needed)")
    check(offset % 8 == 0, "notes at \(offset)")
    guard let file else { fatalError("finding: notes without a file") }
    check(file.inode == Self.inode, "notes in another file")
    check(
      byteCount <= UInt64(file.byteCount) && offset <= UInt64(file.byteCount) - byteCount,
      "\(byteCount) bytes of notes at \(offset) of a file of \(file.byteCount)")
  }

  // MARK: what is answered

  /// An answer of words, more or less as it should be.
  private func answer(_ request: UInt32, _ words: [UInt64], count: Int? = nil, files: [CInt] = []) {
    var (request, words, flags, files) = (request, words, UInt32(5), files)
    var byteCount = count ?? 8 * words.count
    var claimed: Int?
    let choice = input.byte()
    switch choice {
    case 0xd8...0xdf: flood()
    case 0xe0: return
    case 0xe1: request = UInt32(input.byte())
    case 0xe2: flags = UInt32(input.byte())
    case 0xe3: byteCount = input.below(256)
    case 0xe4: claimed = Int(input.word16())
    case 0xe5, 0xe6: files = [CInt](repeating: own, count: input.below(24))
    // As a peer that has nothing to give.
    case 0xe7: (words, files) = ([UInt64](repeating: 0, count: words.count), [])
    // Twice.
    case 0xe8:
      sendRaw(own, Self.header(request, flags, byteCount) + words.withUnsafeBytes { [UInt8]($0.prefix(byteCount)) }, [])
    case 0xe9: return sendRaw(own, (0..<input.below(64)).map { _ in input.byte() }, [])
    case 0xea...0xef: if !words.isEmpty { words[input.below(words.count)] = input.word64() }
    case 0xf0...0xff: if !words.isEmpty { words[0] ^= 1 << UInt64(input.byte() & 63) }
    default: break
    }
    var payload = words.withUnsafeBytes { [UInt8]($0) }
    while payload.count < byteCount { payload.append(0) }
    payload.removeSubrange(byteCount...)
    sendRaw(own, Self.header(request, flags, claimed ?? byteCount) + payload, files)
  }

  private static func header(_ request: UInt32, _ flags: UInt32, _ byteCount: Int) -> [UInt8] {
    [request, flags, UInt32(byteCount)].withUnsafeBytes { [UInt8]($0) }
  }

  /// A request of the back-end's own: a miss, or anything.
  func ask(_ address: UInt64, _ input: inout FuzzInput) {
    let channel = heard.withLock { $0.channel }
    guard channel >= 0 else { return }
    let choice = input.byte()
    if choice & 0x7f == 0x7f { return sendRaw(channel, (0..<input.below(64)).map { _ in input.byte() }, []) }
    let kind: UInt64 = choice & 0x60 == 0x60 ? UInt64(choice >> 2 & 7) : 1
    let words = [address, 0, 0, UInt64(choice & 3) | kind << 8]
    let request: UInt32 = choice == 0x5f ? 2 : 1
    let payload = request == 2 ? [] : words.withUnsafeBytes { [UInt8]($0) }
    sendRaw(
      channel, Self.header(request, choice & 0x80 == 0 ? 1 : 9, payload.count) + payload, choice == 0x5e ? [own] : [])
  }

  /// Misses, for as long as the front-end takes them, and for more turns than it may wait in.
  private func flood() {
    // Its own: the other thread may close the channel meanwhile.
    let channel = heard.withLock { $0.channel < 0 ? -1 : dup($0.channel) }
    if channel < 0 { return }
    defer { Glibc.close(channel) }
    let miss = [0, 0, 0, 1 << 8 | 1].withUnsafeBytes { [UInt8]($0) }
    let some = [[UInt8]](repeating: Self.header(1, 1, 32) + miss, count: 64).flatMap { $0 }
    var (at, pauses, rounds) = (0, 0, 0)
    while rounds < 64, pauses < 8 {
      let sent = some[at...].withUnsafeBytes {
        send(channel, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL | MSG_DONTWAIT))
      }
      if sent < 0 {
        if errno != EAGAIN { return }
        var room = pollfd(fd: channel, events: Int16(POLLOUT), revents: 0)
        pauses += poll(&room, 1, 1) == 0 ? 1 : 0
        continue
      }
      at += sent
      if at == some.count { (at, rounds) = (0, rounds + 1) }
    }
  }

  func closeChannel() {
    heard.withLock { heard in
      if heard.channel >= 0 { Glibc.close(heard.channel) }
      heard.channel = -1
    }
  }

  // MARK: what was said

  /// The translations given since the last look, once all that was sent is here.
  func updates(after messages: UInt64) -> [Update] {
    while true {
      let found: [Update]? = heard.withLock { heard in
        guard heard.messages >= messages || heard.isOver else { return nil }
        defer { heard.updates = [] }
        return heard.updates
      }
      if let found { return found }
      sched_yield()
    }
  }

  /// The notes that were handed here last; all that was sent must be here.
  var notes: Notes? { heard.withLock { $0.notes } }

  private func parse() {
    var at = 0
    func number<Number: FixedWidthInteger & BitwiseCopyable>(_ offset: Int, _ type: Number.Type) -> Number {
      pending.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: type) }
    }
    while pending.count - at >= 12 {
      let (request, flags, count) = (
        number(at, UInt32.self), number(at + 4, UInt32.self), Int(number(at + 8, UInt32.self))
      )
      check(flags & ~8 == 1 && count <= 272, "a message of \(count) bytes")
      guard pending.count - at >= 12 + count else { break }
      var update: Update?
      if request == 22 {
        check(count == 32, "an IOTLB message of \(count) bytes")
        let bits = number(at + 36, UInt16.self)
        check(bits >> 8 == 2 || bits >> 8 == 3, "an IOTLB message of kind \(bits >> 8)")
        if bits >> 8 == 2 {
          update = Update(
            address: number(at + 12, UInt64.self), byteCount: number(at + 20, UInt64.self),
            user: number(at + 28, UInt64.self), permissions: UInt8(bits & 0xff))
        }
      }
      heard.withLock { heard in
        if let update { heard.updates.append(update) }
        heard.messages += 1
      }
      reply(request, flags, [UInt8](pending[(at + 12)..<(at + 12 + count)]))
      at += 12 + count
    }
    pending.removeSubrange(..<at)
  }

  /// The channel is the only socket that a front-end passes.
  private func take(_ descriptor: CInt) {
    var status = stat()
    fstat(descriptor, &status)
    if status.st_mode & S_IFMT == S_IFREG { file = (UInt64(status.st_ino), Int(status.st_size)) }
    let isKept = heard.withLock { heard in
      guard status.st_mode & S_IFMT == S_IFSOCK && heard.channel < 0 else { return false }
      heard.channel = descriptor
      return true
    }
    if !isKept { Glibc.close(descriptor) }
  }
}
