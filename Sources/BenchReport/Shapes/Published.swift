import BenchDocument

/// What a shape is held against: a figure that others published.
struct PublishedFigure: Encodable, Equatable, Sendable {
  let source: String
  let setup: String
  let figure: String
  /// How we know it, as one letter or a word.
  let grade: String

  var words: String {
    switch grade {
    case "V": "read in the primary text"
    case "S": "seen quoted"
    case "D": "arithmetic on published figures"
    case "M": "from memory, not checked"
    default: "constants of Linux 6.x"
    }
  }
}

/// The published figures, by names of ours.
package enum Published: Int, Sendable {
  case asterinas, asterinasPool, premappedSeries, mergedSeries, strictMinusLazy, bounceInstead, lockSplit,
    globalLock, firecracker, shadowBuffers, vIOMMU, farshin, neugebauer, slowAllocation, flushQueue,
    bounceLimits, rangeCache, indirectTable

  var figure: PublishedFigure {
    let cells = DataTable.cells(Self.entries[rawValue])
    return PublishedFigure(source: cells[2], setup: cells[3], figure: cells[4], grade: cells[1])
  }

  private static let entries = DataTable.entries(table)

  // In the order of the cases: name, grade, source, setup, figure.
  private static let table = """
    asterinas | V | asterinas PR 1482 (2024) | iperf, QEMU vIOMMU off and on, Linux guest, dynamic mapping; its
      authors warn of 50 % noise | 7.2 times less with vhost off, 67 times with vhost on
    asterinasPool | V | asterinas PR 1482 (2024) | a guest with a permanently mapped DMA pool | -26 % and -1.5 %
    premappedSeries | V | Xuan Zhuo, virtio-net premapped series (2023-24) | intel_iommu=on iommu.passthrough=0, a
      map per buffer | lazy 775,496, strict 428,614 packets/s: strict is 0.55 of lazy
    mergedSeries | V | Xuan Zhuo, virtio-net premapped series (2023-24) | maps merged per page fragment | lazy
      1,109,316, strict 742,853 packets/s: 0.67 of lazy; merging gives +43 % and +73 %
    strictMinusLazy | D | Xuan Zhuo, virtio-net premapped series (2023-24) | strict minus lazy | 1,044 ns a packet
      per buffer, 445 ns merged
    bounceInstead | V | David Stevens, dynamic bounce buffers v2 (2021-22) | NVMe and virtio-iommu, fio read, queue
      depth 64, bounce instead of map | 2.8, 4.7, 3.6, 3.6 times faster at 4, 16, 64, 128 KiB
    lockSplit | V | Tianyu Lan, swiotlb lock split (2022) | confidential VM, network | about 20 to about 34 Gb/s
    globalLock | V | Andi Kleen (2022) | TDX, global swiotlb lock, extreme cases | over 20 % of CPU time in the lock
    firecracker | V | firecracker PR 5156 (2025) | all I/O through one swiotlb region, which has one area | up to 80
      % of throughput lost; buffers kept in shared memory win most of it back
    shadowBuffers | V | Markuze, ASPLOS'16 | copy into permanently mapped shadow buffers | up to 5 times strict
      zero-copy; 0-25 % below no IOMMU
    vIOMMU | S | Amit, vIOMMU, ATC'11 | 10 GbE | strict 43 % of line rate, 10 ms batching 91 %; invalidation over 40
      % of unmap
    farshin | V | Farshin, PeerJ CS 2023 | 200 Gb/s, IOTLB misses | up to -20 %; 2 MiB mappings recover all of it
    neugebauer | M | Neugebauer, SIGCOMM'18 | hardware IOTLB | about 64 entries; a miss with its walk ~330 ns
    slowAllocation | M | Malka, rIOMMU, ASPLOS'15, table 1 | IOVA allocation, cycles | 3,986; 92 with a fast
      allocator
    flushQueue | constant | Linux dma-iommu | IOVA_DEFAULT_FQ_SIZE 256, IOVA_FQ_TIMEOUT | flush at 255 or after 10
      ms
    bounceLimits | constant | Linux swiotlb | IO_TLB_SIZE 2 KiB, IO_TLB_SEGSIZE 128 | 256 KiB a mapping
    rangeCache | constant | Linux iova | IOVA_RANGE_CACHE_MAX_SIZE 6 | ranges of 1 to 32 pages are cached
    indirectTable | constant | Linux virtio_ring | virtqueue_add_split, indirect | the table is mapped like a
      device-readable buffer
    """
}
