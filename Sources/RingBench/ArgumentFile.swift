#if Bench
import BenchHarness

/// Arguments that stand in a file: `@FILE` among the words of a command line stands for the words in it.
///
/// Words are separated by blanks and line ends. Quotes of both kinds hold blanks together, and a backslash takes the
/// meaning from what follows it, except within single quotes. From a word that begins with `#` to the end of its line
/// is a remark.
enum ArgumentFile {
  /// Longer than any command line.
  private static let largest = 1 << 20

  /// The arguments, with each file's name replaced by the arguments in it.
  static func expand(_ arguments: [String]) throws(BenchError) -> [String] {
    var expanded: [String] = []
    for argument in arguments {
      guard argument.hasPrefix("@") else {
        expanded.append(argument)
        continue
      }
      let path = String(argument.dropFirst())
      guard !path.isEmpty else { throw .usage("'@' is followed by the name of a file with arguments") }
      guard let text = SystemFile.text(path) else { throw .usage("cannot read the arguments in \(path)") }
      guard text.utf8.count <= largest else { throw .usage("\(path) is too long for a file with arguments") }
      let words = try words(text, in: path)
      if let nested = words.first(where: { $0.hasPrefix("@") }) {
        throw .usage("\(path) names another file with arguments, \(nested); only the command line may")
      }
      expanded += words
    }
    return expanded
  }

  /// The words of a text.
  static func words(_ text: String, in path: String) throws(BenchError) -> [String] {
    var words: [String] = []
    var word: String?
    var quote: Character?
    var (isEscaped, isRemark) = (false, false)
    for character in text {
      if isRemark {
        isRemark = !character.isNewline
      } else if isEscaped {
        word = (word ?? "") + String(character)
        isEscaped = false
      } else if character == "\\" && quote != "'" {
        isEscaped = true
      } else if let open = quote {
        if character == open { quote = nil } else { word?.append(character) }
      } else if character == "'" || character == "\"" {
        (quote, word) = (character, word ?? "")
      } else if character.isWhitespace {
        if let whole = word { words.append(whole) }
        word = nil
      } else if character == "#" && word == nil {
        isRemark = true
      } else {
        word = (word ?? "") + String(character)
      }
    }
    guard quote == nil, !isEscaped else { throw .usage("\(path) ends within a quoted word") }
    if let word { words.append(word) }
    return words
  }
}
#endif
