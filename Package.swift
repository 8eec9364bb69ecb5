// swift-tools-version: 6.2
import PackageDescription

// Of targets that no other package can import: levels of access on their imports would tell nothing.
let tool: [SwiftSetting] = [
  .strictMemorySafety(),
  .treatAllWarnings(as: .error),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
  // A queue lends its completions as a Span that cannot outlive the borrow.
  .enableExperimentalFeature("Lifetimes"),
  // Queue ends and translators are non-copyable, and a path names its own.
  .enableExperimentalFeature("SuppressedAssociatedTypes"),
]
let strict = tool + [.enableUpcomingFeature("InternalImportsByDefault")]

// What the commands stand on.
let commands: [Target.Dependency] =
  [
    "BenchPlan", "BenchPaths", "BenchDocument", "BenchReport", "BenchPage", "BenchRuns", "RingKit", "RingIOMMU",
    "RingPlatform", "VhostUser", "CRing", "CRingBench", "RingKitTesting",
  ].map { .target(name: $0, condition: .when(traits: ["Bench"])) } + [
    .product(name: "ArgumentParser", package: "swift-argument-parser", condition: .when(traits: ["Bench"]))
  ]

let package = Package(
  name: "RingKit",
  products: [
    .library(name: "RingKit", targets: ["RingKit"]),
    .library(name: "RingIOMMU", targets: ["RingIOMMU"]),
    .library(name: "RingPlatform", targets: ["RingPlatform"]),
    .library(name: "VhostUser", targets: ["VhostUser"]),
    .library(name: "RingKitTesting", targets: ["RingKitTesting"]),
    .executable(name: "ringbench", targets: ["RingBench"]),
  ],
  traits: [
    .default(enabledTraits: ["NUMA"]),
    .trait(name: "Bench", description: "Builds the command line, which needs packages that the libraries do not."),
    .trait(name: "NUMA", description: "Binds memory to nodes and reads the topology through libnuma."),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
    .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
  ],
  targets: [
    .target(
      name: "CRing",
      cSettings: [.define("CRING_NUMA", .when(traits: ["NUMA"]))],
      linkerSettings: [.linkedLibrary("numa", .when(traits: ["NUMA"]))]
    ),
    // Guest memory, rings, and the DMA paths without an IOMMU.
    .target(name: "RingKit", dependencies: ["CRing"], swiftSettings: strict),
    // The DMA paths behind an IOMMU.
    .target(name: "RingIOMMU", dependencies: ["RingKit", "CRing"], swiftSettings: strict),
    // Feature negotiation, migration, devices in other processes, VFIO.
    .target(name: "RingPlatform", dependencies: ["RingKit", "RingIOMMU", "CRing"], swiftSettings: strict),
    // Real drivers and devices in other processes, at the other end of our rings.
    .target(
      name: "VhostUser", dependencies: ["RingKit", "RingIOMMU", "RingPlatform", "CRing"], swiftSettings: strict),
    // What the tests of a driver, a device or a DMA path need: repeatable random numbers, a path that always bounces.
    .target(
      name: "RingKitTesting", dependencies: ["RingKit", "RingIOMMU", "RingPlatform", "VhostUser", "CRing"],
      swiftSettings: strict),
    // What only a benchmark needs: payload fill and check, probes. Not part of the library product.
    .target(name: "CRingBench"),
    // Slices, probes, placement classes, pinning, statistics: how things are timed, whatever they are.
    .target(
      name: "BenchHarness",
      dependencies: [
        "RingKit", "CRing", "CRingBench",
        .product(name: "Histogram", package: "hdrhistogram-swift", condition: .when(traits: ["Bench"])),
      ],
      swiftSettings: tool),
    // What a run is asked for and what comes of it, as values. Paths and reports stand on it and are built at the same
    // time.
    .target(
      name: "BenchPlan",
      dependencies: ["BenchHarness", "RingKit", "RingIOMMU", "RingPlatform", "VhostUser", "CRing", "CRingBench"],
      swiftSettings: tool),
    // The only target in which rings, paths and loops are specialised together.
    .target(
      name: "BenchPaths",
      dependencies: [
        "BenchPlan", "BenchHarness", "RingKit", "RingIOMMU", "RingPlatform", "VhostUser", "CRing", "CRingBench",
      ],
      swiftSettings: tool),
    // The document that all reports become, with its JSON and its text, and what is measured in slices.
    .target(
      name: "BenchDocument",
      dependencies: ["BenchHarness", "BenchPlan", "RingKit", "RingIOMMU", "RingPlatform", "VhostUser"],
      swiftSettings: tool),
    // What the other commands report.
    .target(
      name: "BenchReport",
      dependencies: [
        "BenchDocument", "BenchHarness", "BenchPlan", "RingKit", "RingIOMMU", "RingPlatform", "VhostUser",
      ],
      swiftSettings: tool),
    // What is made of documents: pages with pictures, comparisons, other formats.
    .target(
      name: "BenchPage",
      dependencies: ["BenchDocument", "BenchHarness", "BenchPlan", "RingKit", "RingIOMMU"],
      swiftSettings: tool),
    // What a command runs: cases in slices, boots of a guest, shapes.
    .target(
      name: "BenchRuns",
      dependencies: [
        "BenchPaths", "BenchPlan", "BenchReport", "BenchHarness", "RingKit", "RingIOMMU", "RingPlatform", "VhostUser",
        "CRing",
      ],
      swiftSettings: tool),
    // Commands and options; without the trait Bench a program that says what it lacks.
    .executableTarget(name: "RingBench", dependencies: ["BenchHarness"] + commands, swiftSettings: tool),
    // A device and a driver written on linux/virtio_ring.h alone, and test threads: peers that share no code with
    // RingKit.
    .target(name: "CPeer", path: "Tests/Support/CPeer"),
    // Sees each access to a page, by faults and single steps.
    .target(name: "CTrap", path: "Tests/Support/CTrap"),
    // Refuses system calls, as containers and other kernels do.
    .target(name: "CDeny", path: "Tests/Support/CDeny"),
    // Traits of suites, whatever they test.
    .target(name: "TestTraits", path: "Tests/Support/TestTraits", swiftSettings: strict),
    // A queue with both ends over any path, and what holds on every path.
    .target(
      name: "RingTestSupport", dependencies: ["RingKit", "RingKitTesting", "CRing", "CPeer"],
      path: "Tests/Support/RingTestSupport", swiftSettings: strict),
    // A queue that moves from process to process, and one stop of its way.
    .target(
      name: "MigrationTestSupport", dependencies: ["RingKit", "RingIOMMU", "RingKitTesting"],
      path: "Tests/Support/MigrationTestSupport", swiftSettings: strict),
    .executableTarget(
      name: "RingMigrant", dependencies: ["RingKit", "RingKitTesting", "MigrationTestSupport"],
      path: "Tests/Support/RingMigrant", swiftSettings: strict),
    // The structures of linux/vhost_types.h: a view of the messages that shares no code with VhostUser.
    .target(name: "CVhostUAPI", path: "Tests/Support/CVhostUAPI"),
    .testTarget(
      name: "CRingTests", dependencies: ["CRing", "RingKitTesting", "TestTraits", "CDeny"], swiftSettings: strict),
    .testTarget(
      name: "RingKitTests",
      dependencies: ["RingKit", "CRing", "RingKitTesting", "RingTestSupport", "TestTraits", "CPeer", "CTrap"],
      swiftSettings: strict),
    .testTarget(
      name: "RingIOMMUTests",
      dependencies: ["RingKit", "RingIOMMU", "CRing", "RingKitTesting", "RingTestSupport", "TestTraits", "CPeer"],
      swiftSettings: strict),
    .testTarget(
      name: "RingPlatformTests",
      dependencies: [
        "RingKit", "RingIOMMU", "RingPlatform", "CRing", "RingKitTesting", "RingTestSupport", "MigrationTestSupport",
        "RingMigrant", "TestTraits",
      ],
      swiftSettings: strict),
    .testTarget(
      name: "VhostUserTests",
      dependencies: [
        "VhostUser", "RingKit", "RingIOMMU", "RingPlatform", "CRing", "CVhostUAPI", "RingKitTesting", "TestTraits",
      ],
      swiftSettings: strict),
    // A machine and a guest's console, as several tests of the benchmark want them.
    .target(
      name: "BenchTestSupport", dependencies: ["BenchHarness"], path: "Tests/Support/BenchTestSupport",
      swiftSettings: tool),
    .testTarget(
      name: "BenchHarnessTests",
      dependencies: ["BenchHarness", "RingKit", "CRing", "CRingBench", "BenchTestSupport", "TestTraits"],
      swiftSettings: tool),
    .testTarget(
      name: "BenchPathsTests",
      dependencies: ["BenchPaths", "BenchPlan", "BenchHarness", "RingKit", "RingIOMMU", "TestTraits", "CDeny"],
      swiftSettings: tool),
    .testTarget(
      name: "BenchReportTests",
      dependencies: [
        "BenchDocument", "BenchReport", "BenchPage", "BenchPaths", "BenchPlan", "BenchHarness", "RingKit", "RingIOMMU",
        "RingPlatform", "BenchTestSupport",
      ], exclude: ["SchemaOne"],
      swiftSettings: tool),
    // Commands and options, and what needs the program beside the tests; nothing without the trait Bench.
    .testTarget(
      name: "RingBenchTests",
      dependencies: [
        "RingBench", "BenchRuns", "BenchDocument", "BenchReport", "BenchPage", "BenchPaths", "BenchPlan",
        "BenchHarness",
        "RingKit", "RingIOMMU", "RingPlatform", "VhostUser", "CRingBench", "CVhostUAPI", "RingKitTesting",
        "BenchTestSupport", "TestTraits",
        .product(name: "ArgumentParser", package: "swift-argument-parser", condition: .when(traits: ["Bench"])),
      ],
      swiftSettings: tool),
  ],
  swiftLanguageModes: [.v6]
)

// The libraries and their tests alone, for the sanitizers: the benchmark is half of what would be compiled.
if Context.environment["RINGKIT_LIBRARIES"] != nil {
  package.products.removeAll { $0.name == "ringbench" }
  package.targets.removeAll { target in ["Bench", "RingBench", "CRingBench"].contains { target.name.hasPrefix($0) } }
}
