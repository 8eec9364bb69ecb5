internal import CRing
internal import RingKit

/// The VMM's part of an emulated IOMMU: holds a device's translations, and answers driver and device over sockets.
///
/// Meant to run in a process of its own; a thread will do for a test. It holds no guest memory, only where things are.
/// What it is asked is not believed: a message of another length or with another header ends its connection, a field
/// that cannot be is refused with ``ViommuStatus``, and a device may not map. Several threads may serve, each its own
/// connections: the table is one that drivers write and devices walk at the same time.
@safe
package final class ViommuServer: @unchecked Sendable {
  private let table: PageTable
  private let largestLeaf: Int

  /// Translations of an address space in which nothing is mapped.
  ///
  /// - Parameters:
  ///   - maximumTablePages: pages of 4 KiB that page tables may take.
  ///   - usesLargePages: whether ranges that allow it are held, and answered, in leaves of 2 MiB and 1 GiB.
  package init(maximumTablePages: Int = 1 << 16, usesLargePages: Bool = true) {
    table = PageTable(maximumPages: maximumTablePages)
    largestLeaf = usesLargePages ? 3 : 1
  }

  deinit { table.deallocate() }

  /// Serves until every one of the connections, at most 16, has ended.
  ///
  /// - Returns: how each ended, in the order given.
  @discardableResult
  package func serve(_ connections: [(socket: ViommuSocket, role: ViommuRole)]) -> [ViommuServerEnd] {
    precondition(connections.count <= 16, "one thread serves at most 16 connections")
    var ends = [ViommuServerEnd?](repeating: nil, count: connections.count)
    // The one that was served last is looked at last: none that sends without end keeps another waiting.
    var last = -1
    while let first = ends.firstIndex(where: { $0 == nil }) {
      // Where there is but one to serve, waiting for it is receiving from it.
      let isLast = ends.lastIndex { $0 == nil } == first
      switch isLast ? .success(first) : Self.next(connections.map(\.socket.fileDescriptor), after: last) {
      case .success(let at):
        last = at
        ends[at] = step(connections[at].socket, connections[at].role)
        if ends[at] != nil { connections[at].socket.close() }
      case .failure(.system(let errno)):
        for at in ends.indices where ends[at] == nil {
          ends[at] = .system(errno: errno)
          connections[at].socket.close()
        }
      case .failure: break
      }
    }
    return ends.compactMap { $0 }
  }

  private static func next(_ descriptors: [Int32], after last: Int) -> Result<Int, ViommuFailure> {
    let start = (last + 1) % descriptors.count
    let rotated = [Int32](descriptors[start...] + descriptors[..<start])
    var index = 0
    let error = unsafe cring_channel_wait(rotated, rotated.count, &index)
    return error == 0 ? .success((start + index) % descriptors.count) : .failure(.system(errno: error))
  }

  /// One request and its reply; `nil` when the connection goes on.
  private func step(_ socket: ViommuSocket, _ role: ViommuRole) -> ViommuServerEnd? {
    var words = InlineArray<6, UInt64>(repeating: 0)
    let (error, byteCount) = socket.receive(&words)
    guard error == 0 else { return error == CRING_CHANNEL_RESET ? .closed : .system(errno: error) }
    guard byteCount > 0 else { return .closed }
    guard byteCount == ViommuRequest.byteCount, let request = ViommuRequest(words) else {
      return .malformed(byteCount: byteCount, firstWord: words[0])
    }
    let failure = socket.send(answer(to: request, from: role).words, waits: false)
    switch failure {
    case 0: return nil
    case CRING_CHANNEL_TIMED_OUT: return .unread
    case CRING_CHANNEL_GONE, CRING_CHANNEL_RESET: return .closed
    default: return .system(errno: failure)
    }
  }

  /// Does what is asked.
  func answer(to request: ViommuRequest, from role: ViommuRole) -> ViommuReply {
    let isAllowed = (request.kind == .translate) == (role == .device)
    guard isAllowed, request.isWellFormed else {
      return ViommuReply(isAllowed ? .badRequest : .notAllowed, to: request.sequence)
    }
    // Not a counter without size: the thread sanitizer takes its address, which is everybody's, for something shared.
    var writes: UInt64 = 0
    do throws(DMAError) {
      switch request.kind {
      case .map:
        try table.mapRange(
          request.page, to: request.target, pages: request.pages, permissions: request.permissions,
          largestLeaf: largestLeaf, writes: &writes)
      case .unmap: try table.unmapRange(request.page, pages: request.pages, writes: &writes)
      case .translate: return translation(request)
      }
      return ViommuReply(.done, to: request.sequence)
    } catch {
      switch error {
      case .alreadyMapped: return ViommuReply(.alreadyMapped, to: request.sequence)
      case .pageTableExhausted: return ViommuReply(.exhausted, to: request.sequence)
      default: return ViommuReply(.notMapped, to: request.sequence)
      }
    }
  }

  private func translation(_ request: ViommuRequest) -> ViommuReply {
    let (entry, level) = table.walk(request.page)
    guard entry.isPresent else { return ViommuReply(.notMapped, to: request.sequence) }
    return ViommuReply(
      .done, to: request.sequence, target: entry.address,
      bits: entry.bits & PageTableEntry.permissionMask | UInt64(level) << 8)
  }
}

/// Which side of a device's address space a connection speaks for.
package enum ViommuRole: UInt8, Sendable {
  /// Maps and unmaps.
  case driver
  /// Asks where an address leads; may not change that.
  case device
}

/// Why a ``ViommuServer`` stopped to serve a connection.
package enum ViommuServerEnd: Equatable, Sendable {
  /// The other side closed it.
  case closed
  /// A message that is no request: its length in bytes and its first word.
  case malformed(byteCount: Int, firstWord: UInt64)
  /// The other side asks and does not read the answers.
  case unread
  /// The kernel did not carry a message (an errno).
  case system(errno: Int32)
}
