import BenchHarness
import BenchPaths

/// What the round trips between two CPUs were over a second or so.
package struct RoundTripSummary: Encodable, Sendable {
  package struct Cluster: Encodable, Sendable {
    package let placement: PlacementClass
    package let nanoseconds: Double
    /// Of all probes, 0 to 1.
    package let share: Double

    private enum CodingKeys: String, CodingKey {
      case placement = "class"
      case nanoseconds = "roundTripNs"
      case share
    }
  }

  package let driverCPU: Int
  package let deviceCPU: Int
  package let probes: Int
  package let minimum: Double
  package let median: Double
  package let percentile90: Double
  package let clusters: [Cluster]

  private enum CodingKeys: String, CodingKey {
    case driverCPU, deviceCPU, probes, minimum, median
    case percentile90 = "p90"
    case clusters
  }

  /// `nil` when nothing was measured.
  package init?(_ samples: [Double], driver: Int, device: Int, machine: Machine) {
    guard let minimum = samples.min(), let median = Percentile.median(samples),
      let percentile90 = Percentile.value(0.9, of: samples)
    else { return nil }
    driverCPU = driver
    deviceCPU = device
    probes = samples.count
    self.minimum = Rounded.value(minimum)
    self.median = Rounded.value(median)
    self.percentile90 = Rounded.value(percentile90)
    let classifier = PlacementClassifier(
      pair: machine.pair(driver, device), underHypervisor: machine.underHypervisor, roundTrips: samples)
    clusters = classifier.clusters.clusters.compactMap { cluster in
      guard let placement = classifier.placement(of: cluster.centre) else { return nil }
      return Cluster(
        placement: placement, nanoseconds: Rounded.value(cluster.centre),
        share: Rounded.value(Double(cluster.count) / Double(samples.count)))
    }
  }
}
