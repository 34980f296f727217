'use strict'

const { fork } = require('node:child_process')

/**
 * Processes of a script that each take one job after the other, because a process takes longer to start than most jobs
 * take. Each job gets a process that has none, so jobs at the same time are in different processes.
 */
class Standing {
  #idle = []
  #all = new Set()

  constructor(script, options) {
    Object.assign(this, { script, options })
    afterAll(() => this.#end())
  }

  /** Sends a job to a process and returns its answer. It is an error if the process ends instead. */
  async run(job) {
    const child = this.#idle.pop() ?? this.#start()
    const answered = new Promise((resolve, reject) => {
      child.once('message', resolve)
      child.once('exit', (code, signal) => reject(new Error(`${this.script} ended with ${signal ?? code}`)))
    })
    child.send(job)
    const answer = await answered
    child.removeAllListeners('exit')
    this.#idle.push(child)
    return answer
  }

  #start() {
    const child = fork(this.script, [], { execArgv: [], ...this.options })
    this.#all.add(child)
    return child
  }

  async #end() {
    const gone = (child) => {
      if (child.exitCode !== null || child.signalCode !== null) return undefined
      child.kill('SIGKILL')
      return new Promise((resolve) => child.once('exit', resolve))
    }
    await Promise.all(Array.from(this.#all, gone))
  }
}

module.exports = { Standing }
