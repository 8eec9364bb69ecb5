import BenchHarness
import BenchPaths

extension PathExplanations {
  package static let swiotlb = PathExplanation(
    path: "swiotlb", summary: "every buffer copied through a pool of 2 KiB slots that the device can see",
    standsFor: """
      A guest whose memory the host cannot read (POWER ultravisor, SEV, TDX, s390 PV): all traffic is bounced through a \
      pool that the guest shares. Map copies the full length in, for either direction; unmap of a device-writable \
      buffer copies the full length back.
      """,
    hasSwitch: true,
    howTo: """
      Start a confidential guest, and its kernel bounces by itself; or force bouncing in an ordinary one. --swiotlb-areas \
      chooses between one lock for all CPUs and one per CPU, as Linux has it today; a restricted pool has one.
      """,
    qemu: [
      PathSetting(
        "-object pef-guest,id=pef0 -machine pseries,confidential-guest-support=pef0",
        "POWER: the guest may ask the ultravisor for secure mode", source: "QEMU, docs/system/ppc/pseries.rst"),
      PathSetting(
        "-object sev-guest,id=sev0,... -machine q35,confidential-guest-support=sev0", "AMD SEV",
        source: "QEMU, docs/system/i386/amd-memory-encryption.rst"),
      PathSetting(
        "-object tdx-guest,id=tdx0 -machine q35,kernel-irqchip=split,confidential-guest-support=tdx0", "Intel TDX",
        source: "QEMU, docs/system/i386/tdx.rst"),
      PathSetting(
        "-object s390-pv-guest,id=pv0 -machine s390-ccw-virtio,confidential-guest-support=pv0", "s390 PV",
        source: "QEMU, docs/system/s390x/protvirt.rst"),
      PathSetting(
        "-device virtio-net-pci,disable-legacy=on,iommu_platform=on",
        "what QEMU sets by itself in a confidential guest, and what swiotlb=force needs in any other",
        source: virtioProperties),
    ],
    libvirt: [
      PathSetting(
        "<launchSecurity type='sev'>...</launchSecurity>", "a confidential guest; 's390-pv' and others likewise",
        source: "libvirt, formatdomain, Launch Security"),
      platformDriver,
    ],
    kernel: [
      PathSetting(
        "swiotlb=<slabs>[,<areas>]",
        "slots of 2 KiB, and how many areas with a lock of their own they are divided into",
        source: kernelParameters),
      PathSetting(
        "swiotlb=force", "bounces in a guest that would not need to", source: kernelParameters),
      PathSetting(
        "compatible = \"restricted-dma-pool\"", "a reserved-memory node: a pool of a device's own, all it can reach",
        source: "Linux, Documentation/devicetree/bindings/reserved-memory/shared-dma-pool.yaml"),
    ],
    protects: [
      "All memory outside the pool, sub-page neighbours included: a slot never holds parts of two mappings.",
      "A buffer that was copied back: the device cannot change it afterwards.",
    ],
    leavesOpen: [
      "What is in the slots: they are not cleared, so a device can read what an earlier mapping left there.",
      """
      RX copy length: the full mapped length comes back whatever the device said it wrote. That nothing but the \
      buffer's own bytes can come back where the device wrote nothing is why map copies them in first.
      """,
      """
      Availability: a full pool fails maps, and one mapping cannot exceed 256 KiB. 'ringbench exhaust' shows how a \
      queue lives with both.
      """,
    ],
    origin: """
      What the thread was about: a secure VM stashes its memory away where the device cannot reach, and needs bouncing \
      without an IOMMU and without a flag that every management tool would have to know.
      """)

  package static let shadow = PathExplanation(
    path: "shadow", summary: "shadow buffers of the queue's own: copies what was used, no search, no lock",
    standsFor: """
      DMA shadowing: a queue owns buffers that the device sees once and for good. Map takes a free one and copies in \
      what the device shall read, unmap copies back what it says it wrote; there is no pool to search and no lock to take.
      """,
    hasSwitch: false,
    howTo: "No switch in Linux, QEMU or libvirt: it exists as research, and here.",
    qemu: [], libvirt: [], kernel: [],
    protects: [
      "All memory outside the shadow buffers, at the granularity of a byte.",
      "A buffer that was copied back: the device cannot change it afterwards.",
    ],
    leavesOpen: [
      """
      What earlier buffers left in a shadow buffer: it is cleared only before a device-writable buffer comes back from \
      there, and until then the device can read it.
      """,
      """
      RX copy length: the used length is the device's word, held against the buffer's length. A device that claims more \
      than it wrote gets zeros copied to the driver, or what it stored there itself: nobody else's bytes.
      """,
      "Availability: the memory is taken from the start, for the largest buffer, whether traffic comes or not.",
    ],
    origin: """
      Not in the thread. Markuze, Morrison and Tsafrir (ASPLOS 2016) copy into permanently mapped buffers and report up \
      to five times the throughput of strict zero-copy.
      """)

  package static let hybrid = PathExplanation(
    path: "hybrid", summary: "copies below the measured crossover, maps above it",
    standsFor: """
      A driver that knows both prices: below a threshold a copy is cheaper than mapping and unmapping, above it the \
      other way round. The threshold is measured at start-up, for each direction, by rings over shadow and over \
      iommu-strict that take turns under the conditions of the run; or it is given. A threshold \
      holds for the placement class it was measured in: it follows the CPUs from slice to slice, and when they come to a \
      class that was not seen before it is measured there too, as long as the time limit allows.
      """,
    hasSwitch: false,
    howTo: """
      No switch in Linux, QEMU or libvirt. The nearest thing in Linux is fixed: behind an IOMMU the ends of buffers \
      that do not fill their pages are bounced for untrusted devices, whatever that costs.
      """,
    qemu: [], libvirt: [], kernel: [],
    protects: ["Below the threshold what shadow protects, above it what iommu-strict does."],
    leavesOpen: [
      "Below the threshold what shadow leaves open.",
      "Above it what iommu-strict does: neighbours in the first and the last page, and the buffer while it is mapped.",
    ],
    origin: """
      Not in the thread. David Stevens' dynamic bounce buffers for a virtio-iommu (2021-22) come near: bouncing instead \
      of mapping was 2.8 to 4.7 times as fast from 4 to 128 KiB, because every map was an exit.
      """)
}
