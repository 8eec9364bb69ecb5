import BenchTestSupport
import Testing

@testable import BenchHarness

/// What `ringbench check` says of four kinds of machine.
@Suite struct MachineCheckTests {
  private static let cpu = "/sys/devices/system/cpu"

  private static let laptop = """
    \(cpu)/online 0-7
    \(cpu)/isolated
    \(cpu)/smt/active 1
    \(cpu)/intel_pstate/no_turbo 0
    \(cpu)/cpu0/cpufreq/scaling_governor powersave
    \(cpu)/cpu0/cpufreq/energy_performance_preference balance_performance
    \(cpu)/cpu1/cpufreq/scaling_governor powersave
    \(cpu)/cpu1/cpufreq/energy_performance_preference performance
    \(cpu)/cpu0/topology/thread_siblings_list 0,4
    \(cpu)/cpu1/topology/thread_siblings_list 1,5
    /proc/cpuinfo processor : 0\\nflags : fpu sse2
    /proc/loadavg 7.10 3.00 2.00 3/900 4000
    /proc/stat cpu 9 9 9 9 0 0 0 0 0 0\\ncpu0 9 9 9 9 0 0 0 0 0 0
    /proc/self/status Name: x\\nPid: 77\\nCpus_allowed_list: 0-7
    /proc/77/task/77/stat 77 (ringbench) R \(stat(cpu: 0))
    /proc/80/task/80/stat 80 (a (b) c) R \(stat(cpu: 1))
    /proc/80/task/81/stat 81 (other) S \(stat(cpu: 1))
    /proc/90/task/90/stat 90 (far) R \(stat(cpu: 6))
    /proc/irq/24/effective_affinity_list 0
    /proc/irq/25/effective_affinity_list 6
    /proc/self/cgroup 0::/user.slice
    /sys/fs/cgroup/user.slice/cpu.max max 100000
    /sys/devices/system/clocksource/clocksource0/current_clocksource hpet
    /sys/devices/system/clocksource/clocksource0/available_clocksource tsc hpet acpi_pm
    /sys/kernel/mm/transparent_hugepage/enabled [always] madvise never
    /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages 0
    /sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages 0
    /proc/sys/kernel/numa_balancing 0
    """

  private static let twoSockets = """
    \(cpu)/online 0-63
    \(cpu)/isolated 2-3
    \(cpu)/smt/active 0
    \(cpu)/cpufreq/boost 0
    \(cpu)/cpu2/cpufreq/scaling_governor performance
    \(cpu)/cpu3/cpufreq/scaling_governor performance
    /proc/cpuinfo flags : fpu sse2
    /proc/loadavg 0.10 0.10 0.10 1/900 4000
    /proc/self/status Pid: 77\\nCpus_allowed_list: 0-63
    /proc/1/task/1/stat 1 (init) S \(stat(cpu: 2))
    /proc/irq/24/effective_affinity_list 0
    /proc/self/cgroup 0::/
    /sys/devices/system/clocksource/clocksource0/current_clocksource tsc
    /sys/kernel/mm/transparent_hugepage/enabled always [madvise] never
    /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages 512
    /sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages 500
    /proc/sys/kernel/numa_balancing 1
    /sys/devices/system/node/online 0-1
    """

  private static let virtualMachine = """
    \(cpu)/online 0-1
    /proc/cpuinfo flags : fpu hypervisor
    /proc/stat cpu0 900 0 0 80 0 0 0 20 0 0\\ncpu1 1000 0 0 0 0 0 0 0 0 0
    /proc/irq/24/effective_affinity_list 0
    /sys/devices/system/clocksource/clocksource0/current_clocksource kvm-clock
    """

  private static let container = """
    \(cpu)/online 0-15
    /.dockerenv
    /proc/mounts lxcfs /proc/cpuinfo fuse.lxcfs rw 0 0
    /proc/self/status Pid: 1\\nCpus_allowed_list: 4-5
    /proc/self/cgroup 0::/
    /sys/fs/cgroup/cpu.max 150000 100000
    """

  /// The fields of a task from the fourth on.
  private static func stat(cpu: Int) -> String { String(repeating: "0 ", count: 35) + "\(cpu) 0 0" }

  private func lines(_ listing: String, cpus: [Int]) -> [String] {
    let fixture = FixtureTree(listing)
    return MachineCheck(fixture.tree, cpus: cpus).findings().map { "\($0.weight.rawValue) \($0.warning)" }
  }

