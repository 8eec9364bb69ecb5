internal import RingIOMMU
internal import RingKit

/// The three parts of a vring, as the front-end has them, and where they are here.
struct VringParts {
  struct Part {
    let address: UInt64
    let byteCount: Int
    let accesses: [DMADirection]
  }

  /// What is missing before the parts can be reached.
  enum Missing: Error {
    case translation(IOVA, DMADirection)
    case memory(Part)
  }

  /// Descriptors, then what the driver writes, then what the device writes.
  let all: [Part]

  init(_ address: VringAddress, size: Int, isPacked: Bool) {
    all = [
      Part(
        address: address.descriptors, byteCount: 16 * size,
        accesses: isPacked ? [.deviceReadable, .deviceWritable] : [.deviceReadable]),
      Part(address: address.available, byteCount: isPacked ? 4 : 6 + 2 * size, accesses: [.deviceReadable]),
      Part(address: address.used, byteCount: isPacked ? 4 : 6 + 8 * size, accesses: [.deviceWritable]),
    ]
  }

  /// The memory of each part: by user address, or by translation where there is an IOMMU.
  func resolve(_ memory: VhostMemory, _ known: DeviceIOTLB?) throws(Missing) -> [GuestBuffer] {
    var buffers: [GuestBuffer] = []
    for part in all {
      let found =
        if let known {
          try Self.translate(part, memory, known)
        } else {
          memory.buffer(user: part.address, byteCount: part.byteCount)
        }
      guard let found else { throw .memory(part) }
      buffers.append(found)
    }
    return buffers
  }

  /// A part whose pages lie together here, as a ring that was allocated in one piece does.
  private static func translate(
    _ part: Part, _ memory: VhostMemory, _ known: DeviceIOTLB
  ) throws(Missing) -> GuestBuffer? {
    var translator = DeviceIOTLBTranslator(known, counter: NoWork())
    var start: HostAddress?
    for access in part.accesses {
      var done: UInt64 = 0
      while done < UInt64(part.byteCount) {
        let (sum, overflow) = part.address.addingReportingOverflow(done)
        if overflow { return nil }
        let piece: (host: HostAddress, byteCount: UInt64)
        do throws(DMAFault) {
          piece = try translator.translate(IOVA(sum), byteCount: UInt64(part.byteCount) - done, for: access)
        } catch {
          guard case .pending(let address, let access) = error else { return nil }
          throw .translation(address, access)
        }
        let first = start ?? piece.host
        guard piece.host == first.advanced(by: Int(done)) else { return nil }
        start = first
        done += piece.byteCount
      }
    }
    return start.flatMap { memory.buffer(host: $0, byteCount: part.byteCount) }
  }
}
