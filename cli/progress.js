'use strict'

const { Presets, SingleBar } = require('cli-progress')

/** A bar on a terminal's stderr, and nothing anywhere else. What is written to stdout meanwhile goes above it. */
class Progress {
  constructor(noun, stream = process.stderr) {
    const format = `{bar} {percentage}% | {value}/{total} ${noun}`
    // The cursor stays: a program that is interrupted could not bring it back.
    const options = { format, stream, clearOnComplete: true, hideCursor: false, noTTYOutput: false }
    this.bar = stream.isTTY ? new SingleBar(options, Presets.shades_classic) : undefined
  }

  update(value, total) {
    this.value = value
    this.total = total
    if (!this.bar) return
    if (!this.bar.isActive) this.bar.start(total, value)
    this.bar.setTotal(total)
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
