import Glibc

/// Mappings of this process that others share, as the kernel lists them: nothing of the library's is asked.
public func sharedMappingCount() -> Int {
  let file = open("/proc/self/maps", O_RDONLY)
  check(file >= 0, "no list of mappings")
  defer { close(file) }
  return withUnsafeTemporaryAllocation(byteCount: 16_384, alignment: 1) { bytes in
    var (mappings, field, column) = (0, 0, 0)
    while true {
      let count = read(file, bytes.baseAddress, bytes.count)
      if count <= 0 { return mappings }
      for byte in bytes.prefix(count) {
        switch byte {
        case UInt8(ascii: "\n"): (field, column) = (0, 0)
        case UInt8(ascii: " "): (field, column) = (field + 1, 0)
        default:
          // The second field is "rw-s" where others share it.
          if field == 1 && column == 3 && byte == UInt8(ascii: "s") { mappings += 1 }
          column += 1
        }
      }
    }
  }
}
