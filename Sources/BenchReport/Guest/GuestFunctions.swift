import BenchDocument
import BenchHarness
import RingKit

/// A function of the guest's kernel.
struct KernelFunction: Hashable, Sendable {
  let name: String
  /// The module it is in; `nil` of the kernel itself.
  let module: String?

  init(name: String, module: String? = nil) { (self.name, self.module) = (name, module) }
}

/// The kernel's own table of functions: /proc/kallsyms of the guest that was counted.
package struct KernelSymbols: Sendable {
  private let addresses: [UInt64]
  private let functions: [KernelFunction]

  /// Takes lines `ADDRESS TYPE NAME [MODULE]`; those that are not of this form are left out.
  package init(_ text: String) {
    var found: [(address: UInt64, function: KernelFunction)] = []
    for line in text.utf8.split(separator: UInt8(ascii: "\n")) {
      let words = line.split(whereSeparator: { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") })
      guard words.count >= 3, let address = UInt64(String(printable: words[0]), radix: 16), address > 0 else {
        continue
      }
      let module = words.count > 3 ? String(printable: words[3].dropFirst().dropLast()) : nil
      // Of an arm64 module: marks of code and data, no functions.
      if words[2].first == UInt8(ascii: "$") { continue }
      found.append((address, KernelFunction(name: String(printable: words[2]), module: module)))
    }
    found.sort { $0.address < $1.address }
    (addresses, functions) = (found.map(\.address), found.map(\.function))
  }

  var count: Int { functions.count }

  /// The function that holds an address, which is the last one that begins at or below it; `nil` below the first.
  func function(at address: UInt64) -> KernelFunction? {
    var (low, high) = (0, addresses.count)
    while low < high {
      let middle = (low + high) / 2
      if addresses[middle] <= address { low = middle + 1 } else { high = middle }
    }
    return low == 0 ? nil : functions[low - 1]
  }
}

/// What a kernel function is for, on the way of a request.
enum FunctionGroup: String, CaseIterable, Codable, Sendable {
  case ring
  case dmaMapping
  case iovaAllocation
  case pageTable
  case invalidation
  case bounceSearch
  case bounceCopy
  case blockLayer
  case networkStack
  /// Waiting for a request and waking its thread, the block layer's worker, the idle loop.
  case scheduler
  case interrupts
  /// Locks, RCU, lists, trees and the allocator: of all of the others.
  case helpers
  /// The system call, pinning of user pages, and all else.
  case rest

  var title: String {
    switch self {
    case .ring: "ring"
    case .dmaMapping: "DMA mapping"
    case .iovaAllocation: "IOVA allocation"
    case .pageTable: "page table"
    case .invalidation: "invalidation"
    case .bounceSearch: "bounce search"
    case .bounceCopy: "bounce copy"
    case .blockLayer: "block layer"
    case .networkStack: "network stack"
    case .scheduler: "scheduler, idle"
    case .interrupts: "interrupts, time"
    case .helpers: "locks, lists"
    case .rest: "the rest"
    }
  }

  /// By the beginning of the name, without leading underscores: the longest one that fits decides, then the module.
  static func of(_ function: KernelFunction) -> FunctionGroup {
    let name = function.name.drop { $0 == "_" }
    var best: (group: FunctionGroup, length: Int)?
    for (group, beginnings) in beginnings {
      for beginning in beginnings where name.hasPrefix(beginning) && beginning.utf8.count > best?.length ?? 0 {
        best = (group, beginning.utf8.count)
      }
    }
    if let best { return best.group }
    switch function.module {
    case "virtio_ring", "virtio_pci", "virtio", "virtio_pci_modern_dev", "virtio_pci_legacy_dev": return .ring
    case "virtio_blk": return .blockLayer
    case "virtio_net": return .networkStack
    default: return .rest
    }
  }

  private static let beginnings: [(FunctionGroup, [String])] = [
    (.ring, words("virtqueue_ vring_ virtio_ vp_ detach_buf_ more_used_ iowrite16 iowrite32")),
    (.dmaMapping, words("dma_ iommu_dma_ iommu_get_dma_domain vring_map_ vring_unmap_")),
    (
      .iovaAllocation,
      words("alloc_iova free_iova find_iova iova_ iommu_dma_alloc_iova iommu_dma_free_iova fq_ring_ queue_iova")
    ),
    (
      .pageTable,
      words(
        """
        iommu_map iommu_unmap iommu_pgsize iommu_iova_to_phys intel_iommu_map intel_iommu_unmap
        intel_iommu_iova_to_phys domain_mapping domain_unmap pfn_to_dma_pte dma_pte_ put_pages_list
        free_unref_page_list clflush_cache_range alloc_pgtable_page arm_lpae_ arm_smmu_map arm_smmu_unmap
        arm_smmu_iova_to_phys iommu_put_pages
        """)
    ),
    (
      .invalidation,
      words(
        """
        qi_ iommu_flush_ intel_iommu_tlb_sync intel_iommu_iotlb_sync intel_flush_iotlb iommu_iotlb_ fq_flush
        iommu_dma_flush domain_flush cache_tag_flush calculate_psi_aligned arm_smmu_cmdq arm_smmu_tlb arm_smmu_iotlb
        arm_smmu_atc queue_poll
        """)
    ),
    (.bounceSearch, ["swiotlb_"]),
    // On arm64 memcpy and memmove begin at one address.
    (.bounceCopy, ["swiotlb_bounce", "memcpy", "memmove"]),
    (
      .blockLayer,
      words(
        """
        blk bio_ bvec_ submit_bio dd_ deadline_ elv_ sbitmap_ sbq_ virtblk_ virtio_queue_rq virtio_commit_rqs wbt_
        rq_ req_ block_ iov_iter_ disk_ part_ bdev_ sg_ update_io_ticks ioc_ mempool_ elevator_ insert_requests
        should_fail_bio get_task_ioprio
        """)
    ),
    (
      .networkStack,
      words(
        """
        packet_ tpacket_ sock_ skb_ napi_ net_ netif_ netdev_ dev_ eth_ qdisc_ sch_ pfifo_ fq_codel_ sk_ virtnet_
        alloc_skb build_skb consume_skb kfree_skb datagram_ validate_xmit xmit_ start_xmit receive_buf page_to_skb
        page_frag_ skbuff_ csum_ flow_ gro_ move_addr sys_send sys_recv sockfd_ dql_ passthru_features
        simple_copy_to_iter receiver_wake
        """)
    ),
    (
      .scheduler,
      words(
        """
        schedule sched_ psi_ update_load_avg update_curr update_rq_clock update_min_vruntime update_cfs
        update_blocked enqueue_ dequeue_ pick_next_ put_prev_ set_next_ place_entity check_preempt
        try_to_wake_up ttwu_ wake_ default_wake autoremove_wake switch_to switch_mm finish_task_switch
        native_sched_clock do_idle cpuidle_ default_idle arch_cpu_idle native_safe_halt io_schedule prepare_to_
        finish_wait wait_for complete swake_ record_times calc_delta clear_buddies newidle_balance
        load_balance select_task_rq resched_ process_one_work worker_ queue_work insert_work kthread_ wq_
        kblockd_ queue_delayed mod_delayed delayed_work task_ cpuacct_ nohz_ tick_nohz_ hrtick_ cgroup_
        rcu_note_context_switch enter_lazy_tlb flush_smp_call rseq_ blk_mq_run_work pwq_ need_resched
        idle_ reweight_ attach_entity detach_entity check_cfs_ check_spread decay_load is_cpu_allowed
        assert_clock_updated pick_task_ pick_eevdf avg_vruntime vruntime_eligible update_entity_lag
        update_deadline dl_server_ wakeup_preempt cond_resched nr_iowait_cpu try_to_grab_pending ct_idle_
        ct_kernel_ pv_native_safe_halt tsc_verify_tsc_adjust local_touch_nmi mm_cid_ save_fpregs switch_fpu_
        native_load_tls cpu_switch_to fpsimd_ get_cpu_fpsimd put_cpu_fpsimd tls_preserve mte_thread_switch
        hw_breakpoint_thread_switch erratum_1418040 this_cpu_has_cap is_affected_midr spectre_v4_enable_task
        """)
    ),
    (
      .interrupts,
      words(
        """
        irq_ irqentry_ handle_ apic_ lapic_ asm_ sysvec_ common_interrupt exc_ error_entry error_return
        note_interrupt do_softirq softirq invoke_softirq raise_softirq tick_ hrtimer_ enqueue_hrtimer timer_
        timerqueue_ ktime_ timekeeping_ update_vsyscall update_fast_timekeeper update_wall_time
        clockevents_ mod_timer run_timer read_hpet hpet_ add_interrupt_randomness fast_mix generic_handle
        scheduler_tick rcu_sched_clock_irq update_process_times next_timer next_hrtimer calc_wheel
        lock_timer_base detach_if_pending native_apic native_write_msr run_local_timers profile_tick
        vector_ remove_hrtimer call_timer msi_ restore_regs native_irq_return irqd_ ioapic_ eoi_ioapic ct_nmi_
        ct_irq_ read_tsc get_next_timer fetch_next_timer get_nohz_timer tmigr_ ntp_tick account_process_tick
        run_posix_cpu_timers perf_event_task_tick calc_global_load arch_scale_freq_tick local_bh_enable
        arch_counter_ arch_timer_ gic_ el1_interrupt el1h_64_irq do_interrupt_handler call_on_irq_stack
        enter_from_kernel exit_to_kernel ret_to_kernel cond_unmask_eoi lock_hrtimer
        """)
    ),
    (
      .helpers,
      words(
        """
        raw_spin_ raw_read_ raw_write_ mutex_ rcu_ xa_ xas_ list_ llist_ x86_indirect_thunk x86_return_thunk
        kmem_cache_ kmalloc kfree slab_ radix_tree_ idr_ find_next find_first find_last percpu_ memset strnlen
        up_ down_ bitmap_ cpumask_ rb_ rwsem_ do_raw_ arch_local_irq_ kern_my_cpu_offset this_cpu_cmpxchg16b
        update_cpu_freelist alloc_pages get_page_from_freelist rmqueue free_unref_page free_pages clear_page
        pi_clear_page
        """)
    ),
  ]

  private static func words(_ text: String) -> [String] {
    text.split(whereSeparator: { $0 == " " || $0 == "\n" }).map(String.init)
  }
}

/// Instructions of one function during one pass.
struct FunctionCount: Encodable, Sendable {
  let function: String
  let group: FunctionGroup
  /// Of the whole pass.
  var instructions: Int
  var repeats: Int

  /// The blocks of a pass by function, the one with the most instructions first.
  ///
  /// - Throws: ``BenchError/check(_:)`` where the functions do not make up the kernel's instructions within 1 %.
  static func of(_ pass: CountedPass, _ symbols: KernelSymbols) throws(BenchError) -> [FunctionCount] {
    var counts: [KernelFunction: FunctionCount] = [:]
    for block in pass.blocks {
      guard let function = symbols.function(at: block.address) else { continue }
      var count =
        counts[function]
        ?? FunctionCount(
          function: function.name, group: FunctionGroup.of(function), instructions: 0, repeats: 0)
      count.instructions += block.instructions
      count.repeats += block.repeats
      counts[function] = count
    }
    let sum = counts.values.reduce(0) { $0 + $1.instructions }
    guard abs(sum - pass.kernel) * 100 <= pass.kernel else {
      throw .check(
        "the functions of a \(pass.operation) pass have \(sum) instructions, its kernel \(pass.kernel): more than 1 % "
          + "apart, with \(symbols.count) symbols")
    }
    return counts.values.sorted { ($0.instructions, $1.function) > ($1.instructions, $0.function) }
  }
}
