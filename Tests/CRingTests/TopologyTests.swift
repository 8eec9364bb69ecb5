import CRing
import Glibc
import Testing

/// What the topology says must agree with itself.
@Suite struct TopologyTests {
  private let nodes = (0..<cring_node_limit()).filter { cring_node_exists($0) }

  @Test func hasANodeAndNoneBeyondTheLimit() {
    #expect(!nodes.isEmpty)
    #expect(!cring_node_exists(-1))
    #expect(!cring_node_exists(cring_node_limit()))
    #expect(!cring_numa_available() || cring_numa_built())
  }

  @Test func everyCPUBelongsToANodeThatExists() {
    #expect(cring_cpu_limit() >= 1)
    for cpu in 0..<cring_cpu_limit() where cring_cpu_usable(cpu) {
      #expect(nodes.contains(cring_node_of_cpu(cpu)))
    }
    #expect(cring_node_of_cpu(-1) == -ENOENT)
    #expect(cring_node_of_cpu(cring_cpu_limit()) == -ENOENT)
    #expect(!cring_cpu_usable(-1))
  }

  @Test func isNearestToItself() {
    for from in nodes {
      #expect(cring_node_distance(from, from) == 10)
      for to in nodes { #expect(cring_node_distance(from, to) >= 10) }
    }
    #expect(cring_node_distance(nodes[0], 4095) == -ENOENT)
    #expect(cring_node_distance(-1, nodes[0]) == -ENOENT)
  }

  @Test func someNodeHasMemoryAndNoneHasMoreFreeThanAll() {
    var sum: UInt64 = 0
    for node in nodes {
      var total: UInt64 = 0
      var available: UInt64 = 0
      #expect(unsafe cring_node_memory(node, &total, &available) == 0)
      #expect(available <= total)
      sum += total
    }
    #expect(sum > 0)
    var unused: UInt64 = 0
    var alsoUnused: UInt64 = 0
    #expect(unsafe cring_node_memory(4095, &unused, &alsoUnused) == ENOENT)
  }
}
