import CPeer
import Glibc
import RingKit
import RingKitTesting
import TestTraits
import Testing

@Suite("Sizes that no queue and no pool can have")
struct ImpossibleSizeTests {
  @Test("a ring of a size that cannot be is refused in type, whatever bytes it would take")
  func rings() throws {
    let memory = try GuestMemory(byteCount: 1 << 20)
    for size in [0, -1, .min, 32_769, 65_536, 1 << 58, 1 << 60, .max] {
      #expect(throws: ConfigurationError.invalidSize(size)) {
        _ = try Virtqueue(split: size, in: memory, over: DirectMapper(memory))
      }
      #expect(throws: ConfigurationError.invalidSize(size)) {
        _ = try Virtqueue(packed: size, in: memory, over: DirectMapper(memory))
      }
    }
    #expect(throws: ConfigurationError.invalidSize(24)) {
      _ = try Virtqueue(split: 24, in: memory, over: DirectMapper(memory))
    }
  }

  @Test("so are indirect tables, whose bytes are then no more than can be said")
  func tables() throws {
    let memory = try GuestMemory(byteCount: 1 << 20)
    for capacity in [-1, .min, 17, 1 << 56, 1 << 60, .max] {
      let configuration = QueueConfiguration(
        size: 16, features: [.version1, .indirectDescriptors], indirectCapacity: capacity)
      #expect(configuration.indirectByteCount == (capacity < 0 ? 0 : capacity == 17 ? 17 * 256 : .max))
      #expect(throws: ConfigurationError.self) {
        _ = try Virtqueue<Split<DirectMapper<UncountedWork>>>(configuration, in: memory, over: DirectMapper(memory))
      }
    }
    let least = QueueConfiguration(size: .min, features: .indirectDescriptors, indirectCapacity: 1)
    #expect(least.indirectByteCount == 0)
  }

  @Test("so are shadow buffers")
  func shadowBuffers() throws {
    let memory = try GuestMemory(byteCount: 1 << 20)
    for slots in [1 << 53, .max] {
      #expect(throws: MemoryError.self) { _ = try ShadowMapper(memory, slots: slots) }
    }
    for slots in [0, -1, .min] {
      #expect(throws: MemoryError.invalidSize(0)) { _ = try ShadowMapper(memory, slots: slots) }
    }
    for byteCount in [0, -64, .min, 1 << 62, .max, .max - 63] {
      #expect(throws: ConfigurationError.invalidSlotSize(byteCount: byteCount)) {
        _ = try ShadowMapper(memory, slotByteCount: byteCount)
      }
    }
  }

  @Test(
    "a device gets no thread where the process may have no more, and the queue goes on without", .afterTheOthers,
    .disabled(if: cpeer_has_sanitizer(), "a sanitizer needs memory of its own for a thread"))
  func noThread() async {
    await #expect(processExitsWith: .success) {
      let memory = try GuestMemory(byteCount: 1 << 20)
      var queue = try Virtqueue(split: 8, in: memory, over: DirectMapper(memory))
      // No address space for a stack.
      var limit = rlimit()
      #expect(unsafe getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) == 0)
      let before = limit.rlim_cur
      limit.rlim_cur = 1
      #expect(unsafe setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) == 0)
      var refused: MemoryError?
      do {
        try queue.runOnTwoThreads(device: { _ in exit(2) }, driver: { _ in exit(3) })
      } catch { refused = error as? MemoryError }
      limit.rlim_cur = before
      #expect(unsafe setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) == 0)
      guard case .system(_, let errno) = refused, errno == EAGAIN || errno == ENOMEM else { exit(4) }
      try queue.runOnTwoThreads(device: { _ in }, driver: { _ in false })
      exit(0)
    }
  }
}
