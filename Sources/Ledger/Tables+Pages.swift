/// A page of rows as it was at one moment; holding it costs nothing until the page is changed.
package struct TablePage: Sendable {
  private let image: Arena.Image

  init(_ image: Arena.Image) { self.image = image }

  /// Its living rows, in no order that means anything.
  package var rows: [[UInt8]] { image.rows }
}

extension Tables {
  /// The rows of one chunk of a snapshot: shared, not copied, so that readers and the writer are not held up.
  package func page(_ index: Int) -> TablePage { TablePage(rows.image(ofPage: index)) }
}

extension Arena {
  /// A page's bytes at one moment.
  struct Image: Sendable {
    let bytes: [UInt8]
    let isFirst: Bool

    /// The living rows, in order of their places.
    var rows: [[UInt8]] {
      var rows: [[UInt8]] = []
      Arena.walk(bytes, isFirst: isFirst) { rows.append(Array(bytes[$1])) }
      return rows
    }
  }

  /// The page as it is now; nothing is copied until it changes.
  func image(ofPage page: Int) -> Image {
    Image(bytes: page < pageCount ? bytes(ofPage: page) : [], isFirst: page == 0)
  }
}
