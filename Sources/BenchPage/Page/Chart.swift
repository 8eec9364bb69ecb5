import BenchDocument

/// One picture: an SVG of its own, which tells in words what it shows.
struct Chart {
  /// What it is called where it is written to a file.
  let name: String
  let title: String
  /// What it shows, in words, for readers that cannot see it.
  let summary: String
  var height: Double
  var body = Markup()

  /// On a telephone letters have their own size then.
  static let width = 360.0

  /// Inside a page, whose style it has.
  func inline(identifier: String) -> String {
    svg(["aria-labelledby": "\(identifier)t \(identifier)d"], identifier: identifier, style: nil)
  }

  /// In a file of its own.
  var standalone: String {
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" + svg([:], identifier: "p", style: PageStyle.picture) + "\n"
  }

  private func svg(
    _ more: KeyValuePairs<String, String>, identifier: String, style: String?
  ) -> String {
    var page = Markup()
    page.append(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \(coordinate(Self.width)) \(coordinate(height))\""
        + " role=\"img\"")
    for (key, value) in more { page.append(" \(key)=\"\(value.asMarkup)\"") }
    // Its own size where nothing else gives it one.
    if style != nil { page.append(" width=\"\(coordinate(Self.width * 2))\" height=\"\(coordinate(height * 2))\"") }
    page.append(">")
    page.element("title", ["id": "\(identifier)t"], title)
    page.element("desc", ["id": "\(identifier)d"], summary)
    if let style {
      page.append("<style>\(style)</style>")
      page.element("rect", ["class": "paper", "width": coordinate(Self.width), "height": coordinate(height)])
    }
    page.append(body.text)
    page.append("</svg>")
    return page.text
  }
}

/// Where a series' text is aligned.
enum Anchor: String {
  case start
  case middle
  case end
}

extension Chart {
  mutating func label(
    _ words: String, _ x: Double, _ y: Double, _ anchor: Anchor = .start, as kind: String? = nil
  ) {
    var classes = [kind].compactMap { $0 }
    if anchor != .start { classes.append(anchor == .end ? "e" : "m") }
    let at = (coordinate(x), coordinate(y))
    if classes.isEmpty {
      body.element("text", ["x": at.0, "y": at.1], words)
    } else {
      body.element("text", ["x": at.0, "y": at.1, "class": classes.joined(separator: " ")], words)
    }
  }

  mutating func line(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, as kind: String) {
    body.element(
      "path", ["d": "M\(coordinate(x1)) \(coordinate(y1))L\(coordinate(x2)) \(coordinate(y2))", "class": kind])
  }

  mutating func path(_ points: [(x: Double, y: Double)], as kind: String) {
    guard points.count > 1 else { return }
    body.element("path", ["d": Self.outline(points), "class": kind])
  }

  /// A closed area between an upper and a lower edge.
  mutating func band(_ upper: [(x: Double, y: Double)], _ lower: [(x: Double, y: Double)], as kind: String) {
    guard upper.count > 1 else { return }
    body.element("path", ["d": Self.outline(upper + lower.reversed()) + "z", "class": kind])
  }

  mutating func rectangle(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, as kind: String) {
    body.element(
      "rect",
      [
        "x": coordinate(min(x1, x2)), "y": coordinate(min(y1, y2)), "width": coordinate(max(abs(x2 - x1), 0.8)),
        "height": coordinate(max(abs(y2 - y1), 0.8)), "class": kind,
      ])
  }

  /// A grid line and its number at each tick of a horizontal axis, and what it counts below.
  mutating func horizontalAxis(
    _ scale: Scale, ticks: [Double], top: Double, bottom: Double, title: String, _ text: (Double) -> String
  ) {
    for tick in ticks {
      line(scale.at(tick), top, scale.at(tick), bottom, as: "g")
      label(text(tick), scale.at(tick), bottom + 12, .middle, as: "s")
    }
    label(title, (scale.ends.0 + scale.ends.1) / 2, bottom + 26, .middle, as: "s")
  }

  /// The same of a vertical one; what it counts stands above.
  mutating func verticalAxis(
    _ scale: Scale, ticks: [Double], left: Double, right: Double, title: String, _ text: (Double) -> String
  ) {
    for tick in ticks {
      line(left, scale.at(tick), right, scale.at(tick), as: "g")
      label(text(tick), left - 4, scale.at(tick) + 3, .end, as: "s")
    }
    label(title, 4, min(scale.ends.0, scale.ends.1) - 6, as: "s")
  }

