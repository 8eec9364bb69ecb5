import FoundationEssentials
import FuzzSupport
import Glibc
import RingIOMMU
import RingKit
import RingPlatform

/// States of queues, damaged as files are and forged as files may be: refused with the field, or a queue that works.
@_cdecl("LLVMFuzzerTestOneInput")
public func hostileState(_ data: UnsafePointer<UInt8>, _ count: Int) -> CInt {
  var input = FuzzInput(data, count)
  let configuration = FuzzConfiguration(&input)
  let guest = configuration.path == .swiotlb ? bouncing : open
  guest.fill()
  func regions() -> RegionTranslator<UncountedWork> { RegionTranslator(memory: guest.memory, counter: UncountedWork()) }
  switch configuration.path {
  case .direct:
    run(
      configuration, guest, DirectMapper(memory: guest.memory, counter: UncountedWork()), regions(),
      DirectMapper(memory: guest.memory, counter: UncountedWork()), regions(),
      &input)
  case .swiotlb:
    let pools = (0..<2).map { _ in must { try SwiotlbPool(guest.pool) } }
    func mapper(_ n: Int) -> SwiotlbMapper<UncountedWork> {
      SwiotlbMapper(memory: guest.memory, pool: pools[n], cpu: 0, counter: UncountedWork())
    }
    run(configuration, guest, mapper(0), regions(), mapper(1), regions(), &input)
    for pool in pools { check(pool.usedSlots == 0, "\(pool.usedSlots) bounce slots leaked") }
  case .iommuStrict, .iommuLazy:
    let domains = (0..<2).map { _ in
      var iommu = IOMMUConfiguration()
      iommu.servedBy = .waiter
      return IOMMUDomain(memory: guest.memory, configuration: iommu)
    }
    func mapper(_ n: Int) -> IOMMUMapper<UncountedWork> {
      IOMMUMapper(
        domain: domains[n], policy: configuration.path == .iommuStrict ? .strict : .lazy, counter: UncountedWork())
    }
    func translator(_ n: Int) -> IOMMUTranslator<UncountedWork> {
      IOMMUTranslator(domain: domains[n], iotlbSets: 4, counter: UncountedWork())
    }
    // A driver maps anew what it takes over; a device goes on in the domain of the driver that stayed.
    run(configuration, guest, mapper(0), translator(0), mapper(1), translator(0), &input)
  }
  return 0
}

private let open = FuzzGuest(isBouncing: false)
private let bouncing = FuzzGuest(isBouncing: true)

