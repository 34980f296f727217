'use strict'

const { Presets, SingleBar } = require('cli-progress')

/** A bar on a terminal's stderr, and nothing anywhere else. What is written to stdout meanwhile goes above it. */
class Progress {
  constructor(noun, stream = process.stderr) {
    const format = `{bar} {percentage}% | {value}/{total} ${noun}`
    // The terminal stays as it is: a program that is interrupted could not put it back.
    const options = { format, stream, clearOnComplete: true, hideCursor: false, linewrap: true }
    this.bar = stream.isTTY ? new SingleBar(options, Presets.shades_classic) : undefined
  }

  update(value, total) {
    this.value = value
    // What was counted at the beginning may have grown.
    this.total = Math.max(total, value)
    if (!this.bar) return
    if (!this.bar.isActive) this.bar.start(this.total, value)
    this.bar.setTotal(this.total)
    this.bar.update(value)
  }

  /** Takes the bar away while `write` writes. */
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
