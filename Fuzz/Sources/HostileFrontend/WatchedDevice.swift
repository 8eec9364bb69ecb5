import FuzzSupport
import RingKit
import VhostUser

/// A device of the library's, or one that only holds buffers for a while: each segment it is handed is looked at.
final class WatchedDevice: VhostUserDevice {
  enum Kind {
    case block(BlockDevice)
    case loopback(LoopbackDevice)
    /// Completes a buffer when so many more were fetched.
    case holder(Int)
  }

  let kind: Kind
  let model: SessionModel
  private var held: [[DeviceChain]]

  init(_ kind: Kind, _ model: SessionModel) {
    self.kind = kind
    self.model = model
    held = [[], []]
    var clock = WaitClock()
    clock.source = { [model] in
      model.milliseconds += 1
      return model.milliseconds * 1_000_000
    }
    switch kind {
    case .block(let device): device.clock = clock
    case .loopback(let device): device.clock = clock
    case .holder: break
    }
  }

  /// Requests of a disk that succeeded.
  private var doneCount: UInt64 { if case .block(let device) = kind { device.done } else { 0 } }

  private var base: (any VhostUserDevice)? {
    switch kind {
    case .block(let device): device
    case .loopback(let device): device
    case .holder: nil
    }
  }

  var deviceFeatures: VirtioFeatures { base?.deviceFeatures ?? [] }
  var queueCount: Int { base?.queueCount ?? 2 }
  var configuration: [UInt8] { base?.configuration ?? [1, 2, 3] }
  var tableCapacity: Int { base?.tableCapacity ?? 0 }
  func sharesUsedEntries(index: Int) -> Bool { base?.sharesUsedEntries(index: index) ?? true }
  func configure(_ features: VirtioFeatures) { base?.configure(features) }
  func resize(index: Int, to size: Int) { base?.resize(index: index, to: size) }
  func write(_ access: ConfigAccess) -> Bool { base?.write(access) ?? (access.offset == 0) }
  func partner(of index: Int) -> Int? { base?.partner(of: index) }

  func reset() {
    held = held.map { _ in [] }
    base?.reset()
  }

  func discard(_ queue: inout VringQueue, index: Int, limit: Int) throws(VringFailure) -> VringProgress {
    try base?.discard(&queue, index: index, limit: limit) ?? .idle
  }

  func forget(index: Int) {
    if case .holder = kind { held[index] = [] }
    base?.forget(index: index)
  }

  func serve(_ queue: inout VringQueue, index: Int, limit: Int) throws(VringFailure) -> VringProgress {
    if case .holder(let most) = kind { return try hold(&queue, index, limit, most) }
    // Of a receive queue the last buffers may be those of an earlier call.
    let isFresh = if case .loopback = kind { index & 1 == 1 } else { true }
    for _ in 0..<limit {
      let before = queue.completedCount
      let (began, done) = (model.milliseconds, doneCount)
      let progress = try base?.serve(&queue, index: index, limit: 1) ?? .idle
      checkTime(since: began, index, progress)
      // The first look is when a step begins; no request is done without another.
      check(doneCount == done || model.milliseconds > began + 1, "a request was done without a look at the clock")
      if isFresh && queue.completedCount != before {
        let segments = queue.segments
        for i in segments.indices { model.check(segments[i]) }
      }
      if case .more = progress { continue }
      return progress
    }
    return .more
  }

  /// A step of a disk ends with the first look at the clock behind its time, and buffers that do not suffice for a
  /// frame are not held for longer than the device waits.
  private func checkTime(since began: UInt64, _ index: Int, _ progress: VringProgress) {
    switch kind {
    case .block(let device):
      // The looks at the beginning and behind the end.
      let limit = device.stepNanoseconds / 1_000_000 + 2
      check(model.milliseconds - began <= limit, "a step took \(model.milliseconds - began) ms")
    case .loopback(let device):
      guard index & 1 == 0, case .empty = progress, let waited = device.heldNanoseconds(pair: index >> 1) else {
        return
      }
      check(waited <= LoopbackDevice.patience + 2_000_000, "buffers are held for \(waited) ns")
    case .holder: break
    }
  }

  private func hold(
    _ queue: inout VringQueue, _ index: Int, _ limit: Int, _ most: Int
  ) throws(VringFailure) -> VringProgress {
    var completed = 0
    while completed < limit {
      if held[index].count > most {
        let chain = held[index].removeFirst()
        queue.complete(chain, written: UInt32(clamping: chain.writableByteCount))
        completed += 1
      }
      do throws(QueueError) {
        guard let chain = try queue.next() else { return .empty }
        let segments = queue.segments
        var sum: UInt64 = 0
        for i in segments.indices {
          sum += UInt64(segments[i].byteCount)
          model.check(segments[i])
          touch(segments[i])
        }
        check(sum == chain.readableByteCount + chain.writableByteCount, "segments of \(sum) bytes")
        held[index].append(chain)
      } catch { throw .queue(error) }
    }
    return .more
  }

  /// What may be written is, at both ends; what may be read is read.
  private func touch(_ segment: TranslatedSegment) {
    if segment.byteCount == 0 { return }
    for i in [0, segment.byteCount - 1] {
      if segment.access == .deviceWritable { segment.bytes[i] = FuzzGuest.reply } else { _ = segment.bytes[i] &+ 1 }
    }
  }
}
