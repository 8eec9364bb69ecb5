import FuzzSupport
import RingKit

/// An honest queue, with whatever in flight.
struct Source {
  let configuration: FuzzConfiguration
  let guest: FuzzGuest
  private var buffers: [UInt64: DescribedBuffer] = [:]
  private var next: UInt64 = 0

  init(_ configuration: FuzzConfiguration, _ guest: FuzzGuest) {
    self.configuration = configuration
    self.guest = guest
  }

  /// Lets both ends go on for a while, and saves them.
  mutating func states<Driver: ResumableDriverQueue & ~Copyable, Device: ResumableDeviceQueue & ~Copyable>(
    _ driver: inout Driver, _ device: inout Device, _ input: inout FuzzInput
  ) -> (driver: QueueState, device: QueueState) {
    var held: [HeldChain] = []
    for _ in 0..<input.below(24) {
      do throws(QueueError) {
        switch input.below(6) {
        case 0: try add(&driver, 1 + input.below(4), input.below(5))
        case 1: driver.publish()
        case 2:
          guard let chain = try device.next() else { break }
          held.append((chain, device.segments.indices.map { device.segments[$0] }))
        case 3:
          if held.isEmpty { break }
          let at = configuration.queue.features.contains(.inOrder) ? 0 : input.below(held.count)
          let chain = held.remove(at: at).chain
          device.complete(chain, written: UInt32(clamping: chain.writableByteCount))
          device.publish()
        case 4: if let completion = try driver.nextUsed() { buffers[completion.token] = nil }
        default:
          _ = try driver.reclaim(atMost: 1 + input.below(8))
          for i in driver.completions.indices { buffers[driver.completions[i].token] = nil }
        }
      } catch {
        if case .mapping(.bouncePoolFull) = error { continue }
        fatalError("finding: an honest peer, and \(error)")
      }
    }
    return must {
      (try save(&driver), try device.saveState(isSecure: false, holding: held))
    }
  }

  private func save<Driver: ResumableDriverQueue & ~Copyable>(_ driver: inout Driver) throws(QueueStateError)
    -> QueueState
  {
    let buffers = buffers
    return try driver.saveState(isSecure: false) { buffers[$0] }
  }

  private mutating func add<Driver: ResumableDriverQueue & ~Copyable>(
    _ driver: inout Driver, _ count: Int, _ writable: Int
  ) throws(QueueError) {
    let segments = (0..<min(count, configuration.queue.size)).map { i in
      guest.payload.segment(at: guest.offset((Int(next) * 4 + i) % FuzzGuest.bufferCount), length: 64)
    }
    let split = segments.count - min(writable, segments.count)
    let parts = (readable: Array(segments[..<split]), writable: Array(segments[split...]))
    if try driver.add(readable: parts.readable.span, writable: parts.writable.span, token: next) == .added {
      buffers[next] = parts
      next += 1
    }
  }

  /// A state was refused elsewhere: the source is as it was.
  func goesOn<Driver: ResumableDriverQueue & ~Copyable>(
    _ driver: inout Driver, _ state: QueueState, _ error: QueueStateError
  ) {
    check(!"\(error)".isEmpty, "an error without a sentence")
    do throws(QueueStateError) {
      let again = try save(&driver)
      check(again == state, "a refusal changed the source: \(again)")
    } catch { check(false, "the source is refused after another was: \(error)") }
  }

  /// A device went on from a state as it was saved: everything in flight comes back once, and nothing else does.
  mutating func takesAll<Driver: ResumableDriverQueue & ~Copyable>(_ driver: inout Driver) {
    do throws(QueueError) {
      while let completion = try driver.nextUsed() {
        guard let parts = buffers.removeValue(forKey: completion.token) else {
          fatalError("finding: token \(completion.token) is not in flight")
        }
        let byteCount = parts.writable.reduce(0) { $0 + $1.length }
        // Of a batch only the last buffer's length is said.
        check(
          configuration.queue.features.contains(.inOrder) || completion.writtenByteCount == byteCount,
          "\(completion) of \(byteCount) bytes")
      }
    } catch { check(false, "an honest device, and \(error)") }
    check(buffers.isEmpty && driver.inFlightCount == 0, "buffers are lost: \(buffers.keys)")
  }

  func end<Driver: ResumableDriverQueue & ~Copyable>(_ driver: inout Driver) {
    do throws(QueueError) { try driver.reset { _ in } } catch { check(false, "\(error)") }
  }
}
