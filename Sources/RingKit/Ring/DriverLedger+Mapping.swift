extension DriverLedger {
  /// Takes every segment of a returned buffer back from the device and frees its slots.
  ///
  /// Goes on after a failure, so that one bad unmap does not leak the others; the first failure is thrown. `written` is
  /// the used length, at most the entry's capacity.
  @inlinable @inline(__always)
  mutating func retire<Mapper: DMAMapper & ~Copyable>(
    _ head: UInt16, _ entry: LedgerEntry, written: UInt32, _ mapper: inout Mapper
  ) throws(QueueError) where Mapper.Mapping == Mapping {
    if entry.descriptorCount == 1 && (indirectCapacity == 0 || indirectUse[head] == 0) {
      entries.cells.markIdle(head)
      returned = returned.advanced(by: 1)
      let mapping = mappings[head]
      giveBack(head)
      do throws(DMAError) {
        _ = try mapper.unmap(mapping, entry.capacity == 0 ? .deviceReadable : .deviceWritable, written: written)
      } catch { throw .mapping(error) }
    } else {
      try retireChain(head, entry, written: written, &mapper)
    }
  }

  @inlinable @inline(never)
  mutating func retireChain<Mapper: DMAMapper & ~Copyable>(
    _ head: UInt16, _ entry: LedgerEntry, written: UInt32, _ mapper: inout Mapper
  ) throws(QueueError) where Mapper.Mapping == Mapping {
    var failure: DMAError?
    // What the device wrote fills the writable segments in order; the mapper, which knows their lengths, says how far.
    var left = written
    compoundInFlight &-= 1
    entries.cells.markIdle(head)
    returned = returned.advanced(by: 1)
    if indirectCapacity > 0, indirectUse[head] != 0 {
      let use = indirectUse[head]
      indirectUse[head] = 0
      let (readableCount, writableCount) = (Int(use >> 16), Int(use & 0xffff))
      let base = Int(head) &* indirectCapacity
      do throws(DMAError) { _ = try mapper.unmap(mappings[head], .deviceReadable, written: 0) } catch {
        failure = failure ?? error
      }
      for i in 0..<(readableCount &+ writableCount) {
        let direction: DMADirection = i < readableCount ? .deviceReadable : .deviceWritable
        do throws(DMAError) {
          left &-= try mapper.unmap(
            indirectMappings[base &+ i], direction, written: direction == .deviceReadable ? 0 : left)
        } catch { failure = failure ?? error }
      }
      giveBack(head)
    } else {
      var slot = head
      for _ in 0..<entry.descriptorCount {
        let link = links[slot]
        let direction: DMADirection = link & writable == 0 ? .deviceReadable : .deviceWritable
        do throws(DMAError) {
          left &-= try mapper.unmap(mappings[slot], direction, written: direction == .deviceReadable ? 0 : left)
        } catch { failure = failure ?? error }
        giveBack(slot)
        slot = link & ~writable
      }
    }
    if let failure { throw .mapping(failure) }
  }

  /// Unmaps every buffer in flight and reports its token, oldest first; then forgets everything.
  ///
  /// A buffer whose unmap failed when it came back is reported before them.
  @inlinable
  mutating func abandon<Mapper: DMAMapper & ~Copyable>(
    _ mapper: inout Mapper, _ abandoned: (UInt64) -> Void
  ) throws(QueueError) where Mapper.Mapping == Mapping {
    if let unreturned { abandoned(unreturned) }
    settle()
    var heads: [(age: UInt16, slot: UInt16)] = []
    for slot in 0..<size where entries[slot].descriptorCount != 0 {
      heads.append((added.distance(from: RingIndex(entries[slot].position)), slot))
    }
    heads.sort { $0.age > $1.age }
    var failure: QueueError?
    for (_, slot) in heads {
      let entry = entries[slot]
      // The device did not say that it wrote anything.
      do throws(QueueError) { try retire(slot, entry, written: 0, &mapper) } catch { failure = failure ?? error }
      abandoned(entry.token)
    }
    reset()
    if let failure { throw failure }
  }
}
