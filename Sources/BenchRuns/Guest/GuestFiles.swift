import BenchHarness
import BenchReport
import Glibc

/// What a guest is made of: QEMU, a kernel, an initramfs, and a directory for what a run leaves behind.
///
/// The directory is removed with the value.
package struct GuestFiles: ~Copyable {
  /// The directory is in memory where there is room for that, so that no disk is measured.
  let paths: GuestPaths
  /// Why instructions cannot be counted; `nil` where they can.
  let whyNotCounted: String?

  /// Looks for everything.
  ///
  /// - Throws: ``BenchError/machine(_:)`` with what to install or to run.
  package init(
    kernel: String, initramfs: String, plugin: String, _ architecture: GuestArchitecture
  ) throws(BenchError) {
    guard Machine.read().architecture == GuestArchitecture.x86.name else {
      throw .machine("the guest is made on x86-64, and this machine is \(Machine.read().architecture)")
    }
    let emulator = architecture.emulator
    guard Self.isOnPath(emulator) else {
      let package = architecture == .x86 ? "qemu-system-x86" : "qemu-system-arm"
      throw .machine("\(emulator) is missing; install it (Debian, Ubuntu: apt-get install \(package))")
    }
    for (path, what, option) in [(kernel, "kernel", "--kernel"), (initramfs, "initramfs", "--initramfs")] {
      guard unsafe access(path, R_OK) == 0 else {
        throw .machine("no guest \(what) at \(path); make one with Scripts/guest/prepare.sh, or name it with \(option)")
      }
    }
    let directory = try Self.makeDirectory()
    let hasPlugin = unsafe access(plugin, R_OK) == 0
    whyNotCounted = hasPlugin ? nil : "there is no plugin at \(plugin); Scripts/guest/prepare.sh builds it"
    paths = GuestPaths(
      kernel: kernel, initramfs: initramfs, plugin: hasPlugin ? plugin : nil, directory: directory)
  }

  deinit {
    let directory = paths.directory
    for name in SystemFile.names(in: directory) { unsafe unlink("\(directory)/\(name)") }
    unsafe rmdir(directory)
  }

  /// Makes an empty disk, as large as that, instead of one that is there.
  func makeDisk(byteCount: Int) throws(BenchError) {
    let path = paths.disk
    let descriptor = unsafe open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw .machine("no disk can be made at \(path): \(Errno.text(errno))") }
    defer { close(descriptor) }
    guard ftruncate(descriptor, byteCount) == 0 else {
      throw .machine("a disk of \(NumberText.bytes(byteCount)) does not fit at \(path): \(Errno.text(errno))")
    }
  }

  private static func makeDirectory() throws(BenchError) -> String {
    let parent = unsafe access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"
    var name = Array("\(parent)/ringbench-guest.XXXXXX".utf8CString)
    // SAFETY: mkdtemp writes six characters inside the terminated string it was given.
    let made = unsafe name.withUnsafeMutableBufferPointer { buffer in
      unsafe buffer.baseAddress.flatMap { unsafe mkdtemp($0) } != nil
    }
    guard made else { throw .machine("no directory can be made in \(parent): \(Errno.text(errno))") }
    return String(decoding: name.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  static func isOnPath(_ program: String) -> Bool {
    let path = unsafe getenv("PATH").map { unsafe String(cString: $0) } ?? ""
    return path.split(separator: ":").contains { unsafe access("\($0)/\(program)", X_OK) == 0 }
  }
}
