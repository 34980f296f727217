// What unsupported.js is, for ES modules. It has every name of index.mjs: without them, Node and bundlers say that a
// name is missing, and nobody gets to read the sentence.

export let connect,
  MediaCredits,
  MediaCreditsError,
  createMediaTask,
  createMediaTasks,
  updateMediaTaskById,
  chargeMediaTask,
  settleMediaTask,
  findMediaTaskById,
  getMediaTaskCharges,
  hasActiveMediaTask,
  getActiveMediaTasks,
  getMediaTaskHistory,
  findStuckMediaTasks,
  failStuckMediaTasks,
  createAITask,
  createAITasks,
  updateAITaskById,
  chargeAITask,
  settleAITask,
  findAITaskById,
  getAITaskCharges,
  getAITasks,
  getAITasksCount,
  findStuckAITasks,
  failStuckAITasks,
  consumeCredits,
  consumeCreditsBatch,
  refundCredits,
  createCredit,
  getRemainingCredits,
  getBalance,
  getStatement,
  quoteCredits,
  getCredits,
  getCreditsCount,
  auditLedger,
  repairLedger,
  createTables,
  getDiagnostics,
  stats,
  close

throw new Error(
  'media-credits runs on Node.js alone, not in a browser or an Edge runtime: call it from a route or a server ' +
    "action, put `export const runtime = 'nodejs'` into that file, and `serverExternalPackages: ['media-credits']` " +
    'into next.config; in Jest, begin the test file with `/** @jest-environment node */`, because jsdom counts as ' +
    'a browser',
)
