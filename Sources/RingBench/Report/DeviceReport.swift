/// Everything `ringbench explain --device` tells.
struct DeviceReport: Codable, Equatable, Sendable {
  var schema = 1
  let devices: [DeviceExplanation]
}
