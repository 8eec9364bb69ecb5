import BenchDocument

/// What was found, what measured it, and how results stand beside each other.
extension PageBlocks {
  static func answer(_ page: ReportPage) -> [PageBlock] {
    var start = ""
    if let words = verdict(page) { start += paragraph(words, as: "answer") }
    let answers = page.results.prefix(ReportPage.mostDrawn).compactMap { result -> (String, String)? in
      result.document.answer.map { (result.name, $0) }
    }
    // Of many the table is the answer.
    guard page.results.count <= ReportPage.mostDrawn else { return [PageBlock(start: start + spread(page.results))] }
    for (name, words) in answers {
      start += paragraph((page.results.count > 1 ? "\(name): " : "") + words, as: start.isEmpty ? "answer" : "")
    }
    if start.isEmpty { start = paragraph("These results have no answer of their own; the pictures below show them.") }
    return [PageBlock(start: start)]
  }

  private static func verdict(_ page: ReportPage) -> String? {
    guard page.results.count == 2 else { return nil }
    if let reason = page.incomparable { return reason + "." }
    let rows = page.compared
    func named(_ verdict: Comparison.Verdict) -> String? {
      let found = rows.filter { $0.verdict == verdict }
      guard !found.isEmpty else { return nil }
      let names = found.prefix(3).map(\.row.name).joined(separator: "; ")
      return "\(found.count) \(verdict.rawValue) (\(names)\(found.count > 3 ? "; …" : ""))"
    }
    let same = rows.filter { $0.verdict == .same }.count
    var parts = [named(.slower), named(.faster)].compactMap { $0 } + ["\(same) show no difference"]
    if let first = rows.first(where: { $0.verdict == .notComparable }) {
      let count = rows.filter { $0.verdict == .notComparable }.count
      parts.append("\(count) cannot be compared (\(first.reason ?? ""))")
    }
    return rows.isEmpty ? nil : "Of \(rows.count) rows that both have, \(parts.joined(separator: ", "))."
  }

  /// Of many results the range of each path's ratio.
  private static func spread(_ results: [NamedResult]) -> String {
    var table = PageTable(["path", "class", ">results", ">lowest × direct", ">median", ">highest"])
    for path in DMAPath.allCases where path != .direct {
      for placement in PlacementClass.allCases {
        var medians: [Double] = []
        for result in results {
          let own = result.document.results.filter {
            $0.kind == .path && $0.path == path && $0.placement?.class == placement
          }
          if let median = Percentile.median(own.compactMap { $0.ratioToDirect?.median }) { medians.append(median) }
        }
        guard let low = medians.min(), let high = medians.max() else { continue }
        table.rows.append([
          path.name, placement.name, "\(medians.count)", fixed(low, 2), fixed(Percentile.median(medians), 2),
          fixed(high, 2),
        ])
      }
    }
    return table.markup
  }

  /// Up to three results in full; of more a line each.
  static func runs(_ results: [NamedResult]) -> [PageBlock] {
    if results.count > 3 {
      var table = PageTable(["result", "when", "host", "CPU", "kernel", "commit", "command", "caveats and classes"])
      for result in results {
        let document = result.document
        table.rows.append([
          result.name, document.run.startedAt, document.run.host ?? "", document.machine.cpuModel,
          document.machine.kernel, String(document.run.commit.prefix(12)), document.run.command,
          badges(document).map(\.words).joined(separator: ", "),
        ])
      }
      return [PageBlock(start: table.markup)]
    }
    return each(results) { result in
      let document = result.document
      var page = Markup()
      page.element("p") { page in
        for badge in badges(document) {
          page.element("span", ["class": badge.isBad ? "badge bad" : "badge"], badge.words)
        }
      }
      var table = PageTable(["", ""])
      for (name, value) in facts(document) where !value.isEmpty { table.rows.append([name, value]) }
      page.append(table.markup)
      for warning in document.warnings { page.element("p", ["class": "note"], warning.text) }
      return PageBlock(start: page.text)
    }
  }

