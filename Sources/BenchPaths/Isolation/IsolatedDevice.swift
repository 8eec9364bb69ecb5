import BenchPlan
import Glibc
import RingIOMMU
import RingKit
import RingPlatform

/// The driver's side of a device in another process: started or found, given the shared memory, watched, seen to its
/// end.
package final class IsolatedDevice: Sendable {
  /// The barrier and the probe's line, which the device has mapped too.
  package let peer: SlicePeer

  private let link: DeviceLink
  private let control: MemoryRegion
  private let state: State

  private final class State: @unchecked Sendable {
    var queues = 0
    /// What has to be told when the process ends.
    var attachments: [DomainAttachment] = []
    var watcher: PinnedThread<IsolatedEnd>?
  }

  // Above everything a guest of the benchmark has.
  private static let controlBase: UInt64 = 1 << 40

  /// Starts this program once more, or connects to one that waits, and passes the shared regions on.
  package convenience init(_ parameters: CostParameters, _ guest: BenchGuest) throws(BenchError) {
    let link: DeviceLink
    do throws(DeviceHandshakeError) {
      if let path = parameters.isolation.socketPath {
        link = try DeviceLink(try DeviceSocket.connect(to: path, until: { Interrupt.isRequested }))
      } else {
        link = try DeviceLink(
          starting: ProgramArguments.ownPath, [BenchProcess.device, "--parent", "\(getpid())"])
      }
    } catch {
      let socket = parameters.isolation.socketPath.map { " at \($0)" } ?? ""
      throw .machine("the device\(socket) cannot be reached: \(error)")
    }
    try self.init(link, guest.memory.regions, mostQueues: 2 * parameters.combinations)
  }

  /// Takes a link to a device, and passes the shared ones of some regions on.
  ///
  /// `patience`: nanoseconds after which a device that does not end a step is given up.
  init(_ link: DeviceLink, _ regions: [MemoryRegion], mostQueues: Int, patience: UInt64 = 10_000_000_000)
    throws(BenchError)
  {
    self.link = link
    link.isOver = { Interrupt.isRequested }
    state = State()
    let memory: GuestMemory
    do throws(MemoryError) {
      control = try MemoryRegion(
        at: GuestPhysicalAddress(Self.controlBase), byteCount: SlicePeer.byteCount + mostQueues * WorkArea.byteCount)
      memory = try GuestMemory(regions + [control])
    } catch { throw .machine("the device's memory cannot be had: \(error)") }
    peer = SlicePeer(in: control, patience: patience)
    do throws(DeviceHandshakeError) { try link.share(memory) } catch { throw Self.refusal(error) }
  }

  // Ends a process that was not waited for.
  deinit {
    link.shut()
    _ = state.watcher?.join()
  }

  /// Hands a queue over; returns its number there.
  ///
  /// A driver that waits for `attachment` is told when the process has ended.
  func attach(
    _ description: DeviceQueueDescription, _ load: IsolatedLoad, counts: Bool, attachment: DomainAttachment? = nil
  ) throws(BenchError) -> Int {
    var (description, load) = (description, load)
    if counts { load.counts = area(state.queues).address }
    description.program = load.words
    do throws(DeviceHandshakeError) { try link.attach(description) } catch { throw Self.refusal(error) }
    state.queues += 1
    if let attachment { state.attachments.append(attachment) }
    return state.queues - 1
  }

  /// What the device counted for a queue.
  func counts(_ queue: Int) -> WorkCounts { WorkArea(area(queue)).counts }

  private func area(_ queue: Int) -> GuestBuffer {
    var allocator = RegionAllocator(control)
    guard let whole = try? allocator.allocate(control.byteCount) else { preconditionFailure("a region holds itself") }
    return whole.slice(at: SlicePeer.byteCount + queue * WorkArea.byteCount, byteCount: WorkArea.byteCount)
  }

  /// Lets the device follow the barrier, and watches it from now on.
  func start(deviceCPU: Int, watcherCPU: Int) throws(BenchError) {
    do throws(DeviceHandshakeError) {
      try link.start([Self.controlBase, UInt64(deviceCPU)])
    } catch { throw Self.refusal(error) }
    let (link, barrier, attachments) = (link, peer.barrier, state.attachments)
    // Asleep until the device has something to say, which is its end.
    state.watcher = try PinnedThread(cpu: watcherCPU) {
      let end: IsolatedEnd
      do throws(DeviceHandshakeError) {
        end = try link.report().map { .failed($0) } ?? .done
      } catch {
        barrier.abandon()
        for attachment in attachments { attachment.processEnded() }
        end = error == .closed ? .gone(link.process.map { Self.bury($0) }) : .failed("\(error)")
      }
      return end
    }
  }

  package func start(_ parameters: CostParameters) throws(BenchError) {
    try start(deviceCPU: parameters.deviceCPU, watcherCPU: parameters.driverCPU)
  }

  /// Whether the device's process has gone.
  var isGone: Bool { peer.barrier.isAbandoned }

  /// How the device ended, once it was led to its last step or is gone.
  ///
  /// One that was given up, or that does not report within ten seconds, is ended.
  package func finish() -> IsolatedEnd {
    guard let watcher = state.watcher else { return .gone(nil) }
    state.watcher = nil
    for _ in 0..<Self.mostLooks where !watcher.isFinished && !isGone { usleep(Self.pause) }
    if !watcher.isFinished { link.shut() }
    let end = watcher.join()
    link.shut()
    return end
  }

  private static let pause: UInt32 = 1000
  private static let mostLooks = 10_000

  /// How a process ended whose connection has: one that goes on without it, or was stopped, is killed.
  private static func bury(_ process: ChildProcess) -> ProcessEnd {
    for _ in 0..<1000 where !Interrupt.isRequested {
      if let end = process.end { return end }
      usleep(pause)
    }
    kill(process.processIdentifier, SIGKILL)
    return process.wait()
  }

  private static func refusal(_ error: DeviceHandshakeError) -> BenchError {
    .machine("the device in another process did not come up: \(error)")
  }
}

/// How a device in another process ended.
package enum IsolatedEnd: Equatable, Sendable {
  /// It was led to its last step.
  case done
  /// It said what went wrong.
  case failed(String)
  /// It went without a word; how, where it is a child of this process.
  case gone(ProcessEnd?)

  package var text: String? {
    switch self {
    case .done: nil
    case .failed(let text): "the device in another process: \(text)"
    case .gone(let end): "the device's process \(end ?? .unknown)"
    }
  }
}
