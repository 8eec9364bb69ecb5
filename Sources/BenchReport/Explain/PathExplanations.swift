import BenchHarness
import BenchPaths

/// All explanations, in the order of the paths.
package enum PathExplanations {
  package static let all: [PathExplanation] = [
    direct, identity, iommuStrict, iommuLazy, viommu, premapped, swiotlb, dmaMask, shadow, hybrid, mmu,
  ]

  package static var names: String { all.map(\.path).joined(separator: ", ") }

  /// Those with the names given, in that order, each once; all of them for an empty list.
  package static func find(_ arguments: [String]) throws(BenchError) -> [PathExplanation] {
    guard !arguments.isEmpty else { return all }
    var found: [PathExplanation] = []
    for name in ListArgument.elements(arguments) {
      guard let explanation = all.first(where: { $0.path == name }) else {
        throw .usage("there is no path '\(name)'; choose from: \(names)")
      }
      if !found.contains(explanation) { found.append(explanation) }
    }
    guard !found.isEmpty else { throw .usage("an empty list of paths; choose from: \(names)") }
    return found
  }

  // Documents that several paths point to.
  package static let kernelParameters = "Linux, Documentation/admin-guide/kernel-parameters.txt"
  package static let qemuOptions = "QEMU, qemu-options.hx"
  package static let virtioProperties = "QEMU, -device virtio-net-pci,help"
  package static let libvirtVirtio = "libvirt, formatdomain, Virtio-related options"
  package static let libvirtIOMMU = "libvirt, formatdomain, IOMMU devices"

  /// What puts a virtio device behind the platform's DMA API, on every path but `direct`.
  package static let platformDevice = PathSetting(
    "-device virtio-net-pci,disable-legacy=on,iommu_platform=on",
    "offers VIRTIO_F_ACCESS_PLATFORM, so that the driver goes through the DMA API; only a modern device can",
    source: virtioProperties)
  package static let platformDriver = PathSetting(
    "<driver iommu='on'/>", "the same, in the device's element", source: libvirtVirtio)
}
