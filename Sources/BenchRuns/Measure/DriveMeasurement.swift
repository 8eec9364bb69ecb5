import BenchPaths
import BenchPlan
import BenchReport
import RingIOMMU
import RingKit
import RingPlatform
import VhostUser

/// One run of `ringbench drive`: connects, negotiates, lays memory out, and hands the load its queues.
package struct DriveMeasurement {
  private let parameters: DriveParameters
  private let machine: Machine
  private let progress: Progress

  package init(_ parameters: DriveParameters, _ machine: Machine, _ progress: Progress) {
    self.parameters = parameters
    self.machine = machine
    self.progress = progress
  }

  package func run() throws(BenchError) -> DriveReport {
    do {
      let frontend = VhostUserFrontend(try connect(), timeout: parameters.timeoutMilliseconds)
      // The network device one meets is DPDK's, which asks to read what it only writes.
      frontend.grantsReadWithWrite = parameters.device == .net
      frontend.awaitsSuccessor = parameters.reconnects
      let interruption = Interruption()
      frontend.isOver = interruption.isOver
      let wanted = parameters.device == .block ? BlockLimits.features : VirtioFeatures()
      let config = try negotiate(frontend, wanted)
      let limits = config.isEmpty ? nil : BlockLimits(config, features: frontend.features)
      if let limits { try check(limits) }
      let guest = try DriveGuest(parameters)
      try frontend.share(guest.memory)
      let domain = parameters.isTranslated ? domain(guest.memory) : nil
      if let domain { frontend.attach(domain) }
      let port = try DrivePort(
        frontend, queues: parameters.device.queueCount, timeoutMilliseconds: parameters.timeoutMilliseconds,
        succession: try parameters.reconnects ? succession(frontend, config) : nil, interruption: interruption)
      let session = DriveSession(
        parameters: parameters, guest: guest, domain: domain, port: port, limits: limits, progress: progress)
      let tally = try session.run()
      for note in tally.notes { progress.warn(note) }
      // What was done until then is worth showing.
      if let failure = tally.failure, tally.requests == 0 { throw failure }
      return DriveReport(
        machine, parameters, frontend, limits, tally, sleeps: port.sleeps, hasNotes: port.hasNotes)
    } catch let error as BenchError {
      throw error
    } catch let error as FrontendError {
      throw error.asBenchError(parameters.device.kind)
    } catch let error as DriveFailure {
      throw error.asBenchError(parameters.device.kind)
    } catch {
      throw .machine("\(parameters.path.name) cannot be set up: \(error)")
    }
  }

  private func connect() throws -> VhostUserConnection {
    do throws(VhostUserError) {
      if let connection = try address.connect(milliseconds: parameters.timeoutMilliseconds) { return connection }
    } catch {
      guard case .system(_, let errno) = error, !Interrupt.isRequested else {
        throw BenchError.machine("\(parameters.socket): \(error)")
      }
      throw BenchError.machine(
        "no back-end can be reached at \(parameters.socket): \(Errno.text(errno)); start one there, or use --listen")
    }
    throw BenchError.machine(
      "no back-end connected to \(parameters.socket) within \(parameters.timeoutMilliseconds) ms")
  }

  private var address: DriveAddress { DriveAddress(socket: parameters.socket, listens: parameters.listens) }

  /// What goes on for a back-end that is gone, with its notes where it takes any.
  private func succession(_ frontend: VhostUserFrontend, _ config: [UInt8]) throws -> DriveSuccession {
    let hasNotes = try frontend.trackInflight(queues: parameters.device.queueCount, size: parameters.queueSize)
    return DriveSuccession(address: address, hasNotes: hasNotes, config: config)
  }

  /// Agrees on features; what the configuration space of a block device says.
  private func negotiate(_ frontend: VhostUserFrontend, _ wanted: VirtioFeatures) throws -> [UInt8] {
    let isBlock = parameters.device == .block
    try frontend.negotiate(
      wanted, required: parameters.requiredFeatures, of: parameters.device.kind,
      protocolFeatures: isBlock ? .config : [],
      optional: parameters.reconnects ? .inflight : [], queues: parameters.device.queueCount)
    return isBlock ? try frontend.config(offset: 0, byteCount: BlockLimits.byteCount) : []
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
