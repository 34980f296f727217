import type * as mediaCredits from 'media-credits'

// What bench/next.js puts in the place of the app's models for the floor: they answer and do nothing, so that what is
// left are Next.js, the route and the load.

export * from 'media-credits'

type Models = typeof mediaCredits

const row = (task: object) => {
  const now = new Date()
  return { creditId: null, createdAt: now, updatedAt: now, ...task }
}

export const createMediaTask = (async (task: object) => ({
  ...row({ status: 'pending', progress: 0, ...task }),
  replayed: false,
})) as unknown as Models['createMediaTask']

export const updateMediaTaskById = (async (id: string, patch: object) =>
  row({ id, ...patch })) as unknown as Models['updateMediaTaskById']

export const getMediaTaskCharges: Models['getMediaTaskCharges'] = async () => []
