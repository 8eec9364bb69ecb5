import FuzzSupport
import Glibc

/// The hostile end of a vhost-user connection whose other end is a front-end: answers by the protocol's text, or others.
final class BackendPeer {
  /// A translation that the front-end gave.
  struct Update {
    let address: UInt64
    let byteCount: UInt64
    let user: UInt64
    let permissions: UInt8
  }

  let own: CInt
  /// The front-end's channel for requests, once it was passed.
  private(set) var channel: CInt = -1
  /// Translations given since the last look.
  private(set) var updates: [Update] = []
  private var pending: [UInt8] = []

  init(_ socket: CInt) { own = socket }

  func close() {
    if channel >= 0 { Glibc.close(channel) }
    Glibc.close(own)
  }

  /// Nothing more will come.
  func finish() { shutdown(own, CInt(SHUT_WR)) }

  // MARK: what is answered

  /// An answer of words, more or less as it should be.
  func answer(_ request: UInt32, _ words: [UInt64], _ input: inout FuzzInput, count: Int? = nil, files: [CInt] = []) {
    var (request, words, flags, files) = (request, words, UInt32(5), files)
    var byteCount = count ?? 8 * words.count
    var claimed: Int?
    let choice = input.byte()
    switch choice {
    case 0xe0: return
    case 0xe1: request = UInt32(input.byte())
    case 0xe2: flags = UInt32(input.byte())
    case 0xe3: byteCount = input.below(256)
    case 0xe4: claimed = Int(input.word16())
    case 0xe5...0xe7: files = [CInt](repeating: own, count: input.below(24))
    case 0xe8: files = []
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

  func closeChannel() {
    if channel >= 0 { Glibc.close(channel) }
    channel = -1
  }

  // MARK: what was said

  /// Takes what the front-end sent: its channel, and the translations it gave.
  func drain() {
    updates = []
    while let (bytes, descriptors) = receiveRaw(own) {
      pending += bytes
      for descriptor in descriptors { take(descriptor) }
    }
    while channel >= 0, let (_, descriptors) = receiveRaw(channel) {
      check(descriptors.isEmpty, "descriptors came with an answer")
    }
    var at = 0
    func number<Number: FixedWidthInteger & BitwiseCopyable>(_ offset: Int, _ type: Number.Type) -> Number {
      pending.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: type) }
    }
    while pending.count - at >= 12 {
      let count = Int(number(at + 8, UInt32.self))
      check(number(at + 4, UInt32.self) & ~8 == 1 && count <= 272, "a message of \(count) bytes")
      guard pending.count - at >= 12 + count else { break }
      if number(at, UInt32.self) == 22 {
        check(count == 32, "an IOTLB message of \(count) bytes")
        let bits = number(at + 36, UInt16.self)
        check(bits >> 8 == 2 || bits >> 8 == 3, "an IOTLB message of kind \(bits >> 8)")
        if bits >> 8 == 2 {
          updates.append(
            Update(
              address: number(at + 12, UInt64.self), byteCount: number(at + 20, UInt64.self),
              user: number(at + 28, UInt64.self), permissions: UInt8(bits & 0xff)))
        }
      }
      at += 12 + count
    }
    pending.removeSubrange(..<at)
  }

  /// The channel is the only socket that a front-end passes.
  private func take(_ descriptor: CInt) {
    var status = stat()
    fstat(descriptor, &status)
    if status.st_mode & S_IFMT == S_IFSOCK && channel < 0 {
      channel = descriptor
      _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
    } else {
      Glibc.close(descriptor)
    }
  }
}
