/// Ends the process with what was found where an invariant does not hold: libFuzzer keeps the input.
@inline(__always)
public func check(_ holds: Bool, _ what: @autoclosure () -> String, line: UInt = #line, file: StaticString = #fileID) {
  if !holds { fatalError("finding: \(what())", file: file, line: line) }
}

/// Set-up that cannot fail on a machine that works.
public func must<Value>(_ body: () throws -> Value) -> Value {
  do { return try body() } catch { fatalError("set-up: \(error)") }
}