  private static func outline(_ points: [(x: Double, y: Double)]) -> String {
    var text = "M"
    for (number, point) in points.enumerated() {
      if number > 0 { text += "L" }
      text += "\(coordinate(point.x)) \(coordinate(point.y))"
    }
    return text
  }
}

/// The shape of a mark: with its colour it tells what a mark is of.
enum MarkShape: CaseIterable {
  case circle
  case square
  case triangle
  case diamond
  case cross
  case inverted

  /// An outline of it round a point.
  func outline(_ x: Double, _ y: Double, _ size: Double) -> String {
    let (s, x, y) = (size, x, y)
    func points(_ offsets: [(Double, Double)]) -> String {
      offsets.enumerated().map { number, offset in
        "\(number == 0 ? "M" : "L")\(coordinate(x + offset.0)) \(coordinate(y + offset.1))"
      }.joined() + "z"
    }
    switch self {
    case .circle:
      return "M\(coordinate(x - s)) \(coordinate(y))a\(coordinate(s)) \(coordinate(s)) 0 1 0 \(coordinate(2 * s)) 0"
        + "a\(coordinate(s)) \(coordinate(s)) 0 1 0 \(coordinate(-2 * s)) 0"
    case .square: return points([(-s, -s), (s, -s), (s, s), (-s, s)])
    case .triangle: return points([(0, -1.2 * s), (1.2 * s, s), (-1.2 * s, s)])
    case .inverted: return points([(0, 1.2 * s), (1.2 * s, -s), (-1.2 * s, -s)])
    case .diamond: return points([(0, -1.4 * s), (1.4 * s, 0), (0, 1.4 * s), (-1.4 * s, 0)])
    case .cross:
      let t = s / 2.5
      return points([
        (-s, -t), (-t, -t), (-t, -s), (t, -s), (t, -t), (s, -t), (s, t), (t, t), (t, s), (-t, s), (-t, t), (-s, t),
      ])
    }
  }
}

extension Chart {
  mutating func mark(_ shape: MarkShape, _ x: Double, _ y: Double, size: Double = 3.6, as kind: String) {
    body.element("path", ["d": shape.outline(x, y, size), "class": kind])
  }

  /// Marks and their names in rows, from a point downwards; returns where they end.
  mutating func legend(
    _ entries: [(shape: MarkShape, kind: String, name: String)], _ x: Double, _ y: Double
  ) -> Double {
    var (at, row) = (x, y)
    for entry in entries {
      // Letters of this size are about this wide.
      let need = 24 + Double(entry.name.count) * 5.9
      if at > x, at + need > x + Self.width - 8 { (at, row) = (x, row + 14) }
      mark(entry.shape, at + 4, row - 3, as: entry.kind)
      label(entry.name, at + 12, row, as: "s")
      at += need
    }
    return row + 6
  }
}

/// How a path or a class looks in every picture.
enum Look {
  /// The number of its colour in the style, from Okabe and Ito's palette.
  static func kind(_ path: DMAPath) -> String { "c\(colour(path))" }

  private static func colour(_ path: DMAPath) -> Int {
    switch path {
    case .direct: 0
    case .identity: 2
    case .iommuStrict: 6
    case .iommuLazy, .mmu: 1
    case .viommu: 7
    case .premapped: 3
    case .swiotlb: 5
    case .dmaMask: 2
    case .shadow: 7
    case .hybrid: 3
    }
  }

  static func shape(_ path: DMAPath) -> MarkShape {
    switch path {
    case .direct, .premapped: .circle
    case .iommuStrict, .dmaMask: .square
    case .iommuLazy, .shadow: .triangle
    case .viommu, .swiotlb: .diamond
    case .mmu, .hybrid: .inverted
    case .identity: .cross
    }
  }

  static func kind(_ placement: PlacementClass) -> String {
    switch placement {
    case .smt: "c3"
    case .sameL3: "c5"
    case .crossL3: "c6"
    case .crossNode: "c7"
    }
  }

  static func shape(_ placement: PlacementClass) -> MarkShape {
    switch placement {
    case .smt: .triangle
    case .sameL3: .circle
    case .crossL3: .square
    case .crossNode: .diamond
    }
  }
}
