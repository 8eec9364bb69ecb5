import BenchDocument

extension PathExplanations {
  // A word that says what the rest of the entry is; lines that begin with blanks go on with it. A setting is its text,
  // its effect and its source. `$name` defines what other entries refer to by that name.
  static let table = #"""
    $parameters Linux, Documentation/admin-guide/kernel-parameters.txt
    $options QEMU, qemu-options.hx
    $properties QEMU, -device virtio-net-pci,help
    $virtio libvirt, formatdomain, Virtio-related options
    $iommu libvirt, formatdomain, IOMMU devices
    $groups Linux, Documentation/ABI/testing/sysfs-kernel-iommu_groups
    $platformDevice -device virtio-net-pci,disable-legacy=on,iommu_platform=on | offers VIRTIO_F_ACCESS_PLATFORM, so
      that the driver goes through the DMA API; only a modern device can | $properties
    $platformDriver <driver iommu='on'/> | the same, in the device's element | $virtio
    $vtd -machine q35,kernel-irqchip=split -device intel-iommu,intremap=on,device-iotlb=on | an emulated VT-d unit,
      with which the devices may cache translations (vhost needs that) | $options
    $ats -device virtio-net-pci,disable-legacy=on,iommu_platform=on,ats=on | puts the device behind it, and lets
      vhost ask for translations and keep them | $properties
    $vtdElement <iommu model='intel'><driver intremap='on' iotlb='on'/></iommu> | the same; needs <ioapic
      driver='qemu'/> | $iommu
    $atsElement <driver iommu='on' ats='on'/> | the same, in the device's element | $virtio
    $translating intel_iommu=on iommu.passthrough=0 | the guest's kernel uses the unit, and translates | $parameters
    $neighbours Neighbours in the page: a mapping covers whole 4 KiB pages, so what else lies in the first and the
      last one is in view as well. Linux bounces such buffers for devices it does not trust, and for no others.
    $inFlight The buffer itself while it is mapped: the device may change it after it was checked.
    $copied A buffer that was copied back: the device cannot change it afterwards.

    path direct
    summary guest-physical addresses, the DMA API bypassed: virtio as it was
    stands Virtio as it was, and still is by default: VIRTIO_F_ACCESS_PLATFORM is not negotiated, so the driver
      writes guest-physical addresses into descriptors and never asks the DMA API, whatever IOMMU the guest may
      have.
    switch Every virtio device of an ordinary guest is on it, unless told otherwise.
    qemu -device virtio-net-pci,iommu_platform=off | the default of an ordinary guest | $properties
    libvirt <driver iommu='off'/> | the same, or no such attribute at all | $virtio
    protects Nothing: what the device's process can map, it can read and write.
    open All of the guest's memory, all the time.
    open A guest whose memory the host cannot read cannot use it: the device would find ciphertext, or fault.
    origin The state that the thread "[RFC 0/4] Virtio uses DMA API for all devices" of summer 2018 set out to
      change. Here it is the baseline that every other path is divided by.

    path identity
    summary the same addresses, by way of the DMA API's table of operations and a mask check
    stands A device behind the DMA API of a platform that maps one to one: each map and unmap is a call through a
      table of operations and a comparison with the device's addressing limit, and the address stays what it was.
    switch Offer ACCESS_PLATFORM without a virtual IOMMU, or with one whose translation the guest switches off.
      Linux calls its direct mapping without the indirect call today; here it is made, plain or with --retpoline, as
      a kernel of 2018 made it.
    qemu $platformDevice
    libvirt $platformDriver
    kernel iommu.passthrough=1 | where there is an IOMMU: DMA bypasses it, addresses are the physical ones |
      $parameters
    kernel iommu=pt | the older spelling, x86 only | $parameters
    protects Nothing by itself: it is the hook by which the paths below protect something.
    open All of the guest's memory, as with direct.
    open Its price outside the driver is not in our figures: with ACCESS_PLATFORM a vhost back end looks its
      addresses up in a device IOTLB. Halil Pasic reported a factor of about ten for that on s390 in February 2020,
      without any IOMMU in the guest.
    origin The proposal of the thread itself: virtio through the DMA API for all devices. What spoke against it was
      the cost, for which the thread gives no figure.

