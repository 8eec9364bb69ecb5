import FuzzSupport
import Glibc
import RingKit

/// The hostile end of a vhost-user connection: it speaks the protocol by its documentation, not by the library's code.
final class FrontendPeer {
  /// Bytes of a message and what comes with it, before the fuzzer changes them.
  struct Message {
    let request: UInt32
    var words: [UInt64] = []
    var descriptors: [CInt] = []
  }

  let model: SessionModel
  var rings = (0..<4).map { FrontendRing(index: $0) }
  private let bells = (0..<6).map { _ in must { try EventDoorbell() } }
  var kick: CInt { bells[0].fileDescriptor }
  var call: CInt { bells[4].fileDescriptor }
  /// As another process may make it: blocking, and full.
  var full: CInt { bells[5].fileDescriptor }
  private(set) var own: CInt
  private var channel: CInt = -1
  private(set) var inflight: CInt = -1
  private(set) var inflightWords: [UInt64] = []

  private static let guardByteCount = 2 << 20
  private var guards: [UnsafeMutableRawPointer] = []

  init(_ socket: CInt, _ model: SessionModel) {
    own = socket
    self.model = model
    var most = UInt64.max - 1
    check(write(full, &most, 8) == 8 && fcntl(full, F_SETFL, 0) == 0, "no doorbell")
  }

  /// Each of four rings has its own: a thread that takes another's ringing leaves it asleep.
  func kick(_ index: Int) -> CInt { bells[index & 3].fileDescriptor }

  func ring() { for bell in bells[..<4] { bell.ring() } }

  /// Another connection instead of this one; what was kept of the old one stays.
  func reconnect(_ socket: CInt) {
    Glibc.close(own)
    if channel >= 0 { Glibc.close(channel) }
    (own, channel) = (socket, -1)
  }

