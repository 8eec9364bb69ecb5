import Glibc
import RingKit
import RingKitTesting
import RingPlatform
import TestTraits
import Testing

@Suite("A device in another process and the guest's private pages")
struct PrivatePageTests {
  /// What the device's process does with the memory it was given.
  private static func device(_ path: String, reads hidden: Bool) throws {
    // The core is not needed.
    var none = rlimit(rlim_cur: 0, rlim_max: 0)
    unsafe setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &none)
    let endpoint = DeviceEndpoint(try DeviceSocket.connect(to: path))
    guard case .memory(let memory) = try endpoint.next() else { exit(10) }
    try endpoint.agree()
    guard case .start(let program) = try endpoint.next() else { exit(11) }
    try endpoint.agree()
    let shared = memory.regions[0].hostBase
    guard unsafe shared.pointer.load(as: UInt64.self) == 0xfeed else { exit(12) }
    var translator = RegionTranslator(memory: memory, counter: UncountedWork())
    let address = IOVA(untranslated: IsolationFixture.hiddenBase)
    do throws(DMAFault) {
      _ = try translator.translate(address, byteCount: 8, for: .deviceReadable)
      exit(13)
    } catch {
      guard error == .outOfBounds(address, byteCount: 8) else { exit(14) }
    }
    if hidden {
      // A sanitizer would make an exit of it.
      signal(SIGSEGV, SIG_DFL)
      // A device that asks no translator: where the driver has its private page, there is nothing here.
      let raw = unsafe HostAddress(rawValue: UInt(program[0]))
      unsafe shared.pointer.storeBytes(of: raw.pointer.load(as: UInt64.self), as: UInt64.self)
    }
    unsafe shared.pointer.storeBytes(of: 0xbeef, as: UInt64.self)
  }

  /// Runs the driver's side until the device has gone; what the device left in the shared page.
  private static func drive(_ path: String, _ result: Result) -> TestThread {
    TestThread {
      do {
        let guest = try IsolationFixture()
        unsafe guest.shared.hostBase.pointer.storeBytes(of: 0xfeed, as: UInt64.self)
        unsafe guest.hidden.hostBase.pointer.storeBytes(of: 0x5ec2e7, as: UInt64.self)
        let link = try DeviceLink(try DeviceSocket.accept(at: path))
        try link.share(guest.memory)
        try link.start([UInt64(guest.hidden.hostBase.rawValue)])
        do throws(DeviceHandshakeError) { _ = try link.report() } catch { result.end = error }
        result.left = unsafe guest.shared.hostBase.pointer.load(as: UInt64.self)
      } catch { result.end = error as? DeviceHandshakeError }
    }
  }

  private final class Result: @unchecked Sendable {
    var left: UInt64 = 0
    var end: DeviceHandshakeError?
  }

  private static func path(_ name: String) -> String {
    let path = "/tmp/ringkit-\(name)-\(getpid())"
    unsafe unlink(path)
    return path
  }

  @Test("what is shared is used, and the private address faults in type", .afterTheOthers)
  func typed() async {
    let path = Self.path("typed")
    let result = Result()
    let thread = Self.drive(path, result)
    await #expect(processExitsWith: .success) { [path = path as String] in try Self.device(path, reads: false) }
    thread.join()
    #expect(result.end == .closed && result.left == 0xbeef)
  }

  @Test("a raw access to a private page ends the device's process by SIGSEGV, not the driver's", .afterTheOthers)
  func raw() async {
    let path = Self.path("raw")
    let result = Result()
    let thread = Self.drive(path, result)
    await #expect(processExitsWith: .signal(SIGSEGV)) { [path = path as String] in try Self.device(path, reads: true) }
    thread.join()
    #expect(result.end == .closed && result.left == 0xfeed)
  }
}
