@_exported import BenchHarness
import RingIOMMU
import RingKit
import RingPlatform

/// What a `cost` run measures: parsed, checked against the machine, free of the command line.
package struct CostParameters: Codable, SliceSettings, Sendable {
  package var rings: [RingLayout] = RingLayout.allCases
  /// As asked for; `direct` is measured as the baseline in any case.
  package var paths: [DMAPath] = DMAPath.allCases
  /// Whether the paths were named; others are left out where this machine does not have them.
  package var areNamed = false
  package var sizes: [Int] = [1_500, 4_096]
  package var directions: [DMADirection] = DMADirection.allCases
  package var queueSize = 256
  /// Buffers outstanding.
  package var depth = 128
  /// Buffers that become visible with one index or flag store.
  package var batch = 32
  package var features: [RingFeature] = []
  package var driverCPU = 0
  package var deviceCPU = 1
  /// `nil`: where the kernel puts it, which is the node of the thread that touches it first.
  @Null package var ringNode: Int?
  @Null package var payloadNode: Int?
  package var pageSize = PageChoice.small
  /// Slices per combination.
  package var slices = 100
  package var sliceMilliseconds = 3.0
  /// Seconds of the whole run, what is set up and calibrated included.
  package var timeLimit = 45.0
  package var touch = PayloadTouch.full
  /// The indirect call of `identity` goes through a retpoline thunk.
  package var retpoline = false
  /// 1, or one per CPU rounded up to a power of two.
  package var swiotlbAreas = 1
  package var swiotlbMebibytes = 64
  /// Percent of the buffers of `dma-mask` that lie above 4 GiB.
  package var beyondPercent = 50
  /// Address bits of the device of `dma-mask`.
  package var maskBits = 32
  /// Bytes of a shadow buffer; `nil`: as large as the size that is measured.
  @Null package var shadowSlot: Int?
  /// Bytes below which `hybrid` copies; `nil`: measured.
  @Null package var hybridThreshold: Int?
  package var iotlbSets = 64
  private var viommuPrice = ViommuPrice.process
  private var viommuNanoseconds = 0
  private var iommuMergeBytes = 0
  @Null private var iommuPages: PageChoice?
  /// Queues that share what their path shares: a pool, or a domain and its unit.
  package var queues = 1
  package var queueThreads = QueueThreads.pair
  /// CPUs of the queues from the second on, where each has threads of its own.
  package var otherCPUs: [CPUsOfQueue] = []
  private var isolatedPaths: [DMAPath] = []
  private var unsafeForce = false
  private var deviceSocket: String?
  package var seed: UInt64 = 1
  /// Segments of each buffer; through an indirect table always two or more.
  package var chain = 1
  /// Bytes of guest memory that the buffers lie spread over, which only they take pages of; `nil`: next to each other.
  package var memorySpan: Int?

  package init() {}

  /// The paths to run: those asked for, `direct` first.
  package var measuredPaths: [DMAPath] { [.direct] + paths.filter { $0 != .direct } }

  /// The CPUs of each queue's two ends.
  package var queueCPUs: [(driver: Int, device: Int)] {
    let first = (driver: driverCPU, device: deviceCPU)
    guard queueThreads == .own else { return Array(repeating: first, count: queues) }
    return [first] + otherCPUs.map { ($0.driverCPU, $0.deviceCPU) }
  }

  /// Segments each buffer is cut into.
  package var segments: Int { features.contains(.indirect) ? max(2, chain) : chain }

  /// Rings, sizes, directions and paths, with each kind of device.
  package var combinations: Int {
    rings.count * sizes.count * directions.count * (measuredPaths.count + isolation.paths.count)
  }

  /// The negotiated bits apart from those that ring and path decide.
  package var featureBits: VirtioFeatures { features.reduce(into: .version1) { $0.formUnion($1.bits) } }
}

extension CostParameters {
  // Their values stand among the others in the JSON.
  package var iommu: IOMMUParameters {
    get {
      var iommu = IOMMUParameters()
      (iommu.viommuPrice, iommu.viommuNanoseconds) = (viommuPrice, viommuNanoseconds)
      (iommu.mergeBytes, iommu.pages) = (iommuMergeBytes, iommuPages)
      return iommu
    }
    set {
      (viommuPrice, viommuNanoseconds) = (newValue.viommuPrice, newValue.viommuNanoseconds)
      (iommuMergeBytes, iommuPages) = (newValue.mergeBytes, newValue.pages)
    }
  }

