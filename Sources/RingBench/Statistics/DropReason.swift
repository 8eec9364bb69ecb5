/// Why a slice does not count.
enum DropReason: String, CaseIterable, Encodable, Sendable {
  /// The round trips before and after it belong to different placements.
  case placementChanged
  /// The hypervisor took one of the CPUs away.
  case stolenTime
  /// The scheduler took a thread off its CPU.
  case involuntarySwitch
  /// A round trip was not answered in time.
  case probeFailed

  /// As a count of them is followed.
  var words: String {
    switch self {
    case .placementChanged: "between two placements"
    case .stolenTime: "with stolen time"
    case .involuntarySwitch: "with an involuntary switch"
    case .probeFailed: "without a round trip"
    }
  }
}
