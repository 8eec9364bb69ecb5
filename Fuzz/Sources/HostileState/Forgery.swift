import FuzzSupport
import RingKit

/// Changes one thing in a state, as a forger with the right digests would.
func forge(_ state: inout QueueState, _ input: inout FuzzInput) {
  switch input.below(23) {
  case 0: state.role = state.role == .driver ? .device : .driver
  case 1: state.layout = state.layout == .split ? .packed : .split
  case 2: state.size = [0, -1, 1, 2, 3, 8, 16, 32_768, 65_536, .max, .min][input.below(11)]
  case 3: state.features = VirtioFeatures(rawValue: state.features.rawValue ^ 1 << UInt64(input.below(64)))
  case 4: state.indirectCapacity = [0, 1, 2, 4, 16, 17, -1, .max, .min][input.below(9)]
  case 5: state.isSecure.toggle()
  case 6: shake(&state.ring, &input) { $0 ^= 1 << UInt64($1.below(64)) }
  case 7: state.tables ^= 1 << UInt64(input.below(64))
  case 8: state.added &+= near(&input)
  case 9: state.returned &+= near(&input)
  case 10: move(&state.available, &input)
  case 11: move(&state.used, &input)
  case 12: state.batchRemaining = near(&input)
  case 13: state.batchLength = input.below(2) == 0 ? UInt32(input.byte()) : .max
  case 14: state.unannounced = input.below(2) == 0 ? UInt64(input.byte()) : .max
  case 15: state.suppression = UInt32(input.below(4)) << 16 | UInt32(input.word16())
  case 16: shake(&state.free, &input) { $0 = near(&$1) }
  case 17, 18:
    shake(&state.inFlight, &input) { buffer, input in
      switch input.below(5) {
      case 0: buffer.token = UInt64(input.byte())
      case 1: buffer.position &+= near(&input)
      case 2: shake(&buffer.slots, &input) { $0 = near(&$1) }
      case 3: buffer.table = buffer.table == nil || input.below(2) == 0 ? input.word64() : nil
      default: shake(&buffer.segments, &input, forge)
      }
    }
  case 19, 20: doubleSlot(&state, &input)
  case 21: giveTable(&state, &input)
  default:
    shake(&state.held, &input) { chain, input in
      switch input.below(3) {
      case 0: chain.id = near(&input)
      case 1: chain.descriptorCount = near(&input)
      default: shake(&chain.segments, &input, forge)
      }
    }
  }
}

/// A slot of one buffer becomes one that another has, or that is free: as many as before, and one of them twice.
private func doubleSlot(_ state: inout QueueState, _ input: inout FuzzInput) {
  let (from, to) = (input.byte(), input.byte())
  guard !state.inFlight.isEmpty else { return }
  let (a, b) = (Int(from) % state.inFlight.count, Int(to) % state.inFlight.count)
  guard let slot = state.inFlight[a].slots.first, !state.inFlight[b].slots.isEmpty else { return }
  if to & 0x80 != 0, !state.free.isEmpty {
    state.free[Int(to & 0x7f) % state.free.count] = slot
  } else {
    state.inFlight[b].slots[state.inFlight[b].slots.count - 1] = slot
  }
}

/// A buffer gets a table, and the state the feature and the entries for it, whatever tables its queue has.
private func giveTable(_ state: inout QueueState, _ input: inout FuzzInput) {
  let (count, isUpwards) = (2 + input.below(FuzzGuest.maximumSize - 1), input.below(2) == 0)
  state.features.insert(.indirectDescriptors)
  state.indirectCapacity = input.below(2) == 0 ? count : FuzzGuest.maximumSize
  if input.below(2) == 0 { state.tables = 0 }
  guard !state.inFlight.isEmpty else { return }
  let at = input.below(state.inFlight.count)
  guard let segment = state.inFlight[at].segments.first, !state.inFlight[at].slots.isEmpty else { return }
  state.free += state.inFlight[at].slots.dropFirst()
  state.inFlight[at].slots.removeSubrange(1...)
  state.inFlight[at].table = state.tables &+ UInt64(state.inFlight[at].slots[0]) &* UInt64(16 * count)
  // Each where nothing is mapped: slots are given out upwards, IOVAs downwards.
  state.inFlight[at].segments = (0..<count).map { i in
    var part = segment
    let distance = UInt64(i) &* 4096
    part.deviceAddress = isUpwards ? part.deviceAddress &+ distance : part.deviceAddress &- distance
    return part
  }
}

private func forge(_ segment: inout QueueState.Segment, _ input: inout FuzzInput) {
  switch input.below(6) {
  case 0: segment.address &+= UInt64(input.byte()) &* 64 &- 4096
  case 1: segment.deviceAddress &+= UInt64(input.byte()) &* 2048 &- 16_384
  case 2: segment.address = [0, .max, 0x10_0000, 0x8000_0000, 0x1000_0000, .max - 63][input.below(6)]
  case 3: segment.deviceAddress = [0, .max, 0x10_0000, 0x8000_0000, 0x1000_0000, .max - 63][input.below(6)]
  case 4: segment.length = [0, 1, 63, 64, 65, 4096, 262_144, 262_145, .max][input.below(9)]
  default: segment.isWritable.toggle()
  }
}

/// Small numbers of either sign, and now and then any.
private func near(_ input: inout FuzzInput) -> UInt16 {
  let choice = input.byte()
  return choice == 0xff ? input.word16() : UInt16(truncatingIfNeeded: Int(choice % 40) - 4)
}

private func move(_ position: inout QueueState.Position?, _ input: inout FuzzInput) {
  switch input.below(3) {
  case 0: position?.offset = near(&input)
  case 1: position?.wrap.toggle()
  default: position = nil
  }
}

/// Changes, doubles, drops or exchanges an element.
private func shake<Element>(
  _ list: inout [Element], _ input: inout FuzzInput, _ change: (inout Element, inout FuzzInput) -> Void
) {
  if list.isEmpty { return }
  let (choice, at) = (input.below(8), input.below(list.count))
  switch choice {
  case 0: list.remove(at: at)
  case 1: list.append(list[at])
  case 2: list.swapAt(at, input.below(list.count))
  case 3: list = []
  default: change(&list[at], &input)
  }
}
