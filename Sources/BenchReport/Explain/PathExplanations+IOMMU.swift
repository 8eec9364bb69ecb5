import BenchHarness
import BenchPaths

extension PathExplanations {
  private static let vtd = PathSetting(
    "-machine q35,kernel-irqchip=split -device intel-iommu,intremap=on,device-iotlb=on",
    "an emulated VT-d unit, with which the devices may cache translations (vhost needs that)", source: qemuOptions)
  private static let vtdElement = PathSetting(
    "<iommu model='intel'><driver intremap='on' iotlb='on'/></iommu>", "the same; needs <ioapic driver='qemu'/>",
    source: libvirtIOMMU)
  private static let ats = PathSetting(
    "-device virtio-net-pci,disable-legacy=on,iommu_platform=on,ats=on",
    "puts the device behind it, and lets vhost ask for translations and keep them", source: virtioProperties)
  private static let atsElement = PathSetting(
    "<driver iommu='on' ats='on'/>", "the same, in the device's element", source: libvirtVirtio)
  private static let translating = PathSetting(
    "intel_iommu=on iommu.passthrough=0", "the guest's kernel uses the unit, and translates", source: kernelParameters)

  private static let neighbours = """
    Neighbours in the page: a mapping covers whole 4 KiB pages, so what else lies in the first and the last one is in \
    view as well. Linux bounces such buffers for devices it does not trust, and for no others.
    """
  private static let inFlight = "The buffer itself while it is mapped: the device may change it after it was checked."

  package static let iommuStrict = PathExplanation(
    path: "iommu-strict", summary: "an IOVA per buffer; unmap clears, invalidates and waits",
    standsFor: """
      A device behind an IOMMU in strict mode: each map allocates an IOVA and writes page-table entries, each unmap \
      clears them, invalidates the IOTLB and waits until that is done. What is measured is a native unit's bookkeeping \
      between two CPUs; the hardware's own latency is not in it.
      """,
    hasSwitch: true,
    howTo: """
      Force an IOMMU in front of the device when the VM is created. QEMU's is emulated, so a real guest pays exits on \
      top: that is viommu.
      """,
    qemu: [vtd, ats], libvirt: [vtdElement, atsElement],
    kernel: [
      translating,
      PathSetting(
        "iommu.strict=1", "unmap invalidates synchronously; intel_iommu=strict is its deprecated spelling",
        source: kernelParameters),
      PathSetting(
        "/sys/kernel/iommu_groups/N/type = DMA", "the same for one group, while no driver is bound",
        source: "Linux, Documentation/ABI/testing/sysfs-kernel-iommu_groups"),
    ],
    protects: [
      "Everything that is not mapped now, for the direction it is mapped for.",
      "From the moment an unmap returns the device cannot reach the buffer any more.",
    ],
    leavesOpen: [neighbours, inFlight],
    origin: """
      The workaround of the thread: a QEMU flag that forces an IOMMU at VM creation. Benjamin Herrenschmidt called it \
      "rather sub-optimal", because nobody wanted the IOMMU in the way; Michael Tsirkin agreed on that one problem.
      """)

  package static let iommuLazy = PathExplanation(
    path: "iommu-lazy", summary: "an IOVA per buffer; the invalidation is left to a flush queue",
    standsFor: """
      The same unit in lazy mode, Linux's default on x86: unmap clears the entries at once and queues the IOVA; a \
      whole-domain flush follows when 255 wait on a CPU, or after 10 ms.
      """,
    hasSwitch: true,
    howTo: """
      As iommu-strict, without asking for strictness. Under an emulated VT-d in caching mode Linux refuses it ("IOMMU \
      batching disallowed due to virtualization") unless the guest uses first-level translation: there is no lazy viommu.
      """,
    qemu: [vtd, ats], libvirt: [vtdElement, atsElement],
    kernel: [
      translating,
      PathSetting(
        "iommu.strict=0", "deferred invalidation; when unset, what CONFIG_IOMMU_DEFAULT_DMA_LAZY or _STRICT says",
        source: kernelParameters),
      PathSetting(
        "/sys/kernel/iommu_groups/N/type = DMA-FQ", "the same for one group",
        source: "Linux, Documentation/ABI/testing/sysfs-kernel-iommu_groups"),
    ],
    protects: ["What was never mapped, and what was unmapped before the last flush."],
    leavesOpen: [
      """
      The lazy window: for up to 255 unmaps a CPU or 10 ms the IOTLB may still translate what was unmapped, while the \
      driver already uses the memory for something else. Our counter staleHits shows such accesses in an audit.
      """, neighbours, inFlight,
    ],
    origin: "Not named in the thread; it is what a forced IOMMU comes to on a machine with a native unit.")

