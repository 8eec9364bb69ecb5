// swift-tools-version: 6.2
import PackageDescription

// A further fuzzer is a folder of its own, its name here, and a folder of seeds in Corpus.
let fuzzers = ["HostileBackend", "HostileDevice", "HostileDriver", "HostileFrontend", "HostileSocket", "HostileState"]

// The libraries are compiled here as targets of this package, through links to their folders: fuzzers use what is
// 'package', and the libraries' own code is instrumented.
let lifetimes: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableExperimentalFeature("Lifetimes"),
  .enableExperimentalFeature("SuppressedAssociatedTypes"),
]

let package = Package(
  name: "Fuzz",
  targets: [
    .target(name: "CRing", path: "Libraries/CRing"),
    .target(name: "RingKit", dependencies: ["CRing"], path: "Libraries/RingKit", swiftSettings: lifetimes),
    .target(
      name: "RingIOMMU", dependencies: ["RingKit", "CRing"], path: "Libraries/RingIOMMU", swiftSettings: lifetimes),
    .target(
      name: "RingPlatform", dependencies: ["RingKit", "RingIOMMU", "CRing"], path: "Libraries/RingPlatform",
      swiftSettings: lifetimes),
    .target(
      name: "VhostUser", dependencies: ["RingKit", "RingIOMMU", "RingPlatform", "CRing"], path: "Libraries/VhostUser",
      swiftSettings: lifetimes),
    .target(
      name: "RingKitTesting", dependencies: ["RingKit", "RingIOMMU", "RingPlatform", "VhostUser", "CRing"],
      path: "Libraries/RingKitTesting",
      swiftSettings: lifetimes),
    .target(name: "FuzzSupport", dependencies: ["RingKit"]),
  ]
    + fuzzers.map {
      .executableTarget(
        name: $0, dependencies: ["FuzzSupport", "RingKit", "RingIOMMU", "RingPlatform", "VhostUser", "RingKitTesting"])
    },
  swiftLanguageModes: [.v6]
)
