import BenchHarness
import BenchPaths

/// The shapes that published measurements have, and that ours are held against.
package enum Shape: String, CaseIterable, Encodable, Sendable, NamedChoice {
  case ladder = "A"
  case copyAgainstMap = "B"
  case invalidations = "C"
  case persistent = "D"
  case areas = "E"
  case exhaustion = "F"
  case largeRanges = "G"
  case reach = "H"
  case backend = "I"
  case indirect = "J"

  package static let noun = "shape"

  package var title: String {
    switch self {
    case .ladder: "the ladder of paths"
    case .copyAgainstMap: "copying against mapping"
    case .invalidations: "deferred invalidation"
    case .persistent: "merged and persistent mappings"
    case .areas: "areas of the bounce pool"
    case .exhaustion: "an exhausted bounce pool"
    case .largeRanges: "IOVA ranges beyond 128 KiB"
    case .reach: "reach of the IOTLB"
    case .backend: "translation in another process"
    case .indirect: "indirect tables under the DMA API"
    }
  }

  package var expectation: String {
    switch self {
    case .ladder:
      "direct > identity > lazy > strict > emulated vIOMMU; strict at 0.4 to 0.75 of lazy's throughput for packet-sized buffers"
    case .copyAgainstMap:
      "copying wins for small buffers, mapping for large ones; they meet at bandwidth x (t_map + t_unmap) / k"
    case .invalidations: "strict invalidates once per unmap, lazy once per 255 or when 10 ms have passed"
    case .persistent: "mappings that stay cost almost nothing against direct"
    case .areas: "one area under one lock is dearer than an area per CPU as soon as two CPUs bounce"
    case .exhaustion: "what does not fit into the pool is refused, and so is any mapping above 256 KiB"
    case .largeRanges: "ranges above 128 KiB leave the per-CPU caches for the tree, and cost more than their entries"
    case .reach: "flat until the working set is entries x page size, then a step; 2 MiB pages remove it"
    case .backend: "a miss that is a message to another process costs 10 to 500 times a hit"
    case .indirect: "the table itself is mapped: a chain of n segments takes n + 1 maps"
    }
  }

  /// Its part of the time, by how much it has to run.
  package var weight: Double {
    switch self {
    case .copyAgainstMap: 5
    case .exhaustion: 0.1
    case .ladder, .reach: 2
    default: 1
    }
  }
}