  /// Inaccessible pages, below which the kernel puts what is mapped next, as long as no gap above is as large.
  private func guardNextMapping() {
    if guards.count == 12 { return }
    let at = mmap(nil, Self.guardByteCount, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    if let at, at != MAP_FAILED { guards.append(at) }
  }

  func close() {
    for guarded in guards { munmap(guarded, Self.guardByteCount) }
    for descriptor in [own, channel, inflight] where descriptor >= 0 { Glibc.close(descriptor) }
  }

  // MARK: what is sent

  /// Sends a message as it stands.
  func send(_ message: Message, flags: UInt32 = 1, byteCount: Int? = nil, claimed: UInt32? = nil) {
    var payload = message.words.withUnsafeBytes { [UInt8]($0) }
    let count = byteCount ?? payload.count
    while payload.count < count { payload.append(0) }
    payload.removeSubrange(count...)
    var bytes: [UInt8] = []
    for word in [message.request, flags, claimed ?? UInt32(count)] {
      withUnsafeBytes(of: word) { bytes.append(contentsOf: $0) }
    }
    if message.request == 5 || message.request == 32 { guardNextMapping() }
    note(message)
    sendRaw(own, bytes + payload, message.descriptors)
  }

  /// What the other end will make of it, if it takes it.
  private func note(_ message: Message) {
    let words = message.words
    func word(_ i: Int) -> UInt64 { i < words.count ? words[i] : 0 }
    switch message.request {
    case 2: model.features = word(0)
    case 5:
      if message.descriptors.contains(Disk.file) { model.diskIsMemory = true }
      if message.descriptors.contains(where: { $0 != FrontendMemory.sealed }) { model.isExact = false }
      model.setTable(
        (0..<Int(word(0) & 0xf)).map { i in
          SessionModel.Entry(
            guest: word(1 + 4 * i), byteCount: word(2 + 4 * i), user: word(3 + 4 * i), offset: word(4 + 4 * i))
        })
    // Memory to log to, or for notes on what is in flight.
    case 6, 32:
      if message.descriptors.contains(FrontendMemory.log) {
        model.logged.append(word(1)..<max(word(1), word(1) &+ word(0)))
      }
      if message.descriptors.contains(FrontendMemory.sealed) { model.name(word(1), word(0)) }
      if message.descriptors.contains(Disk.file) { model.diskIsMemory = true }
    case 22:
      let kind = word(3) >> 8 & 0xff
      if kind == 2 { model.update(word(0), word(1), word(2), UInt8(truncatingIfNeeded: word(3))) }
      if kind == 3 { model.invalidate(word(0), word(1)) }
    default: break
    }
  }

  static func pair(_ index: Int, _ value: UInt32) -> [UInt64] { [UInt64(index) | UInt64(value) << 32] }

  func table() -> Message {
    var words = [UInt64(FrontendMemory.regions.count)]
    for region in FrontendMemory.regions { words += [region.guest, region.byteCount, region.user, region.offset] }
    return Message(request: 5, words: words, descriptors: FrontendMemory.regions.map { _ in FrontendMemory.sealed })
  }

  func address(_ index: Int, isLogged: Bool = false) -> Message {
    let base = model.features & 1 << 33 == 0 ? FrontendMemory.regions[0].user : FrontendMemory.regions[0].guest
    let parts = rings[index & 3].parts
    let log = FrontendMemory.regions[0].guest + parts[2]
    return Message(
      request: 9,
      words: [
        UInt64(index) | (isLogged ? 1 << 32 : 0), base + parts[0], base + parts[2], base + parts[1], isLogged ? log : 0,
      ])
  }

  func makeChannel() -> Message {
    var pair: [CInt] = [-1, -1]
    check(
      socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_NONBLOCK.rawValue), 0, &pair) == 0, "no sockets")
    if channel >= 0 { Glibc.close(channel) }
    channel = pair[0]
    // A pidfd with each message (SO_PASSPIDFD), as the holder of either end may ask for.
    var one: CInt = 1
    setsockopt(pair[1], SOL_SOCKET, 76, &one, 4)
    return Message(request: 21, descriptors: [pair[1]])
  }

  /// A translation of a page, or of all that lies behind it in the region; 2 gives it, 3 takes it back.
  func translation(_ address: UInt64, _ kind: UInt64, _ choice: UInt8) -> Message {
    let region = FrontendMemory.regions.first { address >= $0.guest && address - $0.guest < $0.byteCount }
    let offset = region.map { address - $0.guest } ?? 0
    let rest = region.map { $0.byteCount - offset } ?? 4096
    let byteCount = choice & 3 == 1 ? rest : choice & 3 == 2 ? min(rest, 0x2345) : min(rest, 4096)
    let permissions: UInt64 = choice & 0xc == 0xc ? 1 : choice & 0xc == 8 ? 2 : 3
    return Message(
      request: 22, words: [address, byteCount, (region?.user ?? 0) + offset, permissions | kind << 8])
  }

  // MARK: what comes back

  /// Takes all answers, and keeps inflight memory that comes with one.
  func drain() {
    while let (bytes, descriptors) = receiveRaw(own) {
      for descriptor in descriptors {
        if inflight >= 0 { Glibc.close(inflight) }
        inflight = descriptor
      }
      if !descriptors.isEmpty && bytes.count >= 36 {
        inflightWords = bytes.withUnsafeBytes { all in
          (0..<3).map { all.loadUnaligned(fromByteOffset: bytes.count - 24 + 8 * $0, as: UInt64.self) }
        }
      }
    }
  }

  /// Answers what the other end asks on its channel: with a translation, without one, with a lie, or not at all.
  func answerMisses(_ input: inout FuzzInput) -> Bool {
    guard channel >= 0, let (bytes, _) = receiveRaw(channel), bytes.count >= 44 else { return false }
    let words = bytes.withUnsafeBytes { all in
      (0..<2).map { all.loadUnaligned(fromByteOffset: 12 + 16 * $0, as: UInt64.self) }
    }
    let choice = input.byte()
    // The message that is answered says what it is: its request, its flags, its size.
    let kind = bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: 12 + 24, as: UInt16.self) }
    check(bytes[0] == 1 && bytes[8] == 32 && kind >> 8 == 1 && kind & 0xff != 0 && kind & 0xff < 3, "no miss: \(bytes)")
    let isRefused = choice & 0x70 == 0x70
    if !isRefused { send(translation(words[0], 2, choice & 0xf)) }
    if choice & 0x80 == 0 || bytes[4] & 8 != 0 {
      var answer: [UInt8] = [1, 0, 0, 0, 5, 0, 0, 0, 8, 0, 0, 0, isRefused ? 1 : 0, 0, 0, 0, 0, 0, 0, 0]
      if choice & 0xe0 == 0xc0 { answer[input.below(answer.count)] = input.byte() }
      if bytes[4] & 8 != 0 || choice & 0xe0 == 0xc0 { sendRaw(channel, answer, []) }
    }
    return true
  }

  func sendOnChannel(_ bytes: [UInt8], _ descriptors: [CInt]) {
    if channel >= 0 { sendRaw(channel, bytes, descriptors) }
  }
  func closeChannel() {
    if channel >= 0 { Glibc.close(channel) }
    channel = -1
  }
}
