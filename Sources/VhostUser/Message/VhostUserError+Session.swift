extension VhostUserError {
  /// The sentence for what a message of the right form asks for and should not.
  var sessionDescription: String {
    switch self {
    case .notNegotiated(let request, let feature): "request \(request) needs \(feature), which was not agreed on"
    case .featuresNotOffered(let features): "features \(features) were not offered"
    case .protocolFeaturesNotOffered(let features): "protocol features \(features) were not offered"
    case .vringRuns(let index, let request): "request \(request) came while vring \(index) runs"
    case .vringIndex(let index, let count): "vring \(index) does not exist; the device has \(count)"
    case .vringSize(let size, let limit): "a vring of \(size) entries is not possible; \(limit) are the most"
    case .vringBase(let base): "0x\(String(base, radix: 16)) is no position in a ring"
    case .vringAddress(let index, let address, let count):
      "\(count) bytes of vring \(index) at 0x\(String(address, radix: 16)) are not inside one region"
    case .vring(let index, let error): "vring \(index) cannot be set up: \(error)"
    case .vringPosition(let index, let position):
      "vring \(index) does not stand at 0x\(String(position, radix: 16))"
    case .memory(let error): "the memory table is wrong: \(error)"
    case .userAddressOverlap(let address): "two regions claim user address 0x\(String(address, radix: 16))"
    case .notAnEventFile(let request): "the descriptor of request \(request) is no eventfd"
    case .notASocket: "the back-end channel is no socket"
    case .translation(let address, let count, let user):
      "a translation of \(count) bytes at \(address) to 0x\(String(user, radix: 16)) does not lead to memory"
    case .inflight(let reason): "the inflight memory is wrong: \(reason)"
    default: "the connection ended"
    }
  }
}
