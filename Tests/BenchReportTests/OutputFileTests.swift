import Glibc
import Testing

@testable import BenchDocument
@testable import BenchHarness
@testable import BenchPage
@testable import BenchReport

@Suite struct OutputFileTests {
  private let folder = "/tmp/ringbench-tests-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"

  private func inFolder(_ body: () throws -> Void) throws {
    try #require(unsafe mkdir(folder, 0o755) == 0)
    defer {
      for name in SystemFile.names(in: folder) { unsafe unlink("\(folder)/\(name)") }
      unsafe rmdir(folder)
    }
    try body()
  }

  @Test func checkingLeavesNothingAndWritingReplaces() throws {
    try inFolder {
      let file = try OutputFile(checking: "\(folder)/a")
      #expect(SystemFile.names(in: folder).isEmpty)
      try file.write("one\n")
      try file.write("two\n")
      #expect(SystemFile.text("\(folder)/a") == "two")
      #expect(SystemFile.names(in: folder) == ["a"])
    }
  }

  /// In a container the next process has the number of the one that was killed.
  @Test func whatAProcessOfTheSameNumberLeftBehindIsInNoOnesWay() throws {
    try inFolder {
      let stale = try OutputFile(checking: "\(folder)/a.\(getpid()).tmp")
      try stale.write("half a rep")
      try OutputFile(checking: "\(folder)/a").write("one\n")
      #expect(SystemFile.text("\(folder)/a") == "one")
      #expect(SystemFile.names(in: folder).sorted() == ["a", "a.\(getpid()).tmp"])
    }
  }

  @Test func aLinkKeepsPointingWhereItDid() throws {
    try inFolder {
      try OutputFile(checking: "\(folder)/real").write("old")
      try #require(unsafe symlink("\(folder)/real", "\(folder)/link") == 0)
      try OutputFile(checking: "\(folder)/link").write("new")
      #expect(SystemFile.text("\(folder)/real") == "new")
    }
  }

  @Test(arguments: ["", "-", "/tmp", "/no/such/folder/file", "/proc/version/x"])
  func whatCannotBeWrittenIsRefusedBeforehand(_ path: String) {
    let error = #expect(throws: BenchError.self) { try OutputFile(checking: path) }
    #expect(error?.exitCode == 2)
  }

  @Test func aDeviceIsWrittenDirectly() throws {
    try OutputFile(checking: "/dev/null").write("gone")
    #expect(throws: BenchError.self) { try OutputFile(checking: "/dev/full").write("no room") }
  }

  @Test func twoNamesOfOneFileAreOneFile() throws {
    try inFolder {
      let file = try OutputFile(checking: "\(folder)/a")
      #expect(try file.isSame(as: OutputFile(checking: "\(folder)/../\(folder.split(separator: "/").last ?? "")/a")))
      #expect(try !file.isSame(as: OutputFile(checking: "\(folder)/b")))
      try file.write("one\n")
      #expect(try !file.isSame(as: OutputFile(checking: "\(folder)/b")))
      try #require(unsafe symlink("\(folder)/a", "\(folder)/link") == 0)
      #expect(try file.isSame(as: OutputFile(checking: "\(folder)/link")))
    }
    let none = try OutputFile(checking: "/dev/null")
    #expect(!none.isSame(as: none), "what takes everything is no file")
  }
}
