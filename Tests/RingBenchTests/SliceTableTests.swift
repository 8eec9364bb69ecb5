import RingKit
import Testing

@testable import RingBench

@Suite struct SliceTableTests {
  private let pair = CPUPair(areSiblings: false, shareLastLevelCache: true, shareNode: true)

  private func slice(_ path: DMAPath, round: Int, cost: Double, trip: Double, after: Double? = nil) -> CostSlice {
    CostSlice(
      combination: .init(ring: .split, path: path, direction: .deviceReadable, bytes: 1_500), round: round,
      nanosecondsPerBuffer: cost, conditions: SliceConditions(roundTripBefore: trip, roundTripAfter: after ?? trip))
  }

  private func rows(_ slices: [CostSlice]) -> [CostRow] {
    SliceTable(slices, pair: pair, underHypervisor: true).rows(CostParameters(), counters: [:])
  }

  // Direct moves to another placement in odd rounds, and everything is five times as dear there.
  @Test func ratiosStayWithinRoundAndClass() throws {
    let slices = (0..<20).flatMap { round in
      let factor = round.isMultiple(of: 2) ? 1.0 : 5.0
      return [
        slice(.direct, round: round, cost: 100 * factor, trip: 105 * factor),
        slice(.swiotlb, round: round, cost: 150 * factor, trip: 105 * factor),
      ]
    }
    let rows = rows(slices)
    #expect(rows.map(\.placement) == [.sameL3, .crossL3, .sameL3, .crossL3])
    #expect(rows.map(\.slicesKept) == [10, 10, 10, 10])
    #expect(rows.compactMap { $0.ratioToDirect?.median } == [1, 1, 1.5, 1.5])
    #expect(rows[2].nanosecondsPerBuffer == .exactly(150))
    #expect(abs(rows[3].roundTrip - 525) < 0.001)
  }

  @Test func withoutDirectInTheSameRoundThereIsNoRatio() throws {
    let rows = rows([
      slice(.direct, round: 0, cost: 100, trip: 105), slice(.swiotlb, round: 1, cost: 150, trip: 105),
    ])
    #expect(rows.count == 2)
    #expect(rows[1].ratioToDirect == nil)
  }

  @Test func droppedSlicesAreCounted() throws {
    let slices = [
      slice(.direct, round: 0, cost: 100, trip: 105), slice(.direct, round: 1, cost: 900, trip: 105, after: 510),
      slice(.direct, round: 2, cost: 100, trip: 105), slice(.direct, round: 3, cost: 100, trip: -1),
    ]
    let table = SliceTable(slices, pair: pair, underHypervisor: true)
    #expect(table.droppedBy == [.placementChanged: 1, .probeFailed: 1])
    let row = try #require(table.rows(CostParameters(), counters: [:]).first)
    #expect(row.slicesKept == 2)
    #expect(row.slicesDropped == 2)
    #expect(row.nanosecondsPerBuffer == .exactly(100))
  }
}
