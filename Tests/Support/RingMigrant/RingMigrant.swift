import FoundationEssentials
import Glibc
import MigrationTestSupport
import RingKit
import RingKitTesting

/// One stop: takes the queue over from the image in descriptor 4 and the memory in descriptor 3, lets both ends run on
/// threads of their own for a while, stops them wherever they are and writes the image back.
@main
struct RingMigrant {
  static func main() {
    do { try stop() } catch {
      let text = "\(error)\n"
      _ = unsafe write(2, text, text.utf8.count)
      exit(1)
    }
  }

  private static func stop() throws {
    let mail = try MovingMail(attaching: 4)
    let image = try JSONDecoder().decode(MovingQueue.Image.self, from: Data(mail.read()))
    try image.driver.check(against: image.device)
    let memory = try MovingMemory(image.plan, attaching: 3)
    let queue = try MovingQueue(image.plan, memory, from: image, threads: true)
    var random = SeededGenerator(seed: image.seed)
    try MovingThreads(queue).run(
      until: image.driverLoad.completed + UInt64.random(in: 20...200, using: &random), &random)
    mail.write(Array(try JSONEncoder().encode(try queue.image(seed: random.next()))))
  }
}
