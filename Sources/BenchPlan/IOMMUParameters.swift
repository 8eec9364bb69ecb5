import BenchHarness
import RingIOMMU
import RingKit
import RingPlatform

/// What can be chosen about the IOMMU paths.
package struct IOMMUParameters: Sendable {
  package var viommuPrice = ViommuPrice.process
  /// Of an injected exit.
  package var viommuNanoseconds = 0
  /// Bytes of guest memory that are mapped together for all buffers in them; 0: each buffer has a mapping of its own.
  package var mergeBytes = 0
  /// The largest page of the IOMMU; `nil`: large ones under single large mappings and under hybrid's shadow
  /// buffers, and `premapped` follows the page size.
  package var pages: PageChoice?

  package init() {}

  private static let largePage = 2 << 20

  /// The paths that map each buffer, so that mappings can be merged.
  static let mergingPaths: [DMAPath] = [.iommuStrict, .iommuLazy, .viommu, .mmu]

  /// What follows a path's name where one price must not be taken for the other; empty for the other paths.
  package func price(of path: DMAPath) -> String? { path == .viommu ? viommuPrice.name : nil }

  /// Whether the path's time holds a price that was given.
  package func isInjected(_ path: DMAPath) -> Bool { path == .viommu && viommuPrice == .injected }

  /// Whether a mapping made once uses 2 MiB pages.
  package func usesLargePages(_ pageSize: PageChoice) -> Bool { (pages ?? pageSize) == .huge }

  /// Payload memory in whole units of what is mapped together.
  package func rounded(_ bytes: Int) -> Int {
    let unit = pages == .huge ? max(mergeBytes, Self.largePage) : mergeBytes
    return unit == 0 ? bytes : (bytes + unit - 1) / unit * unit
  }

  /// Whether what was asked for can show in any of the figures; else why not.
  package func check(paths: [DMAPath], sizes: [Int]) throws(BenchError) {
    guard viommuPrice == .process || paths.contains(.viommu) else {
      throw .usage("--viommu-price concerns viommu: name it with --path")
    }
    let tabled: [DMAPath] = [.iommuStrict, .iommuLazy, .viommu, .premapped, .hybrid]
    guard pages == nil || paths.contains(where: { tabled.contains($0) }) else {
      throw .usage("--iommu-pages concerns \(tabled.map(\.name).joined(separator: ", ")): name one with --path")
    }
    let merging = paths.filter { Self.mergingPaths.contains($0) }
    if mergeBytes > 0 {
      guard !merging.isEmpty else {
        throw .usage(
          "--iommu-merge concerns \(Self.mergingPaths.map(\.name).joined(separator: ", ")): name one with --path")
      }
      guard sizes.contains(where: { 2 * Payload.stride(for: $0) <= mergeBytes }) else {
        throw .usage(
          "no two buffers of these sizes lie in \(mergeBytes) bytes (--iommu-merge): lower --size or raise it")
      }
    }
    if pages == .huge {
      let isUsed = paths.contains(.premapped) || mergeBytes >= Self.largePage && merging.contains { $0 != .mmu }
      guard isUsed else {
        throw .usage("--iommu-pages 2m needs 2 MiB mapped at once: name premapped with --path, or add --iommu-merge 2m")
      }
    }
  }

  /// One line for people about what differs from the usual, or nothing.
  package func text(_ paths: [DMAPath]) -> String {
    var parts: [String] = []
    if paths.contains(.viommu) {
      parts.append(
        viommuPrice == .injected
          ? "each exit of viommu is an injected \(NumberText.grouped(viommuNanoseconds)) ns, not measured"
          : "each exit of viommu is a request to another process")
    }
    if mergeBytes > 0 { parts.append("buffers within \(NumberText.grouped(mergeBytes)) bytes share a mapping") }
    if let pages { parts.append("IOMMU pages up to \(pages.name)") }
    let line = parts.joined(separator: "; ")
    return line.isEmpty ? "" : line.prefix(1).uppercased() + line.dropFirst() + "\n"
  }
}

/// What an exit of the path `viommu` costs.
package enum ViommuPrice: String, CaseIterable, Codable, Sendable, NamedChoice {
  /// A request to another process and its reply.
  case process
  /// A time that was given.
  case injected

  package static let noun = "price of viommu"
}
