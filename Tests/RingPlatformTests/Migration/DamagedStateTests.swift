import FoundationEssentials
import MigrationTestSupport
import RingKitTesting
import RingPlatform
import Testing

@testable import RingKit

@Suite("A queue's state, damaged, foreign or forged")
struct DamagedStateTests {
  /// A state of each end and layout, with everything in it that can be.
  static func states() throws -> [QueueState] {
    var random = SeededGenerator(seed: 5)
    var all: [QueueState] = []
    for isPacked in [false, true] {
      for features in [[.indirectDescriptors, .eventIndex], [.inOrder, .indirectDescriptors]] as [VirtioFeatures] {
        let plan = MovingPlan(isPacked: isPacked, path: .identity, features: features, size: 16, singles: false)
        let queue = try MovingQueue(plan, MovingMemory(plan))
        var image = try queue.image(seed: 0)
        while image.driver.inFlight.count < 5 || image.device.held.count < 2 || image.driver.free.isEmpty {
          try queue.run(1, &random)
          image = try queue.image(seed: 0)
        }
        all += [image.driver, image.device]
      }
    }
    return all
  }

  private func failure(_ tree: JSONTree) throws -> QueueStateError? {
    let text = try JSONEncoder().encode(tree)
    do {
      _ = try JSONDecoder().decode(QueueState.self, from: text)
      return nil
    } catch { return error as? QueueStateError }
  }

  @Test("each single value of the encoded state, changed, removed or of another type, is refused with its field")
  func everyField() throws {
    for state in try Self.states() {
      let tree = try JSONDecoder().decode(JSONTree.self, from: JSONEncoder().encode(state))
      guard case .object(let fields) = tree else { throw MovingError("the state is no object") }
      #expect(try failure(tree) == nil)
      for (name, value) in fields {
        let field = try #require(QueueState.Field(rawValue: name))
        for damaged in [nil, .string("x"), .array([.null])] + value.changed {
          var copy = fields
          copy[name] = damaged
          // What stands against a digest is the field the digest is of.
          let expected: (QueueState.Field?) -> Bool = { field == .digests ? $0 != nil : $0 == field }
          #expect(expected(try failure(.object(copy))?.field), "\(name): \(String(describing: damaged))")
        }
      }
      for field in QueueState.Field.allCases where fields[field.rawValue] == nil {
        #expect(state.layout == .split && [.available, .used].contains(field))
      }
    }
  }

  @Test("a later version and another format are named as such")
  func foreign() throws {
    let state = try Self.states()[0]
    guard case .object(var fields) = try JSONDecoder().decode(JSONTree.self, from: JSONEncoder().encode(state)) else {
      throw MovingError("the state is no object")
    }
    fields["version"] = .number(2)
    #expect(try failure(.object(fields)) == .foreign(.version, found: "2", expected: "1"))
    fields["format"] = .string("vmstate")
    #expect(try failure(.object(fields)) == .foreign(.format, found: "vmstate", expected: "ringkit-queue-state"))
    #expect(try failure(.array([])) == .damaged(.format))
  }

  /// Changes that a forger makes, digests and all, and the field that gives them away.
  private static let forgeries: [(QueueState.Field, @Sendable (inout QueueState) -> Void)] = [
    (.size, { $0.size = 0 }), (.size, { $0.size = 65_536 }), (.size, { $0.size = -1 }),
    (.layout, { $0.features.formSymmetricDifference(.packedRing) }), (.features, { $0.features.remove(.version1) }),
    (.features, { $0.features.insert(VirtioFeatures(bits: 41)) }), (.ring, { $0.ring.removeLast() }),
    (.suppression, { $0.suppression = 3 << 16 }), (.suppression, { $0.suppression = 2 << 16 | 0x7fff }),
    (.available, { $0.available = $0.available == nil ? .init(offset: 0, wrap: true) : nil }),
    (.used, { $0.used = $0.used == nil ? .init(offset: 0, wrap: true) : nil }),
  ]

  private static let driverForgeries: [(QueueState.Field, @Sendable (inout QueueState) -> Void)] = [
    (.indirectCapacity, { $0.indirectCapacity = 17 }), (.indirectCapacity, { $0.indirectCapacity = -1 }),
    (.free, { $0.free[0] = 16 }), (.free, { $0.free.append($0.free[0]) }),
    (.inFlight, { $0.inFlight[0].slots[0] = $0.inFlight[1].slots[0] }), (.inFlight, { $0.inFlight[0].slots = [] }),
    (.inFlight, { $0.inFlight[0].slots[0] = $0.free[0] }), (.inFlight, { $0.inFlight[1].slots[0] = .max }),
    (.inFlight, { $0.inFlight[0].segments = [] }), (.inFlight, { $0.inFlight[0].segments[0].length = 0 }),
    (.inFlight, { $0.inFlight[2].table = $0.inFlight[2].table == nil ? 0 : nil }),
    (
      .inFlight,
      { state in
        let index = state.inFlight.firstIndex { $0.segments.count > 1 } ?? 0
        state.inFlight[index].segments[0].isWritable = true
        state.inFlight[index].segments[1].isWritable = false
      }
    ),
    (.free, { $0.inFlight.removeLast() }), (.free, { $0.free.removeLast() }), (.added, { $0.added &+= 1 }),
    (.added, { $0.returned &-= 1 }), (.held, { $0.held = [.init(id: 0, descriptorCount: 1, segments: [])] }),
    (.batchRemaining, { $0.batchRemaining = 17 }), (.batchLength, { $0.batchLength = .max }),
  ]

