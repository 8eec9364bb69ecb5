import Foundation
import RingKit
import VhostUser

// One ring between two processes, over a memfd and two doorbells. The second process is killed in the middle of its
// work, and a third goes on: every letter is answered once.
if CommandLine.arguments.count == 3, CommandLine.arguments[1] == "clerk" {
  try Clerk.work(at: CommandLine.arguments[2])
  exit(0)
}

let path = "\(FileManager.default.temporaryDirectory.path)/mailbox-\(getpid())"

/// Starts a clerk, and waits until it is at its socket.
func hire() throws -> (Process, VhostUserConnection) {
  let clerk = Process()
  clerk.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
  clerk.arguments = ["clerk", path]
  try clerk.run()
  for _ in 0..<500 {
    if let connection = try? VhostUserConnection(connectingTo: path) { return (clerk, connection) }
    usleep(10_000)
  }
  fatalError("no clerk at \(path)")
}

var (clerk, connection) = try hire()
let sender = try Sender(connection, letters: 10_000)
while try sender.turn() < 4_000 {}

kill(clerk.processIdentifier, SIGKILL)
clerk.waitUntilExit()
let answered = sender.answers.count { $0 > 0 }
(clerk, connection) = try hire()
try sender.goOn(with: connection)
while try sender.turn() < sender.count {}
guard sender.answers.allSatisfy({ $0 == 1 }) else { fatalError("a letter was answered twice") }
print("\(sender.count) letters answered once each; the clerk was killed after \(answered)")
