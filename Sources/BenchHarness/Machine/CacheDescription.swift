/// One cache and the CPUs behind it, as the kernel shows it; under a hypervisor that is what the guest is told.
package struct CacheDescription: Encodable, Hashable, Sendable {
  package let level: Int
  package let type: String
  package let bytes: Int
  package let cpus: [Int]

  package init(level: Int, type: String, bytes: Int, cpus: [Int]) {
    self.level = level
    self.type = type
    self.bytes = bytes
    self.cpus = cpus
  }
}