  private static let deviceForgeries: [(QueueState.Field, @Sendable (inout QueueState) -> Void)] = [
    (.free, { $0.free = [0] }), (.tables, { $0.tables = 4096 }), (.indirectCapacity, { $0.indirectCapacity = 1 }),
    (.batchRemaining, { $0.batchRemaining = 1 }), (.batchLength, { $0.batchLength = 1 }),
    (.held, { $0.held[0].segments[0].length = 0 }), (.held, { $0.held[0].descriptorCount = 0 }),
    (.held, { $0.held[0].descriptorCount = 17 }),
    (.held, { $0.held[0].segments = .init(repeating: $0.held[0].segments[0], count: 65) }),
    (.inFlight, { $0.inFlight = [.init(token: 0, position: 0, slots: [0], table: nil, segments: [])] }),
  ]

  @Test("a forged state, whose digests are right, is refused with the field that contradicts the others")
  func forged() throws {
    for state in try Self.states() {
      let own = state.role == .driver ? Self.driverForgeries : Self.deviceForgeries
      for (field, change) in Self.forgeries + own {
        var forged = state
        change(&forged)
        let error = #expect(throws: QueueStateError.self) { try forged.validate() }
        // With IN_ORDER a batch's length is looked at only behind the order, which comes first.
        #expect(error?.field == field, "\(state.role), \(state.layout): \(String(describing: error)), not \(field)")
      }
    }
  }

  @Test(
    "packed positions that do not enclose what is in flight are refused", arguments: [QueueState.Role.driver, .device])
  func positions(role: QueueState.Role) throws {
    for state in try Self.states() where state.layout == .packed && state.role == role {
      for change in [
        { $0.available!.offset = 16 }, { $0.available!.wrap.toggle() }, { $0.used!.offset = .max },
        { $0.used!.wrap.toggle() }, { $0.available!.offset = ($0.available!.offset + 1) % 16 },
      ] as [(inout QueueState) -> Void] {
        var forged = state
        change(&forged)
        let error = #expect(throws: QueueStateError.self) { try forged.validate() }
        #expect(error?.field == .available || error?.field == .used)
      }
    }
  }

  @Test("a state is refused by a queue of another role, layout, size, address, or moment")
  func elsewhere() throws {
    var random = SeededGenerator(seed: 3)
    for isPacked in [false, true] {
      let plan = MovingPlan(isPacked: isPacked, path: .direct, features: .indirectDescriptors, size: 8, singles: false)
      let memory = try MovingMemory(plan)
      let queue = try MovingQueue(plan, memory)
      try queue.fill()
      let image = try queue.image(seed: 0)
      func refused(_ field: QueueState.Field, _ plan: MovingPlan = plan, _ change: (inout MovingQueue.Image) -> Void)
        throws
      {
        var other = image
        change(&other)
        let error = #expect(throws: QueueStateError.self) { try MovingQueue(plan, memory, from: other) }
        #expect(error?.field == field, "\(String(describing: error))")
      }
      try refused(.role) { $0.driver = $0.device }
      try refused(.role) { $0.device = $0.driver }
      // A packed ring of that size fits where the split one lies; not the other way round.
      if !isPacked {
        let other = MovingPlan(isPacked: true, path: .direct, features: [], size: 8, singles: true)
        try refused(.layout, other) { _ in }
      }
      try refused(.size, MovingPlan(isPacked: isPacked, path: .direct, features: [], size: 4, singles: true)) { _ in }
      try refused(.ring) { $0.driver.ring[1] += 64 }
      try refused(.ring) { $0.device.ring[0] += 64 }
      try refused(.tables) { $0.driver.tables += 64 }
      if !isPacked {
        try queue.run(60, &random)
        try refused(.added) { _ in }
      }
    }
  }