    path iommu-strict
    summary an IOVA per buffer; unmap clears, invalidates and waits
    stands A device behind an IOMMU in strict mode: each map allocates an IOVA and writes page-table entries, each
      unmap clears them, invalidates the IOTLB and waits until that is done. What is measured is a native unit's
      bookkeeping between two CPUs; the hardware's own latency is not in it.
    switch Force an IOMMU in front of the device when the VM is created. QEMU's is emulated, so a real guest pays
      exits on top: that is viommu.
    qemu $vtd
    qemu $ats
    libvirt $vtdElement
    libvirt $atsElement
    kernel $translating
    kernel iommu.strict=1 | unmap invalidates synchronously; intel_iommu=strict is its deprecated spelling |
      $parameters
    kernel /sys/kernel/iommu_groups/N/type = DMA | the same for one group, while no driver is bound | $groups
    protects Everything that is not mapped now, for the direction it is mapped for.
    protects From the moment an unmap returns the device cannot reach the buffer any more.
    open $neighbours
    open $inFlight
    origin The workaround of the thread: a QEMU flag that forces an IOMMU at VM creation. Benjamin Herrenschmidt
      called it "rather sub-optimal", because nobody wanted the IOMMU in the way; Michael Tsirkin agreed on that one
      problem.

    path iommu-lazy
    summary an IOVA per buffer; the invalidation is left to a flush queue
    stands The same unit in lazy mode, Linux's default on x86: unmap clears the entries at once and queues the IOVA;
      a whole-domain flush follows when 255 wait on a CPU, or after 10 ms.
    switch As iommu-strict, without asking for strictness. Under an emulated VT-d in caching mode Linux refuses it
      ("IOMMU batching disallowed due to virtualization") unless the guest uses first-level translation: there is no
      lazy viommu.
    qemu $vtd
    qemu $ats
    libvirt $vtdElement
    libvirt $atsElement
    kernel $translating
    kernel iommu.strict=0 | deferred invalidation; when unset, what CONFIG_IOMMU_DEFAULT_DMA_LAZY or _STRICT says |
      $parameters
    kernel /sys/kernel/iommu_groups/N/type = DMA-FQ | the same for one group | $groups
    protects What was never mapped, and what was unmapped before the last flush.
    open The lazy window: for up to 255 unmaps a CPU or 10 ms the IOTLB may still translate what was unmapped, while
      the driver already uses the memory for something else. Our counter staleHits shows such accesses in an audit.
    open $neighbours
    open $inFlight
    origin Not named in the thread; it is what a forced IOMMU comes to on a machine with a native unit.

    path viommu
    summary strict, and invalidated on map too: every step an exit to the VMM
    stands The IOMMU as a VMM emulates it: the guest's page tables are shadowed outside, so every map and every
      unmap has to be told to another process and answered.
    switch Caching mode makes the guest announce new mappings as well as old ones; assigned devices need it. A
      virtio-iommu has map and unmap requests of its own, with the same effect.
    qemu -machine q35,kernel-irqchip=split -device intel-iommu,intremap=on,caching-mode=on,device-iotlb=on | each
      mapping causes a synchronous invalidation | $options
    qemu -device virtio-iommu-pci | the paravirtual unit, on q35 and Arm's virt | $options
    qemu $ats
    libvirt <iommu model='intel'><driver intremap='on' caching_mode='on' iotlb='on'/></iommu> | the same; needs
      <ioapic driver='qemu'/> | $iommu
    libvirt <iommu model='virtio'/> | the paravirtual unit | $iommu
    libvirt $atsElement
    kernel $translating
    protects What iommu-strict protects, as long as the VMM itself is trusted: it holds the translations.
    open $neighbours
    open $inFlight
    open The VMM: an emulated unit keeps devices out, not the process that emulates it.
    origin What iommu_platform=on with a virtual IOMMU means in practice, hence what the thread's workaround costs
      where the hypervisor is QEMU. A guest that hides its memory from the host gains nothing by it.

