'use strict'

/** Ends a server that a test started when the test's process is gone, even by `kill -9`. */

const { spawn } = require('node:child_process')

/**
 * A shell that waits for its standard input to end, which it does with the process that holds the other end. The
 * server removes its file when it ends. Where nobody reaps dead processes, its id stays.
 */
const SCRIPT = `
  read -r _
  pid=$(head -n 1 "$1" 2>/dev/null) && kill -QUIT "$pid"
  waits=0
  while [ -e "$1" ] && kill -0 "$pid" 2>/dev/null && [ $((waits += 1)) -lt 100 ]; do sleep 0.1; done
  shift
  rm -rf "$@"`

/**
 * Watches over a server whose process id stands in the first line of a file. Returns a function that ends the
 * server, removes its folders, and resolves when both are done; it happens by itself when this process ends.
 */
function guard(pidFile, folders) {
  // In a group of its own, which a Ctrl-C in the terminal does not reach.
  const shell = spawn('sh', ['-c', SCRIPT, 'guard', pidFile, ...folders], {
    cwd: '/',
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  const gone = new Promise((resolve) => shell.once('close', resolve))
  shell.unref()
  shell.stdin.unref()
  return async () => {
    shell.ref()
    shell.stdin.end()
    await gone
  }
}

module.exports = { guard }