  @Test("what is described beyond memory, or taken already, is refused by its token, and nothing stays mapped")
  func mappings() throws {
    for path in [MovingPath.iommuStrict, .swiotlb, .identity, .premapped] {
      let plan = MovingPlan(isPacked: false, path: path, features: [], size: 8, singles: true)
      let memory = try MovingMemory(plan)
      let queue = try MovingQueue(plan, memory)
      try queue.fill()
      let image = try queue.image(seed: 0)
      let last = image.driver.inFlight.count - 1
      for change in [
        { $0.deviceAddress = 0xffff_ffff_ffff_f000 | $0.deviceAddress & 0xfff }, { $0.deviceAddress = 0 },
        { $0.deviceAddress = image.driver.inFlight[0].segments[0].deviceAddress }, { $0.deviceAddress += 1 },
        { $0.address = 0 }, { $0.address = .max }, { $0.length = .max },
      ] as [(inout QueueState.Segment) -> Void] {
        var forged = image
        change(&forged.driver.inFlight[last].segments[0])
        // `identity` does not check whether a length is right.
        if forged.driver == image.driver || path == .identity && forged.driver.inFlight[last].segments[0].length == .max
        {
          continue
        }
        let error = #expect(throws: QueueStateError.self, "\(path.rawValue)") {
          try MovingQueue(plan, memory, from: forged)
        }
        guard case .mapping(image.driver.inFlight[last].token, _) = error else {
          Issue.record("\(path.rawValue): \(String(describing: error))")
          continue
        }
      }
      try queue.finish()
    }
  }

  @Test("a held chain that leads nowhere at the target is refused by its id")
  func chains() throws {
    let plan = MovingPlan(isPacked: true, path: .iommuStrict, features: [], size: 8, singles: true)
    let memory = try MovingMemory(plan)
    let queue = try MovingQueue(plan, memory)
    try queue.fill()
    _ = try queue.device.hold(3)
    var image = try queue.image(seed: 0)
    image.device.held[1].segments[0].deviceAddress = 0x1000
    let error = #expect(throws: QueueStateError.self) { try MovingQueue(plan, memory, from: image) }
    guard case .chain(image.device.held[1].id, .fault(.notMapped)) = error else {
      throw MovingError("\(String(describing: error))")
    }
  }

  @Test("two ends saved at different moments do not pass for a pair")
  func pairs() throws {
    let states = try Self.states()
    for (driver, device) in stride(from: 0, to: states.count, by: 2).map({ (states[$0], states[$0 + 1]) }) {
      try driver.check(against: device)
      for (field, change) in [
        (.size, { $0.size = 32 }), (.features, { $0.features.insert(.ringReset) }), (.isSecure, { $0.isSecure = true }),
        (.ring, { $0.ring[2] += 128 }), (.held, { $0.held[0].id = driver.free[0] }),
      ] as [(QueueState.Field, (inout QueueState) -> Void)] {
        var other = device
        change(&other)
        // A packed ring's positions say its size too.
        let error = #expect(throws: QueueStateError.self) { try driver.check(against: other) }
        #expect(error?.field == field || field == .size, "\(String(describing: error))")
      }
      #expect(throws: QueueStateError.self) { try device.check(against: driver) }
    }
  }
}

/// Any JSON, to be damaged value by value.
enum JSONTree: Codable, Equatable {
  case null
  case bool(Bool)
  case number(UInt64)
  case string(String)
  case array([JSONTree])
  case object([String: JSONTree])

  init(from decoder: any Decoder) throws {
    let box = try decoder.singleValueContainer()
    if box.decodeNil() {
      self = .null
    } else if let value = try? box.decode(Bool.self) {
      self = .bool(value)
    } else if let value = try? box.decode(UInt64.self) {
      self = .number(value)
    } else if let value = try? box.decode(String.self) {
      self = .string(value)
    } else if let value = try? box.decode([JSONTree].self) {
      self = .array(value)
    } else {
      self = .object(try box.decode([String: JSONTree].self))
    }
  }

  func encode(to encoder: any Encoder) throws {
    var box = encoder.singleValueContainer()
    switch self {
    case .null: try box.encodeNil()
    case .bool(let value): try box.encode(value)
    case .number(let value): try box.encode(value)
    case .string(let value): try box.encode(value)
    case .array(let value): try box.encode(value)
    case .object(let value): try box.encode(value)
    }
  }

  /// Everything that differs from it in one value, and that one a little.
  var changed: [JSONTree] {
    switch self {
    case .null: [.number(0)]
    case .bool(let value): [.bool(!value)]
    case .number(let value): [.number(value &+ 1), .number(value ^ 1 << 31)]
    case .string(let value): [.string(value + "x"), .string("")]
    case .array(let values):
      [.array(values + [values.last ?? .number(0)]), .array(values.reversed()), .array(Array(values.dropLast()))].filter
      {
        $0 != self
      }
        + values.indices.flatMap { index in
          values[index].changed.map { value in
            var copy = values
            copy[index] = value
            return .array(copy)
          }
        }
    case .object(let values):
      values.flatMap { name, value in
        (value.changed + [nil]).map { other in
          var copy = values
          copy[name] = other
          return .object(copy)
        }
      }
    }
  }
}
