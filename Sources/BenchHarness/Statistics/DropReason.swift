/// Why a slice does not count.
package enum DropReason: String, CaseIterable, Codable, CodingKeyRepresentable, Sendable {
  /// The round trips before and after it belong to different placements.
  case placementChanged
  /// The hypervisor took one of the CPUs away.
  case stolenTime
  /// The scheduler took a thread off its CPU.
  case involuntarySwitch
  /// A round trip was not answered in time.
  case probeFailed
  /// Hybrid still ran with the threshold of another placement class than it was in.
  case otherThreshold

  /// As a count of them is followed.
  package var words: String {
    switch self {
    case .placementChanged: "between two placements"
    case .stolenTime: "with stolen time"
    case .involuntarySwitch: "with an involuntary switch"
    case .probeFailed: "without a round trip"
    case .otherThreshold: "of hybrid before its threshold was measured there"
    }
  }
}

extension DropReason {
  /// With every reason, those that did not occur with 0.
  package static func counts(_ reasons: [DropReason: Int]) -> [DropReason: Int] {
    var counts = reasons
    for reason in allCases { counts[reason, default: 0] += 0 }
    return counts
  }

  /// For people.
  package static func sentence(_ reasons: [DropReason: Int]) -> String {
    let parts = allCases.compactMap { reason in
      reasons[reason].flatMap { $0 > 0 ? "\($0) \(reason.words)" : nil }
    }
    return parts.isEmpty ? "No slice was dropped." : "Slices dropped: \(parts.joined(separator: ", "))."
  }
}
