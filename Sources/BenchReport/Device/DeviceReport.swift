import BenchHarness
import BenchPaths

/// Everything `ringbench explain --device` tells.
package struct DeviceReport: Codable, Equatable, Sendable {
  package var schema = 1
  package let devices: [DeviceExplanation]

  package init(schema: Int = 1, devices: [DeviceExplanation]) {
    self.schema = schema
    self.devices = devices
  }
}
