import BenchHarness

/// Words of the page, explained.
enum Glossary {
  static var block: PageBlock {
    var page = Markup()
    page.element("dl") { page in
      for entry in DataTable.entries(table) {
        let cells = DataTable.cells(entry)
        page.element("dt", [:], cells[0])
        page.element("dd", [:], cells[1])
      }
    }
    return PageBlock(start: page.text)
  }

  private static let table = """
    direct | The descriptor holds a guest-physical address: virtio as it was, without the DMA API.
    identity | The DMA API for every device, without an IOMMU: a call through a table of operations, and a mask check.
    iommu-strict | A forced IOMMU: each buffer is mapped, unmapped, and its translation invalidated at once.
    iommu-lazy | The same with invalidations in batches, once in 255 or after 10 ms.
    viommu | An IOMMU that the hypervisor emulates: map and unmap are exits. The price is a message to another
      process, or a number that was given (injected).
    mmu | Windows opened and closed in the CPU's own page table.
    premapped | Mapped once, then reused, as page pools do.
    swiotlb | Every buffer is bounced: a slot is searched, the payload copied in, and copied back.
    dma-mask | Bounced only where the buffer lies beyond the device's mask.
    shadow | Copied through fixed shadow buffers: no search, no lock.
    hybrid | Small buffers are copied, large ones mapped; the threshold is measured.
    × direct | The time of a path by that of direct, slice by slice of the same round: 1 is the same,
      2 takes twice as long.
    ns a buffer | Time from one completed buffer to the next, with many outstanding; not the latency of one.
    slice | A few milliseconds of one path; paths take turns, so that all see the same machine.
    95 % interval | Where the median lies, by bootstrap over the slices.
    placement class | Where the two CPUs are to each other: smt, two threads of one core; same-l3, two cores behind one
      last-level cache; cross-l3, behind different ones; cross-node, on two nodes.
    round trip | A cache line from the driver's CPU to the device's and back.
    disturbed | Slices had to count in which other programs or the hypervisor took a CPU.
    floor | A program that moves the same cache lines as a ring, with nothing around them.
    """
}
