internal import RingIOMMU
internal import RingKit

/// One vring of a connection: what the front-end said of it, and the queue while it runs.
final class Vring {
  let index: Int
  /// The thread that serves it; `nil`: the one that runs the back-end.
  var thread: Int?
  var size: Int?
  var address: VringAddress?
  /// Where processing goes on; `nil`: where a new ring begins.
  var base: UInt32?
  /// Up to where a split ring was published when its queue was taken away; `nil`: the ring says so.
  var published: UInt16?
  /// What the queue had in flight that the next one does not find in the ring from the base on.
  var pending: [FlightEntry] = []
  var kick: EventDoorbell?
  var call: EventDoorbell?
  var error: EventDoorbell?
  /// A kick was set, perhaps with the word that there is none to wait for.
  var hasKick = false
  /// A kick came, or the ring need not wait for one.
  var isStarted = false
  /// What SET_VRING_ENABLE said last.
  var isEnabled = false

  /// The queue, while the vring is started, enabled and can be reached.
  var running: RunningQueue?
  /// Whether the device was told that the queue runs, and not that it was stopped.
  var hasBegun = false
  /// Addresses of the running queue's parts and their sizes, in the front-end's terms.
  var parts: [(address: UInt64, byteCount: Int)] = []
  /// Whether a kick was taken that it was not served for.
  var isKicked = false
  /// Whether there may be something to do without a kick.
  var needsService = false
  /// Whether the driver had no more buffers when the device looked last.
  var isEmpty = false
  /// Whether the device found nothing more when it looked last, so that no kick was taken in vain.
  var isDrained = false
  /// A translation is waited for, how often in a row it was the same one, and how many were since a buffer was
  /// completed.
  var waiting: TranslationMiss?
  var stuck: (miss: TranslationMiss, tries: Int, asks: Int)?
  /// What came up when it was served last, until it is settled.
  var unsettled: VringFailure?
  /// Why nothing is done until the front-end stops it.
  var failure: VringFailure?
  /// What queues did that are gone.
  var pastCounts = WorkCounts()
  var pastCompleted: UInt64 = 0

  init(index: Int) { self.index = index }

  var isRunning: Bool { running != nil }

  /// Whether the queue can be made as far as the front-end has spoken.
  var isReady: Bool { isStarted && failure == nil && waiting == nil }

  /// Whether the device may do something in it.
  var canBeServed: Bool { isRunning && failure == nil && waiting == nil && unsettled == nil }

  /// Whether a kick starts it, or has it served.
  var isKickAwaited: Bool { isStarted ? isRunning && waiting == nil && unsettled == nil : hasKick }

  /// Whether it is looked at without a kick.
  var isPolled: Bool { kick == nil && canBeServed }

  /// Whether it has something to do without a kick.
  var isBusy: Bool { isRunning && (needsService || isPolled) }

  /// Takes the queue away and keeps where it stood; what was in flight is fetched again by the next one.
  func suspend() {
    guard let held = running.take() else { return }
    held.queue.publish()
    (base, published, pending) = (held.queue.base, held.queue.position, held.queue.pending)
    pastCounts = pastCounts + held.queue.counts
    pastCompleted += held.queue.completedCount
    parts = []
  }

  /// Ends processing, as GET_VRING_BASE asks.
  func stop() {
    // What is in flight is fetched again from the base on, by this device or another; or it stands in the notes alone.
    if running?.queue.pending.isEmpty ?? true { running?.queue.retire() }
    // What the kick was about may still be there when the ring is started again.
    if isRunning && !isDrained { kick?.ring() }
    suspend()
    published = nil
    (kick, call, error) = (nil, nil, nil)
    (hasKick, isStarted, isKicked, needsService) = (false, false, false, false)
    (waiting, stuck, failure, unsettled) = (nil, nil, nil, nil)
  }
}

/// A running queue where it stays while it is lent to a device: moved in and out it is two kilobytes each time.
final class RunningQueue {
  var queue: VringQueue

  init(_ queue: consuming VringQueue) { self.queue = queue }
}

/// A translation that is missing: of which page, for which access.
struct TranslationMiss: Hashable {
  let page: UInt64
  let access: DMADirection

  init(_ address: IOVA, _ access: DMADirection) {
    page = address.rawValue & ~4095
    self.access = access
  }

  /// The question, as it is sent.
  var message: IOTLBMessage { IOTLBMessage(.miss, address: IOVA(page), permissions: IOTLBPermissions(access)) }
}

/// The three parts of a vring, as the front-end has them, and where they are here.
struct VringParts {
  struct Part {
    let address: UInt64
    let byteCount: Int
    let accesses: [DMADirection]
  }

  /// What is missing before the parts can be reached.
  enum Missing: Error {
    case translation(IOVA, DMADirection)
    case memory(Part)
  }

  /// Descriptors, then what the driver writes, then what the device writes.
  let all: [Part]

  init(_ address: VringAddress, size: Int, isPacked: Bool) {
    all = [
      Part(
        address: address.descriptors, byteCount: 16 * size,
        accesses: isPacked ? [.deviceReadable, .deviceWritable] : [.deviceReadable]),
      Part(address: address.available, byteCount: isPacked ? 4 : 6 + 2 * size, accesses: [.deviceReadable]),
      Part(address: address.used, byteCount: isPacked ? 4 : 6 + 8 * size, accesses: [.deviceWritable]),
    ]
  }

  /// The memory of each part: by user address, or by translation where there is an IOMMU.
  func resolve(_ memory: VhostMemory, _ known: DeviceIOTLB?) throws(Missing) -> [GuestBuffer] {
    var buffers: [GuestBuffer] = []
    for part in all {
      let found =
        if let known {
          try Self.translate(part, memory, known)
        } else {
          memory.buffer(user: part.address, byteCount: part.byteCount)
        }
      guard let found else { throw .memory(part) }
      buffers.append(found)
    }
    return buffers
  }

  /// A part whose pages are contiguous here, as those of a ring in one allocation are.
  private static func translate(
    _ part: Part, _ memory: VhostMemory, _ known: DeviceIOTLB
  ) throws(Missing) -> GuestBuffer? {
    var translator = DeviceIOTLBTranslator(known, counter: UncountedWork())
    var start: HostAddress?
    for access in part.accesses {
      var done: UInt64 = 0
      while done < UInt64(part.byteCount) {
        let (sum, overflow) = part.address.addingReportingOverflow(done)
        if overflow { return nil }
        let range: (host: HostAddress, byteCount: UInt64)
        do throws(DMAFault) {
          range = try translator.translate(IOVA(sum), byteCount: UInt64(part.byteCount) - done, for: access)
        } catch {
          guard case .pending(let address, let access) = error else { return nil }
          throw .translation(address, access)
        }
        let first = start ?? range.host
        guard unsafe range.host == first.advanced(by: Int(done)) else { return nil }
        start = first
        done += range.byteCount
      }
    }
    return start.flatMap { memory.buffer(host: $0, byteCount: part.byteCount) }
  }
}