  package var isolation: IsolationParameters {
    get {
      var isolation = IsolationParameters()
      (isolation.paths, isolation.isForced, isolation.socketPath) = (isolatedPaths, unsafeForce, deviceSocket)
      return isolation
    }
    set { (isolatedPaths, unsafeForce, deviceSocket) = (newValue.paths, newValue.isForced, newValue.socketPath) }
  }

  // Without `chain`, the span and the socket.
  private enum CodingKeys: CodingKey {
    case rings, paths, sizes, directions, queueSize, depth, batch, features, driverCPU, deviceCPU, ringNode, payloadNode
    case pageSize, slices, sliceMilliseconds, timeLimit, touch, retpoline, swiotlbAreas, swiotlbMebibytes, beyondPercent
    case maskBits, shadowSlot, hybridThreshold, iotlbSets, viommuPrice, viommuNanoseconds, iommuMergeBytes, iommuPages
    case queues, queueThreads, otherCPUs, isolatedPaths, unsafeForce, seed
  }
}

/// Where the two ends of a queue run.
package struct CPUsOfQueue: Codable, Equatable, Sendable {
  let driverCPU: Int
  let deviceCPU: Int

  package init(driverCPU: Int, deviceCPU: Int) {
    self.driverCPU = driverCPU
    self.deviceCPU = deviceCPU
  }
}

/// What is told apart in the results.
package struct CostKey: Hashable, Sendable {
  package var ring: RingLayout
  package var path: DMAPath
  package var direction: DMADirection
  package var bytes: Int
  /// The device is another process, which has mapped the shared pages and nothing else.
  package var isolated = false

  package init(ring: RingLayout, path: DMAPath, direction: DMADirection, bytes: Int, isolated: Bool = false) {
    self.ring = ring
    self.path = path
    self.direction = direction
    self.bytes = bytes
    self.isolated = isolated
  }

  /// For an error message.
  package var label: String {
    "\(ring.rawValue), \(path.name)\(isolated ? " (isolated)" : ""), \(direction.name), \(bytes) bytes"
  }

  /// The combination it is compared with.
  package var baseline: CostKey { CostKey(ring: ring, path: .direct, direction: direction, bytes: bytes) }

  /// The one that bounces everything: what a forced IOMMU is compared with.
  package var bounce: CostKey { CostKey(ring: ring, path: .swiotlb, direction: direction, bytes: bytes) }
}

/// What producer and consumer do with a payload.
package enum PayloadTouch: String, CaseIterable, Codable, Sendable, NamedChoice {
  /// The producer writes every byte, the consumer reads and checks every byte.
  case full
  /// Neither end reads or writes it: the cost of the mapping alone.
  case none

  package static let noun = "touch"
}

extension DMADirection: NamedChoice {
  package static let noun = "direction"

  /// `device-readable` or `device-writable`, on the command line and in every report.
  package var name: String { self == .deviceReadable ? "device-readable" : "device-writable" }
}

extension DMADirection: Codable {
  /// From its name.
  public init(from decoder: any Decoder) throws {
    let value = try decoder.singleValueContainer()
    let name = try value.decode(String.self)
    guard let direction = Self.allCases.first(where: { $0.name == name }) else {
      throw DecodingError.dataCorruptedError(in: value, debugDescription: "no direction is called \(name)")
    }
    self = direction
  }

  /// As its name.
  public func encode(to encoder: any Encoder) throws { try name.encode(to: encoder) }
}

/// What pages guest memory is to lie on.
package enum PageChoice: String, Sendable, CaseIterable, NamedChoice, Codable {
  /// 4 KiB pages.
  case small = "4k"
  /// 2 MiB pages where the machine has them: reserved ones, else transparent ones, else 4 KiB.
  case huge = "2m"

  package static let noun = "page size"
}

/// What is measured with the device in another process.
package struct IsolationParameters: Equatable, Sendable {
  /// Where that is: the guest's own memory is out of the device's reach.
  package let platform = Platform(secure: true)
  /// The paths that are; empty when nothing is.
  package var paths: [DMAPath] = []
  /// Paths that need private memory are among them.
  package var isForced = false
  /// Where a device that was started by hand waits; `nil`: one is started.
  package var socketPath: String?

  package init() {}
}
