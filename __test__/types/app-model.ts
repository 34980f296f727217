// The app's src/shared/models/media_task.ts, once this package has taken its place.
export * from 'media-credits'
