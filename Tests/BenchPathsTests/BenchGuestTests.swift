import RingKit
import Testing

@testable import BenchPaths

@Suite struct BenchGuestTests {
  @Test(arguments: [(0, 0), (2, 1), (25, 8), (50, 16), (99, 32), (100, 32)])
  func theShareOfBuffersLiesBeyond(percent: Int, expected: Int) throws {
    var parameters = CostParameters()
    parameters.paths = [.dmaMask]
    parameters.sizes = [1500, 4096]
    (parameters.depth, parameters.beyondPercent, parameters.swiotlbMebibytes) = (32, percent, 1)
    let guest = try BenchGuest(parameters)
    for bytes in parameters.sizes {
      let pool = PayloadPool(guest.payload(bytes: bytes, parameters), bytes: bytes)
      let ends = (0..<32).map { pool.segment($0).address.rawValue + UInt64(bytes) - 1 }
      #expect(ends.filter { $0 > 0xFFFF_FFFF }.count == expected)
      #expect(
        (0..<32).allSatisfy {
          guest.memory.deviceTable.translate(pool.segment($0).address, length: UInt64(bytes)) == pool.host($0)
        })
    }
  }
}
