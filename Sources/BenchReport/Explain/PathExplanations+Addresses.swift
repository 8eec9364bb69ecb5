import BenchHarness
import BenchPaths

extension PathExplanations {
  package static let direct = PathExplanation(
    path: "direct", summary: "guest-physical addresses, the DMA API bypassed: virtio as it was",
    standsFor: """
      Virtio as it was, and still is by default: VIRTIO_F_ACCESS_PLATFORM is not negotiated, so the driver writes \
      guest-physical addresses into descriptors and never asks the DMA API, whatever IOMMU the guest may have.
      """,
    hasSwitch: true,
    howTo: "Every virtio device of an ordinary guest is on it, unless told otherwise.",
    qemu: [
      PathSetting(
        "-device virtio-net-pci,iommu_platform=off", "the default of an ordinary guest", source: virtioProperties)
    ],
    libvirt: [
      PathSetting("<driver iommu='off'/>", "the same, or no such attribute at all", source: libvirtVirtio)
    ],
    kernel: [],
    protects: ["Nothing: what the device's process can map, it can read and write."],
    leavesOpen: [
      "All of the guest's memory, all the time.",
      "A guest whose memory the host cannot read cannot use it: the device would find ciphertext, or fault.",
    ],
    origin: """
      The state that the thread "[RFC 0/4] Virtio uses DMA API for all devices" of summer 2018 set out to change. Here \
      it is the baseline that every other path is divided by.
      """)

  package static let identity = PathExplanation(
    path: "identity", summary: "the same addresses, by way of the DMA API's table of operations and a mask check",
    standsFor: """
      A device behind the DMA API of a platform that maps one to one: each map and unmap is a call through a table of \
      operations and a comparison with the device's addressing limit, and the address stays what it was.
      """,
    hasSwitch: true,
    howTo: """
      Offer ACCESS_PLATFORM without a virtual IOMMU, or with one whose translation the guest switches off. Linux \
      calls its direct mapping without the indirect call today; here it is made, plain or with --retpoline, as a kernel \
      of 2018 made it.
      """,
    qemu: [platformDevice],
    libvirt: [platformDriver],
    kernel: [
      PathSetting(
        "iommu.passthrough=1", "where there is an IOMMU: DMA bypasses it, addresses are the physical ones",
        source: kernelParameters),
      PathSetting("iommu=pt", "the older spelling, x86 only", source: kernelParameters),
    ],
    protects: ["Nothing by itself: it is the hook by which the paths below protect something."],
    leavesOpen: [
      "All of the guest's memory, as with direct.",
      """
      Its price outside the driver is not in our figures: with ACCESS_PLATFORM a vhost back end looks its addresses up \
      in a device IOTLB. Halil Pasic reported a factor of about ten for that on s390 in February 2020, without any \
      IOMMU in the guest.
      """,
    ],
    origin: """
      The proposal of the thread itself: virtio through the DMA API for all devices. What spoke against it was the \
      cost, which nobody in the thread put a figure to.
      """)

  package static let dmaMask = PathExplanation(
    path: "dma-mask", summary: "bounced only where the buffer lies beyond the device's mask, else zero-copy",
    standsFor: """
      A device whose bus reaches only addresses below a limit: buffers below it are handed over as they are, those that \
      end beyond it go through swiotlb, buffer by buffer.
      """,
    hasSwitch: false,
    howTo: """
      No option of QEMU, libvirt or Linux narrows the limit of one virtio device. Linux takes bus_dma_limit from the \
      firmware's description of the bus, and platform code can set it; the guest's swiotlb does the rest.
      """,
    qemu: [platformDevice],
    libvirt: [platformDriver],
    kernel: [
      PathSetting(
        "dma-ranges = <...>", "a property of the bus in a device tree (with ACPI: _DMA, IORT): sets bus_dma_limit",
        source: "Linux, drivers/of/device.c and drivers/acpi/arm64/dma.c"),
      PathSetting("swiotlb=<slabs>", "how much may be bounced at a time, in slots of 2 KiB", source: kernelParameters),
    ],
    protects: [
      "What lies beyond the limit, provided that something makes the device respect it: the mask alone only tells the driver."
    ],
    leavesOpen: [
      "All memory below the limit.",
      "For bounced buffers the same as swiotlb: slots keep what was in them, and a full pool fails maps.",
    ],
    origin: """
      The counter-proposal, with which the mail of 6 August 2018 ends: rather than a new implementation, tweak \
      bus_dma_mask of the virtio device. A secure guest would make of it "bounce everything", an ordinary one "nothing".
      """)
}
