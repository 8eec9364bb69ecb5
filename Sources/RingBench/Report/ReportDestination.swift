/// A format, and a file or standard output.
struct ReportDestination: Sendable {
  let format: OutputFormat
  let file: OutputFile?
  /// Gets the text as well.
  let textFile: OutputFile?

  /// Writes the report in the format asked for, and the text beside it where that was asked for too.
  func write(_ report: some Encodable, text: () -> String) throws(BenchError) {
    try textFile?.write(text())
    switch format {
    case .json: try write(try JSONText.encode(report))
    case .text: try write(text())
    }
  }

  private func write(_ text: String) throws(BenchError) {
    if let file { return try file.write(text) }
    let error = StandardStream.output.write(text)
    guard error == 0 else { throw .usage("cannot write to standard output: \(Errno.text(error))") }
  }
}
