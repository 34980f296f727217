// The same for CommonJS, by `exports.types.require`.

import credits = require('media-credits')
import telemetry = require('media-credits/opentelemetry')

export const created: Promise<credits.MediaTask> = credits.createMediaTask(
  { id: 't', userId: 'u', platform: 'youtube', videoUrl: 'x' },
  10,
)
export const stop: () => void = telemetry.instrument()
