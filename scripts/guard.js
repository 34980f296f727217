'use strict'

/** Ends servers that a test started when the test's process is gone, even by `kill -9`. */

const { spawn } = require('node:child_process')

/**
 * A shell that waits for its standard input to end, which it does with the process that holds the other end. First
 * those that would start a server anew are killed, or were stopped. A server removes its file when it ends. Where
 * no process reaps dead ones, its id stays.
 */
const SCRIPT = `
  read -r _
  while [ "$1" != servers ]; do
    pid=$(cat "$1" 2>/dev/null) && kill -KILL "$pid"
    shift
  done
  shift
  servers=
  while [ "$1" != folders ]; do
    pid=$(head -n 1 "$1" 2>/dev/null) && kill -QUIT "$pid" && kill -CONT "$pid"
    servers="$servers $1"
    shift
  done
  shift
  waits=0
  for file in $servers; do
    pid=$(head -n 1 "$file" 2>/dev/null)
    while [ -e "$file" ] && kill -0 "$pid" 2>/dev/null && [ $((waits += 1)) -lt 100 ]; do sleep 0.1; done
  done
  rm -rf "$@"`

/**
 * Watches over servers whose process ids stand in the first lines of files. Returns a function that ends the
 * servers, removes their folders, and resolves when both are done; it happens by itself when this process ends.
 * `watchers` are files with the ids of processes that start servers: they are killed before.
 */
function guard(pidFiles, folders, watchers = []) {
  const args = [...watchers, 'servers', ...[pidFiles].flat(), 'folders', ...folders]
  // In a group of its own, which a Ctrl-C in the terminal does not reach.
  const shell = spawn('sh', ['-c', SCRIPT, 'guard', ...args], {
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
