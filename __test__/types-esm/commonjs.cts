// The same for CommonJS, by `exports.types.require`.

import credits = require('media-credits')

export const created: Promise<credits.MediaTask> = credits.createMediaTask(
  { id: 't', userId: 'u', platform: 'youtube', videoUrl: 'x' },
  10,
)
