internal import CPeer
package import RingKit

/// Our driver's loop against a C device: every payload checked, every completion accounted for.
package final class DriverExchange: @unchecked Sendable {
  private let peer: PeerRun
  private let rig: Rig
  private var free: [Int]
  private var sequences: [UInt64?]
  package private(set) var bytesRead = 0
  package private(set) var bytesWritten = 0

  package init(_ run: PeerRun) throws {
    peer = run
    rig = run.rig
    free = Array((0..<run.what.size).reversed())
    sequences = Array(repeating: nil, count: run.what.size)
  }

  package func run() throws {
    var sequence: UInt64 = 0
    var done = 0
    while done < peer.buffers {
      var added = 0
      while added < peer.what.batch, sequence < peer.buffers, try add(sequence) {
        sequence += 1
        added += 1
      }
      if added > 0 {
        rig.driver.publish()
        if rig.driver.isNotificationDue() { peer.notify(asDevice: false) }
      }
      var returned = 0
      while let completion = try rig.driver.nextUsed() {
        try collect(completion)
        returned += 1
      }
      done += returned
      if added == 0, returned == 0 {
        guard try peer.wait(asDevice: false, { !self.rig.driver.enableNotifications() }) else { return }
        if peer.what.sleeps { rig.driver.disableNotifications() }
      }
    }
    try rig.driver.flush()
  }

  private func add(_ sequence: UInt64) throws -> Bool {
    guard let slot = free.last else { return false }
    let limit = UInt32(min(peer.what.size, 4))
    let readable = Int(cpeer_readable_count(sequence, limit))
    let writable = Int(cpeer_writable_count(sequence, limit))
    let base = slot * 96
    var parts: [MemorySegment] = []
    for i in 0..<readable + writable { parts.append(rig.segment(at: base + 24 * i, 24)) }
    rig.fill(base, 24 * readable, sequence)
    let result =
      if parts.count == 1 {
        try rig.driver.add(
          parts[0], writable == 0 ? .deviceReadable : .deviceWritable, token: sequence << 16 | UInt64(slot))
      } else {
        try rig.driver.add(
          readable: Array(parts[..<readable]), writable: Array(parts[readable...]), token: sequence << 16 | UInt64(slot)
        )
      }
    guard result == .added else { return false }
    free.removeLast()
    sequences[slot] = sequence
    bytesWritten += 24 * readable
    return true
  }

  private func collect(_ completion: Completion) throws {
    let slot = Int(completion.token & 0xffff)
    let sequence = completion.token >> 16
    guard sequences[slot] == sequence else { throw Wrong.completion(completion) }
    sequences[slot] = nil
    free.append(slot)
    let limit = UInt32(min(peer.what.size, 4))
    let readable = Int(cpeer_readable_count(sequence, limit))
    let capacity = 24 * Int(cpeer_writable_count(sequence, limit))
    let written = Int(completion.writtenByteCount)
    guard written == Int(cpeer_written(sequence, UInt32(capacity))) else { throw Wrong.length(completion) }
    guard rig.holds(slot * 96 + 24 * readable, written, sequence ^ 1 << 63) else { throw Wrong.reply(completion) }
    guard rig.holds(slot * 96, 24 * readable, sequence) else { throw Wrong.request(completion) }
    bytesRead += written
  }

  package enum Wrong: Error {
    case completion(Completion)
    case length(Completion)
    case reply(Completion)
    case request(Completion)
  }
}