private func run<Mapper: ResumableMapper & ~Copyable, Translator: DMATranslator & ~Copyable>(
  _ configuration: FuzzConfiguration, _ guest: FuzzGuest, _ mapper: consuming Mapper,
  _ translator: consuming Translator,
  _ otherMapper: consuming Mapper, _ otherTranslator: consuming Translator, _ input: inout FuzzInput
) {
  let size = configuration.queue.size
  let tables = configuration.queue.features.contains(.indirectDescriptors) ? guest.tables : nil
  var source = Source(configuration, guest)
  let isDriver = input.below(2) == 0
  do throws(ConfigurationError) {
    if configuration.isPacked {
      let ring = must { try PackedRing(in: guest.ring(byteCount: PackedRing.byteCount(size: size)), size: size) }
      var driver = try PackedDriverQueue(configuration.queue, ring: ring, indirectTables: tables, mapper: mapper)
      var device = try PackedDeviceQueue(configuration.queue, ring: ring, translator: translator)
      let states = source.states(&driver, &device, &input)
      if isDriver, let state = spoil(states.driver, &input) {
        let (other, tables) = elsewhere(size, tables, guest, &input)
        do throws(QueueStateError) {
          let ring = must { try PackedRing(in: guest.ring(byteCount: PackedRing.byteCount(size: other)), size: other) }
          var copy = try PackedDriverQueue.restored(
            from: state, ring: ring, indirectTables: tables, mapper: otherMapper)
          Target(state, guest).drive(&copy, &device, &input)
        } catch { source.goesOn(&driver, states.driver, error) }
      }
      if !isDriver, let state = spoil(states.device, &input) {
        do throws(QueueStateError) {
          let target = Target(state, guest)
          var held: [DeviceChain] = []
          var copy = try PackedDeviceQueue.restored(from: state, ring: ring, translator: otherTranslator) {
            chain, all in
            for i in all.indices { target.inside(all[i]) }
            held.append(chain)
          }
          target.serve(&copy, held, isAsSaved: state == states.device)
          if state == states.device { source.takesAll(&driver) }
        } catch { check(state != states.device, "a state as it was saved is refused: \(error)") }
      }
      source.end(&driver)
    } else {
      let ring = must { try SplitRing(in: guest.ring(byteCount: SplitRing.byteCount(size: size)), size: size) }
      var driver = try SplitDriverQueue(configuration.queue, ring: ring, indirectTables: tables, mapper: mapper)
      var device = try SplitDeviceQueue(configuration.queue, ring: ring, translator: translator)
      let states = source.states(&driver, &device, &input)
      if isDriver, let state = spoil(states.driver, &input) {
        let (other, tables) = elsewhere(size, tables, guest, &input)
        do throws(QueueStateError) {
          let ring = must { try SplitRing(in: guest.ring(byteCount: SplitRing.byteCount(size: other)), size: other) }
          var copy = try SplitDriverQueue.restored(from: state, ring: ring, indirectTables: tables, mapper: otherMapper)
          Target(state, guest).drive(&copy, &device, &input)
        } catch { source.goesOn(&driver, states.driver, error) }
      }
      if !isDriver, let state = spoil(states.device, &input) {
        do throws(QueueStateError) {
          let target = Target(state, guest)
          var held: [DeviceChain] = []
          var copy = try SplitDeviceQueue.restored(from: state, ring: ring, translator: otherTranslator) { chain, all in
            for i in all.indices { target.inside(all[i]) }
            held.append(chain)
          }
          target.serve(&copy, held, isAsSaved: state == states.device)
          if state == states.device { source.takesAll(&driver) }
        } catch { check(state != states.device, "a state as it was saved is refused: \(error)") }
      }
      source.end(&driver)
    }
  } catch { fatalError("set-up: \(error)") }
}

/// Size and tables of the queue that a state is restored to: mostly those of the queue it was saved from.
private func elsewhere(
  _ size: Int, _ tables: GuestBuffer?, _ guest: FuzzGuest, _ input: inout FuzzInput
) -> (size: Int, tables: GuestBuffer?) {
  switch input.below(16) {
  case 0: (size, nil)
  case 1: (size, guest.tables)
  case 2: (size, guest.tables.slice(at: 0, byteCount: 16 * (1 + input.below(16))))
  case 3: (size, guest.tables.slice(at: 64, byteCount: guest.tables.byteCount - 64))
  case 4: (1 << input.below(5), tables)
  default: (size, tables)
  }
}

/// What a reader makes of a state that went through hostile hands; `nil` where it says what is wrong.
private func spoil(_ state: QueueState, _ input: inout FuzzInput) -> QueueState? {
  switch input.below(4) {
  case 0:
    // As a file, in which some bytes are others.
    var text = must { try JSONEncoder().encode(state) }
    for _ in 0..<input.below(4) {
      let at = Int(input.word16()) % text.count
      switch input.below(3) {
      case 0: text[at] = input.byte()
      case 1: text.removeSubrange(at..<min(at + 1 + input.below(64), text.count))
      default: text.insert(input.byte(), at: at)
      }
    }
    do {
      let read = try JSONDecoder().decode(QueueState.self, from: text)
      check(read == state, "damage went unseen: \(read)")
      return read
    } catch { return nil }
  case 1:
    // As a file that knows its digests.
    var forged = state
    for _ in 0...input.below(4) { forge(&forged, &input) }
    do {
      let read = try JSONDecoder().decode(QueueState.self, from: JSONEncoder().encode(forged))
      check(read == forged, "what was written is not what is read: \(read)")
      return read
    } catch {
      check(false, "a state that was just written is refused: \(error)")
      return nil
    }
  default:
    var forged = state
    for _ in 0..<input.below(5) { forge(&forged, &input) }
    let target = MigrationTarget(
      platform: Platform(secure: input.below(2) == 0), offered: [.version1, .packedRing, .inOrder],
      maximumQueueSize: 8)
    do throws(MigrationRefusal) { try target.admit(forged) } catch { _ = "\(error)" }
    return forged
  }
}
