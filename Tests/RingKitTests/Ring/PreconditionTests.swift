import RingTestSupport
import TestTraits
import Testing

@Suite("What a caller must not do")
struct PreconditionTests {
  @Test("completing a chain twice stops the process", .afterTheOthers)
  func completeTwice() async {
    await #expect(processExitsWith: .failure) {
      let rig = try Rig(.split, size: 4)
      try Exchange(rig).offer(1)
      let chain = try rig.device.fetch()
      rig.device.complete(chain)
      rig.device.complete(chain)
    }
    await #expect(processExitsWith: .failure) {
      let rig = try Rig(.packed, size: 4)
      try Exchange(rig).offer(1)
      let chain = try rig.device.fetch()
      rig.device.complete(chain)
      rig.device.complete(chain)
    }
  }

  @Test("claiming more bytes than a chain can take stops the process", .afterTheOthers)
  func writtenTooLarge() async {
    await #expect(processExitsWith: .failure) {
      let rig = try Rig(.split, size: 4)
      try Exchange(rig).offer(1)
      rig.device.complete(try rig.device.fetch(), written: 65)
    }
    await #expect(processExitsWith: .failure) {
      let rig = try Rig(.packed, size: 4)
      try Exchange(rig).offer(1)
      rig.device.complete(try rig.device.fetch(), written: 65)
    }
  }

  @Test("the same steps without the mistake do not stop it", .afterTheOthers)
  func control() async {
    await #expect(processExitsWith: .success) {
      for layout in [RingLayout.split, .packed] {
        let rig = try Rig(layout, size: 4)
        try Exchange(rig).offer(1)
        rig.device.complete(try rig.device.fetch(), written: 64)
      }
    }
  }
}
