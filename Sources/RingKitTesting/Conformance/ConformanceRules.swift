/// Rules of `Documentation/rules.md` that no check of a device is about, and why.
enum ConformanceRules {
  private static let driver =
    [
      "S1", "S2", "S3", "S4", "S5", "S6", "S7", "S8", "S9", "S10", "S11", "S12", "S13", "S14", "S15", "S16", "S17",
      "S18",
    ]
    + ["P1", "P2", "P3", "P4", "P6", "P7", "P8", "P9", "P10", "P11", "P12", "P13", "P14"]
  private static let hostile: Set<String> = [
    "S2", "S4", "S5", "S6", "S7", "S8", "S9", "S10", "S11", "P6", "P7", "P10", "P11", "P12", "P13", "P14",
  ]
  private static let barriers = ["S19", "S20", "P15", "P16"]
  private static let devices = [
    "S21", "S22", "S23", "S24", "S25", "S26", "S27", "S28", "S29", "S30", "P5", "P17", "P18", "P19", "P20", "P21",
    "P22",
    "P23",
  ]

  /// What a driver's ring does not show, or shows as another rule's.
  private static let hidden: Set<String> = ["S3", "S14", "S15", "P4", "P8", "P9"]
  /// The rules that a driver is held to, beside what goes with a layout.
  private static let beside = ["Q7", "Q8"]

  /// The rules in which a driver of a layout was looked at or found wrong, in their order.
  static func ofDriver(isPacked: Bool) -> [String] {
    let shared = ["S12", "S13", "S17", "S18"]
    return driver.filter { $0.hasPrefix("P") == isPacked || isPacked && shared.contains($0) } + beside
  }

  /// What a driver is held to, in a few words.
  static let driverTexts = [
    "S1": "alignment of the ring's parts", "P1": "alignment of the ring's parts",
    "S2": "writable behind readable", "P7": "writable behind readable",
    "S4": "no loop, no descriptor outside the ring", "S5": "next is the following descriptor",
    "S6": "INDIRECT not negotiated", "P11": "INDIRECT not negotiated", "S7": "no table in a table",
    "S8": "chains and tables no longer than the queue", "S9": "INDIRECT without NEXT",
    "S10": "a table's entries follow each other", "S11": "the available index never goes back",
    "S12": "the driver's flags without EVENT_IDX", "S13": "the driver's flags with EVENT_IDX",
    "S16": "the used flags of a new ring", "S17": "notifies as the device's flags ask",
    "S18": "notifies as the device's event index asks", "P2": "no descriptor reused before it was used",
    "P3": "no descriptor changed once available", "P6": "lists no longer than the queue",
    "P10": "a list's first descriptor available last", "P12": "no INDIRECT inside a table",
    "P13": "tables no longer than the queue", "P14": "no table in a list",
    "Q7": "what the device writes left alone", "Q8": "messages, addresses and requests",
  ]

  /// One outcome for each rule of which a driver showed nothing.
  static func silent(ofDriverBeside outcomes: [ConformanceOutcome]) -> [ConformanceOutcome] {
    let spoken = Set(outcomes.map(\.rule))
    let hasPacked = outcomes.contains { $0.ring == "packed" }
    return (driver + barriers + devices + beside).filter { !spoken.contains($0) }.map { rule in
      let isPacked = rule.hasPrefix("P")
      let reason =
        if devices.contains(rule) {
          "binds the device"
        } else if barriers.contains(rule) || hidden.contains(rule) {
          "does not show in the ring"
        } else if isPacked && !hasPacked {
          "RING_PACKED was not negotiated"
        } else {
          "the driver did nothing that shows it"
        }
      return ConformanceOutcome(
        rule: rule, ring: isPacked ? "packed" : "split", features: "", check: "not looked at", verdict: .notApplicable,
        note: reason)
    }
  }

  /// One outcome for each rule that has none yet.
  static func silent(beside outcomes: [ConformanceOutcome], isHostile: Bool) -> [ConformanceOutcome] {
    let spoken = Set(outcomes.map(\.rule))
    let hasPacked = !outcomes.contains { $0.rule == "P1" && $0.note == "RING_PACKED is not offered" }
    return (driver + barriers + devices).filter { !spoken.contains($0) }.map { rule in
      let isPacked = rule.hasPrefix("P")
      let reason =
        if isPacked && !hasPacked {
          "RING_PACKED is not offered"
        } else if rule == "P17" {
          "the order in which a device begins does not show from outside"
        } else if rule == "P23" {
          "permits a limit, and demands nothing"
        } else if barriers.contains(rule) {
          "a barrier of the driver's"
        } else if driver.contains(rule) {
          !isHostile && hostile.contains(rule) ? "binds the driver; see --hostile" : "binds the driver"
        } else {
          "no request of this kind of device shows it"
        }
      return ConformanceOutcome(
        rule: rule, ring: isPacked ? "packed" : "split", features: "", check: "not looked at", verdict: .notApplicable,
        note: reason)
    }
  }
}
