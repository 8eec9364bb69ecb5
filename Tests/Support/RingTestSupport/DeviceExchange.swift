internal import CPeer
package import RingKit
internal import RingKitTesting

/// Our device's loop against a C driver: every payload checked in the order it was made available.
package final class DeviceExchange: @unchecked Sendable {
  private let peer: PeerRun
  private let device: DeviceEnd
  private var sequence: UInt64 = 0
  package private(set) var bytesWritten = 0

  package init(_ run: PeerRun) {
    peer = run
    device = run.rig.device
  }

  package func run() throws {
    let isInOrder = peer.what.features.contains(.inOrder)
    while sequence < peer.buffers {
      device.service()
      var batch: [(chain: DeviceChain, written: UInt32)] = []
      while batch.count < peer.what.batch, let chain = try device.next() {
        batch.append((chain, try serve(chain)))
        sequence += 1
      }
      if batch.isEmpty {
        guard try peer.wait(asDevice: true, { !self.device.enableNotifications() }) else { return }
        if peer.what.sleeps { device.disableNotifications() }
        continue
      }
      if !isInOrder { batch.reverse() }
      for (chain, written) in batch { device.complete(chain, written: written) }
      device.publish()
      if device.isNotificationDue() { peer.notify(asDevice: true) }
    }
    // The driver unmaps its last buffers only now.
    while !peer.driverIsDone.isRaised, !peer.stop.isRaised {
      device.service()
      cpeer_yield()
    }
  }

  private func serve(_ chain: DeviceChain) throws -> UInt32 {
    var (consumed, produced) = (0, 0)
    for segment in device.segments {
      let bytes = unsafe segment.host.pointer.assumingMemoryBound(to: UInt8.self)
      if segment.access == .deviceReadable {
        guard unsafe cpeer_check(bytes, segment.byteCount, sequence, consumed) == segment.byteCount else {
          throw Wrong.request(sequence)
        }
        consumed += segment.byteCount
      } else {
        // No more than is told of, so that the driver can see that the rest was left alone.
        let written = Int(cpeer_written(sequence, UInt32(chain.writableByteCount)))
        unsafe cpeer_fill(bytes, min(segment.byteCount, max(written - produced, 0)), sequence ^ 1 << 63, produced)
        produced += segment.byteCount
      }
    }
    guard consumed == Int(chain.readableByteCount), produced == Int(chain.writableByteCount) else {
      throw Wrong.size(chain)
    }
    let written = cpeer_written(sequence, UInt32(chain.writableByteCount))
    bytesWritten += Int(written)
    return written
  }

  package enum Wrong: Error {
    case request(UInt64)
    case size(DeviceChain)
  }
}
