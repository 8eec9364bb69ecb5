import BenchHarness
import BenchPaths

/// What stands between a guest's driver and its device: one way of the question this tool is about, on a real guest.
package enum GuestSetting: String, CaseIterable, Encodable, Sendable, NamedChoice {
  /// `iommu_platform=off`: guest-physical addresses, the DMA API bypassed.
  case direct
  /// `iommu_platform=on` and no IOMMU: the DMA API, which then has nothing to do.
  case accessPlatform = "access-platform"
  /// An emulated VT-d, each unmap invalidated and waited for.
  case forcedStrict = "forced-iommu-strict"
  /// An emulated VT-d, invalidations left to a flush queue.
  case forcedLazy = "forced-iommu-lazy"
  /// Everything bounced, as in a guest whose memory the host cannot read.
  case swiotlb

  package static let noun = "setting"

  package var hasIOMMU: Bool { self == .forcedStrict || self == .forcedLazy }
  /// Whether the device must have agreed to the platform's rules.
  package var hasAccessPlatform: Bool { self != .direct }

  /// What the guest's kernel calls the device's address space.
  package var domainType: String {
    switch self {
    case .forcedStrict: "DMA"
    case .forcedLazy: "DMA-FQ"
    default: "none"
    }
  }

  /// What the guest's kernel is told.
  package var kernelWords: [String] {
    switch self {
    case .direct, .accessPlatform: []
    case .forcedStrict: ["intel_iommu=on", "iommu.strict=1"]
    case .forcedLazy: ["intel_iommu=on", "iommu.strict=0"]
    case .swiotlb: ["swiotlb=force"]
    }
  }

  /// QEMU's devices, the block device last; `chardev` is the connection to its other end.
  ///
  /// Invalidations reach a vhost-user device only through a device IOTLB, which needs a port of its own and ATS.
  package func devices(_ ring: RingLayout, chardev: String) -> [String] {
    let block =
      "vhost-user-blk-pci,chardev=\(chardev),disable-legacy=on,num-queues=1,packed=\(ring == .packed ? "on" : "off")"
      + ",iommu_platform=\(hasAccessPlatform ? "on" : "off")"
    guard hasIOMMU else { return [block] }
    return ["intel-iommu,intremap=on,device-iotlb=on", "pcie-root-port,id=root", block + ",ats=on,bus=root"]
  }
}

/// What runs a guest's instructions.
package enum GuestAccelerator: String, CaseIterable, Encodable, Sendable, NamedChoice {
  /// KVM where it is and really runs a guest, else software emulation.
  case auto
  case kvm
  /// QEMU's software emulation: right, and its times mean nothing.
  case tcg

  package static let noun = "accelerator"
}

/// One combination: what is booted, and what its load does.
package struct GuestCase: Hashable, Sendable {
  package let setting: GuestSetting
  package let ring: RingLayout
  package let bytes: Int
  /// Threads of the load, each with one request outstanding.
  package let depth: Int

  package init(_ setting: GuestSetting, _ ring: RingLayout, bytes: Int, depth: Int) {
    (self.setting, self.ring, self.bytes, self.depth) = (setting, ring, bytes, depth)
  }

  package var name: String {
    "\(setting.name), \(ring.name), \(NumberText.bytes(bytes)), \(depth) outstanding"
  }
}

/// What `ringbench guest` runs.
package struct GuestParameters: Encodable, Sendable {
  package var settings = GuestSetting.allCases
  package var rings = [RingLayout.split]
  package var sizes = [4096]
  /// Threads of the load; `nil` until it is known what runs the guest.
  package var depths: [Int]?
  /// Writes, and then reads, of all threads together; `nil` until it is known what runs the guest.
  package var requests: Int?
  /// Boots of each combination; `nil` until it is known what runs the guest.
  package var boots: Int?
  /// As asked for; the report says what it became.
  package var accelerator = GuestAccelerator.auto
  /// Whether the instructions are given by kernel function too.
  package var functions = false
  package var secondsPerBoot = 120.0

  package init() {}

  /// Fills in what depends on what runs the guest: under emulation enough for counts, one request at a time.
  package mutating func resolve(_ accelerator: GuestAccelerator) {
    let isEmulated = accelerator == .tcg
    depths = depths ?? [isEmulated ? 1 : 4]
    requests = requests ?? (isEmulated ? 2000 : 80_000)
    boots = boots ?? (isEmulated ? 3 : 1)
  }

  /// All combinations, the settings of one ring, size and depth together.
  package var cases: [GuestCase] {
    var cases: [GuestCase] = []
    for ring in rings {
      for bytes in sizes {
        for depth in depths ?? [1] {
          cases += settings.map { GuestCase($0, ring, bytes: bytes, depth: depth) }
        }
      }
    }
    return cases
  }

  /// Each thread has a part of the disk, of sixty-four blocks at least.
  package static func diskBytes(_ guest: GuestCase) -> Int { max(64 << 20, guest.depth * 64 * guest.bytes) }
}
