import BenchDocument

/// How the page and its pictures look, on paper and on screens of both kinds.
enum PageStyle {
  /// Okabe and Ito's palette, which people see apart whatever colours they see; the first is the colour of the text.
  private static let palette = [
    "var(--ink)", "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7",
  ]

  private static let colours = """
    :root{color-scheme:light dark;--ink:#1b1f24;--paper:#fff;--soft:#59636e;--grid:#d9dee3;--panel:#f5f7f9}
    @media (prefers-color-scheme:dark){\
    :root{--ink:#e6e8eb;--paper:#15181c;--soft:#a3adb8;--grid:#363c44;--panel:#1e2329}}
    """

  /// Kinds of marks, lines and areas of each colour.
  private static let series: String = palette.enumerated().map { number, colour in
    """
    .c\(number){fill:\(colour);stroke:var(--ink);stroke-width:.5}
    .l\(number){fill:none;stroke:\(colour);stroke-width:1.7}
    .d\(number){fill:none;stroke:\(colour);stroke-width:2.6;stroke-linecap:round}
    .h\(number){fill:none;stroke:\(colour);stroke-width:.8}
    .b\(number){fill:\(colour);fill-opacity:.18}
    .p\(number){fill:none;stroke:\(colour);stroke-width:1.2;stroke-dasharray:4 3}

    """
  }.joined()

  private static let drawing = """
    svg text{font:11px system-ui,-apple-system,"Segoe UI","DejaVu Sans",sans-serif;fill:var(--ink)}
    svg text.s{font-size:10px;fill:var(--soft)}
    svg text.t{font-weight:600;font-size:12px}
    svg text.e{text-anchor:end}svg text.m{text-anchor:middle}
    .g{stroke:var(--grid);stroke-width:.7;fill:none}.r{stroke:var(--ink);stroke-width:1;stroke-dasharray:2 2;fill:none}
    .k{fill:var(--panel);stroke:var(--soft);stroke-width:.7}.paper{fill:var(--paper)}

    """

  /// Of a picture in a file of its own.
  static let picture = colours + "\n" + drawing + series

  /// Of the page.
  static let page =
    picture + """
      *{box-sizing:border-box}
      body{margin:0 auto;padding:1rem;max-width:82rem;background:var(--paper);color:var(--ink);\
      font:16px/1.5 system-ui,-apple-system,"Segoe UI","DejaVu Sans",sans-serif;overflow-wrap:break-word}
      h1{font-size:1.5rem;line-height:1.2;margin:.3rem 0 .8rem}
      h2{font-size:1.2rem;margin:2rem 0 .5rem;border-bottom:1px solid var(--grid);padding-bottom:.2rem}
      h3{font-size:1rem;margin:1.3rem 0 .4rem}
      p{margin:.4rem 0;max-width:75ch}
      .answer{font-size:1.1rem;border-left:4px solid #0072B2;padding:.3rem .8rem;background:var(--panel);max-width:75ch}
      .note{color:var(--soft);font-size:.9rem}
      .charts{display:grid;gap:1rem;grid-template-columns:repeat(auto-fill,minmax(min(100%,21rem),1fr))}
      .charts figure{margin:0;min-width:0}
      svg{width:100%;height:auto;display:block}
      .wide{overflow-x:auto;max-width:100%}
      table{border-collapse:collapse;font-size:.85rem;margin:.4rem 0}
      caption{text-align:left;color:var(--soft);padding:.2rem 0}
      th,td{text-align:left;vertical-align:top;padding:.15rem .6rem .15rem 0;border-bottom:1px solid var(--grid)}
      td{max-width:26rem}td:first-child{white-space:nowrap}
      .n{text-align:right;font-variant-numeric:tabular-nums}td.n{white-space:nowrap}
      th.n{max-width:9rem;overflow-wrap:anywhere}
      .badge{display:inline-block;border:1px solid;border-radius:.6rem;padding:0 .5rem;margin:0 .3rem .2rem 0;\
      font-size:.8rem;white-space:nowrap}
      .bad{background:#D55E00;border-color:#D55E00;color:#fff}
      summary{cursor:pointer;color:var(--soft);font-size:.9rem}
      nav a{margin-right:.9rem;white-space:nowrap}a{color:inherit}
      dl{max-width:75ch}dt{font-weight:600}dd{margin:0 0 .5rem}
      code{font-family:ui-monospace,"DejaVu Sans Mono",monospace;font-size:.85em;overflow-wrap:anywhere}
      @media print{\
      :root{color-scheme:light;--ink:#000;--paper:#fff;--soft:#444;--grid:#bbb;--panel:#fff}\
      body{font-size:10pt;max-width:none;padding:0}nav{display:none}.wide{overflow:visible}\
      .charts{grid-template-columns:1fr 1fr}figure,tr{break-inside:avoid}h2,h3{break-after:avoid}\
      details::details-content{content-visibility:visible;display:block}}

      """
}
