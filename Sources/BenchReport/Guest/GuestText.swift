import BenchDocument

/// The boots for people: times where they mean something, else instructions and counts.
extension GuestReport {
  package func text() -> String {
    let boots = parameters.boots ?? 1
    var text = "Linux \(results.first?.guestKernel ?? "?") guest, \(boots) \(boots == 1 ? "boot" : "boots") each, our "
    text += "vhost-user device on the other end; "
    let requests = grouped(parameters.requests ?? 0)
    text +=
      parameters.devices.map { device in
        device == .blk
          ? "\(requests) random writes and then as many reads, O_DIRECT"
          : "\(requests) frames that are sent and come back"
      }.joined(separator: "; ") + "\n"
    var shown: [GuestCase] = []
    for guest in results.map(\.guest) where !shown.contains(where: { $0.isBeside(guest) }) {
      shown.append(guest)
      text += tables(results.filter { $0.guest.isBeside(guest) }, title: guest.point)
    }
    let counted = results.flatMap(\.passes).contains { $0.pass.kernelInstructions != nil }
    let notes = counted ? "\n" + Paragraph.text(Self.meaning(results)) : ""
    let missing = whyNotCounted.map { "Instructions were not counted: \($0). " } ?? ""
    return text + notes + verdicts + "\n" + Lines.caveat(interrupted: interrupted) + missing + answer + "\n"
      + Lines.more("guest")
  }

  /// Whether each row's counts are what its setting stands for.
  private var verdicts: String {
    let judged = results.filter { $0.asExpected != nil }
    let wrong = judged.filter { $0.asExpected == false }
    guard !judged.isEmpty else { return "" }
    guard !wrong.isEmpty else {
      return "\nThe counts of all \(judged.count) rows are what their settings stand for.\n"
    }
    return "\n" + wrong.map { "Not as expected: \($0.guest.name): \($0.expected ?? "")\n" }.joined()
  }

  private func tables(_ rows: [GuestRow], title: String) -> String {
    var text = ""
    if timesMeanSomething {
      text += TextTable.text(
        "setting||>requests/s|>× direct|>p50 µs|>p90|>p99|>p99.9|>max", rows.flatMap(times), title: "\(title): times",
        keys: 2)
    }
    text += TextTable.text(
      "setting||>kernel|>±|>over direct|>program|>repeats", rows.flatMap(instructions),
      title: "\(title): instructions a request", keys: 2)
    for (operation, _) in rows.first?.passes ?? [] {
      text += groups(
        rows, rows.map { $0.pass(operation) },
        title: "\(title): a \(operation == "exchange" ? "frame" : operation)'s kernel instructions by function")
    }
    // Under KVM the guest's kernel is not asked to trace: that would cost time.
    let traced = rows.contains { $0.tracedRequests > 0 }
    let events = traced ? "|>maps|>unmaps|>bounces" : ""
    text += TextTable.text(
      "setting|>interrupts|>misses|>updates|>invalidations\(events)|>slots at most",
      rows.map { counts($0, traced: traced) }, title: "\(title): work a request")
    return text + TextTable.text("setting|negotiated", rows.map { [$0.setting.name, $0.negotiated] }, title: title)
  }

  private func times(_ row: GuestRow) -> [[String]] {
    row.passes.compactMap { name, pass in
      guard pass.requestsPerSecond != nil else { return nil }
      let latency = LoadPass.latencyNames.map { name in
        short(pass.latencyNanoseconds?[name].map { Double($0) / 1000 })
      }
      return [
        row.setting.name, name, fixed(pass.requestsPerSecond?.wrappedValue, 0),
        fixed(pass.ratioToDirect?.wrappedValue?.wrappedValue, 2),
      ] + latency
    }
  }

  private func instructions(_ row: GuestRow) -> [[String]] {
    row.passes.compactMap { name, pass in
      guard let kernel = pass.kernelInstructions else { return nil }
      return [
        row.setting.name, name, whole(kernel.median), row.boots > 1 ? fixed(100 * kernel.share, 2) + " %" : "-",
        pass.kernelOverDirect.map { ($0 < 0 ? "" : "+") + whole($0) } ?? "-", whole(pass.userInstructions?.median),
        whole(pass.kernelRepeats?.median),
      ]
    }
  }

  /// A line for each group and a column for each setting; nothing where functions were not asked for.
  private func groups(_ rows: [GuestRow], _ passes: [GuestRow.Pass?], title: String) -> String {
    guard passes.contains(where: { $0?.in != nil }) else { return "" }
    let columns = rows.map { ">\($0.setting.shortName)" }.joined(separator: "|")
    let groups = FunctionGroup.allCases.filter { group in passes.contains { ($0?.in?[group.rawValue] ?? 0) > 0 } }
    var lines = groups.map { group in
      [group.title] + passes.map { pass in share(pass?.in?[group.rawValue] ?? 0, of: pass) }
    }
    lines.append(
      ["all"] + passes.map { pass in share(pass?.in?.values.reduce(0, +) ?? 0, of: pass) })
    return TextTable.text("group|\(columns)", lines, title: title)
  }

  private func share(_ value: Double, of pass: GuestRow.Pass?) -> String {
    guard let all = pass?.kernelInstructions?.median, all > 0 else { return "-" }
    return "\(whole(value)) \(fixed(100 * value / all, 0)) %"
  }

  private func counts(_ row: GuestRow, traced: Bool) -> [String] {
    let device = row.device
    let counts = [device.notifications, device.iotlbMisses, device.iotlbUpdates, device.iotlbInvalidations]
    var cells = [row.setting.name] + counts.map { fixed(row.perRequest($0), 2) }
    if traced { cells += ["map", "unmap", "swiotlb_bounced"].map { fixed(row.event($0), 2) } }
    return cells + [grouped(row.peakBounceSlots)]
  }

  private func whole(_ value: Double?) -> String { value.map { grouped(Int($0.rounded())) } ?? "-" }

  private static func meaning(_ rows: [GuestRow]) -> String {
    """
    kernel: instructions of the guest's kernel, the median of the boots; ±: half of the distance of their extremes. \
    program: those of the load itself. A repeated string instruction counts once, as a processor retires it; repeats \
    are the elements it moved beyond the first. Waiting for an interrupt executes nothing, and an emulated IOMMU \
    answers at once: what a processor spends waiting for one is not in here.
    """
  }
}

extension GuestSetting {
  /// For the head of a column.
  fileprivate var shortName: String {
    switch self {
    case .direct: "direct"
    case .accessPlatform: "platform"
    case .forcedStrict: "strict"
    case .forcedLazy: "lazy"
    case .swiotlb: "swiotlb"
    }
  }
}
