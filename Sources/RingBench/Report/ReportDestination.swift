/// A format, and a file or standard output.
struct ReportDestination: Sendable {
  let format: OutputFormat
  let file: OutputFile?

  func write(_ text: String) throws(BenchError) {
    if let file { return try file.write(text) }
    let error = StandardStream.output.write(text)
    guard error == 0 else { throw .usage("cannot write to standard output: \(Errno.text(error))") }
  }
}
