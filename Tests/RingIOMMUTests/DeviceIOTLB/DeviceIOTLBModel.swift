import RingKit

/// What a device knows, one place for every 256 bytes of its addresses: no ranges, no order, no cache.
struct DeviceIOTLBModel {
  struct Cell {
    let range: Int
    let host: UInt
    let canRead: Bool
    let canWrite: Bool
  }

  static let unit: UInt64 = 256
  let limit: Int
  private(set) var cells: [Cell?]
  private var made = 0

  /// As many addresses, from 0 on.
  init(byteCount: UInt64, limit: Int) {
    cells = Array(repeating: nil, count: Int(byteCount / Self.unit))
    self.limit = limit
  }

  var count: Int { Set(cells.compactMap { $0?.range }).count }

  /// Every range that has an address in common goes, all of it.
  mutating func forget(_ units: Range<Int>) {
    let gone = Set(cells[units].compactMap { $0?.range })
    for i in cells.indices { if let cell = cells[i], gone.contains(cell.range) { cells[i] = nil } }
  }

  mutating func insert(_ units: Range<Int>, host: UInt, canRead: Bool, canWrite: Bool) {
    forget(units)
    if count == limit { forget(cells.indices) }
    made += 1
    for i in units {
      let at = host + UInt(i - units.lowerBound) * UInt(Self.unit)
      cells[i] = Cell(range: made, host: at, canRead: canRead, canWrite: canWrite)
    }
  }

  /// Where an address leads, and for how many bytes in one piece; `nil` where the access is not permitted.
  func translate(
    _ address: UInt64, byteCount: UInt64, for access: DMADirection
  ) -> (host: UInt, byteCount: UInt64)? {
    func host(_ address: UInt64) -> UInt? {
      guard address / Self.unit < UInt64(cells.count), let cell = cells[Int(address / Self.unit)],
        access == .deviceWritable ? cell.canWrite : cell.canRead
      else { return nil }
      return cell.host + UInt(address % Self.unit)
    }
    guard let start = host(address) else { return nil }
    var done: UInt64 = 0
    while done < byteCount, host(address + done) == start + UInt(done) {
      done = min(byteCount, done + Self.unit - (address + done) % Self.unit)
    }
    return (start, done)
  }
}
