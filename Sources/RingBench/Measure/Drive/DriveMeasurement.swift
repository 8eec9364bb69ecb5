import RingKit
import VhostUser

/// One run of `ringbench drive`: connects, negotiates, lays memory out, and hands the load its queues.
struct DriveMeasurement {
  private let parameters: DriveParameters
  private let machine: Machine
  private let progress: Progress

  init(_ parameters: DriveParameters, _ machine: Machine, _ progress: Progress) {
    self.parameters = parameters
    self.machine = machine
    self.progress = progress
  }

  func run() throws(BenchError) -> DriveReport {
    do {
      let frontend = VhostUserFrontend(try connect(), timeout: parameters.timeoutMilliseconds)
      // The network device one meets is DPDK's, which asks to read what it only writes.
      frontend.grantsReadWithWrite = parameters.device == .net
      let wanted = parameters.device == .block ? BlockLimits.features : VirtioFeatures()
      let limits = try negotiate(frontend, wanted)
      if let limits { try check(limits) }
      let guest = try DriveGuest(parameters)
      try frontend.share(guest.memory)
      let domain = parameters.isTranslated ? domain(guest.memory) : nil
      if let domain { frontend.attach(domain) }
      let port = try DrivePort(
        frontend, queues: parameters.device.queueCount, timeoutMilliseconds: parameters.timeoutMilliseconds)
      let session = DriveSession(
        parameters: parameters, guest: guest, domain: domain, port: port, limits: limits, progress: progress)
      let tally = try session.run()
      return DriveReport(machine, parameters, frontend, limits, tally, sleeps: port.sleeps)
    } catch let error as BenchError {
      throw error
    } catch let error as FrontendError {
      throw error.asBenchError
    } catch let error as DriveFailure {
      if case .session(let session) = error { throw session.asBenchError }
      throw .check(error.text)
    } catch {
      throw .machine("\(parameters.path.name) cannot be set up: \(error)")
    }
  }

  private func connect() throws -> VhostUserConnection {
    do throws(VhostUserError) {
      if let connection = try parameters.listens ? accept() : VhostUserConnection(connectingTo: parameters.socket) {
        return connection
      }
    } catch {
      guard case .system(_, let errno) = error else { throw BenchError.machine("\(parameters.socket): \(error)") }
      throw BenchError.machine(
        "no back-end can be reached at \(parameters.socket): \(Errno.text(errno)); start one there, or use --listen")
    }
    throw BenchError.machine(
      "no back-end connected to \(parameters.socket) within \(parameters.timeoutMilliseconds) ms")
  }

  /// The first back-end that connects, `nil` when none does in time.
  private func accept() throws(VhostUserError) -> VhostUserConnection? {
    let listener = try VhostUserListener(at: parameters.socket)
    var set = PollSet()
    set.add(listener.fileDescriptor)
    guard try set.wait(milliseconds: Int32(parameters.timeoutMilliseconds)) else { return nil }
    return try listener.accept()
  }

  private func negotiate(_ frontend: VhostUserFrontend, _ wanted: VirtioFeatures) throws -> BlockLimits? {
    let isBlock = parameters.device == .block
    try frontend.negotiate(
      wanted, required: parameters.requiredFeatures, protocolFeatures: isBlock ? .config : [],
      queues: isBlock ? 1 : 2)
    guard isBlock else { return nil }
    return BlockLimits(
      try frontend.config(offset: 0, byteCount: BlockLimits.byteCount), features: frontend.features)
  }

  /// Refuses a size that the device does not take.
  private func check(_ limits: BlockLimits) throws(BenchError) {
    let bytes = parameters.bytes
    guard bytes % Int(limits.blockByteCount) == 0 else {
      throw .usage("the device's blocks have \(limits.blockByteCount) bytes; \(bytes) is no multiple of it (--size)")
    }
    if let most = limits.segmentByteCount, bytes > most {
      throw .usage("the device takes segments of \(most) bytes at most, not \(bytes) (--size)")
    }
    guard limits.sectorCount >= UInt64(bytes / 512) else {
      throw .machine("the disk has \(limits.sectorCount) sectors of 512 bytes, less than one request of \(bytes) bytes")
    }
    guard !parameters.verifies || !limits.isReadOnly else {
      throw .machine("the disk is read-only, and --verify writes; leave it out")
    }
  }

  private func domain(_ memory: GuestMemory) -> IOMMUDomain {
    var configuration = IOMMUConfiguration()
    // One thread maps, and speaks with the device.
    configuration.servedBy = .waiter
    return IOMMUDomain(memory: memory, configuration: configuration)
  }
}
