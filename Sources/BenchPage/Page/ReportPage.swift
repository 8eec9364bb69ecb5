import BenchDocument

/// A result and the name of the file it came from.
package struct NamedResult: Sendable {
  let name: String
  package let document: ResultDocument

  package init(name: String, document: ResultDocument) { (self.name, self.document) = (name, document) }
}

/// Results as one page without a script, which fetches nothing.
package struct ReportPage {
  let results: [NamedResult]
  /// How the two results of a comparison differ; empty unless there are two.
  let compared: [ForestRow]
  /// Why the two cannot be compared.
  let incomparable: String?

  /// More results than this are put side by side, without pictures of each.
  package static let mostDrawn = 8

  /// A page of these results, in this order.
  package init(_ results: [NamedResult]) {
    self.results = results
    (compared, incomparable) = PairComparison.rows(results)
  }

  /// Every picture, for files of their own.
  package var pictures: [(name: String, svg: String)] {
    var names: [String: Int] = [:]
    return sections(.full).flatMap { $0.blocks.flatMap(\.charts) }.map { chart in
      let count = names[chart.name, default: 0]
      names[chart.name] = count + 1
      return (count == 0 ? chart.name : "\(chart.name)-\(count + 1)", chart.standalone)
    }
  }

  /// The page: with as much detail as fits into one that people pass on.
  package var html: String {
    var page = ""
    for detail in PageDetail.allCases {
      page = html(detail)
      if page.utf8.count <= Self.largest { break }
    }
    return page
  }

  /// Bytes; below what a mail server or an issue takes.
  private static let largest = 490_000

  private func html(_ detail: PageDetail) -> String {
    let sections = sections(detail).filter { !$0.blocks.isEmpty }
    var page = Markup()
    page.append("<!DOCTYPE html>\n<html xmlns=\"http://www.w3.org/1999/xhtml\" lang=\"en\" xml:lang=\"en\"><head>\n")
    page.element("meta", ["charset": "utf-8"])
    page.element("meta", ["name": "viewport", "content": "width=device-width, initial-scale=1"])
    page.element("meta", ["name": "generator", "content": "ringbench \(Version.ringKit)"])
    page.element("title", [:], title)
    page.append("<style>\n\(PageStyle.page)</style></head>\n<body>")
    page.element("h1", [:], title)
    page.element("nav") { page in
      for section in sections {
        page.element("a", ["href": "#\(section.identifier)"], section.title)
        page.words(" ")
      }
    }
    page.newline()
    var number = 0
    for section in sections { section.write(to: &page, chart: &number) }
    page.append("</body></html>\n")
    return page.text
  }

  private var title: String {
    results.count == 1 ? "ringbench: \(results[0].name)" : "ringbench: \(results.count) results"
  }

  private func sections(_ detail: PageDetail) -> [PageSection] {
    let areDrawn = results.count <= Self.mostDrawn
    return [
      PageSection("answer", "The answer", PageBlocks.answer(self)),
      PageSection("runs", "Machine and run", PageBlocks.runs(results)),
      PageSection("comparison", "Side by side", PageBlocks.comparison(self)),
      PageSection("ladder", "What each path costs", areDrawn ? PageBlocks.ladder(results, detail) : []),
      PageSection("crossovers", "Where paths meet", areDrawn ? PageBlocks.crossovers(results, detail) : []),
      PageSection("rings", "Rings alone", areDrawn ? PageBlocks.rings(results) : []),
      PageSection("slices", "Slices", areDrawn ? PageBlocks.slices(results, detail) : []),
      PageSection("latency", "Latency", areDrawn ? PageBlocks.latency(results) : []),
      PageSection("other", "Other figures", areDrawn ? PageBlocks.other(results) : []),
      PageSection("work", "Work per buffer", areDrawn ? PageBlocks.work(results) : []),
      PageSection("placement", "Placement and topology", areDrawn ? PageBlocks.placement(results) : []),
      PageSection("parameters", "Parameters", areDrawn ? PageBlocks.parameters(results) : []),
      PageSection("glossary", "Glossary", [Glossary.block]),
    ]
  }
}

/// How much of each result a page has; less where there are many.
enum PageDetail: Int, CaseIterable, Comparable {
  case full
  case fewSlices
  case noSlices
  case noTables
  case fewPanels

