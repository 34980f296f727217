'use strict'

/** Finds the native addon: built here, or in the package of this platform. */

const { arch, platform } = process

// Linux has two C libraries; the addon of the other one does not load.
const targets =
  platform === 'linux'
    ? [`linux-${arch}-gnu`, `linux-${arch}-musl`]
    : platform === 'win32'
      ? [`win32-${arch}-msvc`]
      : [`${platform}-${arch}`]

const failures = []

function load() {
  for (const target of targets) {
    for (const place of [`./media-credits.${target}.node`, `@media-credits/${target}`]) {
      try {
        return require(place)
      } catch (error) {
        if (error.code !== 'MODULE_NOT_FOUND') failures.push(error.message)
      }
    }
  }
  const reason = failures.length ? ` (${failures.join('; ')})` : ''
  throw new Error(
    `media-credits has no binary for ${platform} ${arch}${reason}. ` +
      'Install Rust (https://rustup.rs) and run `npm rebuild media-credits`, ' +
      'or, in a checkout of the package, `npm run build`.',
  )
}

module.exports = load()
