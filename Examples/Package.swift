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
    .target(name: "CanaryPath", dependencies: [product("RingKit")], swiftSettings: settings),
    .testTarget(
      name: "CanaryPathTests", dependencies: ["CanaryPath", product("RingKit"), product("RingKitTesting")],
      swiftSettings: settings),
  ]
)
