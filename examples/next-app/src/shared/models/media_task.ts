export * from 'media-credits'
