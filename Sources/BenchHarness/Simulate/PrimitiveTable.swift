/// Every primitive's cost.
package struct PrimitiveTable: Sendable {
  private var costs: [Primitive: PrimitiveCost] = [:]

  package init() {}

  package subscript(primitive: Primitive) -> PrimitiveCost {
    get { costs[primitive] ?? PrimitiveCost(nanoseconds: 0, source: .unknown) }
    set { costs[primitive] = newValue }
  }

  /// In nanoseconds.
  package func cost(_ primitive: Primitive) -> Double { self[primitive].nanoseconds }

  /// The same with some of them at no cost: an operation that leaves them out.
  package func without(_ primitives: [Primitive]) -> PrimitiveTable {
    var table = self
    for primitive in primitives { table[primitive] = PrimitiveCost(nanoseconds: 0, source: .injected) }
    return table
  }

  package var isInjected: Bool { costs.values.contains { $0.source == .injected } }
}

extension PrimitiveTable: Encodable {
  private struct Row: Encodable {
    let name: Primitive
    let nanoseconds: Double
    let source: PrimitiveCost.Source
  }

  package func encode(to encoder: any Encoder) throws {
    var values = encoder.unkeyedContainer()
    for name in Primitive.allCases {
      try values.encode(
        Row(name: name, nanoseconds: Rounded.value(self[name].nanoseconds), source: self[name].source))
    }
  }
}
