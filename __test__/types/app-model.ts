// The app's src/shared/models/media_task.ts, replaced by this package.
export * from 'media-credits'
