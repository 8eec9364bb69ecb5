import BenchDocument

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

  var hasIOMMU: Bool { self == .forcedStrict || self == .forcedLazy }
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
  package func kernelWords(_ architecture: GuestArchitecture = .x86) -> [String] {
    let unit = architecture == .x86 ? ["intel_iommu=on"] : []
    switch self {
    case .direct, .accessPlatform: return []
    case .forcedStrict: return unit + ["iommu.strict=1"]
    case .forcedLazy: return unit + ["iommu.strict=0"]
    // Unless it is told a size, Linux 6.12 takes a thousandth of arm64's memory: the receive queue's buffers fill it.
    case .swiotlb: return [architecture == .x86 ? "swiotlb=force" : "swiotlb=16384,force"]
    }
  }

  /// QEMU's devices, ours last; `chardev` is the connection to its other end.
  ///
  /// Behind a VT-d invalidations reach a vhost-user device only through a device IOTLB, which needs a port of its own
  /// and ATS. An SMMUv3 is a property of the machine.
  package func devices(
    _ ring: RingLayout, chardev: String, device: GuestDevice = .blk, architecture: GuestArchitecture = .x86
  ) -> [String] {
    let ours =
      device.model(chardev) + ",disable-legacy=on,packed=\(ring == .packed ? "on" : "off")"
      + ",iommu_platform=\(hasAccessPlatform ? "on" : "off")"
    guard hasIOMMU && architecture == .x86 else { return [ours] }
    return ["intel-iommu,intremap=on,device-iotlb=on", "pcie-root-port,id=root", ours + ",ats=on,bus=root"]
  }
}

extension GuestDevice {
  /// Requests of our device for one of the load's: a frame is sent and received.
  var buffersPerRequest: Int { self == .blk ? 1 : 2 }

  /// QEMU's model of it, with the address that the guest's interface has.
  ///
  /// Without MSI-X: under emulation QEMU 7.2 ends with a fault when vhost-user's network device has vectors.
  fileprivate func model(_ chardev: String) -> String {
    self == .blk
      ? "vhost-user-blk-pci,chardev=\(chardev),num-queues=1"
      : "virtio-net-pci,netdev=net,vectors=0,mac=52:54:00:00:00:01,romfile="
  }

  /// What QEMU needs beside the device.
  package func backends(chardev: String) -> [String] {
    self == .blk ? [] : ["-netdev", "vhost-user,id=net,chardev=\(chardev)"]
  }
}

/// What the guest's kernel was built for.
package enum GuestArchitecture: String, CaseIterable, Encodable, Sendable, NamedChoice {
  /// Behind an emulated VT-d, where there is an IOMMU.
  case x86 = "x86-64"
  /// Behind an emulated SMMUv3.
  case arm64

  package static let noun = "architecture"

  /// The program that runs it.
  package var emulator: String { self == .x86 ? "qemu-system-x86_64" : "qemu-system-aarch64" }

  /// Where the guest's console is.
  package var console: String { self == .x86 ? "ttyS0" : "ttyAMA0" }

  /// The processor under emulation.
  ///
  /// Without `cmpxchg16b`: QEMU 7.2 computes its flags from a stale state, and may leave any bits in EFLAGS. Linux
  /// 6.12 branches right after it, in its allocator. An interrupt there saves these bits, and the kernel ends with a
  /// double fault, in about one boot of six. The counts do not change beyond what boots differ by.
  package var processor: String { self == .x86 ? "max,-cx16" : "cortex-a57" }

  /// QEMU's machine, whose memory another process can map.
  package func machine(_ setting: GuestSetting?) -> String {
    switch self {
    case .x86: "q35,kernel-irqchip=split,memory-backend=memory"
    case .arm64:
      "virt,gic-version=3,memory-backend=memory" + (setting?.hasIOMMU == true ? ",iommu=smmuv3" : "")
    }
  }

  /// Where Scripts/guest/prepare.sh leaves its guest.
  package var directory: String { self == .x86 ? ".build/guest" : ".build/guest/arm64" }
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
  package let device: GuestDevice
  package let setting: GuestSetting
  package let ring: RingLayout
  /// Of a block, or of a frame.
  package let bytes: Int
  /// Threads of the load, each with one request outstanding; frames that are sent before they are taken back.
  package let depth: Int

  init(_ setting: GuestSetting, _ ring: RingLayout, bytes: Int, depth: Int, device: GuestDevice = .blk) {
    (self.device, self.setting, self.ring, self.bytes, self.depth) = (device, setting, ring, bytes, depth)
  }

  package var name: String { "\(device.name), \(setting.name), \(point)" }

  /// All but the device and the setting.
  var point: String {
    "\(ring.name), \(device == .blk ? "" : "frames of ")\(NumberText.bytes(bytes)), \(depth) outstanding"
  }

  /// Whether two combinations differ by the setting alone.
  func isBeside(_ other: GuestCase) -> Bool {
    (device, ring, bytes, depth) == (other.device, other.ring, other.bytes, other.depth)
  }
}

/// What `ringbench guest` runs.
package struct GuestParameters: Encodable, Sendable {
  package var devices = GuestDevice.allCases
  package var architecture = GuestArchitecture.x86
  package var settings = GuestSetting.allCases
  package var rings = [RingLayout.split]
  package var sizes = [4096]
  /// Bytes of a frame, without what the device adds.
  package var frames = [1514]
  /// Threads of the load; `nil` until it is known what runs the guest.
  package var depths: [Int]?
  /// Writes, and then reads, of all threads together, or frames; `nil` until it is known what runs the guest.
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

  /// All combinations, the settings of one device, ring, size and depth together.
  package var cases: [GuestCase] {
    var cases: [GuestCase] = []
    for device in devices {
      for ring in rings {
        for bytes in device == .blk ? sizes : frames {
          for depth in depths ?? [1] {
            cases += settings.map { GuestCase($0, ring, bytes: bytes, depth: depth, device: device) }
          }
        }
      }
    }
    return cases
  }

  /// Each thread has a part of the disk, of sixty-four blocks at least.
  package static func diskBytes(_ guest: GuestCase) -> Int { max(64 << 20, guest.depth * 64 * guest.bytes) }
}
