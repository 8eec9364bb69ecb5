/// Everything `ringbench shapes` found.
struct ShapesReport: Encodable, Sendable {
  let schema = 1
  let machine: Machine
  let parameters: ShapeParameters
  let shapes: [ShapeResult]
  let interrupted: Bool

  private enum CodingKeys: String, CodingKey {
    case schema, machine, parameters, shapes, interrupted
  }
}
