import CRingBench

/// What was built, and by what.
package enum Version {
  /// The version of the package this command came with.
  package static let ringKit = "0.2.0"

  /// The compiler, as closely as it tells its own source.
  package static var toolchain: String {
    #if compiler(>=6.4)
    "Swift 6.4 or later"
    #elseif compiler(>=6.3)
    "Swift 6.3"
    #else
    "Swift 6.2"
    #endif
  }

  /// Figures of a debug build say nothing about the code.
  package static var isOptimised: Bool {
    #if DEBUG
    false
    #else
    true
    #endif
  }

  /// What this program was built from, as `Scripts/build.sh` told the build: `unknown` of a plain `swift build`, with
  /// `-dirty` where files had been changed.
  package static var commit: String { unsafe String(cString: crb_commit()) }

  /// The same in twelve digits, `-dirty` kept.
  package static var shortCommit: String {
    let end = commit.hasSuffix("-dirty") ? "-dirty" : ""
    return commit.dropLast(end.count).prefix(12) + end
  }
}
