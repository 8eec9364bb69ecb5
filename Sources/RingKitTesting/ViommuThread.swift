package import RingIOMMU

/// A ``ViommuServer`` on a thread, with a connection for each side.
///
/// Ends when both connections are closed, and waits for that when it goes away.
package final class ViommuThread: @unchecked Sendable {
  private final class Ends: @unchecked Sendable { var value: [ViommuServerEnd] = [] }

  private let ends = Ends()
  private var thread: TestThread?
  private var driverSocket: ViommuSocket?
  private var deviceSocket: ViommuSocket?

  /// Starts to serve.
  package init(_ server: ViommuServer = ViommuServer()) throws {
    let (driver, served) = try ViommuSocket.pair()
    let (device, asked) = try ViommuSocket.pair()
    driverSocket = driver
    deviceSocket = device
    let ends = ends
    let sides: [(socket: ViommuSocket, role: ViommuRole)] = [(served, .driver), (asked, .device)]
    thread = TestThread { ends.value = server.serve(sides) }
  }

  /// The driver's client; once.
  package func driver(timeout: UInt64 = 120_000_000_000) throws -> ViommuClient {
    defer { driverSocket = nil }
    guard let driverSocket else { preconditionFailure("a side has one client") }
    return try ViommuClient(driverSocket, timeout: timeout)
  }

  /// The device's client; once.
  package func device(timeout: UInt64 = 120_000_000_000) throws -> ViommuClient {
    defer { deviceSocket = nil }
    guard let deviceSocket else { preconditionFailure("a side has one client") }
    return try ViommuClient(deviceSocket, timeout: timeout)
  }

  /// Waits for the server's end, which the clients must have let go of; how each connection ended, the driver's first.
  @discardableResult
  package func join() -> [ViommuServerEnd] {
    (driverSocket, deviceSocket) = (nil, nil)
    thread?.join()
    thread = nil
    return ends.value
  }

  deinit { join() }
}
