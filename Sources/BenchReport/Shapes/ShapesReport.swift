import BenchHarness
import BenchPaths

/// Everything `ringbench shapes` found.
package struct ShapesReport: Encodable, Sendable {
  package let schema = 1
  package let machine: Machine
  package let parameters: ShapeParameters
  package let shapes: [ShapeResult]
  package let interrupted: Bool

  package init(machine: Machine, parameters: ShapeParameters, shapes: [ShapeResult], interrupted: Bool) {
    self.machine = machine
    self.parameters = parameters
    self.shapes = shapes
    self.interrupted = interrupted
  }

  private enum CodingKeys: String, CodingKey {
    case schema, machine, parameters, shapes, interrupted
  }
}
