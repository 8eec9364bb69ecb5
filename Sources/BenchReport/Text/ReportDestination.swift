import BenchHarness
import BenchPaths

/// A format, and a file or standard output.
package struct ReportDestination: Sendable {
  package let format: OutputFormat
  package let file: OutputFile?
  /// Gets the text as well.
  package let textFile: OutputFile?

  package init(format: OutputFormat, file: OutputFile?, textFile: OutputFile?) {
    self.format = format
    self.file = file
    self.textFile = textFile
  }

  /// Writes the report in the format asked for, and the text beside it where that was asked for too.
  package func write(_ report: some Encodable, text: () -> String) throws(BenchError) {
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
