public import RingKit

/// A process that runs a ``ViommuServer``, with a connection to it for each side.
///
/// The program started must serve the sockets it finds at its descriptors ``driverDescriptor`` and
/// ``deviceDescriptor``, and end when both have. It is killed when the value and both clients are gone.
public struct ViommuProcess {
  /// Where the program finds the driver's connection.
  public static let driverDescriptor: Int32 = 3
  /// Where the program finds the device's connection.
  public static let deviceDescriptor: Int32 = 4

  /// The process itself.
  public let process: ChildProcess
  /// For a ``ViommuMapper``.
  public let driver: ViommuClient
  /// For a ``ViommuTranslator``.
  public let device: ViommuClient

  /// Starts the program.
  ///
  /// - Throws: ``ViommuFailure/system(errno:)`` when there is no such program, or no room for a process.
  public init(
    executable: String, arguments: [String], timeout: UInt64 = 10_000_000_000
  ) throws(ViommuFailure) {
    let (driver, served) = try ViommuSocket.pair()
    let (device, asked) = try ViommuSocket.pair()
    // Its ends are closed here with this function: only then is the process's end seen as the connection's.
    let sockets = [served.fileDescriptor, asked.fileDescriptor]
    process = try ChildProcess(starting: executable, arguments, sockets: sockets)
    withExtendedLifetime((served, asked)) {}
    self.driver = try ViommuClient(driver, timeout: timeout, process: process)
    self.device = try ViommuClient(device, timeout: timeout, process: process)
  }
}
