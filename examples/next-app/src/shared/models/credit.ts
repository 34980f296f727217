export {
  createCredit,
  getBalance,
  getRemainingCredits,
  getStatement,
  type StatementEntry,
} from 'media-credits'
