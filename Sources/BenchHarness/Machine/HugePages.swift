/// What 2 MiB pages there are.
package struct HugePages: Encodable, Sendable {
  package let reserved: Int
  package let free: Int
  /// `always`, `madvise` or `never`.
  package let transparent: String

  package init(reserved: Int, free: Int, transparent: String) {
    self.reserved = reserved
    self.free = free
    self.transparent = transparent
  }

  package static func read() -> HugePages {
    let pool = "/sys/kernel/mm/hugepages/hugepages-2048kB"
    let setting = SystemFile.text("/sys/kernel/mm/transparent_hugepage/enabled") ?? ""
    let chosen = setting.split(separator: "[").last?.split(separator: "]").first
    return HugePages(
      reserved: SystemFile.number("\(pool)/nr_hugepages") ?? 0,
      free: SystemFile.number("\(pool)/free_hugepages") ?? 0,
      transparent: setting.contains("[") ? chosen.map { String($0) } ?? "never" : "never")
  }
}
