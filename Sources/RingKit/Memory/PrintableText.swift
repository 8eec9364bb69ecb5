extension String {
  /// Text of another party, fit for a terminal and for a report of one line.
  ///
  /// Names of devices, what a device's process or a guest says, words of a file: UTF-8, of which everything is left out
  /// that a terminal may obey or that changes how its neighbours are shown. That is control characters (C0, DEL, C1),
  /// formatting characters such as those for the direction of writing, and separators of lines and paragraphs.
  package init(printable bytes: some Sequence<UInt8>) {
    var text = ""
    for scalar in String(decoding: Array(bytes), as: UTF8.self).unicodeScalars {
      switch scalar.properties.generalCategory {
      case .control, .format, .lineSeparator, .paragraphSeparator: continue
      default: text.unicodeScalars.append(scalar)
      }
    }
    self = text
  }
}