    path premapped
    summary mapped once, then reused: nothing to do per buffer
    stands A driver that maps its pool of pages once and lends parts of it to the device again and again: an address
      is a sum, and only translation is left on the device's side.
    none The driver decides: a page pool that keeps its mappings, and a virtqueue that is handed addresses (Linux's
      virtqueues take premapped buffers). Behind an IOMMU as for iommu-strict there is nothing to set.
    qemu $vtd
    qemu $ats
    libvirt $vtdElement
    libvirt $atsElement
    kernel $translating
    protects Everything outside the pool.
    open The whole pool for as long as it lives: the device may write into a buffer it gave back long ago.
    open What else lies in the pool's pages.
    origin Not in the thread. Xuan Zhuo's series for virtio-net (2023-24) gives figures for merged and per-buffer
      maps; page-pool drivers had shown the way before.

    path swiotlb
    summary every buffer copied through a pool of 2 KiB slots that the device can see
    stands A guest whose memory the host cannot read (POWER ultravisor, SEV, TDX, s390 PV): all traffic is bounced
      through a pool that the guest shares. Map copies the full length in, for either direction; unmap of a
      device-writable buffer copies the full length back.
    switch Start a confidential guest, and its kernel bounces by itself; or force bouncing in an ordinary one.
      --swiotlb-areas chooses between one lock for all CPUs and one per CPU, as Linux has it today; a restricted
      pool has one.
    qemu -object pef-guest,id=pef0 -machine pseries,confidential-guest-support=pef0 | POWER: the guest may ask the
      ultravisor for secure mode | QEMU, docs/system/ppc/pseries.rst
    qemu -object sev-guest,id=sev0,... -machine q35,confidential-guest-support=sev0 | AMD SEV | QEMU,
      docs/system/i386/amd-memory-encryption.rst
    qemu -object tdx-guest,id=tdx0 -machine q35,kernel-irqchip=split,confidential-guest-support=tdx0 | Intel TDX |
      QEMU, docs/system/i386/tdx.rst
    qemu -object s390-pv-guest,id=pv0 -machine s390-ccw-virtio,confidential-guest-support=pv0 | s390 PV | QEMU,
      docs/system/s390x/protvirt.rst
    qemu -device virtio-net-pci,disable-legacy=on,iommu_platform=on | what QEMU sets by itself in a confidential
      guest, and what swiotlb=force needs in any other | $properties
    libvirt <launchSecurity type='sev'>...</launchSecurity> | a confidential guest; 's390-pv' and others likewise |
      libvirt, formatdomain, Launch Security
    libvirt $platformDriver
    kernel swiotlb=<slabs>[,<areas>] | slots of 2 KiB, and how many areas with a lock of their own they are divided
      into | $parameters
    kernel swiotlb=force | bounces in a guest that would not need to | $parameters
    kernel compatible = "restricted-dma-pool" | a reserved-memory node: a pool of a device's own, all it can reach |
      Linux, Documentation/devicetree/bindings/reserved-memory/shared-dma-pool.yaml
    protects All memory outside the pool, sub-page neighbours included: a slot never holds parts of two mappings.
    protects $copied
    open What is in the slots: they are not cleared, so a device can read what an earlier mapping left there.
    open RX copy length: the full mapped length comes back whatever the device said it wrote. That nothing but the
      buffer's own bytes can come back where the device wrote nothing is why map copies them in first.
    open Availability: a full pool fails maps, and one mapping cannot exceed 256 KiB. 'ringbench exhaust' shows how
      a queue lives with both.
    origin What the thread was about: a secure VM stashes its memory away where the device cannot reach, and needs
      bouncing without an IOMMU and without a flag that every management tool would have to know.

