'use strict'

/**
 * A package registry on this machine during a check: it has these tarballs, and passes other requests on to npm's.
 * It is a separate process: `node scripts/docker/registry.js <port> <tarball>…`.
 */

const { execFileSync, spawn } = require('node:child_process')
const { createHash } = require('node:crypto')
const fs = require('node:fs')
const http = require('node:http')
const path = require('node:path')
const { freePort, serving } = require('../serving')

/** Resolves to the result of `work(url)`. */
async function withRegistry(tarballs, work) {
  const port = await freePort()
  return serving(spawn(process.execPath, [__filename, port, ...tarballs], { stdio: 'inherit' }), port, work)
}

function serve(port, tarballs) {
  const upstream = execFileSync('npm', ['config', 'get', 'registry'], { encoding: 'utf8' }).trim()
  const url = `http://localhost:${port}/`
  const own = new Map(tarballs.map((file) => [manifestOf(file).name, file]))
  http
    .createServer((request, response) => {
      const [name, file] = decodeURIComponent(request.url.slice(1)).split('/-/')
      if (name === '') return response.end()
      if (!own.has(name)) return pass(new URL(request.url, upstream), request, response)
      return response.end(
        file ? fs.readFileSync(own.get(name)) : JSON.stringify(described(own.get(name), url)),
      )
    })
    .listen(port, '127.0.0.1')
}

/** What npm requests first: the versions, and the addresses of their tarballs. */
function described(tarball, url) {
  const manifest = manifestOf(tarball)
  const { name, version } = manifest
  const dist = {
    tarball: `${url}${name}/-/${path.basename(tarball)}`,
    integrity: `sha512-${createHash('sha512').update(fs.readFileSync(tarball)).digest('base64')}`,
  }
  return { name, 'dist-tags': { latest: version }, versions: { [version]: { ...manifest, dist } } }
}

async function pass(url, { method, headers: { accept = '*/*' } }, response) {
  try {
    const { status, headers, body } = await fetch(url, { method, headers: { accept } })
    const type = headers.get('content-type') ?? 'application/octet-stream'
    response.writeHead(status, { 'content-type': type })
    for await (const chunk of body ?? []) response.write(chunk)
    response.end()
  } catch (error) {
    // npm retries.
    response.destroy(error)
  }
}

function manifestOf(tarball) {
  return JSON.parse(execFileSync('tar', ['-xOf', tarball, 'package/package.json'], { encoding: 'utf8' }))
}

if (require.main === module) {
  const [port, ...tarballs] = process.argv.slice(2)
  serve(port, tarballs)
}

module.exports = { withRegistry }
