import FuzzSupport
import RingKit

/// A queue that was made of an untrusted state, held against what that state says.
struct Target {
  let state: QueueState
  let guest: FuzzGuest

  init(_ state: QueueState, _ guest: FuzzGuest) {
    self.state = state
    self.guest = guest
  }

  /// Every buffer that the state has in flight comes back once, or with the reset; no other does.
  func drive<Driver: ResumableDriverQueue & ~Copyable, Device: ResumableDeviceQueue & ~Copyable>(
    _ driver: inout Driver, _ device: inout Device, _ input: inout FuzzInput
  ) {
    check(driver.inFlightCount == state.inFlight.count, "\(driver.inFlightCount) in flight")
    check(driver.freeDescriptorCount == state.free.count, "\(driver.freeDescriptorCount) free")
    var tokens: [UInt64: Int] = [:]
    for buffer in state.inFlight { tokens[buffer.token, default: 0] += 1 }
    func take(_ token: UInt64) {
      let left = tokens[token, default: 0] - 1
      check(left >= 0, "token \(token) is not in flight")
      tokens[token] = left
    }
    do throws(QueueError) {
      for round in 0..<1 + input.below(12) {
        switch input.below(5) {
        case 0: if let completion = try driver.nextUsed() { take(completion.token) }
        case 1:
          let failure: QueueError?
          do throws(QueueError) {
            _ = try driver.reclaim(atMost: 20)
            failure = nil
          } catch { failure = error }
          for i in driver.completions.indices { take(driver.completions[i].token) }
          if let failure { throw failure }
        case 2:
          let token = 1 << 32 + UInt64(round)
          let segment = guest.payload.segment(at: guest.offset(round), length: 64)
          if try driver.add(segment, .deviceWritable, token: token) == .added { tokens[token, default: 0] += 1 }
          driver.publish()
        case 3 where device.inFlightCount == 0:
          do { _ = try device.serve(atMost: 20) { _, _ throws(Never) in 0 } } catch {}
        default:
          _ = driver.isNotificationDue()
          _ = driver.enableNotifications()
          try driver.poll()
        }
      }
    } catch {
      switch error {
      case .violation: check(driver.isBroken, "a violation, and the queue is not broken")
      case .mapping: break
      default: check(false, "\(error)")
      }
    }
    do throws(QueueError) { try driver.reset { take($0) } } catch { check(false, "\(error)") }
    check(tokens.values.allSatisfy { $0 == 0 }, "buffers are lost: \(tokens.filter { $0.value != 0 })")
  }

  /// A segment is memory the device may go to, and is touched at both ends.
  func inside(_ segment: TranslatedSegment) {
    check(segment.byteCount > 0 && guest.isShared(segment.host.rawValue, segment.byteCount), "\(segment) is not shared")
    _ = segment.bytes[0] &+ segment.bytes[segment.byteCount - 1]
  }

  /// Completes what it holds, and what there is beside it; a state that is as it was saved leads to nothing wrong.
  func serve<Device: ResumableDeviceQueue & ~Copyable>(_ device: inout Device, _ held: [DeviceChain], isAsSaved: Bool) {
    check(device.inFlightCount == state.held.count && held.count == state.held.count, "\(held.count) held")
    for (chain, saved) in zip(held, state.held) {
      check(chain.id == saved.id && chain.descriptorCount == saved.descriptorCount, "\(chain) for \(saved)")
      let isWhole =
        chain.readableByteCount == saved.byteCount(writable: false)
        && chain.writableByteCount == saved.byteCount(writable: true)
      check(isWhole, "\(chain) of other segments than \(saved)")
      device.complete(chain, written: UInt32(clamping: chain.writableByteCount))
    }
    device.publish()
    do throws(QueueError) {
      while let chain = try device.next() {
        for i in device.segments.indices { inside(device.segments[i]) }
        device.complete(chain, written: UInt32(clamping: chain.writableByteCount))
      }
    } catch { check(device.isBroken && !isAsSaved, "\(error) of an honest driver, or the queue is not broken") }
    device.publish()
  }
}

extension QueueState.Chain {
  fileprivate func byteCount(writable isWritable: Bool) -> UInt64 {
    segments.reduce(0) { $1.isWritable == isWritable ? $0 + UInt64($1.length) : $0 }
  }
}
