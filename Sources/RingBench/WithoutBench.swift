#if !Bench
import BenchHarness

/// Replaces the command line in a build without the trait `Bench`, which brings the packages it needs.
@main
enum RingBench {
  static func main() {
    BenchError.machine(
      "built without the trait Bench, so there are no commands; run 'make bench', "
        + "or 'swift build -c release --traits default,Bench --product ringbench'"
    ).exit()
  }
}
#endif
