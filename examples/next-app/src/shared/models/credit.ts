export { getRemainingCredits } from 'media-credits'
