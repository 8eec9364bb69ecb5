import RingKit
import RingPlatform
import Testing

@Suite("Kinds of device")
struct DeviceKindTests {
  @Test("ids and names are the specification's")
  func numbers() {
    // virtio 1.4, "Device Types": 14, 15 and 37 are not given out.
    #expect(DeviceKind.allCases.map(\.rawValue) == (1...49).filter { ![14, 15, 37].contains($0) })
    #expect(DeviceKind(rawValue: 5) == .balloon && DeviceKind(rawValue: 26) == .fileSystem)
    #expect(DeviceKind(rawValue: 24)?.title == "Memory device" && DeviceKind(rawValue: 27) == .pmem)
    #expect(Set(DeviceKind.allCases.map(\.name)).count == 46)
    for kind in DeviceKind.allCases {
      #expect(DeviceKind(name: kind.name) == kind)
      #expect(kind.name.allSatisfy { $0.isASCII && ($0.isLowercase || $0.isNumber || $0 == "-") })
    }
    #expect(DeviceKind(name: "floppy") == nil)
  }

  @Test("every kind with a chapter has a verdict, a reason and a source, and a restriction exactly where it is one")
  func reasons() {
    let withChapter: [UInt32] = [
      1, 2, 3, 4, 5, 8, 16, 17, 18, 19, 20, 23, 24, 25, 26, 27, 28, 32, 34, 36, 41, 45, 48,
    ]
    for kind in DeviceKind.allCases {
      let demand = kind.demand
      #expect((demand.verdict != .unspecified) == withChapter.contains(kind.rawValue), "\(kind.name)")
      #expect(!demand.reason.isEmpty && !demand.reason.hasSuffix(".") && !demand.sources.isEmpty)
      #expect((demand.restriction != nil) == (demand.verdict == .restricted))
      // A refusal says what would help.
      #expect((demand.remedy != nil) == [.refused, .unspecified].contains(demand.verdict))
    }
  }

  @Test("the balloon is refused on a secure platform with the reason, and elsewhere taken by physical addresses")
  func balloon() throws {
    let offer: VirtioFeatures = [.version1, .accessPlatform]
    let error = #expect(throws: NegotiationError.self) { try Platform(secure: true).accept(offer, of: .balloon) }
    #expect(error == .kindRefused(.balloon, reason: DeviceKind.balloon.demand.reason))
    #expect("\(error!)".hasPrefix("balloon refused: it hands over page frame numbers"))
    let agreed = try Platform(secure: false).accept(offer, of: .balloon)
    #expect(agreed.accepted == .version1 && agreed.needsPhysicalAddresses)
  }

  @Test("a secure platform takes what can be bounced, refuses what cannot, and a plain one takes all")
  func verdicts() throws {
    let (secure, plain) = (Platform(secure: true), Platform(secure: false))
    let trusting = Platform(secure: true, admittingUnspecified: true)
    for kind in DeviceKind.allCases {
      try plain.admit(kind)
      switch kind.demand.verdict {
      case .bounces, .restricted:
        try secure.admit(kind)
      case .refused:
        #expect(throws: NegotiationError.kindRefused(kind, reason: kind.demand.reason)) { try secure.admit(kind) }
        #expect(throws: NegotiationError.self) { try trusting.admit(kind) }
      case .unspecified:
        #expect(throws: NegotiationError.self) { try secure.admit(kind) }
        try trusting.admit(kind)
      }
    }
    #expect(DeviceKind.allCases.filter { $0.demand.verdict == .refused } == [.balloon, .memory, .pmem])
  }

  @Test("a GPU's blobs, which share memory without transfers, are not accepted on a secure platform")
  func withheld() throws {
    let (blob, alignment) = (VirtioFeatures(bits: 3), VirtioFeatures(bits: 5))
    let offer: VirtioFeatures = [.version1, .accessPlatform, blob, alignment]
    let request = FeatureRequest(understood: offer)
    #expect(try Platform(secure: true).accept(offer, of: .gpu, for: request).accepted == [.version1, .accessPlatform])
    #expect(try Platform(secure: false).accept(offer, of: .gpu, for: request).accepted == offer)
    let needy = FeatureRequest(required: blob)
    #expect(throws: NegotiationError.withheld(blob, .gpu)) {
      try Platform(secure: true).accept(offer, of: .gpu, for: needy)
    }
  }
}

extension Platform {
  fileprivate init(secure: Bool, admittingUnspecified: Bool) {
    self.init(secure: secure, admitsUnspecifiedKinds: admittingUnspecified)
  }
}
