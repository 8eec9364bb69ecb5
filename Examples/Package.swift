// swift-tools-version: 6.2
import PackageDescription

func product(_ name: String) -> Target.Dependency { .product(name: name, package: "RingKit") }

let settings: [SwiftSetting] = [.strictMemorySafety(), .treatAllWarnings(as: .error)]

let package = Package(
  name: "Examples",
  dependencies: [.package(name: "RingKit", path: "..")],
  targets: [
    .executableTarget(name: "BothEnds", dependencies: [product("RingKit")], swiftSettings: settings),
    .executableTarget(name: "TwoThreads", dependencies: [product("RingKit")], swiftSettings: settings),
    .executableTarget(
      name: "Mailbox", dependencies: [product("RingKit"), product("VhostUser")], swiftSettings: settings),
    .executableTarget(
      name: "Entropy", dependencies: [product("RingKit"), product("VhostUser")], swiftSettings: settings),
    .target(name: "SealedPath", dependencies: [product("RingKit")], swiftSettings: settings),
    .testTarget(
      name: "MyRingTests",
      dependencies: ["SealedPath", product("RingKit"), product("VhostUser"), product("RingKitTesting")],
      // For a device queue of one's own, which lends its segments.
      swiftSettings: settings + [.enableExperimentalFeature("Lifetimes")]),
  ]
)