  @Test func aLaptopDisturbsInMostWays() {
    #expect(
      lines(Self.laptop, cpus: [0, 1]) == [
        "disturbs governor: powersave (balance_performance), powersave (performance) on CPU 0;"
          + " cpupower frequency-set -g performance",
        "disturbs boost: on: the clock follows temperature and load; echo 1 > \(Self.cpu)/intel_pstate/no_turbo",
        "disturbs SMT: CPU 4-5 shares a core with CPUs 0-1; echo 0 > \(Self.cpu)/cpu4/online",
        "note isolcpus: CPUs 0-1 not isolated; boot with isolcpus=0-1",
        "disturbs load: 7.10 in the last minute on 8 CPUs; stop other programs, or wait until they are done",
        "disturbs other users: 1 on CPUs 0-1: a (b) c; stop them, or taskset them elsewhere",
        "note interrupts: 1 of 2 are served by CPUs 0-1; boot with irqaffinity=2-7",
        "fine CPU quota: none",
        "disturbs clocksource: hpet: each reading is a slow access; "
          + "echo tsc > /sys/devices/system/clocksource/clocksource0/current_clocksource",
        "disturbs THP: always: 4 KiB pages may become 2 MiB ones during a run; "
          + "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled",
        "note huge pages: none of 2 MiB, which --page-size 2m wants; sysctl vm.nr_hugepages=128",
        "fine NUMA balancing: off",
      ])
  }

  @Test func aPreparedServerIsDisturbedByNodeBalancingAlone() {
    #expect(
      lines(Self.twoSockets, cpus: [2, 3]) == [
        "fine governor: performance", "fine boost: off", "fine SMT: off", "fine isolcpus: CPUs 2-3 are isolated",
        "fine load: 0.10 in the last minute on 64 CPUs", "fine other users: none on CPUs 2-3 now",
        "fine interrupts: none is served by CPUs 2-3",
        "fine clocksource: tsc", "fine THP: madvise", "fine huge pages: 500 of 512 of 2 MiB free",
        "disturbs NUMA balancing: on: pages are unmapped to see who uses them; sysctl kernel.numa_balancing=0",
      ])
  }

  /// Silent on frequency, boost, SMT and pages, which this kernel does not show.
  @Test func aVirtualMachineTellsWhatItIsToldAlone() {
    #expect(
      lines(Self.virtualMachine, cpus: [0, 1]) == [
        "disturbs steal: 1.00 % of CPUs 0-1 since boot; ask for dedicated CPUs, or a quieter host",
        "note hypervisor: it may move CPUs between host cores; classes come from round trips; "
          + "pin virtual CPUs on the host (virsh vcpupin)",
        "fine clocksource: kvm-clock",
      ])
  }

  @Test func aContainerTellsItsQuotaAndWhatItHides() {
    #expect(
      lines(Self.container, cpus: [4, 5]) == [
        "disturbs CPU quota: 1.50 CPUs, and both threads spin: they are stopped many times a second;"
          + " raise it to 2 or more (cpu.max, --cpus)",
        "note container: docker hides the host's load (lxcfs), programs and interrupts of the host, "
          + "all but CPU 4-5 of 16; run this on the host as well",
      ])
  }

  /// A group's limit holds for the groups in it, in both versions of the interface.
  @Test(arguments: [
    "/proc/self/cgroup 0::/a/b/c\n/sys/fs/cgroup/a/cpu.max 50000 100000\n/sys/fs/cgroup/a/b/c/cpu.max max 100000",
    "/proc/self/cgroup 0::/a\n/sys/fs/cgroup/unified/a/cpu.max 50000 100000",
    "/proc/self/cgroup 4:cpu,cpuacct:/a/b\n/sys/fs/cgroup/cpu/a/cpu.cfs_quota_us 100000\n"
      + "/sys/fs/cgroup/cpu/a/cpu.cfs_period_us 200000\n/sys/fs/cgroup/cpu/a/b/cpu.cfs_quota_us -1\n"
      + "/sys/fs/cgroup/cpu/a/b/cpu.cfs_period_us 100000",
  ])
  func theNarrowestGroupCounts(_ listing: String) {
    let fixture = FixtureTree(listing)
    let quota = MachineCheck(fixture.tree, cpus: [0, 1]).quota()
    #expect(quota?.weight == .disturbs && quota?.finding.hasPrefix("0.50 CPUs") == true)
  }

  @Test(arguments: [
    "", "/proc/self/cgroup x", "/proc/self/cgroup 0::/\n/sys/fs/cgroup/cpu.max", "/proc/loadavg x", "/proc/stat cpu0",
    "/proc/self/cgroup 0::/\n/sys/fs/cgroup/cpu.max 1 0", "/sys/kernel/mm/transparent_hugepage/enabled ]always[",
    "/proc/1/task/1/stat )x(", "/proc/loadavg nan 1 1",
  ])
  func whatIsNotShownOrMakesNoSenseHasNoLine(_ listing: String) {
    let found = lines(listing, cpus: [0]).filter { !$0.hasPrefix("fine other users") }
    #expect(found.isEmpty, "\(found)")
  }

  /// Names are other programs' words.
  @Test func aNameCannotReachTheTerminal() {
    let fixture = FixtureTree("/proc/9/task/9/stat 9 (\u{1B}[31mred) R \(Self.stat(cpu: 0))")
    let users = MachineCheck(fixture.tree, cpus: [0]).otherUsers()
    #expect(users?.weight == .disturbs && users?.finding.contains("\u{1B}") == false)
  }

  @Test func twoThreadsOfOneCoreAreNoted() {
    let fixture = FixtureTree("\(Self.cpu)/smt/active 1\n\(Self.cpu)/cpu0/topology/thread_siblings_list 0-1")
    #expect(MachineCheck(fixture.tree, cpus: [0, 1]).siblings()?.weight == .note)
  }
}
