'use strict'

/**
 * Stands in for the package where there is no Node: in browsers and in Edge runtimes. It throws on import
 * instead of at the first call, so that a mistake in bundling appears in development and not when a user
 * pays. `unsupported.mjs` does the same for `import`.
 */

// Makes bundlers treat this as CommonJS.
module.exports = {}

throw new Error(
  'media-credits runs on Node.js alone, not in a browser or an Edge runtime: call it from a route or a server ' +
    "action, put `export const runtime = 'nodejs'` into that file, and `serverExternalPackages: ['media-credits']` " +
    'into next.config; in Jest, begin the test file with `/** @jest-environment node */`, because jsdom counts as ' +
    'a browser',
)
