import FuzzSupport
import Glibc

/// The hostile end of a connection: it speaks the protocol by its documentation, not by the library's code, and lies.
final class SocketPeer {
  private static let magic: UInt64 = 0x5644_4b52 | 2 << 32
  private static let messageByteCount = 256

  private let own: CInt
  private var other: CInt?
  private var sent: UInt64 = 0
  private var answered: UInt64 = 0

  init() {
    var pair: [CInt] = [-1, -1]
    check(
      socketpair(AF_UNIX, CInt(SOCK_SEQPACKET.rawValue) | CInt(SOCK_NONBLOCK.rawValue), 0, &pair) == 0, "no sockets")
    own = pair[0]
    other = pair[1]
    // Only this end must not wait.
    _ = fcntl(pair[1], F_SETFL, 0)
  }

  /// The end that is attacked, for the side that closes it.
  func takeOther() -> CInt {
    defer { other = nil }
    return other ?? -1
  }

  func close() {
    if let other { Glibc.close(other) }
    Glibc.close(own)
  }

  func finishSending() { shutdown(own, CInt(SHUT_WR)) }

  // MARK: what is sent

  /// A message of a driver's, more or less as it should be.
  func sendRequest(_ input: inout FuzzInput) {
    let choice = input.byte()
    var words: [UInt64]
    var files = Files.none
    switch choice & 7 {
    case 0, 1:
      words = message(1)
      let count = 1 + Int(choice >> 3 & 1)
      words[2] = UInt64(count)
      for i in 0..<count { (words[3 + 2 * i], words[4 + 2 * i]) = (0x4000_0000 + UInt64(i) << 20, 65_536) }
      files = .sealed(count)
    case 2, 3, 4:
      words = queue(choice >> 3)
      // Page table, requests and answers are all the memory that was passed: what is written here is read there.
      if words[10] == 3 { files = .sealed(2) }
    case 5: words = message(3)
    case 6: words = message(UInt64(choice >> 3))
    default: return sendBytes(&input)
    }
    change(&words, &input)
    send(words, Files(input.byte(), or: files))
  }

  /// A message of a device's, more or less as it should be.
  func sendAnswer(_ input: inout FuzzInput) {
    let choice = input.byte()
    if choice & 7 == 7 { return sendBytes(&input) }
    var words = message(choice & 7 == 6 ? 5 : 4)
    words[2] = UInt64(choice >> 3 & 3)
    if words[2] != 0 {
      words[3] = UInt64(input.byte()) % 225
      for i in 0..<4 { words[4 + i] = input.word64() }
    }
    change(&words, &input)
    send(words, Files(input.byte(), or: .none))
  }

  private func message(_ kind: UInt64) -> [UInt64] {
    sent += 1
    var words = [UInt64](repeating: 0, count: 32)
    words[0] = Self.magic | kind << 48
    words[1] = sent
    return words
  }

  /// A ring in the first region, with or without windows or a shared domain.
  private func queue(_ choice: UInt8) -> [UInt64] {
    var words = message(2)
    let isPacked = choice & 1 != 0
    words[2] = isPacked ? 1 : 0
    words[3] = 8
    words[4] = 1 << 32 | (isPacked ? 1 << 34 : 0)
    words[5] = 0x4000_0000
    words[6] = 0x4000_0100
    words[7] = 0x4000_0200
    words[8] = 3
    words[9] = isPacked ? 0x8000 : 0
    words[10] = UInt64(choice >> 1 & 3)
    if words[10] == 3 {
      (words[11], words[12], words[13], words[14]) = (4, 1, 65_536, 4096)
    } else if words[10] != 0 {
      words[11] = 4
      words[12] = 1
      (words[13], words[14], words[15]) = (0x4000_0000, 0x4000_0000, 0x8000)
    }
    return words
  }

  /// Up to three words become something else.
  private func change(_ words: inout [UInt64], _ input: inout FuzzInput) {
    for _ in 0..<input.below(4) {
      let (at, kind) = (input.below(32), input.byte())
      switch kind & 7 {
      case 0: words[at] = 0
      case 1: words[at] = .max
      case 2: words[at] &+= 1
      case 3: words[at] &-= 1
      case 4: words[at] ^= 1 << UInt64(kind >> 3)
      case 5: words[at] = 0x4000_0000 &+ UInt64(kind >> 3) &* 0x1000
      case 6: words[at] = 1 << UInt64(kind >> 2)
      default: words[at] = input.word64()
      }
    }
  }

  /// Bytes that are no message, or one of another length.
  private func sendBytes(_ input: inout FuzzInput) {
    let count = 1 + Int(input.word16()) % 600
    var bytes = [UInt8](repeating: input.byte(), count: count)
    for i in 0..<min(count, input.below(64)) { bytes[i] = input.byte() }
    sendRaw(own, bytes, Files(input.byte(), or: .none).descriptors)
  }

  private func send(_ words: [UInt64], _ files: Files) {
    words.withUnsafeBytes { sendRaw(own, [UInt8]($0), files.descriptors) }
  }

  // MARK: what comes back

  /// Exactly one answer came, with its number, this status or either of those a device gives, and no descriptor.
  func checkAnswer(status: UInt64?) {
    var words = [UInt64](repeating: 0, count: 33)
    let count = words.withUnsafeMutableBytes { recv(own, $0.baseAddress, $0.count, CInt(MSG_DONTWAIT)) }
    check(count == Self.messageByteCount, "an answer of \(count) bytes")
    answered += 1
    check(words[0] == Self.magic | 4 << 48 && words[1] == answered, "an answer that is none")
    check(status.map { words[2] == $0 } ?? (words[2] == 0 || words[2] == 2), "status \(words[2])")
    check(words[3] <= 224, "a text of \(words[3]) bytes")
    check(words[2] == 0 || words[3] > 0, "refused without a reason")
  }

  /// Nothing waits, and nothing will come.
  var isAtEnd: Bool {
    var byte: UInt8 = 0
    let count = recv(own, &byte, 1, CInt(MSG_DONTWAIT))
    return count == 0 || (count < 0 && errno != EAGAIN)
  }
}