  package static let viommu = PathExplanation(
    path: "viommu", summary: "strict, and invalidated on map too: every step an exit to the VMM",
    standsFor: """
      The IOMMU as a VMM emulates it: the guest's page tables are shadowed outside, so every map and every unmap has to \
      be told to another process and answered.
      """,
    hasSwitch: true,
    howTo: """
      Caching mode makes the guest announce new mappings as well as old ones; assigned devices need it. A virtio-iommu \
      has map and unmap requests of its own, with the same effect.
      """,
    qemu: [
      PathSetting(
        "-machine q35,kernel-irqchip=split -device intel-iommu,intremap=on,caching-mode=on,device-iotlb=on",
        "each mapping causes a synchronous invalidation", source: qemuOptions),
      PathSetting("-device virtio-iommu-pci", "the paravirtual unit, on q35 and Arm's virt", source: qemuOptions), ats,
    ],
    libvirt: [
      PathSetting(
        "<iommu model='intel'><driver intremap='on' caching_mode='on' iotlb='on'/></iommu>",
        "the same; needs <ioapic driver='qemu'/>", source: libvirtIOMMU),
      PathSetting("<iommu model='virtio'/>", "the paravirtual unit", source: libvirtIOMMU), atsElement,
    ],
    kernel: [translating],
    protects: ["What iommu-strict protects, as long as the VMM itself is trusted: it holds the translations."],
    leavesOpen: [
      neighbours, inFlight, "The VMM: an emulated unit keeps devices out, not the process that emulates it.",
    ],
    origin: """
      What iommu_platform=on with a virtual IOMMU means in practice, hence what the thread's workaround costs where the \
      hypervisor is QEMU. A guest that hides its memory from the host gains nothing by it.
      """)

  package static let premapped = PathExplanation(
    path: "premapped", summary: "mapped once, then reused: nothing to do per buffer",
    standsFor: """
      A driver that maps its pool of pages once and lends parts of it to the device again and again: an address is a \
      sum, and only translation is left on the device's side.
      """,
    hasSwitch: false,
    howTo: """
      The driver decides: a page pool that keeps its mappings, and a virtqueue that is handed addresses (Linux's \
      virtqueues take premapped buffers). Behind an IOMMU as for iommu-strict there is nothing to set.
      """,
    qemu: [vtd, ats], libvirt: [vtdElement, atsElement], kernel: [translating],
    protects: ["Everything outside the pool."],
    leavesOpen: [
      "The whole pool for as long as it lives: the device may write into a buffer it gave back long ago.",
      "What else lies in the pool's pages.",
    ],
    origin: """
      Not in the thread. Xuan Zhuo's series for virtio-net (2023-24) gives figures for merged and per-buffer maps; \
      page-pool drivers had shown the way before.
      """)

  package static let mmu = PathExplanation(
    path: "mmu", summary: "the CPU's own MMU as the IOMMU: real page-table changes, enforced by hardware",
    standsFor: """
      A device process that sees memory only through a window of its address space. Map and unmap are mmap and its \
      removal, with the kernel's TLB shootdowns: the only protection here that hardware enforces rather than our code.
      """,
    hasSwitch: false,
    howTo: "No guest runs this way. It shows what enforced unmapping costs between processes on this machine.",
    qemu: [], libvirt: [], kernel: [],
    protects: ["What is not in the window: an access outside ends the process that made it, and no other."],
    leavesOpen: [neighbours, inFlight],
    origin: """
      Ours: a user-space program cannot time a real IOMMU's invalidation, but it can time the MMU's.
      """)
}
