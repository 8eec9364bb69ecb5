extension SplitDriverQueue where Mapper: ~Copyable {
  /// Where another device has to go on: the used index, once all that it covers was reclaimed; `nil` before.
  public var devicePosition: UInt16? {
    ordering.observe16(ring.used, at: SplitRing.indexOffset) == ledger.returned.rawValue
      ? ledger.returned.rawValue : nil
  }
}
