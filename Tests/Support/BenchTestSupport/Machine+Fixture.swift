import BenchHarness

extension Machine {
  /// Four CPUs on two nodes, two threads a core, one shared cache a node.
  package static var fixture: Machine {
    Machine(
      kernel: "6.0.0", cpuModel: "Test", architecture: "x86-64", underHypervisor: false, cpus: [0, 1, 2, 3],
      memoryBytes: 2 << 30,
      nodes: [
        NodeDescription(node: 0, cpus: [0, 1], memoryBytes: 1 << 30, freeBytes: 1 << 29, distances: [10, 21]),
        NodeDescription(node: 2, cpus: [2, 3], memoryBytes: 1 << 30, freeBytes: 1 << 29, distances: [21, 10]),
      ],
      siblings: [[0, 1], [2], [3]],
      caches: [
        CacheDescription(level: 2, type: "unified", bytes: 1 << 20, cpus: [0, 1]),
        CacheDescription(level: 3, type: "unified", bytes: 32 << 20, cpus: [0, 1]),
        CacheDescription(level: 3, type: "unified", bytes: 32 << 20, cpus: [2, 3]),
      ],
      hugePages: HugePages(reserved: 0, free: 0, transparent: "madvise"), numaLibrary: true)
  }
}