  static func < (a: PageDetail, b: PageDetail) -> Bool { a.rawValue < b.rawValue }

  /// Panels of slices for each result.
  var slicePanels: Int {
    switch self {
    case .full: 8
    case .fewSlices: 1
    case .noSlices, .noTables, .fewPanels: 0
    }
  }

  var hasTables: Bool { self < .noTables }
}

/// A part of the page under one heading.
struct PageSection {
  let identifier: String
  let title: String
  let blocks: [PageBlock]

  init(_ identifier: String, _ title: String, _ blocks: [PageBlock]) {
    (self.identifier, self.title, self.blocks) = (identifier, title, blocks.filter { !$0.isEmpty })
  }

  /// `chart` counts the pictures of the page, whose identifiers must differ.
  fileprivate func write(to page: inout Markup, chart number: inout Int) {
    let first = number
    page.element("section", ["id": identifier]) { page in
      page.element("h2", [:], title)
      page.newline()
      var count = first
      for block in blocks { block.write(to: &page, chart: &count) }
    }
    number = first + blocks.reduce(0) { $0 + $1.charts.count }
    page.newline()
  }
}

/// Text, pictures, and the numbers of the pictures, in this order.
struct PageBlock {
  /// What it is about, where a section has several.
  var heading = ""
  /// Markup before the pictures.
  var start = ""
  var charts: [Chart] = []
  /// Tables that are opened by the reader.
  var folded: [(title: String, markup: String)] = []

  var isEmpty: Bool { start.isEmpty && charts.isEmpty && folded.allSatisfy { $0.markup.isEmpty } }

  fileprivate func write(to page: inout Markup, chart number: inout Int) {
    if !heading.isEmpty { page.element("h3", [:], heading) }
    page.append(start)
    if !charts.isEmpty {
      page.append("<div class=\"charts\">")
      for chart in charts {
        page.append("<figure>\(chart.inline(identifier: "f\(number)"))</figure>\n")
        number += 1
      }
      page.append("</div>")
    }
    for (title, markup) in folded where !markup.isEmpty {
      page.append("<details><summary>\(title.asMarkup)</summary>\(markup)</details>")
    }
    page.newline()
  }
}

/// Words of the page, explained.
enum Glossary {
  static var block: PageBlock {
    var page = Markup()
    page.element("dl") { page in
      for entry in DataTable.entries(table) {
        let cells = DataTable.cells(entry)
        page.element("dt", [:], cells[0])
        page.element("dd", [:], cells[1])
      }
    }
    return PageBlock(start: page.text)
  }

  private static let table = """
    direct | The descriptor holds a guest-physical address: virtio as it was, without the DMA API.
    identity | The DMA API for every device, without an IOMMU: a call through a table of operations, and a mask check.
    iommu-strict | A forced IOMMU: each buffer is mapped, unmapped, and its translation invalidated at once.
    iommu-lazy | The same with invalidations in batches, once in 255 or after 10 ms.
    viommu | An IOMMU that the hypervisor emulates: map and unmap are exits. The price is a message to another
      process, or a number that was given (injected).
    mmu | Windows opened and closed in the CPU's own page table.
    premapped | Mapped once, then reused, as page pools do.
    swiotlb | Every buffer is bounced: a slot is searched, the payload copied in, and copied back.
    dma-mask | Bounced only where the buffer lies beyond the device's mask.
    shadow | Copied through fixed shadow buffers: no search, no lock.
    hybrid | Small buffers are copied, large ones mapped; the threshold is measured.
    × direct | The time of a path by that of direct, slice by slice of the same round: 1 is the same,
      2 takes twice as long.
    ns a buffer | Time from one completed buffer to the next, with many outstanding; not the latency of one.
    slice | A few milliseconds of one path; paths take turns, so that all see the same machine.
    95 % interval | Where the median lies, by bootstrap over the slices.
    placement class | Where the two CPUs are to each other: smt, two threads of one core; same-l3, two cores behind one
      last-level cache; cross-l3, behind different ones; cross-node, on two nodes.
    round trip | A cache line from the driver's CPU to the device's and back.
    disturbed | Slices had to count in which other programs or the hypervisor took a CPU.
    floor | A program that moves the same cache lines as a ring, with nothing around them.
    """
}
