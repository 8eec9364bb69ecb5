internal import CRing
package import RingKit
internal import Synchronization

/// A child of this process that stands for a device or for what holds its translations.
///
/// Any thread may ask; the answer is remembered, because the kernel tells of an end once. A child that still runs when
/// the value goes away is killed and buried.
package final class ChildProcess: Sendable {
  /// Its number while it runs.
  package let processIdentifier: Int32

  private let known = Mutex<ProcessEnd?>(nil)

  /// Watches a child that was started already; no other part of the program may wait for it.
  package init(watching processIdentifier: Int32) { self.processIdentifier = processIdentifier }

  /// Starts a program with sockets at its descriptors 3, 4 and so on; of the others it has the three standard ones.
  ///
  /// - Throws: ``ViommuFailure/system(errno:)`` when there is no such program, or no room for a process.
  package convenience init(starting executable: String, _ arguments: [String], sockets: [Int32]) throws(ViommuFailure) {
    var strings: [CChar] = []
    for text in [executable] + arguments { strings += text.utf8CString }
    var child: Int32 = 0
    let error = unsafe cring_child_start(executable, strings, arguments.count + 1, sockets, sockets.count, &child)
    guard error == 0 else { throw .system(errno: error) }
    self.init(watching: child)
  }

  deinit {
    if end == nil {
      cring_child_kill(processIdentifier)
      _ = wait()
    }
  }

  /// How it ended, or `nil` while it runs: one system call.
  package var end: ProcessEnd? { known.withLock { look(&$0, waiting: false) } }

  /// Waits until it has ended.
  package func wait() -> ProcessEnd { known.withLock { look(&$0, waiting: true) } ?? .unknown }

  private func look(_ known: inout ProcessEnd?, waiting: Bool) -> ProcessEnd? {
    if let known { return known }
    var state = CRING_CHILD_RUNS
    var value: Int32 = 0
    let error = unsafe cring_child_look(processIdentifier, waiting ? 1 : 0, &state, &value)
    if error != 0 {
      known = .unknown
    } else {
      switch state {
      case CRING_CHILD_EXITED: known = .exited(code: value)
      case CRING_CHILD_KILLED: known = .killed(signal: value)
      default: break
      }
    }
    return known
  }
}
