// swift-tools-version: 6.2
import PackageDescription

// A further fuzzer is a folder of its own, its name here, and a folder of seeds in Corpus.
let fuzzers = ["HostileBackend", "HostileDevice", "HostileDriver", "HostileFrontend", "HostileSocket", "HostileState"]

let package = Package(
  name: "Fuzz",
  dependencies: [.package(name: "RingKit", path: "..")],
  targets: [
    .target(name: "FuzzSupport", dependencies: [.product(name: "RingKit", package: "RingKit")])
  ]
    + fuzzers.map {
      .executableTarget(
        name: $0,
        dependencies: ["FuzzSupport"]
          + ["RingKit", "RingIOMMU", "RingPlatform", "VhostUser"].map { .product(name: $0, package: "RingKit") })
    },
  swiftLanguageModes: [.v6]
)
