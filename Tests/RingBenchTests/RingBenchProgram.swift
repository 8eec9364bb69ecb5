import Glibc

/// The program that was built along with these tests: it lies beside their bundle.
enum RingBenchProgram {
  static let path: String? = {
    let arguments = CommandLine.arguments
    let bundle = arguments.firstIndex(of: "--test-bundle-path").map { arguments[$0 + 1] } ?? arguments[0]
    var folder = bundle[..<(bundle.lastIndex(of: "/") ?? bundle.startIndex)]
    // A bundle may be a folder with the program inside.
    while !folder.isEmpty {
      let path = "\(folder)/ringbench"
      if unsafe access(path, X_OK) == 0 { return path }
      folder = folder[..<(folder.lastIndex(of: "/") ?? folder.startIndex)]
    }
    return nil
  }()
}
