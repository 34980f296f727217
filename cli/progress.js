'use strict'

const { Presets, SingleBar } = require('cli-progress')

/** A progress bar on a terminal's stderr; on other streams nothing. Output to stdout appears above it. */
class Progress {
  constructor(noun, stream = process.stderr) {
    const format = `{bar} {percentage}% | {value}/{total} ${noun}`
    // The cursor is not hidden: an interrupted program could not restore it.
    const options = { format, stream, clearOnComplete: true, hideCursor: false, linewrap: true }
    this.bar = stream.isTTY ? new SingleBar(options, Presets.shades_classic) : undefined
  }

  update(value, total) {
    this.value = value
    // There may be more rows than at the beginning.
    this.total = Math.max(total, value)
    if (!this.bar) return
    if (!this.bar.isActive) this.bar.start(this.total, value)
    this.bar.setTotal(this.total)
    this.bar.update(value)
  }

  /** Hides the bar while `write` writes. */
  async above(write) {
    const isShown = this.bar?.isActive
    if (isShown) this.bar.stop()
    await write()
    if (isShown) this.bar.start(this.total, this.value)
  }

  stop() {
    if (this.bar?.isActive) this.bar.stop()
  }
}

module.exports = { Progress }
