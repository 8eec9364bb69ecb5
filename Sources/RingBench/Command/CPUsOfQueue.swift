/// Where the two ends of a queue run.
struct CPUsOfQueue: Encodable, Equatable, Sendable {
  let driverCPU: Int
  let deviceCPU: Int
}
