import Glibc
import RingKit
import TestTraits
import Testing

@testable import VhostUser

/// What can be a disk, and what becomes of one whose file changes.
@Suite struct BlockImageTests {
  /// A folder that goes with the test.
  private final class Folder {
    let path: String

    init() {
      var name = Array("/tmp/ringkit-image-XXXXXX".utf8CString)
      _ = unsafe mkdtemp(&name)
      path = String(decoding: name.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    func file(_ name: String, _ byteCount: Int) -> String {
      let made = unsafe open("\(path)/\(name)", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
      _ = ftruncate(made, byteCount)
      close(made)
      return "\(path)/\(name)"
    }

    deinit {
      for name in ["a", "fifo"] { unsafe unlink("\(path)/\(name)") }
      unsafe rmdir(path)
    }
  }

  private func refusal(_ path: String, isReadOnly: Bool = false, blockSize: UInt32 = 512) -> BlockImageError? {
    var options = BlockOptions()
    options.isReadOnly = isReadOnly
    options.blockSize = blockSize
    do throws(BlockImageError) { _ = try BlockDevice(path: path, options: options) } catch { return error }
    return nil
  }

  @Test(arguments: [true, false]) func onlyFilesAndBlockDevicesAreDisks(isReadOnly: Bool) {
    let folder = Folder()
    unsafe mkfifo("\(folder.path)/fifo", 0o600)
    #expect(refusal(folder.path, isReadOnly: isReadOnly) == .notADisk("a directory"))
    #expect(refusal("\(folder.path)/fifo", isReadOnly: isReadOnly) == .notADisk("a pipe"))
    #expect(refusal("/dev/zero", isReadOnly: isReadOnly) == .notADisk("a character device"))
    #expect(refusal("/dev/null", isReadOnly: isReadOnly) == .notADisk("a character device"))
    let missing = refusal("\(folder.path)/none", isReadOnly: isReadOnly)
    #expect(missing == .system(operation: "opening \(folder.path)/none", errno: ENOENT))
    #expect(missing?.description == "opening \(folder.path)/none failed: No such file or directory")
  }

  @Test func aDiskIsWholeBlocks() {
    let folder = Folder()
    #expect(refusal(folder.file("a", 0)) == .tooSmall(byteCount: 0, blockByteCount: 512))
    #expect(refusal(folder.file("a", 511)) == .tooSmall(byteCount: 511, blockByteCount: 512))
    #expect(refusal(folder.file("a", 1025)) == nil)
    #expect(refusal(folder.file("a", 1025), blockSize: 1024) == nil)
    #expect(refusal(folder.file("a", 1536), blockSize: 1024) == .partialBlock(byteCount: 1536, blockByteCount: 1024))
  }

  @Test func oneWriterOrManyReadersHaveAnImage() throws {
    let path = ScratchFile(sectors: 8)
    var options = BlockOptions()
    do {
      let writer = try BlockDevice(path: path.path)
      #expect(refusal(path.path) == .inUse && refusal(path.path, isReadOnly: true) == .inUse)
      // The bytes that QEMU looks at before it opens an image for itself: written to, and not shared for writing.
      #expect(locked(path.path, at: 101) && locked(path.path, at: 201) && locked(path.path, at: 203))
      withExtendedLifetime(writer) {}
    }
    options.isReadOnly = true
    let reader = try BlockDevice(path: path.path, options: options)
    #expect(refusal(path.path, isReadOnly: true) == nil && refusal(path.path) == .inUse)
    #expect(!locked(path.path, at: 101) && locked(path.path, at: 201))
    withExtendedLifetime(reader) {}
  }

  /// Whether another open file holds a lock on a byte.
  private func locked(_ path: String, at offset: Int) -> Bool {
    let file = unsafe open(path, O_RDWR | O_CLOEXEC)
    defer { close(file) }
    var lock = flock()
    (lock.l_type, lock.l_whence, lock.l_start, lock.l_len) = (Int16(F_WRLCK), Int16(SEEK_SET), offset, 1)
    // F_OFD_GETLK, which is defined for GNU sources alone.
    #expect(unsafe fcntl(file, 36, &lock) == 0)
    return lock.l_type != Int16(F_UNLCK)
  }

  private func driver(_ file: ScratchFile) throws -> DiskDriver {
    let frontend = try ScriptedFrontend(try BlockDevice(path: file.path), features: .version1)
    try frontend.negotiate()
    let driver = try DiskDriver(frontend)
    try driver.start(base: 0)
    return driver
  }

  @Test func readsBehindTheEndOfAFileThatBecameShorterFail() throws {
    let file = ScratchFile(sectors: 8)
    let driver = try driver(file)
    ftruncate(file.fileDescriptor, 1024)
    for _ in 0..<3 {
      let answer = try driver.perform(0, sector: 1, room: 1024)
      #expect(answer.status == 1 && answer.data.allSatisfy { $0 == 0 })
    }
    #expect(try driver.perform(0, sector: 1, room: 512).data.allSatisfy { $0 == 1 })
    // Said once.
    #expect(driver.frontend.backend.device.takeErrors() == [.shrunk(to: 1024, from: 4096)])
    #expect(driver.frontend.backend.device.takeErrors().isEmpty)
  }

  @Test(.afterTheOthers) func aWriteBeyondTheLimitOfFileSizesIsAnErrorAndNoSignal() async {
    await #expect(processExitsWith: .success) {
      var limit = rlimit(rlim_cur: 1024, rlim_max: .max)
      let file = ScratchFile(sectors: 8)
      let frontend = try ScriptedFrontend(try BlockDevice(path: file.path), features: .version1)
      try frontend.negotiate()
      let driver = try DiskDriver(frontend)
      try driver.start(base: 0)
      try #require(unsafe setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0)
      let sectors = [UInt8](repeating: 9, count: 1024)
      try #require(try driver.perform(1, sector: 0, sent: sectors).status == 0)
      // Half of it would fit.
      try #require(try driver.perform(1, sector: 1, sent: sectors).status == 1)
      try #require(try driver.perform(1, sector: 5, sent: sectors).status == 1)
      try #require(
        frontend.backend.device.takeErrors() == [.system(operation: "writing the image", errno: EFBIG)])
    }
  }
}
