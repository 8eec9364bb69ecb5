internal import RingKit

extension BlockDevice {
  /// What a request asks for.
  ///
  /// - Throws: ``VringFailure/device(_:)`` of one in which not even a status can be written.
  func begin(_ chain: DeviceChain, _ segments: Span<TranslatedSegment>) throws(VringFailure) -> BlockTask {
    guard chain.readableByteCount >= UInt64(BlockRequest.headerByteCount), chain.writableByteCount >= 1 else {
      throw .device(
        "a request of \(chain.readableByteCount) readable and \(chain.writableByteCount) writable bytes: "
          + "it needs 16 and 1")
    }
    var task = BlockTask(chain)
    var sent = ChainCursor(chain, .deviceReadable)
    let type: UInt32 = sent.number(segments)
    // A reserved word.
    sent.advance(by: 4, segments)
    let sector: UInt64 = sent.number(segments)
    switch BlockRequest(rawValue: type) {
    case .read:
      guard sent.remaining == 0, let offset = offset(of: sector, byteCount: task.room) else { break }
      task.begin(.read(task.answer, at: offset))
      return task
    case .write:
      guard task.room == 0, !options.isReadOnly, let offset = offset(of: sector, byteCount: sent.remaining) else {
        break
      }
      task.begin(.write(sent, at: offset))
      return task
    case .flush:
      task.begin(.flush)
      return task
    case .identify:
      guard task.room >= BlockRequest.nameByteCount else { break }
      var name = [UInt8](options.name.utf8.prefix(BlockRequest.nameByteCount))
      name += [UInt8](repeating: 0, count: BlockRequest.nameByteCount - name.count)
      var answer = task.answer
      unsafe name.withUnsafeBytes { unsafe answer.store($0, segments) }
      task.wipe(from: answer)
      return task
    case .discard where !options.isReadOnly:
      beginRanges(&task, sent, segments, isDiscard: true)
      return task
    case .writeZeroes where !options.isReadOnly:
      beginRanges(&task, sent, segments, isDiscard: false)
      return task
    case .discard, .writeZeroes, nil:
      task.fail(.unsupported)
      return task
    }
    task.fail(.failed)
    return task
  }

  /// Where in the file a request begins, if all of it is on the disk and whole sectors.
  private func offset(of sector: UInt64, byteCount: Int) -> UInt64? {
    guard byteCount % Int(BlockFeatures.sectorBytes) == 0, sector <= capacity,
      UInt64(byteCount) / BlockFeatures.sectorBytes <= capacity - sector
    else { return nil }
    return sector * BlockFeatures.sectorBytes
  }

  /// Ranges to discard or to zero: all of them are looked at before the first is touched.
  private func beginRanges(
    _ task: inout BlockTask, _ sent: ChainCursor, _ segments: Span<TranslatedSegment>, isDiscard: Bool
  ) {
    let size = BlockRequest.rangeByteCount
    guard (1...Int(Self.mostRanges)).contains(sent.remaining / size), sent.remaining % size == 0 else {
      return task.fail(.failed)
    }
    var bytes = [UInt8](repeating: 0, count: sent.remaining)
    var sent = sent
    unsafe bytes.withUnsafeMutableBytes { unsafe sent.copy(to: $0, segments) }
    var reader = PayloadReader(bytes)
    var ranges: [BlockRange] = []
    for _ in 0..<(bytes.count / size) {
      let (sector, count, flags): (UInt64, UInt32, UInt32) = (reader.number(), reader.number(), reader.number())
      // Bit 0: unmap; of a discard it must be 0, and other bits mean nothing (virtio 1.2, 5.2.6.2).
      guard flags & ~1 == 0, !isDiscard || flags == 0 else { return task.fail(.unsupported) }
      guard count <= Self.mostRangeSectors, sector <= capacity, UInt64(count) <= capacity - sector else {
        return task.fail(.failed)
      }
      ranges.append(
        BlockRange(
          offset: sector * BlockFeatures.sectorBytes, byteCount: UInt64(count) * BlockFeatures.sectorBytes,
          mayUnmap: flags == 1))
    }
    // The last is done first, and dropped.
    ranges.reverse()
    task.begin(isDiscard ? .discard(ranges) : .clear(ranges))
  }
}

