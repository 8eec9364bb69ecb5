import CTrap
import RingKit

/// Every access to some shared memory while a closure runs, by address.
///
/// For a process of its own: it takes SIGSEGV and SIGTRAP.
struct AccessTrace {
  /// A value that turns into another once it was read.
  struct Lie {
    let area: GuestBuffer
    let offset: Int
    let byteCount: Int
    /// The bits that change.
    let mask: UInt64
  }

  private let accesses: [(address: UInt, isWrite: Bool)]

  /// Why there can be none on this machine, or in this build; `nil` where there can.
  static var lacks: String? { unsafe ctrap_lacks().map { unsafe String(cString: $0) } }

  /// Runs code that touches the areas on this thread only; each is whole pages.
  init(of areas: [GuestBuffer], lying lies: [Lie] = [], _ body: () throws -> Void) throws {
    ctrap_forget()
    for area in areas {
      guard unsafe ctrap_watch(area.host.pointer, area.byteCount) != 0 else { throw Failure.room }
    }
    for lie in lies {
      guard unsafe ctrap_lie(lie.area.host.pointer + lie.offset, lie.byteCount, lie.mask) != 0 else {
        throw Failure.room
      }
    }
    guard ctrap_start() == 0 else { throw Failure.system }
    var failure: (any Error)?
    do { try body() } catch { failure = error }
    guard ctrap_stop() == 0 else { throw Failure.system }
    if let failure { throw failure }
    guard ctrap_count() <= ctrap_room() else { throw Failure.room }
    accesses = (0..<ctrap_count()).map {
      let access = ctrap_access_at($0)
      return (access.address, access.is_write != 0)
    }
  }

  /// Loads from an area: how many at each offset that was loaded from.
  func loads(from area: GuestBuffer) -> [Int: Int] {
    var found: [Int: Int] = [:]
    for access in accesses where !access.isWrite {
      let offset = access.address &- area.host.rawValue
      if offset < UInt(area.byteCount) { found[Int(offset), default: 0] += 1 }
    }
    return found
  }

  enum Failure: Error {
    case room
    case system
  }
}
