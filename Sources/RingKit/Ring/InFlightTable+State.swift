extension InFlightTable {
  /// Writes what is in flight, and which slots are free, into a state; everything added is published, and settled.
  func save<Mapper: ResumableMapper & ~Copyable>(
    into state: inout QueueState, _ mapper: borrowing Mapper, tables: GuestPhysicalAddress,
    _ describe: (UInt64) -> (readable: [MemorySegment], writable: [MemorySegment])?
  ) throws(QueueStateError) where Mapper.Mapping == Mapping {
    state.indirectCapacity = indirectCapacity
    state.added = added.rawValue
    state.returned = returned.rawValue
    state.free = (0..<freeCount).map { free[(freeHead &+ $0) & freeMask] }
    var heads: [(age: UInt16, slot: UInt16)] = []
    for slot in 0..<size where entries[slot].descriptorCount != 0 {
      heads.append((added.distance(from: RingIndex(entries[slot].position)), slot))
    }
    heads.sort { $0.age > $1.age }
    for (_, head) in heads {
      guard let segments = describe(entries[head].token) else { throw .undescribed(token: entries[head].token) }
      state.inFlight.append(try save(head, segments, mapper, tables: tables))
    }
  }

  private func save<Mapper: ResumableMapper & ~Copyable>(
    _ head: UInt16, _ described: (readable: [MemorySegment], writable: [MemorySegment]), _ mapper: borrowing Mapper,
    tables: GuestPhysicalAddress
  ) throws(QueueStateError) -> QueueState.Buffer where Mapper.Mapping == Mapping {
    let entry = entries[head]
    let token = entry.token
    var buffer = QueueState.Buffer(token: token, position: entry.position, slots: [head], table: nil, segments: [])
    let segments = described.readable + described.writable
    let use = indirectCapacity > 0 ? indirectUse[head] : 0
    let base = Int(head) * indirectCapacity
    if use != 0 {
      guard Int(use >> 16) == described.readable.count, Int(use & 0xffff) == described.writable.count else {
        throw .misdescribed(
          token: token, reason: "\(use >> 16) readable and \(use & 0xffff) writable segments were added")
      }
      let table = MemorySegment(
        GuestPhysicalAddress(tables.rawValue &+ UInt64(base * 16)), length: UInt32(segments.count * 16))
      do throws(DMAError) { buffer.table = try mapper.addressChecked(of: mappings[head], table).rawValue } catch {
        throw .mapping(token: token, error)
      }
    } else {
      guard segments.count == Int(entry.descriptorCount) else {
        throw .misdescribed(token: token, reason: "\(entry.descriptorCount) segments were added")
      }
      buffer.slots = slots(of: head, entry)
    }
    var capacity: UInt64 = 0
    for (i, segment) in segments.enumerated() {
      let isWritable = i >= described.readable.count
      if use == 0, entry.descriptorCount > 1, (links[buffer.slots[i]] & writable != 0) != isWritable {
        throw .misdescribed(token: token, reason: "segment \(i) was added for the other direction")
      }
      if isWritable { capacity += UInt64(segment.length) }
      let mapping = use != 0 ? indirectMappings[base + i] : mappings[buffer.slots[i]]
      do throws(DMAError) {
        let address = try mapper.addressChecked(of: mapping, segment)
        buffer.segments.append(
          QueueState.Segment(
            address: segment.address.rawValue, deviceAddress: address.rawValue, length: segment.length,
            isWritable: isWritable))
      } catch { throw .mapping(token: token, error) }
    }
    guard UInt32(clamping: capacity) == entry.capacity else {
      throw .misdescribed(token: token, reason: "\(entry.capacity) writable bytes were added, not \(capacity)")
    }
    return buffer
  }

  /// The slots of a chain, the head first.
  private func slots(of head: UInt16, _ entry: InFlightEntry) -> [UInt16] {
    var all = [head]
    while all.count < Int(entry.descriptorCount) { all.append(links[all[all.count - 1]] & ~writable) }
    return all
  }

  /// Becomes the in-flight table that a validated state describes: each mapping is taken over where it was.
  ///
  /// On failure the caller abandons what was taken over.
  mutating func restore<Mapper: ResumableMapper & ~Copyable>(
    _ state: QueueState, _ mapper: inout Mapper, tables: GuestPhysicalAddress
  ) throws(QueueStateError) where Mapper.Mapping == Mapping {
    isSequential = false
    added = RingIndex(state.returned)
    returned = RingIndex(state.returned)
    sequenceEnd = returned
    for buffer in state.inFlight { try restore(buffer, &mapper, tables: tables) }
    added = RingIndex(state.added)
    published = added
    let order = state.inFlight.flatMap(\.slots) + state.free
    isSequential = freeMask == size &- 1 && zip(order, order.dropFirst()).allSatisfy { $1 == ($0 &+ 1) & freeMask }
    if isSequential {
      // The index is the slot: what is in flight is the range before the free ones.
      for slot in 0..<size { free[slot] = slot }
      freeHead = state.free.first ?? order[0]
    } else {
      for (index, slot) in state.free.enumerated() { free[index] = slot }
      freeHead = 0
    }
    freeTail = freeHead &+ UInt16(state.free.count)
  }

  private mutating func restore<Mapper: ResumableMapper & ~Copyable>(
    _ buffer: QueueState.Buffer, _ mapper: inout Mapper, tables: GuestPhysicalAddress
  ) throws(QueueStateError) where Mapper.Mapping == Mapping {
    let head = buffer.slots[0]
    let base = Int(head) * indirectCapacity
    var done = 0
    do throws(DMAError) {
      for (i, segment) in buffer.segments.enumerated() {
        let mapping = try mapper.resume(segment.memory, segment.direction, at: IOVA(segment.deviceAddress))
        if buffer.table != nil {
          indirectMappings[base + i] = mapping
        } else {
          let next = i + 1 < buffer.slots.count ? buffer.slots[i + 1] : 0
          mappings[buffer.slots[i]] = mapping
          links[buffer.slots[i]] = next | (segment.isWritable ? writable : 0)
        }
        done = i + 1
      }
      if let table = buffer.table {
        let segment = MemorySegment(
          GuestPhysicalAddress(tables.rawValue &+ UInt64(base * 16)), length: UInt32(buffer.segments.count * 16))
        mappings[head] = try mapper.resume(segment, .deviceReadable, at: IOVA(table))
        let readable = buffer.segments.count { !$0.isWritable }
        indirectUse[head] = UInt32(readable) << 16 | UInt32(buffer.segments.count - readable)
      }
    } catch {
      for i in 0..<done {
        let mapping = buffer.table != nil ? indirectMappings[base + i] : mappings[buffer.slots[i]]
        _ = try? mapper.unmap(mapping, buffer.segments[i].direction, written: 0)
      }
      throw .mapping(token: buffer.token, error)
    }
    let isPlain = buffer.slots.count == 1 && buffer.table == nil
    if !isPlain { compoundInFlight &+= 1 }
    entries[head] = InFlightEntry(
      token: buffer.token, capacity: UInt32(clamping: buffer.capacity), descriptorCount: UInt16(buffer.slots.count),
      position: buffer.position)
  }
}
