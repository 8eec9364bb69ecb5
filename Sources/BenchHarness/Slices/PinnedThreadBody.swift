/// What the C entry point of a ``PinnedThread`` calls: a function pointer cannot carry the thread's type.
package protocol PinnedThreadBody: AnyObject, Sendable {
  func run()
}
