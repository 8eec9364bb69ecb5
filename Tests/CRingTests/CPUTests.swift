import CDeny
import CRing
import Glibc
import RingKitTesting
import TestTraits
import Testing

/// Pinning and what the kernel tells about it.
@Suite struct CPUTests {
  @Test func pinsAThreadToEachUsableCPU() {
    let usable = (0..<cring_cpu_limit()).filter { cring_cpu_usable($0) }
    #expect(!usable.isEmpty)
    concurrently(1) { _ in
      for cpu in usable {
        #expect(cring_pin_to_cpu(cpu) == 0)
        #expect(cring_current_cpu() == cpu)
        #expect(cring_cpu_usable(cpu))
      }
    }
  }

  @Test(arguments: [-1, Int32.min, Int32.max, 1023, 1024])
  func refusesACPUThatIsNotThere(cpu: Int32) {
    guard cpu < 0 || cpu >= cring_cpu_limit() else { return print("skipped: this machine has CPU \(cpu)") }
    concurrently(1) { _ in
      #expect(cring_pin_to_cpu(cpu) == EINVAL)
      #expect(!cring_cpu_usable(cpu))
    }
  }

  /// A kernel of up to 32,768 CPUs takes no smaller mask.
  @Test(.afterTheOthers, arguments: [129, 256, 4096] as [UInt32])
  func masksGrowToWhatTheKernelNeeds(bytes: UInt32) async {
    await #expect(processExitsWith: .success) { [bytes = bytes as UInt32] in
      let usable = (0..<cring_cpu_limit()).filter { cring_cpu_usable($0) }
      #expect(cdeny_small_masks(bytes) == 0)
      #expect(!usable.isEmpty && (0..<cring_cpu_limit()).filter { cring_cpu_usable($0) } == usable)
      #expect(cring_cpu_limit() < 1024 || usable.contains { $0 >= 1023 }, "the limit is the highest of them")
      #expect(!cring_cpu_usable(cring_cpu_limit()))
    }
  }

  @Test func countsSwitchesUpwards() {
    let before = cring_involuntary_switches()
    #expect(cring_involuntary_switches() >= before)
  }

  @Test func readsStolenTime() {
    var ticks: UInt64 = .max
    let cpu = (0..<cring_cpu_limit()).first { cring_cpu_usable($0) } ?? 0
    #expect(unsafe cring_stolen_ticks(cpu, &ticks) == 0)
    #expect(ticks != .max)
    var later: UInt64 = 0
    #expect(unsafe cring_stolen_ticks(cpu, &later) == 0)
    #expect(later >= ticks)
    #expect(unsafe cring_stolen_ticks(100_000, &ticks) == ENOENT)
  }
}
