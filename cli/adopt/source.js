'use strict'

/** A file of the app: its text, its syntax tree and its edits. Everything else stays byte for byte. */

class Source {
  #edits = []
  #tree

  /** `path` is relative to the app's folder. A file to be created has no text. */
  constructor(ts, path, text) {
    this.ts = ts
    this.path = path
    this.text = text ?? ''
    this.isNew = text === undefined
    /** Why the file is changed: a sentence for each step. */
    this.reasons = []
  }

  get tree() {
    const { ts } = this
    this.#tree ??= ts.createSourceFile(this.path, this.text, ts.ScriptTarget.Latest, true)
    return this.#tree
  }

  /** Whether the file is TypeScript, so that types can be added. */
  get isTyped() {
    return /\.[cm]?tsx?$/.test(this.path)
  }

  /** Replaces the text from `start` to `end`. */
  splice(start, end, text) {
    this.#edits.push({ start, end, text })
  }

  insert(position, text) {
    this.splice(position, position, text)
  }

  /** Adds a reason for the changes. */
  because(reason) {
    if (!this.reasons.includes(reason)) this.reasons.push(reason)
  }

  /** The edits in the order of the text: insertions before a removal at the same place. */
  get edits() {
    return this.#edits.toSorted((a, b) => a.start - b.start || a.end - b.end)
  }

  get isChanged() {
    return this.#edits.length > 0
  }

  /** The edited text between two positions. */
  rewritten(from = 0, to = this.text.length) {
    let [text, at] = ['', from]
    for (const edit of this.edits) {
      if (edit.start < from || edit.end > to) continue
      if (edit.start < at)
        throw new Error(`${this.path}: two changes meet at line ${this.lineOf(edit.start)}`)
      text += this.text.slice(at, edit.start) + edit.text
      at = edit.end
    }
    return text + this.text.slice(at, to)
  }

  /** The line of a position, counted from 1. */
  lineOf(position) {
    return this.tree.getLineAndCharacterOfPosition(position).line + 1
  }

  /** The start of a node, for a message. */
  placeOf(node) {
    return { path: this.path, line: this.lineOf(node.getStart(this.tree)) }
  }

  /** The position after the byte order mark, which stays. */
  get #markEnd() {
    return this.text.startsWith('\uFEFF') ? 1 : 0
  }

  lineStart(position) {
    return this.text.lastIndexOf('\n', position - 1) + 1
  }

  /** The position after the line break of the position's line. */
  lineEnd(position) {
    const at = this.text.indexOf('\n', position)
    return at < 0 ? this.text.length : at + 1
  }

  /** The indentation of the position's line. */
  indentOf(position) {
    return /^[ \t]*/.exec(this.text.slice(this.lineStart(position)))[0]
  }

  // ---- The file's style ----

  get eol() {
    return this.text.includes('\r\n') ? '\r\n' : '\n'
  }

  get indent() {
    if (/^\t/m.test(this.text)) return '\t'
    const [, spaces = '  '] = /^( {2,8})\S/m.exec(this.text) ?? []
    return spaces
  }

  get quote() {
    const imported = this.tree.statements.find((statement) => statement.moduleSpecifier)?.moduleSpecifier
    const counted = (mark) => this.text.split(mark).length
    return imported ? imported.getText(this.tree)[0] : counted('"') > counted("'") ? '"' : "'"
  }

  /** `;` or an empty text, as in most statements of the file. */
  get semicolon() {
    const { ts } = this
    const could = this.tree.statements.filter(
      (node) => ts.isImportDeclaration(node) || ts.isVariableStatement(node) || ts.isExportAssignment(node),
    )
    const have = could.filter((node) => node.getText(this.tree).endsWith(';'))
    return have.length * 2 >= could.length ? ';' : ''
  }

  quoted(text) {
    return `${this.quote}${text}${this.quote}`
  }

  /**
   * A statement with the comments directly above it, as whole lines, including one of two blank lines that
   * would become adjacent. A comment followed by a blank line concerns more than the statement.
   */
  spanOf(node) {
    const { text, tree, ts } = this
    let start = node.getStart(tree)
    for (const comment of (ts.getLeadingCommentRanges(text, node.getFullStart()) ?? []).reverse()) {
      if (/\n[ \t\r]*\n/.test(text.slice(comment.end, start))) break
      // A comment at the end of the line above belongs to that line.
      if (text.slice(this.lineStart(comment.pos), comment.pos).trim() !== '') break
      start = comment.pos
    }
    return this.#alone(start, node)
  }

  /** A statement as whole lines, without the comments above. */
  linesOf(node) {
    return this.#alone(node.getStart(this.tree), node)
  }

  /** From `start` to the end of a statement, as whole lines unless they contain another statement. */
  #alone(start, node) {
    const { text } = this
    const [from, to] = [Math.max(this.lineStart(start), this.#markEnd), this.lineEnd(node.getEnd())]
    const isFirst = text.slice(from, start).trim() === ''
    const behind = text.slice(node.getEnd(), to)
    const isLast = /^[\s;]*(?:\/\/.*|\/\*(?:(?!\*\/)[^])*\*\/\s*)?$/.test(behind)
    const space = /^[ \t]*/.exec(behind)[0].length
    return { start: isFirst ? from : start, end: isLast ? to : node.getEnd() + space }
  }

  /**
   * Replaces `span` by `instead`. If that is empty, the blank lines above are removed too if blank lines or
   * the end follow.
   */
  remove({ start, end }, instead = '') {
    const isApart = this.isBlankAt(end)
    if (instead !== '' || !isApart) return this.splice(start, end, instead)
    if (this.text.slice(0, start).trim() === '') {
      return this.splice(start, end + /^(?:[ \t]*\r?\n)*/.exec(this.text.slice(end))[0].length, '')
    }
    return this.splice(this.#blanksAbove(start), end, '')
  }

  isBlankAt(position) {
    return /^[ \t]*(\r?\n|$)/.test(this.text.slice(position))
  }

  /** The start of the blank lines above. */
  #blanksAbove(start) {
    const before = this.text.slice(0, start)
    const blank = /\n((?:[ \t]*\r?\n)+)$/.exec(before)
    return blank ? start - blank[1].length : start
  }
}

module.exports = { Source }
