'use strict'

/**
 * Stands in for the package where there is no Node: in the browser and in Edge runtimes. It throws when it
 * is imported, and not at the first call: a mistake in bundling shows at the first try, and not on the day when a
 * user pays. `unsupported.mjs` does the same for `import`.
 */

// By this, bundlers know that it is CommonJS.
module.exports = {}

throw new Error(
  'media-credits runs on Node.js alone, not in a browser or an Edge runtime: call it from a route or a server ' +
    "action, put `export const runtime = 'nodejs'` into that file, and `serverExternalPackages: ['media-credits']` " +
    'into next.config; in Jest, begin the test file with `/** @jest-environment node */`, because jsdom counts as ' +
    'a browser',
)
