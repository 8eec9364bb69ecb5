import BenchPlan
import CRing
import RingIOMMU
import RingKit
import RingPlatform
import Synchronization

/// Sends buffers round a queue until all of them were delivered, on one thread or on two.
package struct ExhaustExchange {
  let plan: LoadPlan
  let buffers: Int
  let driverCPU: Int
  let deviceCPU: Int

  package init(plan: LoadPlan, buffers: Int, driverCPU: Int, deviceCPU: Int) {
    self.plan = plan
    self.buffers = buffers
    self.driverCPU = driverCPU
    self.deviceCPU = deviceCPU
  }

  /// How long the driver waits for anything to happen before it calls that a deadlock.
  private static let patience: UInt64 = 10_000_000_000

  private enum Ending {
    static let running: UInt32 = 0
    static let done: UInt32 = 1
    static let failed: UInt32 = 2
  }

  /// Driver and device in turn on this thread.
  package func interleaved(_ ends: ExhaustEnds, total: Int) throws(SliceFailure) -> ExhaustTally {
    var sender = ExhaustDriver(plan, total: total)
    var receiver = ExhaustDevice(plan)
    while !sender.isDone {
      let moved = try ends.turnDriver(&sender)
      let served = try ends.turnDevice(&receiver)
      // Both had their turn: when neither found anything to do, neither ever will.
      if !moved && served == 0 { throw .stalled(done: sender.tally.delivered, of: total) }
      if Interrupt.isRequested { break }
    }
    return sender.tally
  }

  /// Driver and device on a thread each.
  package func onThreads(_ ends: ExhaustEnds) throws(BenchError) -> Result<ExhaustTally, SliceFailure> {
    let (plan, buffers) = (plan, buffers)
    let ending = Ended()
    let deviceThread = try PinnedThread(cpu: deviceCPU) { () -> SliceFailure? in
      var receiver = ExhaustDevice(plan)
      do throws(SliceFailure) {
        while ending.word.load(ordering: .acquiring) == Ending.running {
          if try ends.turnDevice(&receiver) == 0 { cring_spin_hint() }
        }
        return nil
      } catch {
        ending.word.store(Ending.failed, ordering: .releasing)
        return error
      }
    }
    let driverThread: PinnedThread<Result<ExhaustTally, SliceFailure>>
    do {
      driverThread = try PinnedThread(cpu: driverCPU) {
        defer { ending.word.store(Ending.done, ordering: .releasing) }
        var sender = ExhaustDriver(plan, total: buffers)
        do throws(SliceFailure) {
          var idleSince: UInt64 = 0
          while !sender.isDone && !Interrupt.isRequested {
            if try ends.turnDriver(&sender) {
              idleSince = 0
              continue
            }
            cring_spin_hint()
            if ending.word.load(ordering: .acquiring) == Ending.failed { throw .other }
            let now = cring_nanoseconds()
            if idleSince == 0 { idleSince = now }
            if now - idleSince > Self.patience {
              throw .stalled(done: sender.tally.delivered, of: buffers)
            }
          }
          return .success(sender.tally)
        } catch {
          return .failure(error)
        }
      }
    } catch {
      ending.word.store(Ending.done, ordering: .releasing)
      _ = deviceThread.join()
      throw error
    }
    let result = driverThread.join()
    let failure = deviceThread.join()
    if let failure { return .failure(failure) }
    return result
  }

  private final class Ended: Sendable {
    let word = Atomic<UInt32>(Ending.running)
  }
}
