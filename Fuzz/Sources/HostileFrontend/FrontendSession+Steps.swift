import FuzzSupport
import Glibc
import RingKit
import VhostUser

extension FrontendSession {
  /// Does the next thing that the input says.
  func step(_ input: inout FuzzInput) {
    let choice = input.byte()
    let index = Int(choice >> 5)
    switch choice & 31 {
    case 0...5:
      peer.rings[index & 3].offer(&input)
      peer.ring()
    case 6, 7:
      peer.rings[index & 3].spoil(&input)
      peer.ring()
    case 8: peer.send(.init(request: 11, words: FrontendPeer.pair(index, 0)))
    case 9, 10: startRing(index & 1, size: input.byte())
    case 11: peer.send(peer.table())
    case 12, 13: peer.send(peer.translation(Self.page(input.byte()), choice & 1 == 0 ? 2 : 3, input.byte()))
    case 14: sendBytes(&input)
    case 15: spoilInflight(&input)
    case 16: handOverInflight(input.byte())
    case 17: reconnect(&input)
    case 18:
      let bytes = (0..<input.below(64)).map { _ in input.byte() }
      peer.sendOnChannel(bytes, index == 0 ? [peer.kick] : [])
    case 19: if index == 0 { peer.closeChannel() } else { sendAndClose(peer.makeChannel()) }
    case 20: model.milliseconds += [1, 100, 500, 10_000, 1, 5, 499, 1_000_000][index]
    default: sendChanged(&input)
    }
  }

  private static func page(_ choice: UInt8) -> UInt64 {
    let region = FrontendMemory.regions[Int(choice & 1)]
    return region.guest + UInt64(choice >> 1 & 7) * 4096 + (choice & 0x80 == 0 ? 0 : UInt64(choice & 0x70) << 4)
  }

  /// A message of any kind, more or less as it should be.
  private func sendChanged(_ input: inout FuzzInput) {
    let choice = input.byte()
    let index = Int(choice >> 6)
    var message = FrontendMessages.message(Int(choice & 31), index, peer, &input)
    // The far end of a channel belongs to the other side alone.
    let made = message.request == 21 ? message.descriptors.first : nil
    for _ in 0..<input.below(4) where !message.words.isEmpty { change(&message.words, &input) }
    let extra = input.byte()
    var flags: UInt32 = extra & 1 == 0 ? 1 : 9
    var (byteCount, claimed): (Int?, UInt32?)
    switch extra >> 2 {
    case 0x3f: flags = UInt32(input.byte())
    case 0x3e: byteCount = input.below(256)
    case 0x3d:
      claimed = UInt32(input.word16())
      model.isExact = false
    case 0x3c: message.descriptors = []
    case 0x3b: message.descriptors.append(Self.other(input.byte(), peer))
    case 0x3a: message.descriptors = message.descriptors.map { _ in Self.other(input.byte(), peer) }
    case 0x39: message.descriptors = [CInt](repeating: peer.kick, count: input.below(24))
    default: break
    }
    if extra >> 2 >= 0x39, message.request == 5 || message.request == 22 { model.isExact = false }
    peer.send(message, flags: flags, byteCount: byteCount, claimed: claimed)
    if let made { close(made) }
  }

  private static func other(_ choice: UInt8, _ peer: FrontendPeer) -> CInt {
    [FrontendMemory.sealed, FrontendMemory.unsealed, peer.kick, peer.full, 0, peer.own, Disk.file, peer.call][
      Int(choice & 7)]
  }

  private func change(_ words: inout [UInt64], _ input: inout FuzzInput) {
    let (at, kind) = (input.below(words.count), input.byte())
    switch kind & 7 {
    // A region's address in front of its size: it ends where addresses do.
    case 0: words[at] = kind >> 3 == 31 && at + 1 < words.count ? 0 &- words[at + 1] : 0
    case 1: words[at] = .max
    case 2: words[at] &+= UInt64(1 + kind >> 3)
    case 3: words[at] &-= UInt64(1 + kind >> 3)
    case 4: words[at] ^= 1 << UInt64(kind >> 3)
    case 5: words[at] = FrontendMemory.userBase &+ UInt64(kind >> 3) &* 0x1000
    case 6: words[at] = 1 << UInt64(kind >> 2)
    default: words[at] = input.word64()
    }
  }

  /// Bytes that are no message, or the beginning of one.
  private func sendBytes(_ input: inout FuzzInput) {
    model.isExact = false
    let bytes = (0..<input.below(80)).map { _ in input.byte() }
    sendRaw(peer.own, bytes, [])
  }

  /// Up to eight bytes of the notes become others, or up to four of the fields in front of them; asks for them first.
  private func spoilInflight(_ input: inout FuzzInput) {
    guard peer.inflight >= 0 else { return handOverInflight(input.byte() & ~3) }
    let choice = input.byte()
    if choice & 1 == 0 {
      var bytes = (0..<1 + input.below(8)).map { _ in input.byte() }
      pwrite(peer.inflight, &bytes, bytes.count, off_t(input.below(256)))
      return
    }
    for _ in 0...(choice >> 6) {
      // Version, entries, and of a split queue the last batch's head and the used index; of a packed one the free
      // list's head and the old one, the used index and the old one, and the wrap counters. Then what the first entries
      // hold.
      let field = input.byte()
      let kinds: [UInt16] = [0, 1, 2, 7, 8, 16, 0x100, 0xffff]
      var word = field & 0x80 == 0 ? kinds[Int(field >> 4 & 7)] : input.word16()
      let at = [8, 10, 12, 14, 16, 18, 20, 22, 30, 32, 38, 48][Int(field & 15) % 12]
      pwrite(peer.inflight, &word, 2, off_t(at))
    }
  }

  private func handOverInflight(_ choice: UInt8) {
    if choice & 3 == 0 || peer.inflight < 0 {
      let queues = UInt64(max(1, min(queueCount, 2)))
      let size = UInt64(choice >> 2 & 15) + 8
      return peer.send(.init(request: 31, words: [0, 0, queues | size << 16]))
    }
    peer.send(.init(request: 32, words: peer.inflightWords, descriptors: [peer.inflight]))
  }

  /// The back-end dies, and another takes its place with the same device and the same memory.
  private func reconnect(_ input: inout FuzzInput) {
    backend = nil
    let (own, other) = Self.sockets()
    peer.reconnect(own)
    let features = UInt8(input.byte())
    model.translations = []
    model.table = []
    attach(other)
    begin(features, protocolFeatures: 0x3229)
    if peer.inflight >= 0 { handOverInflight(1) }
    guard features & 0x80 == 0 else { return }
    for index in 0..<min(queueCount, 2) { restartRing(index) }
  }

  /// As it was left, with whatever it holds.
  private func restartRing(_ index: Int) {
    let isPacked = model.features & 1 << 34 != 0
    peer.send(.init(request: 8, words: FrontendPeer.pair(index, UInt32(peer.rings[index].size))))
    peer.send(.init(request: 10, words: FrontendPeer.pair(index, isPacked ? 0x8000_8000 : 0)))
    peer.send(peer.address(index))
    peer.send(.init(request: 12, words: [UInt64(index)], descriptors: [peer.kick(index)]))
    peer.send(.init(request: 18, words: FrontendPeer.pair(index, 1)))
  }
}
