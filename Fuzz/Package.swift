// swift-tools-version: 6.2
import PackageDescription

// A further fuzzer is a folder of its own, its name here, and a folder of seeds in Corpus.
let fuzzers = ["HostileBackend", "HostileDevice", "HostileDriver", "HostileFrontend", "HostileSocket", "HostileState"]

// The fuzzers put ends together as nobody else may: they are part of the package above, whose name is its folder's.
let whole = Context.packageDirectory.split(separator: "/").dropLast().last.map { $0.lowercased() } ?? ""
let inside: [SwiftSetting] = [.unsafeFlags(["-package-name", whole])]

let package = Package(
  name: "Fuzz",
  dependencies: [.package(name: "RingKit", path: "..")],
  targets: [
    .target(name: "FuzzSupport", dependencies: [.product(name: "RingKit", package: "RingKit")], swiftSettings: inside)
  ]
    + fuzzers.map {
      .executableTarget(
        name: $0,
        dependencies: ["FuzzSupport"]
          + ["RingKit", "RingIOMMU", "RingPlatform", "VhostUser"].map { .product(name: $0, package: "RingKit") },
        swiftSettings: inside)
    },
  swiftLanguageModes: [.v6]
)
