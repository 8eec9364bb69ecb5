internal import Glibc

/// Whether every byte is `value`; at the speed of memcmp, in debug builds too.
package func isFilled(_ bytes: UnsafeMutableRawBufferPointer, with value: UInt8) -> Bool {
  guard let first = unsafe bytes.first, let base = bytes.baseAddress else { return true }
  // Each byte equals the one before it, and the first is right.
  return unsafe first == value && memcmp(base, base + 1, bytes.count - 1) == 0
}

/// Whether both hold the same bytes; at the speed of memcmp, in debug builds too.
package func isEqual(_ bytes: UnsafeMutableRawBufferPointer, to expected: ArraySlice<UInt8>) -> Bool {
  guard bytes.count == expected.count else { return false }
  return unsafe expected.withUnsafeBytes { other in
    guard let base = bytes.baseAddress, let otherBase = other.baseAddress else { return true }
    return unsafe memcmp(base, otherBase, other.count) == 0
  }
}
