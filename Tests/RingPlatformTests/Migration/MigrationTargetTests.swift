import MigrationTestSupport
import RingKit
import RingPlatform
import Testing

@Suite("Where a queue may move")
struct MigrationTargetTests {
  @Test("a target that lacks a feature, room, or secrecy is refused with all that is missing, and the source goes on")
  func refusals() throws {
    let features: VirtioFeatures = [.eventIndex, .inOrder, .accessPlatform]
    for isPacked in [false, true] {
      let plan = MovingPlan(isPacked: isPacked, path: .swiotlb, features: features, size: 16, singles: false)
      let queue = try MovingQueue(plan, MovingMemory(plan))
      try queue.fill()
      var state = try queue.driver.save()
      state.isSecure = true
      let all = state.features.union([.ringReset, VirtioFeatures(bits: 3)])
      try MigrationTarget(platform: Platform(secure: true), offered: all, maximumQueueSize: 16).admit(state)
      for bit in 0..<64 where state.features.contains(VirtioFeatures(bits: bit)) {
        let feature = VirtioFeatures(bits: bit)
        let target = MigrationTarget(
          platform: Platform(secure: true), offered: all.subtracting(feature), maximumQueueSize: 256)
        let error = #expect(throws: MigrationRefusal.self) { try target.admit(state) }
        #expect(error?.missing == [.feature(feature)] && "\(error!)".contains("\(feature)"))
      }
      let poor = MigrationTarget(platform: Platform(secure: false), offered: .version1, maximumQueueSize: 8)
      let error = try #require(#expect(throws: MigrationRefusal.self) { try poor.admit(state) })
      #expect(error.missing.contains(.securePlatform))
      #expect(error.missing.contains(.queueSize(needed: 16, available: 8)))
      #expect(error.missing.filter { if case .feature = $0 { true } else { false } }.count == (isPacked ? 4 : 3))
      #expect("\(error)".contains("its queue holds 8 descriptors, 16 are needed"))
      try queue.finish()
    }
  }

  @Test("a secure target takes no queue that runs without what it demands of a new device")
  func secureTarget() throws {
    let plan = MovingPlan(isPacked: false, path: .direct, features: [], size: 4, singles: true)
    let state = try MovingQueue(plan, MovingMemory(plan)).driver.save()
    let target = MigrationTarget(platform: Platform(secure: true), offered: .allRing, maximumQueueSize: 4)
    let error = #expect(throws: MigrationRefusal.self) { try target.admit(state) }
    #expect(error?.missing == [.negotiated(.accessPlatform)])
  }

  @Test("a state that is none is refused with its field")
  func damaged() throws {
    let plan = MovingPlan(isPacked: false, path: .direct, features: [], size: 4, singles: true)
    var state = try MovingQueue(plan, MovingMemory(plan)).driver.save()
    state.free.removeLast()
    let target = MigrationTarget(platform: Platform(secure: false), offered: .allRing, maximumQueueSize: 4)
    let error = #expect(throws: MigrationRefusal.self) { try target.admit(state) }
    #expect("\(error!)".contains("queue state: free"))
  }
}
