/// One cache and the CPUs behind it, as the kernel shows it; under a hypervisor that is what the guest is told.
struct CacheDescription: Encodable, Hashable, Sendable {
  let level: Int
  let type: String
  let bytes: Int
  let cpus: [Int]
}
