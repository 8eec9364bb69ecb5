import CRing
import CVhostUAPI
import Glibc
import VhostUser

/// A disk's file without a name, gone with the object.
final class ScratchFile {
  let fileDescriptor: Int32
  let byteCount: Int

  /// A file where every 512-byte sector is filled with its number.
  init(sectors: Int) {
    byteCount = sectors * 512
    fileDescriptor = unsafe cvhost_file("disk", byteCount)
    for sector in 0..<sectors {
      let bytes = [UInt8](repeating: UInt8(truncatingIfNeeded: sector), count: 512)
      _ = unsafe pwrite(fileDescriptor, bytes, 512, off_t(sector * 512))
    }
  }

  deinit { close(fileDescriptor) }

  /// A name for it, as long as it is open.
  var path: String { "/proc/self/fd/\(fileDescriptor)" }

  func read(sector: Int, count: Int) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    _ = unsafe pread(fileDescriptor, &bytes, count, off_t(sector * 512))
    return bytes
  }
}
