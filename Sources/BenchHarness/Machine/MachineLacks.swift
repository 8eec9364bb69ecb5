import CRingBench
import Glibc

/// What a run cannot show here because the machine does not have it.
package enum MachineLacks {
  package static func list(_ machine: Machine) -> [String] {
    var lacks: [String] = []
    if machine.nodes.count < 2 {
      lacks.append(
        machine.numaLibrary
          ? "one NUMA node only: placement across nodes cannot be measured"
          : "built without libnuma: every page counts as node 0")
    }
    if machine.cpus.count < 2 { lacks.append("one usable CPU only: driver and device have no CPU each") }
    if machine.siblings.allSatisfy({ $0.count == 1 }) { lacks.append("no two CPUs are shown as threads of one core") }
    if machine.underHypervisor { lacks.append("a steady topology: a hypervisor may move each CPU between host cores") }
    if machine.hugePages.reserved == 0 {
      lacks.append("no 2 MiB pages reserved in hugetlbfs (transparent ones: \(machine.hugePages.transparent))")
    }
    let counters = crb_hardware_counters()
    if counters != 0 { lacks.append("no hardware counters (perf_event_open: \(Errno.text(counters)))") }
    if SystemFile.names(in: "/sys/kernel/iommu_groups").isEmpty {
      lacks.append("no IOMMU group: no hardware IOMMU to compare with")
    }
    if !SystemFile.exists("/dev/kvm") { lacks.append("no /dev/kvm: no guest can be started here") }
    if !SystemFile.exists("/dev/vfio/vfio") { lacks.append("no VFIO: no device can be handed to a process") }
    return lacks
  }
}
