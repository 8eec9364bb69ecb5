package import CPeer
internal import RingKit
package import RingKitTesting
internal import Testing

/// Our end on one thread, a C peer on another, and what both counted.
package final class PeerRun: @unchecked Sendable {
  package let rig: Rig
  package let what: PeerCase
  package let buffers: Int
  package let stop = StopFlag()
  /// Raised when the driver needs the device no more, not even its IOMMU.
  package let driverIsDone = StopFlag()
  private let kick: EventDoorbell?
  private let call: EventDoorbell?
  package private(set) var report = cpeer_report()
  package private(set) var failure: String?
  private var otherFailure: String?
  package private(set) var bytesRead = 0
  package private(set) var bytesWritten = 0

  package init(_ what: PeerCase, buffers: Int) throws {
    self.what = what
    self.buffers = buffers
    rig = try Rig(
      what.layout, what.path, size: what.size, features: what.features, indirectCapacity: min(4, what.size),
      payloadByteCount: cpeer_driver_window_bytes(UInt32(what.size)) + 4096, threads: true)
    kick = what.sleeps ? try EventDoorbell() : nil
    call = what.sleeps ? try EventDoorbell() : nil
  }

  /// Our driver against the C device.
  package func driveDevice() throws {
    let exchange = try DriverExchange(self)
    both(asDevice: true) { try exchange.run() }
    bytesRead = exchange.bytesRead
    bytesWritten = exchange.bytesWritten
    try check(readByPeer: bytesWritten, writtenByPeer: bytesRead)
  }

  /// Our device against the C driver.
  package func serveDriver() throws {
    driverIsDone.raise()
    let exchange = DeviceExchange(self)
    both(asDevice: false) { try exchange.run() }
    bytesWritten = exchange.bytesWritten
    try check(readByPeer: bytesWritten, writtenByPeer: nil)
  }

  /// Our driver against our device.
  package func exchange() throws {
    let drive = try DriverExchange(self)
    let serve = DeviceExchange(self)
    concurrently(2) { number in
      do {
        if number == 0 { try serve.run() } else { try drive.run() }
      } catch {
        if number == 0 { self.otherFailure = "\(error)" } else { self.failure = "\(error)" }
        self.stop.raise()
      }
      if number == 1 { self.driverIsDone.raise() }
    }
    #expect(failure == nil && otherFailure == nil, "driver: \(failure ?? "fine"), device: \(otherFailure ?? "fine")")
    #expect(drive.bytesRead == serve.bytesWritten)
    #expect(try rig.audit() == [])
    #expect(rig.driver.inFlightCount == 0 && rig.device.inFlightCount == 0)
  }

  /// Waits on the driver's or device's behalf: false when the other side gave up.
  package func wait(asDevice: Bool, _ mayWait: () -> Bool) throws -> Bool {
    if stop.isRaised { return false }
    guard let bell = asDevice ? kick : call else {
      cpeer_yield()
      return true
    }
    guard mayWait() else { return true }
    for _ in 0..<300 {
      if bell.wait(milliseconds: 100) { return true }
      if stop.isRaised { return false }
    }
    throw Lost.wakeup
  }

  package func notify(asDevice: Bool) { (asDevice ? call : kick)?.ring() }

  private func both(asDevice: Bool, ours: @escaping @Sendable () throws -> Void) {
    concurrently(2) { number in
      if number == 0 {
        self.report = self.runPeer(asDevice: asDevice)
        if self.report.failure != CPEER_OK { self.stop.raise() }
      } else {
        do { try ours() } catch {
          self.failure = "\(error)"
          self.stop.raise()
        }
      }
    }
  }

  private func runPeer(asDevice: Bool) -> cpeer_report {
    var features: UInt32 = 0
    if what.features.contains(.indirectDescriptors) { features |= CPEER_INDIRECT.rawValue }
    if what.features.contains(.eventIndex) { features |= CPEER_EVENT.rawValue }
    if what.features.contains(.inOrder) { features |= CPEER_IN_ORDER.rawValue }
    guard let areas = try? rig.areas else { return cpeer_report() }
    // The device may touch payload and tables, which lie behind each other with guards around them.
    let start = rig.tables.buffer.address.rawValue
    let end = rig.payload.buffer.address.rawValue + UInt64(rig.payload.buffer.byteCount)
    let window = asDevice ? rig.tables.buffer : rig.payload.buffer
    let windowBytes = asDevice ? end - start : UInt64(window.byteCount)
    var run = unsafe cpeer_run(
      descriptors: areas[0].host.pointer, driver_area: areas[1].host.pointer, device_area: areas[2].host.pointer,
      size: UInt32(what.size), features: features, window_address: window.address.rawValue,
      window: window.host.pointer.assumingMemoryBound(to: UInt8.self), window_bytes: windowBytes,
      buffers: UInt64(buffers), batch: UInt32(what.batch), reverse: 1,
      sleep_fd: (asDevice ? kick : call)?.fileDescriptor ?? -1, ring_fd: (asDevice ? call : kick)?.fileDescriptor ?? -1,
      stop: stop.word)
    return switch (what.layout, asDevice) {
    case (.split, true): unsafe cpeer_split_device(&run)
    case (.split, false): unsafe cpeer_split_driver(&run)
    case (.packed, true): unsafe cpeer_packed_device(&run)
    case (.packed, false): unsafe cpeer_packed_driver(&run)
    }
  }

  private func check(readByPeer: Int, writtenByPeer: Int?) throws {
    #expect(failure == nil)
    #expect(report.failure == CPEER_OK, "expected \(report.expected), found \(report.found)")
    #expect(report.buffers == UInt64(buffers))
    #expect(report.bytes_read == UInt64(readByPeer))
    if let writtenByPeer { #expect(report.bytes_written == UInt64(writtenByPeer)) }
    if what.sleeps && failure == nil { #expect(report.slept <= report.buffers + report.rung + 1) }
    #expect(try rig.audit().isEmpty)
  }

  package enum Lost: Error {
    case wakeup
  }
}