  private static func facts(_ document: ResultDocument) -> [(String, String)] {
    let (run, machine) = (document.run, document.machine)
    let loads = [run.loadBefore, run.loadAfter].compactMap { $0 }.map { fixed($0, 2) }
    var facts = [
      ("started", run.startedAt),
      ("took", run.durationSeconds > 0 ? "\(fixed(run.durationSeconds, 1)) s" : ""),
      ("host", run.host ?? ""), ("command", run.command),
      ("ringbench", "\(run.version), commit \(run.commit.prefix(12)), \(run.toolchain)"),
      ("load before, after", loads.joined(separator: ", ")),
      ("CPU", "\(machine.cpuModel), \(machine.architecture)"), ("kernel", machine.kernel),
      ("usable CPUs", CPUList.text(machine.cpus)),
      ("memory", "\(fixed(Double(machine.memoryBytes) / Double(1 << 30), 1)) GiB"),
      ("2 MiB pages", "\(machine.hugePages.reserved) reserved; transparent: \(machine.hugePages.transparent)"),
    ]
    if let settings = (try? JSONValue.of(machine.settings))?.object {
      for key in settings.keys.sorted() {
        // Lists may be broken where a word ends.
        facts.append((key, (settings[key]?.text ?? "").split(separator: ",").joined(separator: ", ")))
      }
    }
    return facts
  }

  /// What must be seen before the figures.
  static func badges(_ document: ResultDocument) -> [(words: String, isBad: Bool)] {
    var badges: [(words: String, isBad: Bool)] = []
    for (kind, words) in [
      (.interrupted, "interrupted"), (.disturbed, "disturbed"), (.debugBuild, "debug build"), (.mixed, "mixed class"),
    ] as [(ResultWarning.Kind, String)] where document.has(kind) { badges.append((words, true)) }
    if document.results.contains(where: { $0.injected == true }) { badges.append(("injected price", true)) }
    badges.append((document.machine.underHypervisor ? "virtual machine" : "bare metal", false))
    for placement in document.measuredClasses { badges.append((placement.name, false)) }
    if document.schema != ResultDocument.schemaNumber { badges.append(("schema \(document.schema)", false)) }
    return badges
  }

  /// Two results as a forest of ratios, more as a column each.
  static func comparison(_ page: ReportPage) -> [PageBlock] {
    let results = page.results
    if results.count == 2 {
      guard !page.compared.isEmpty else { return [] }
      var block = PageBlock(charts: ForestChart.charts(page.compared, name: "pair"))
      block.start = paragraph(
        "The second result, \(results[1].name), by the first, \(results[0].name): what became of each ratio to direct.",
        as: "note")
      block.folded = [("Numbers", ForestChart.table(page.compared).markup)]
      return [block]
    }
    return results.count > 2 ? [PageBlock(start: columns(results))] : []
  }

  /// × direct of each row that at least two results have, a column for each result.
  private static func columns(_ results: [NamedResult]) -> String {
    struct Key: Hashable {
      let identity: ResultRow.Identity
      let placement: PlacementClass
    }
    var order: [(key: Key, row: ResultRow)] = []
    var cells: [Key: [Int: Estimate]] = [:]
    for (number, result) in results.enumerated() {
      for row in result.document.results where row.kind == .path && row.path != .direct {
        guard let ratio = row.ratioToDirect, let placement = row.placement?.class else { continue }
        let key = Key(identity: row.identity, placement: placement)
        if cells[key] == nil { order.append((key, row)) }
        cells[key, default: [:]][number] = ratio
      }
    }
    order.removeAll { (cells[$0.key]?.count ?? 0) < 2 }
    guard !order.isEmpty else { return "" }
    let numbers = results.indices.filter { number in order.contains { cells[$0.key]?[number] != nil } }
    var table = PageTable(
      ["× direct"] + numbers.map { ">\(results[$0].document.run.host ?? results[$0].name)" },
      caption: "A column each: \(numbers.map { results[$0].name }.joined(separator: ", "))")
    for (key, row) in order {
      table.rows.append([row.name] + numbers.map { number in cells[key]?[number].map { fixed($0.median, 2) } ?? "" })
    }
    return table.markup
  }
}
