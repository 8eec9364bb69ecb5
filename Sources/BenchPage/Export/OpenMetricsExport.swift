import BenchDocument

/// OpenMetrics text, version 1.0: a family of gauges for each kind of figure.
enum OpenMetricsExport {
  private struct Family {
    let name: String
    let unit: String
    let help: String
    var samples: [(labels: [(String, String)], value: Double)] = []
  }

  static func text(_ documents: [ResultDocument]) -> String {
    var families = [
      Family(
        name: "ringbench_buffer_time_seconds", unit: "seconds", help: "Time from one completed buffer to the next."),
      Family(name: "ringbench_by_direct_ratio", unit: "ratio", help: "Time of a path by time of direct."),
      Family(name: "ringbench_by_swiotlb_ratio", unit: "ratio", help: "Time of a path by time of swiotlb."),
      Family(name: "ringbench_by_floor_ratio", unit: "ratio", help: "Time of a ring by time of its floor."),
      Family(name: "ringbench_round_trip_seconds", unit: "seconds", help: "Single round trips by quantile."),
      Family(name: "ringbench_slices", unit: "", help: "Slices that count, and those that do not."),
      Family(name: "ringbench_work_per_buffer", unit: "", help: "Work counters for each buffer."),
    ]
    var runs: [[(String, String)]] = []
    for document in documents {
      let run = runLabels(document)
      if !runs.contains(where: { $0.map(\.1) == run.map(\.1) }) { runs.append(run) }
      for row in document.results {
        let labels = labels(row, document)
        for (family, estimate, scale) in [
          (0, row.nsPerBuffer, 1e-9), (1, row.ratioToDirect, 1), (2, row.ratioToSwiotlb, 1), (3, row.ratioToFloor, 1),
        ] {
          guard let estimate else { continue }
          for (name, value) in [("median", estimate.median), ("low", estimate.low), ("high", estimate.high)] {
            families[family].samples.append((labels + [("estimate", name)], value * scale))
          }
        }
        if let latency = row.latency {
          let quantiles = [
            ("0.5", latency.p50), ("0.9", latency.p90), ("0.99", latency.p99), ("0.999", latency.p999),
            ("1", latency.max),
          ]
          for (quantile, value) in quantiles {
            families[4].samples.append((labels + [("percentile", quantile)], value * 1e-9))
          }
        }
        for (state, count) in [("kept", row.slicesKept), ("dropped", row.slicesDropped)] {
          if let count { families[5].samples.append((labels + [("state", state)], Double(count))) }
        }
        for event in (row.counters ?? [:]).keys.sorted() {
          families[6].samples.append((labels + [("event", event)], row.counters?[event] ?? 0))
        }
      }
    }
    var text = "# TYPE ringbench_run info\n# HELP ringbench_run Who measured, and where.\n"
    for run in runs { text += "ringbench_run_info{\(list(run))} 1\n" }
    for family in families where !family.samples.isEmpty {
      text += "# TYPE \(family.name) gauge\n"
      if !family.unit.isEmpty { text += "# UNIT \(family.name) \(family.unit)\n" }
      text += "# HELP \(family.name) \(family.help)\n"
      // One set of labels has one value: the last one given.
      var indices: [String: Int] = [:]
      var lines: [(labels: String, value: Double)] = []
      for sample in family.samples where sample.value.isFinite {
        let labels = list(sample.labels)
        if let index = indices[labels] {
          lines[index].value = sample.value
        } else {
          indices[labels] = lines.count
          lines.append((labels, sample.value))
        }
      }
      for line in lines { text += "\(family.name){\(line.labels)} \(Rounded.value(line.value, digits: 6))\n" }
    }
    return text + "# EOF\n"
  }

  private static func runLabels(_ document: ResultDocument) -> [(String, String)] {
    [
      ("started_at", document.run.startedAt), ("host", document.run.host ?? ""), ("commit", document.run.commit),
      ("version", document.run.version), ("cpu", document.machine.cpuModel), ("kernel", document.machine.kernel),
    ]
  }

  private static func labels(_ row: ResultRow, _ document: ResultDocument) -> [(String, String)] {
    var labels: [(String, String)] = [("kind", row.kind.rawValue)]
    func add(_ name: String, _ value: String?) {
      if let value, !value.isEmpty { labels.append((name, value)) }
    }
    add("host", document.run.host)
    add("ring", row.ring?.name)
    add("path", row.path?.name)
    add("price", row.price)
    add("isolated", row.isolated == true ? "true" : nil)
    add("direction", row.direction?.name)
    add("bytes", row.bytes.map { "\($0)" })
    add("depth", row.depth.map { "\($0)" })
    add("batch", row.batch.map { "\($0)" })
    add("class", row.placement?.class.name)
    // Names of labels are letters, digits and underscores.
    for key in row.labels.keys.sorted() {
      let name = String(key.map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "_" })
      add("label_\(name)", row.labels[key])
    }
    return labels
  }

  private static func list(_ labels: [(String, String)]) -> String {
    labels.map { "\($0.0)=\"\(escaped($0.1))\"" }.joined(separator: ",")
  }

  private static func escaped(_ text: String) -> String {
    var escaped = ""
    for character in text {
      switch character {
      case "\\": escaped += "\\\\"
      case "\"": escaped += "\\\""
      case "\n", "\r\n": escaped += "\\n"
      default: escaped.append(character)
      }
    }
    return escaped
  }
}
