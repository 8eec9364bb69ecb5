import TestTraits
import Testing

/// What another may change is loaded once and then used: counted by trapping every access, and tried by a liar that
/// changes each field right after it was read for the first time.
///
/// In a process of its own, because signals belong to a process. A test's build has a load for every load in the
/// sources; that an optimised one has no more is what atomic accesses promise.
@Suite(
  "Double fetch, access by access", .enabled(if: AccessTrace.lacks == nil, Comment(rawValue: AccessTrace.lacks ?? "")))
struct LoadOnceTests {
  @Test("a device loads each field of what it is offered once", .afterTheOthers)
  func device() async {
    await #expect(processExitsWith: .success) { try LoadOnce.count(.device) }
  }

  @Test("a driver loads each field of what it gets back once", .afterTheOthers)
  func driver() async {
    await #expect(processExitsWith: .success) { try LoadOnce.count(.driver) }
  }

  @Test(
    "a device goes by what it read first, or names what is wrong, whichever field changes behind its back",
    .afterTheOthers)
  func deceivedDevice() async {
    await #expect(processExitsWith: .success) { try LoadOnce.deceive(.device) }
  }

  @Test(
    "a driver goes by what it read first, or names what is wrong, whichever field changes behind its back",
    .afterTheOthers)
  func deceivedDriver() async {
    await #expect(processExitsWith: .success) { try LoadOnce.deceive(.driver) }
  }

  @Test("whether a notification is due takes one look", .afterTheOthers)
  func notifications() async {
    await #expect(processExitsWith: .success) { try LoadOnce.notify() }
  }
}
