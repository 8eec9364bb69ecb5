import FuzzSupport

/// Every request of the protocol that a back-end may be sent, as a good front-end would.
enum FrontendMessages {
  static func message(
    _ choice: Int, _ index: Int, _ peer: FrontendPeer, _ input: inout FuzzInput
  ) -> FrontendPeer.Message {
    let value = input.byte()
    switch choice {
    case 0: return .init(request: 2, words: [peer.model.features])
    case 1: return .init(request: 16, words: [value & 1 == 0 ? 0x3229 : 0x1_322b])
    case 2: return .init(request: UInt32([1, 3, 4, 15, 17, 11][Int(value) % 6]), words: value % 6 == 5 ? [0] : [])
    case 3, 4, 5: return peer.table()
    case 6: return .init(request: 8, words: FrontendPeer.pair(index, UInt32(value & 31)))
    case 7: return .init(request: 10, words: FrontendPeer.pair(index, UInt32(value) << (value & 1 == 0 ? 0 : 15)))
    case 8, 9: return peer.address(index)
    case 10: return peer.address(index, isLogged: value & 1 == 1)
    case 11: return .init(request: 11, words: FrontendPeer.pair(index, 0))
    case 12, 13: return file(12, index, value, peer)
    case 14: return file(13, index, value, peer)
    case 15: return file(14, index, value, peer)
    case 16: return .init(request: 18, words: FrontendPeer.pair(index, UInt32(value & 1)))
    case 17: return peer.makeChannel()
    case 18, 19, 20, 21:
      return peer.translation(FrontendMemory.regions[index & 1].guest + UInt64(value >> 4) * 4096, 2, value & 15)
    case 22, 23:
      return peer.translation(FrontendMemory.regions[index & 1].guest + UInt64(value >> 4) * 4096, 3, value & 15)
    // Offset and size, flags and the first bytes.
    case 24: return .init(request: 24, words: [UInt64(value & 7) | 20 << 32, 0, 0, 0])
    case 25: return .init(request: 25, words: [4 << 32, 0])
    case 26, 27: return .init(request: 31, words: [0, 0, UInt64(index & 1) + 1 | UInt64(value) << 16])
    case 28, 29:
      let words = peer.inflightWords.isEmpty ? [4096, 0, 0x8_0001] : peer.inflightWords
      return .init(
        request: 32, words: words, descriptors: [peer.inflight >= 0 ? peer.inflight : FrontendMemory.sealed])
    case 30: return logOrStatus(index, value, peer)
    default: return .init(request: UInt32(value), words: [UInt64](repeating: 0, count: index))
    }
  }

  /// Memory to log to, logging begun or ended, and the device's status.
  private static func logOrStatus(_ index: Int, _ value: UInt8, _ peer: FrontendPeer) -> FrontendPeer.Message {
    switch value & 7 {
    case 0...3:
      let (byteCount, offset): (UInt64, UInt64) = [(4096, 0), (256, 4096), (8192, 512), (64, 0)][Int(value & 3)]
      return .init(request: 6, words: [byteCount, offset], descriptors: [FrontendMemory.log])
    case 4: return .init(request: 2, words: [peer.model.features ^ 1 << 26])
    case 5: return .init(request: 7, descriptors: [peer.call])
    case 6: return .init(request: 39, words: [UInt64([0, 1, 3, 11, 15, 64, 128, 255][Int(value >> 3 & 7)])])
    default: return .init(request: 40)
    }
  }

  private static func file(_ request: UInt32, _ index: Int, _ value: UInt8, _ peer: FrontendPeer)
    -> FrontendPeer.Message
  {
    switch value & 7 {
    case 0: .init(request: request, words: [UInt64(index) | 0x100])
    case 1: .init(request: request, words: [UInt64(index)], descriptors: [peer.full])
    default:
      .init(request: request, words: [UInt64(index)], descriptors: [request == 13 ? peer.call : peer.kick(index)])
    }
  }
}
