import BenchHarness
import RingIOMMU
import RingKit
import RingPlatform

/// Which block a request is about, and what stands in it: the same on every path, from the seed alone.
package struct VFIOContent {
  private let parameters: VFIOParameters
  private let blocks: UInt64

  /// - Parameters:
  ///   - parameters: the seed and the size of a block.
  ///   - sectorCount: of the device; at least one block's worth.
  package init(_ parameters: VFIOParameters, sectorCount: UInt64) {
    self.parameters = parameters
    blocks = sectorCount / UInt64(parameters.blockBytes / 512)
  }

  package func sector(of request: Int) -> UInt64 { block(of: request) * UInt64(parameters.blockBytes / 512) }

  /// The pattern of a request's block, or what no block holds.
  package func fill(_ memory: SharedMemory, request: Int?) {
    let block = request.map { self.block(of: $0) }
    for offset in stride(from: 0, to: parameters.blockBytes, by: 8) {
      memory.store64(block.map { word($0, offset) } ?? 0xdead_dead_dead_dead, offset)
    }
  }

  /// Compares with the pattern where that was written.
  ///
  /// - Returns: a sum of the block, for comparing one path's reads with another's.
  /// - Throws: ``BenchError/check(_:)`` with the first word that differs.
  package func check(_ memory: SharedMemory, request: Int) throws -> UInt64 {
    let block = block(of: request)
    var sum: UInt64 = 0xcbf2_9ce4_8422_2325
    for offset in stride(from: 0, to: parameters.blockBytes, by: 8) {
      let found = memory.load64(offset)
      guard !parameters.overwrite || found == word(block, offset) else {
        throw BenchError.check("block \(block) is not what was written, from byte \(offset) on")
      }
      sum = (sum ^ found) &* 0x100_0000_01b3
    }
    return sum
  }

  private func block(of request: Int) -> UInt64 {
    Self.mix(parameters.seed &* 0x1_0000_0001 &+ UInt64(request)) % blocks
  }

  private func word(_ block: UInt64, _ offset: Int) -> UInt64 { Self.mix(block << 24 ^ UInt64(offset)) }

  // splitmix64.
  private static func mix(_ number: UInt64) -> UInt64 {
    var z = number &+ 0x9e37_79b9_7f4a_7c15
    z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
    return z ^ z >> 31
  }
}