    path dma-mask
    summary bounced only where the buffer lies beyond the device's mask, else zero-copy
    stands A device whose bus reaches only addresses below a limit: buffers below it are handed over as they are,
      those that end beyond it go through swiotlb, buffer by buffer.
    none No option of QEMU, libvirt or Linux narrows the limit of one virtio device. Linux takes bus_dma_limit from
      the firmware's description of the bus, and platform code can set it; the guest's swiotlb does the rest.
    qemu $platformDevice
    libvirt $platformDriver
    kernel dma-ranges = <...> | a property of the bus in a device tree (with ACPI: _DMA, IORT): sets bus_dma_limit |
      Linux, drivers/of/device.c and drivers/acpi/arm64/dma.c
    kernel swiotlb=<slabs> | how much may be bounced at a time, in slots of 2 KiB | $parameters
    protects What lies beyond the limit, provided that something makes the device respect it: the mask alone only
      tells the driver.
    open All memory below the limit.
    open For bounced buffers the same as swiotlb: slots keep what was in them, and a full pool fails maps.
    origin The counter-proposal, with which the mail of 6 August 2018 ends: rather than a new implementation, tweak
      bus_dma_mask of the virtio device. A secure guest would make of it "bounce everything", an ordinary one
      "nothing".

    path shadow
    summary shadow buffers of the queue's own: copies what was used, no search, no lock
    stands DMA shadowing: a queue owns buffers that the device sees once and for good. Map takes a free one and
      copies in what the device shall read, unmap copies back what it says it wrote; there is no pool to search and
      no lock to take.
    none No switch in Linux, QEMU or libvirt: it exists as research, and here.
    protects All memory outside the shadow buffers, at the granularity of a byte.
    protects $copied
    open What earlier buffers left in a shadow buffer: it is cleared only before a device-writable buffer comes back
      from there, and until then the device can read it.
    open RX copy length: the used length is the device's word, held against the buffer's length. A device that
      claims more than it wrote gets zeros copied to the driver, or what it stored there itself: no other
      bytes.
    open Availability: the memory is taken from the start, for the largest buffer, whether traffic comes or not.
    origin Not in the thread. Markuze, Morrison and Tsafrir (ASPLOS 2016) copy into permanently mapped buffers and
      report up to five times the throughput of strict zero-copy.

    path hybrid
    summary copies below the measured crossover, maps above it
    stands A driver that knows both prices: below a threshold a copy is cheaper than mapping and unmapping, above it
      the other way round. The threshold is measured at start-up, for each direction, by rings over shadow and over
      iommu-strict that take turns under the conditions of the run; or it is given. A threshold holds for the
      placement class it was measured in: it follows the CPUs from slice to slice, and when they come to a class
      that was not seen before it is measured there too, as long as the time limit allows.
    none No switch in Linux, QEMU or libvirt. The nearest thing in Linux is fixed: behind an IOMMU the ends of
      buffers that do not fill their pages are bounced for untrusted devices, whatever that costs.
    protects Below the threshold what shadow protects, above it what iommu-strict does.
    open Below the threshold what shadow leaves open.
    open Above it what iommu-strict does: neighbours in the first and the last page, and the buffer while it is
      mapped.
    origin Not in the thread. David Stevens' dynamic bounce buffers for a virtio-iommu (2021-22) come near: bouncing
      instead of mapping was 2.8 to 4.7 times as fast from 4 to 128 KiB, because every map was an exit.

    path mmu
    summary the CPU's own MMU as the IOMMU: real page-table changes, enforced by hardware
    stands A device process that sees memory only through a window of its address space. Map and unmap are mmap and
      its removal, with the kernel's TLB shootdowns: the only protection here that hardware enforces rather than our
      code.
    none No guest runs this way. It shows what enforced unmapping costs between processes on this machine.
    protects What is not in the window: an access outside ends the process that made it, and no other.
    open $neighbours
    open $inFlight
    origin Ours: a user-space program cannot time a real IOMMU's invalidation, but it can time the MMU's.
    """#
}