extension BlockDevice {
  /// Goes on with a request until it is done, or the budget is spent.
  ///
  /// - Returns: whether it is done.
  func advance(
    _ task: inout BlockTask, _ segments: Span<TranslatedSegment>, _ budget: inout StepBudget,
    _ vectors: borrowing VectorTable
  ) -> Bool {
    while !task.isDone {
      if budget.isSpent { return false }
      do throws(BlockImageError) { try advanceOnce(&task, segments, &budget, vectors) } catch {
        note(error)
        task.fail(.failed)
      }
    }
    return true
  }

  /// One system call of a request.
  private func advanceOnce(
    _ task: inout BlockTask, _ segments: Span<TranslatedSegment>, _ budget: inout StepBudget,
    _ vectors: borrowing VectorTable
  ) throws(BlockImageError) {
    switch task.work {
    case .read(var cursor, let offset):
      guard cursor.remaining > 0 else {
        task.work = .nothing
        return
      }
      let count = unsafe try image.read(vectors.fill(cursor, segments, limit: budget.part), at: offset)
      cursor.advance(by: count, segments)
      budget.spend(count)
      task.work = .read(cursor, at: offset + UInt64(count))
    case .write(var cursor, let offset):
      guard cursor.remaining > 0 else {
        task.work = .nothing
        return
      }
      let count = unsafe try image.write(vectors.fill(cursor, segments, limit: budget.part), at: offset)
      cursor.advance(by: count, segments)
      budget.spend(count)
      task.work = .write(cursor, at: offset + UInt64(count))
    case .discard(var ranges):
      guard let range = ranges.last else { return task.wipe(from: task.answer) }
      let count = range.byteCount == 0 ? 0 : try image.discard(at: range.offset, byteCount: range.byteCount)
      ranges.advance(by: count)
      task.work = .discard(ranges)
    case .clear(var ranges):
      guard let range = ranges.last else { return task.wipe(from: task.answer) }
      let count =
        range.byteCount == 0
        ? 0 : try image.clear(at: range.offset, byteCount: range.byteCount, mayUnmap: range.mayUnmap)
      ranges.advance(by: count)
      task.work = .clear(ranges)
    case .flush:
      try image.flush()
      task.wipe(from: task.answer)
    case .wipe(var cursor):
      let count = min(budget.part, cursor.remaining)
      cursor.clear(count, segments)
      budget.spend(count)
      task.work = cursor.remaining > 0 ? .wipe(cursor) : .nothing
    case .nothing: break
    }
  }

  /// Completes what is done, in its order; what changed the image is stable then where the driver cannot ask for it.
  func complete(_ queue: inout VringQueue, _ finished: borrowing PlainList<FinishedRequest>, _ own: BlockQueue) {
    var (isStable, isChanged) = (true, false)
    for i in 0..<finished.count where finished[i].isChanging && finished[i].reply == .done { isChanged = true }
    if isWriteThrough && isChanged {
      do throws(BlockImageError) { try image.flush() } catch {
        note(error)
        isStable = false
      }
    }
    var (done, failed) = (0 as UInt64, 0 as UInt64)
    for i in 0..<finished.count {
      let request = finished[i]
      let reply = isStable || !request.isChanging ? request.reply : .failed
      if reply == .done { done += 1 } else { failed += 1 }
      // SAFETY: the last byte of a segment that the device may write.
      unsafe request.status.pointer.storeBytes(of: reply.rawValue, as: UInt8.self)
      queue.complete(request.chain, written: UInt32(clamping: request.chain.writableByteCount))
    }
    own.done.add(done)
    own.failed.add(failed)
  }
}

extension [BlockRange] {
  /// So many bytes of the last one are done.
  fileprivate mutating func advance(by count: UInt64) {
    self[self.count - 1].offset += count
    self[self.count - 1].byteCount -= count
    if self[self.count - 1].byteCount == 0 { removeLast() }
  }
}

/// What a request asks for (virtio 1.2, 5.2.6).
enum BlockRequest: UInt32 {
  case read = 0
  case write = 1
  case flush = 4
  case identify = 8
  case discard = 11
  case writeZeroes = 13

  /// Bytes in front of the data: type, a reserved word and the sector.
  static let headerByteCount = 16
  /// Bytes of a range to discard or to zero: sector, number of sectors and flags.
  static let rangeByteCount = 16
  /// Bytes of the name that `identify` returns.
  static let nameByteCount = 20
}

/// The last byte of a request, which the device writes (virtio 1.2, 5.2.6).
enum BlockReply: UInt8 {
  case done = 0
  case failed = 1
  case unsupported = 2
}
