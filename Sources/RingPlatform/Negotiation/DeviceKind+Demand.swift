public import RingKit

extension DeviceKind {
  /// What it demands of the guest's memory, and what a secure platform makes of that.
  ///
  /// An ordinary platform takes every kind.
  public var demand: DeviceDemand {
    switch self {
    case .network, .block, .console, .entropy, .scsi, .input, .socket, .crypto, .rpmb, .scmi, .i2c, .can, .gpio, .spi,
      .rtc:
      DeviceDemand(
        .bounces, "requests, replies and data are buffers in its queues, so all of them can be bounced",
        sources: ["Device Types", "\(chapter): Virtqueues", "\(chapter): Device Operation"])
    case .balloon: Self.balloonDemand
    case .memory: Self.memoryDemand
    case .pmem: Self.pmemDemand
    case .fileSystem: Self.fileSystemDemand
    case .gpu: Self.gpuDemand
    case .sound: Self.soundDemand
    case .media: Self.mediaDemand
    case .iommu: Self.iommuDemand
    default:
      DeviceDemand(
        .unspecified,
        "the specification gives it a number and no chapter, so what it demands of memory is not known",
        remedy: """
          somebody who knows the device has to vouch that all its data goes through its queues: Platform(secure: true, \
          admitsUnspecifiedKinds: true)
          """,
        sources: ["Device Types"])
    }
  }

  // The chapters' names are not always the table's.
  private var chapter: String {
    switch self {
    case .network: "Network Device"
    case .block: "Block Device"
    case .console: "Console Device"
    case .entropy: "Entropy Device"
    case .scsi: "SCSI Host Device"
    case .i2c: "I2C Adapter Device"
    case .spi: "SPI Controller Device"
    case .rtc: "RTC Device"
    default: title
    }
  }

  private static let balloonDemand = DeviceDemand(
    .refused,
    """
    it hands over page frame numbers of the guest's own pages, and the device takes those pages or changes them; page \
    numbers in the data pass every translation by
    """,
    remedy: """
      each page would have to be made shared before its number is handed over, and be accepted anew when it comes \
      back; no request of the device stands for that, so leave it out and give the guest its memory at the start
      """,
    sources: ["Traditional Memory Balloon Device: Device Operation", "Free Page Hinting", "Free Page Reporting"])

  private static let memoryDemand = DeviceDemand(
    .refused,
    """
    it plugs memory of the host's into the guest's physical address space, to be used like ordinary RAM: nothing makes \
    it private, and nothing of it passes a queue
    """,
    remedy: """
      the guest would have to accept what is plugged as private, page by page, out of the host's reach from then on; \
      no request of the device stands for that, so give the guest its memory at the start
      """,
    sources: ["Memory Device", "Memory Device: PLUG request"])

  private static let pmemDemand = DeviceDemand(
    .refused,
    """
    its data is a range of host memory that the guest loads from and stores to directly; the queue carries flushes \
    alone, so there is nothing to bounce
    """,
    remedy: "its data would have to pass through a queue: a block device over the same image does that",
    sources: ["PMEM Device: Device Initialization", "PMEM Device: Device Operations"])

  private static let fileSystemDemand = DeviceDemand(
    .restricted, "requests and file contents are buffers in its queues; the DAX window, which is optional, is not",
    restriction: """
      leave the DAX window (shared memory region 0) unmapped and use FUSE_READ and FUSE_WRITE: pages mapped there are \
      the device's own memory
      """,
    sources: ["File System Device: Device Operation: DAX Window"])

  private static let gpuDemand = DeviceDemand(
    .restricted,
    """
    commands are buffers in its queues, but RESOURCE_ATTACH_BACKING hands over addresses of memory inside a command, \
    to be read for as long as the resource lives
    """,
    restriction: """
      attach backing in shared memory only, and by the addresses the platform gives for it; no blob resources, which \
      share memory without transfers, and no host visible memory region
      """,
    // RESOURCE_BLOB and BLOB_ALIGNMENT.
    withheld: VirtioFeatures(rawValue: 1 << 3 | 1 << 5),
    sources: ["GPU Device: Device Initialization", "GPU Device: Device Operation: controlq"])

  private static let soundDemand = DeviceDemand(
    .restricted, "control requests and PCM frames are buffers in its queues",
    restriction: """
      leave VIRTIO_SND_PCM_F_SHMEM_HOST and VIRTIO_SND_PCM_F_SHMEM_GUEST of a stream alone: the specification keeps \
      them as placeholders that must not be selected
      """,
    sources: ["Sound Device: PCM Stream Parameters"])

  private static let mediaDemand = DeviceDemand(
    .restricted, "commands are buffers in its queues; frames lie in the device's memory or are named by address",
    restriction: """
      use buffers of the type MMAP, which lie in shared memory region 0, and copy; SHARED_PAGES hands over \
      guest-physical addresses inside commands
      """,
    sources: ["Media Device: Mapping a MMAP buffer", "Media Device: Shared Pages"])

  private static let iommuDemand = DeviceDemand(
    .restricted,
    """
    its own requests can be bounced, but what they map for other devices are guest-physical ranges: those devices \
    reach them afterwards
    """,
    restriction: "map shared memory only: rings and bounce pools, never the guest's own pages",
    sources: ["IOMMU device: MAP request"])
}

/// What a kind of device demands of the guest's memory beside the buffers in its queues.
public struct DeviceDemand: Equatable, Sendable {
  /// Where that leaves it on a platform whose guest memory is out of the device's reach.
  public enum Verdict: String, Sendable, CaseIterable {
    /// Everything goes through queues, so everything can be bounced.
    case bounces
    /// It works as long as what ``DeviceDemand/restriction`` names is left alone.
    case restricted
    /// It cannot do its work there.
    case refused
    /// The specification only numbers it; refused, because its demands are not specified.
    case unspecified
  }

  /// What a secure platform does with it.
  public let verdict: Verdict
  /// Why, in one sentence.
  public let reason: String
  /// What must be left alone for it to work; `nil` where nothing or everything must.
  public let restriction: String?
  /// What would have to be different for a secure platform to take it; `nil` where it does.
  public let remedy: String?
  /// Feature bits that a secure platform does not accept although they are offered and understood.
  public let withheld: VirtioFeatures
  /// The sections of the specification (virtio 1.4) that say so.
  public let sources: [String]

  init(
    _ verdict: Verdict, _ reason: String, restriction: String? = nil, remedy: String? = nil,
    withheld: VirtioFeatures = [], sources: [String]
  ) {
    self.verdict = verdict
    self.reason = reason
    self.restriction = restriction
    self.remedy = remedy
    self.withheld = withheld
    self.sources = sources
  }
}
