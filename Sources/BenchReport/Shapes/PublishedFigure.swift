import BenchHarness
import BenchPaths

/// What somebody else measured, and how far its text was checked.
package struct PublishedFigure: Encodable, Equatable, Sendable {
  package enum Grade: String, Encodable, Sendable {
    case read = "V"
    case quoted = "S"
    case derived = "D"
    case memory = "M"
    case constant = "constant"

    package var words: String {
      switch self {
      case .read: "read in the primary text"
      case .quoted: "seen quoted"
      case .derived: "arithmetic on published figures"
      case .memory: "from memory, not checked"
      case .constant: "constants of Linux 6.x"
      }
    }
  }

  package let source: String
  package let setup: String
  package let figure: String
  package let grade: Grade
}

extension PublishedFigure {
  package static let asterinas = PublishedFigure(
    source: "asterinas PR 1482 (2024)",
    setup: "iperf, QEMU vIOMMU off and on, Linux guest, dynamic mapping; its authors warn of 50 % noise",
    figure: "7.2 times less with vhost off, 67 times with vhost on", grade: .read)
  package static let asterinasPool = PublishedFigure(
    source: "asterinas PR 1482 (2024)", setup: "a guest with a permanently mapped DMA pool",
    figure: "-26 % and -1.5 %", grade: .read)
  package static let premappedSeries = PublishedFigure(
    source: "Xuan Zhuo, virtio-net premapped series (2023-24)",
    setup: "intel_iommu=on iommu.passthrough=0, a map per buffer",
    figure: "lazy 775,496, strict 428,614 packets/s: strict is 0.55 of lazy", grade: .read)
  package static let mergedSeries = PublishedFigure(
    source: "Xuan Zhuo, virtio-net premapped series (2023-24)", setup: "maps merged per page fragment",
    figure: "lazy 1,109,316, strict 742,853 packets/s: 0.67 of lazy; merging gives +43 % and +73 %", grade: .read)
  package static let strictMinusLazy = PublishedFigure(
    source: "Xuan Zhuo, virtio-net premapped series (2023-24)", setup: "strict minus lazy",
    figure: "1,044 ns a packet per buffer, 445 ns merged", grade: .derived)
  package static let bounceInstead = PublishedFigure(
    source: "David Stevens, dynamic bounce buffers v2 (2021-22)",
    setup: "NVMe and virtio-iommu, fio read, queue depth 64, bounce instead of map",
    figure: "2.8, 4.7, 3.6, 3.6 times faster at 4, 16, 64, 128 KiB", grade: .read)
  package static let lockSplit = PublishedFigure(
    source: "Tianyu Lan, swiotlb lock split (2022)", setup: "confidential VM, network",
    figure: "about 20 to about 34 Gb/s", grade: .read)
  package static let globalLock = PublishedFigure(
    source: "Andi Kleen (2022)", setup: "TDX, global swiotlb lock, extreme cases",
    figure: "over 20 % of CPU time in the lock", grade: .read)
  package static let firecracker = PublishedFigure(
    source: "firecracker PR 5156 (2025)", setup: "all I/O through one swiotlb region, which has one area",
    figure: "up to 80 % of throughput lost", grade: .read)
  package static let shadowBuffers = PublishedFigure(
    source: "Markuze, ASPLOS'16", setup: "copy into permanently mapped shadow buffers",
    figure: "up to 5 times strict zero-copy; 0-25 % below no IOMMU", grade: .read)
  package static let vIOMMU = PublishedFigure(
    source: "Amit, vIOMMU, ATC'11", setup: "10 GbE",
    figure: "strict 43 % of line rate, 10 ms batching 91 %; invalidation over 40 % of unmap", grade: .quoted)
  package static let farshin = PublishedFigure(
    source: "Farshin, PeerJ CS 2023", setup: "200 Gb/s, IOTLB misses",
    figure: "up to -20 %; 2 MiB mappings recover all of it", grade: .read)
  package static let neugebauer = PublishedFigure(
    source: "Neugebauer, SIGCOMM'18", setup: "hardware IOTLB", figure: "about 64 entries; a miss with its walk ~330 ns",
    grade: .memory)
  package static let slowAllocation = PublishedFigure(
    source: "Malka, rIOMMU, ASPLOS'15, table 1", setup: "IOVA allocation, cycles",
    figure: "3,986; 92 with a fast allocator", grade: .memory)
  package static let flushQueue = PublishedFigure(
    source: "Linux dma-iommu", setup: "IOVA_DEFAULT_FQ_SIZE 256, IOVA_FQ_TIMEOUT",
    figure: "flush at 255 or after 10 ms",
    grade: .constant)
  package static let bounceLimits = PublishedFigure(
    source: "Linux swiotlb", setup: "IO_TLB_SIZE 2 KiB, IO_TLB_SEGSIZE 128", figure: "256 KiB a mapping",
    grade: .constant)
  package static let rangeCache = PublishedFigure(
    source: "Linux iova", setup: "IOVA_RANGE_CACHE_MAX_SIZE 6", figure: "ranges of 1 to 32 pages are cached",
    grade: .constant)
  package static let indirectTable = PublishedFigure(
    source: "Linux virtio_ring", setup: "virtqueue_add_split, indirect",
    figure: "the table is mapped like a device-readable buffer", grade: .constant)
}
