import BenchPlan

/// How much of a document a text shows, and how wide.
package struct TextView: Sendable {
  /// `nil`: the class with most slices.
  package var shownClass: PlacementClass?
  /// Every table, not only the answer.
  var isFull = false
  var width = TextWidth.standard

  package init(shownClass: PlacementClass? = nil, isFull: Bool = false, width: Int = TextWidth.standard) {
    (self.shownClass, self.isFull, self.width) = (shownClass, isFull, width)
  }
}

extension ResultDocument {
  /// The document for people.
  package func text(_ view: TextView = TextView()) -> String {
    switch run.subcommand {
    case "cost": TextWidth.fit(costText(view), view.width)
    case "sweep": TextWidth.fit(sweepText(view), view.width)
    case "ring": TextWidth.fit(ringText(view), view.width)
    case "scale": TextWidth.fit(scaleText(view), view.width)
    default: TextWidth.fit(rowsText(view), view.width)
    }
  }

  /// Machine, build and time of the run.
  var headText: String {
    var text = "\(machine.cpuModel), Linux \(machine.kernel), \(run.toolchain)\n"
    if run.commit != "unknown" || run.startedAt != "unknown" {
      text += "Commit \(run.commit.prefix(12))\(run.commit.hasSuffix("-dirty") ? "-dirty" : ""), \(run.startedAt)"
      text += run.host.map { ", \($0)\n" } ?? "\n"
    }
    return text
  }

  /// Where the two threads were.
  func placementText(_ rows: [ResultRow], _ placement: PlacementClass) -> String {
    let trip = Percentile.median(rows.compactMap { $0.placement?.roundTripNs })
    let cpus = [parameters["driverCPU"], parameters["deviceCPU"]].map { $0?.text ?? "?" }
    return "Driver on CPU \(cpus[0]), device on CPU \(cpus[1]): class \(placement.name)"
      + (trip.map { ", round trip \(short($0)) ns" } ?? "") + "\n"
  }

  /// Slices that do not count, other classes, and where the rest is.
  func endText(_ placement: PlacementClass, _ view: TextView) -> String {
    let dropped = slicesDroppedBy.map { DropReason.sentence($0) } ?? ""
    let all = view.isFull ? "" : "--all for every table, "
    return "\n" + Lines.warnings(self, width: view.width) + dropped + Lines.also(measuredClasses, shown: placement)
      + " More: \(all)--format json, 'ringbench help \(run.subcommand)'.\n"
  }

  /// Any document: a line for each row, its figures below.
  private func rowsText(_ view: TextView) -> String {
    var text = headText
    for row in results {
      text += "\n\(row.kind.rawValue): \(row.name)\n"
      if let time = row.nsPerBuffer { text += "  \(short(time.median)) ns (\(short(time.low))-\(short(time.high)))\n" }
      for figure in row.figures ?? [] {
        let interval = figure.low.flatMap { low in figure.high.map { " (\(short(low))-\(short($0)))" } } ?? ""
        text += "  \(figure.name): \(short(figure.value))\(interval)\(figure.unit == "1" ? "" : " \(figure.unit)")\n"
      }
      if let note = row.note { text += "  \(note)\n" }
    }
    return text + "\n" + Lines.warnings(self, width: view.width) + (answer.map { $0 + "\n" } ?? "")
  }
}
