//! All errors, with their codes.
//!
//! Three families, as in `docs/errors.md`: caller errors, ledger errors, database errors. A message says what to do
//! next, and never contains a password or a URL.

mod codes;

use thiserror::Error;

pub use self::codes::{Code, Detail, Family};
use crate::echo::{echo, said};

/// The result of everything in this crate that can be refused or fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call was refused or failed. It is `Clone` because one failed commit answers a whole batch.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Error {
    // Caller errors: the arguments are wrong, or name a row that does not exist.
    /// An argument of the wrong shape: no object where one belongs, an unknown option, page 0.
    #[error("{} must be {expected}, got {given}", echo(.name))]
    InvalidArgument {
        /// The argument or option.
        name: String,
        /// What would be right.
        expected: String,
        /// What came, described.
        given: String,
    },
    /// A number of credits that is not a whole number within the bounds.
    #[error("{name} must be a whole number from {min} to 2147483647, got {given}")]
    InvalidAmount {
        /// The argument or field.
        name: &'static str,
        /// The smallest number that is allowed.
        min: i64,
        /// What came, described.
        given: String,
    },
    /// An id that is missing, empty, not text, or too long to be one.
    #[error("{} must be a text of 1 to 255 characters without NUL, got {given}", echo(.name))]
    InvalidId {
        /// The argument or field.
        name: String,
        /// What came, described.
        given: String,
    },
    /// Something that is not a valid Date where a column holds a time.
    #[error("{} must be a valid Date, got {given}", echo(.field))]
    InvalidDate {
        /// The field.
        field: String,
        /// What came, described.
        given: String,
    },
    /// A value that its column can't hold.
    #[error("{table}.{field} must be {expected}, got {given}")]
    InvalidValue {
        /// The table, as the database names it.
        table: String,
        /// The field, as JavaScript names it.
        field: String,
        /// What would be right.
        expected: String,
        /// What came, described.
        given: String,
    },
    /// A key that is neither a column nor a parameter.
    #[error(
        "unknown field {:?}: {table} has no such column or parameter; fix the name, or add \
         the column to the table",
        echo(.field)
    )]
    UnknownField {
        /// The table, or the function whose parameter it is.
        table: String,
        /// The key, as it came.
        field: String,
    },
    /// A field that the table needs and that has no default.
    #[error("{table}.{field} is missing: the column has no default and can't be NULL")]
    MissingField {
        /// The table, as the database names it.
        table: String,
        /// The field, as JavaScript names it.
        field: String,
    },
    /// A field that this call must not change.
    #[error("{field} can't be set here: {reason}")]
    ReadOnlyField {
        /// The field, as JavaScript names it.
        field: &'static str,
        /// Why, and what to do instead.
        reason: &'static str,
    },
    /// `tx`, with which an app asks for its own transaction.
    #[error(
        "{function} can't run inside this tx; nothing was written. Pass a transaction of a client that \
         within(tx) supports, or leave tx out and replace the model that passes it (for createAITask, \
         models/ai_task.ts): here the task and its charge are one transaction"
    )]
    TransactionNotSupported {
        /// The function that was called.
        function: &'static str,
    },
    /// What counts rows, or decides on all that there are, in a transaction whose snapshot is older than the call.
    #[error(
        "{option} can't be kept at {isolation}, where a transaction does not see rows written after it began; nothing was \
         written. Begin the transaction at READ COMMITTED, or do without {option}"
    )]
    OldSnapshot {
        /// The option, or the function.
        option: &'static str,
        /// How the transaction is isolated from others.
        isolation: String,
    },
    /// No row in `user` has this id.
    #[error("there is no user {:?}; create the user before you grant or charge credits", echo(.user_id))]
    UserNotFound {
        /// The id that was looked for.
        user_id: String,
    },
    /// A task with this id is there already.
    #[error("task {:?} exists already; nothing was charged. A new task needs a new id", echo(.task_id))]
    TaskExists {
        /// The task's id.
        task_id: String,
    },
    /// A credit row with this `id` or `transactionNo` is there already.
    #[error("a credit row with {field} {:?} exists already; nothing was written", echo(.value))]
    CreditExists {
        /// `id` or `transactionNo`.
        field: &'static str,
        /// The value that is taken.
        value: String,
    },
    /// The idempotency key of a call with `replay` belongs to a different request.
    #[error(
        "{field} {:?} is taken by another call: {differs}; nothing was written. \
         A different request needs a different {field}",
        echo(.value)
    )]
    IdempotencyConflict {
        /// The key: `id` or `transactionNo`.
        field: &'static str,
        /// Its value.
        value: String,
        /// In what they differ.
        differs: &'static str,
    },
    /// A task that costs nothing has nothing to settle.
    #[error("task {:?} has no charge, so there is nothing to settle", echo(.task_id))]
    TaskNotCharged {
        /// The task's id.
        task_id: String,
    },
    /// `creditId` names no charge.
    #[error(
        "there is no charge {:?}; creditId must be the id of a row that consumeCredits returned",
        echo(.charge_id)
    )]
    ChargeNotFound {
        /// The id that was looked for.
        charge_id: String,
    },
    /// There is no grant to revoke or to extend.
    #[error("there is no grant with {field} {:?}; nothing was written. Call again once the grant exists", echo(.value))]
    GrantNotFound {
        /// `creditId`, `orderNo` or `subscriptionNo`.
        field: &'static str,
        /// Its value.
        value: String,
    },
    /// There is no revocation to end.
    #[error(
        "there is no revocation with transactionNo {:?}; nothing was written. Call again after revokeGrants, or name the \
         grants: restoreGrants(transactionNo, {{ orderNo }})",
        echo(.transaction_no)
    )]
    RevocationNotFound {
        /// The key of the call of `revokeGrants`.
        transaction_no: String,
    },
    /// The URL can't be understood.
    #[error("the database URL is not usable: {}", said(.reason))]
    InvalidUrl {
        /// What is wrong and what to do.
        reason: String,
    },
    /// A database that this package does not speak to.
    #[error("{} databases are not supported: {advice}", echo(.scheme))]
    UnsupportedDatabase {
        /// The URL's scheme. Never the URL: it may hold a password.
        scheme: String,
        /// What to do instead.
        advice: &'static str,
    },
    /// The connection was closed.
    #[error("this connection is closed; call connect() for a new one")]
    Closed,
    /// The client that was passed as a transaction is in none.
    #[error(
        "the client is in no transaction; pass the one that its transaction's callback gets, or begin one first"
    )]
    NotInTransaction,

    // Ledger errors: the request was valid, but a ledger rule rejected it.
    /// The balance is smaller than the charge. The app's pages show this message: it stays.
    #[error("Insufficient credits, {available} < {required}")]
    InsufficientCredits {
        /// What the charge needs.
        required: i64,
        /// What can be spent now: of the credits that may pay, if not all may.
        available: i64,
        /// What can be spent of all credits, if not all may pay.
        balance: Option<i64>,
    },
    /// The charge is another user's, or another task's.
    #[error(
        "charge {:?} does not belong to {owner}; nothing was written. A task needs a charge of its own. \
         To detach this charge from a task: updateMediaTaskById(id, {{ creditId: null }})",
        echo(.charge_id)
    )]
    ChargeOwnerMismatch {
        /// The charge's id.
        charge_id: String,
        /// Whom it does not belong to, and to which task it does.
        owner: String,
    },
    /// The charge's `consumed_detail` can't be read, so it is not known where the credits came from.
    #[error(
        "consumed_detail of charge {:?} can't be read ({}); nothing was written. \
         Repair the row, or detach it from its task first: updateMediaTaskById(id, {{ creditId: null }})",
        echo(.charge_id), said(.reason)
    )]
    ChargeCorrupt {
        /// The charge's id.
        charge_id: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A row holds something else than its column says, such as text where a time belongs.
    #[error(
        "{table}.{field} of row {id:?} holds {found}, not {expected}; nothing was written. Correct \
         the value; `npx media-credits audit` lists all such rows"
    )]
    ValueUnreadable {
        /// The table, as the database names it.
        table: &'static str,
        /// The field, as JavaScript names it.
        field: &'static str,
        /// The row's `id`.
        id: String,
        /// What is there.
        found: String,
        /// What belongs there.
        expected: &'static str,
    },
    /// A plan's limit: the user has spent what may be spent within a window of time. A message for pages, too.
    #[error("Spending limit, {spent} + {required} > {limit}")]
    SpendingLimit {
        /// What the charge needs.
        required: i64,
        /// What was spent in this window.
        spent: i64,
        /// What may be.
        limit: i64,
        /// When the charge can be made, as far as this limit is about it; never, if `None`.
        resets_at_ms: Option<i64>,
    },
    /// A plan's limit: the user has enough tasks whose credits are at risk. An app's pages may show this
    /// message, as they show that of [`Self::InsufficientCredits`].
    #[error("Too many active tasks, {active} of {max_active}")]
    TooManyActiveTasks {
        /// How many there are.
        active: i64,
        /// How many there may be.
        max_active: i64,
    },
    /// A plan's limit: the user has had all free trials. A message for pages, too.
    #[error("Free trials are used up, {used} of {limit}")]
    FreeTrialUsedUp {
        /// How many the user has used.
        used: i64,
        /// How many there are.
        limit: i64,
    },
    /// A guard of the call did not hold.
    #[error("task {:?} is {:?}, {reason}; nothing was written", echo(.task_id), echo(.status))]
    TaskStateConflict {
        /// The task's id.
        task_id: String,
        /// The status that it has.
        status: String,
        /// Which guard, and why.
        reason: &'static str,
    },
    /// A late worker delivers what was refunded already.
    #[error(
        "task {:?} was refunded, so it can't be delivered; nothing was written. Charge it again \
         (chargeMediaTask, or a new task), or pass {{ allowRefunded: true }} to deliver it free of charge",
        echo(.task_id)
    )]
    TaskRefunded {
        /// The task's id.
        task_id: String,
        /// The charge that was refunded.
        charge_id: String,
    },
    /// The expiry of a withdrawn grant can't be changed.
    #[error(
        "grant {:?} was withdrawn, so its expiry can't be changed; nothing was written. restoreGrants ends a revocation; \
         createCredit makes a new grant",
        echo(.credit_id)
    )]
    GrantWithdrawn {
        /// The grant's id.
        credit_id: String,
    },
    /// A charge can't be settled to more than it took.
    #[error(
        "charge {:?} took {charged} credits, fewer than {requested}; nothing was written. \
         `over: 'available'` draws the difference",
        echo(.charge_id)
    )]
    SettleExceedsCharge {
        /// The charge's id.
        charge_id: String,
        /// What it took.
        charged: i64,
        /// What was asked for.
        requested: i64,
    },
    /// A charge is settled once.
    #[error(
        "charge {:?} was settled to {settled} credits already, not to {requested}; nothing was written",
        echo(.charge_id)
    )]
    SettleConflict {
        /// The charge's id.
        charge_id: String,
        /// What it was settled to; 0 if it was refunded.
        settled: i64,
        /// What was asked for.
        requested: i64,
    },
    /// No top-up has this transaction number.
    #[error("no top-up has the transaction number {:?}", echo(.transaction_no))]
    TopUpNotFound {
        /// The call's key.
        transaction_no: String,
    },
    /// A confirmed top-up can't be abandoned.
    #[error("top-up {:?} was confirmed already", echo(.transaction_no))]
    TopUpConfirmed {
        /// The call's key.
        transaction_no: String,
    },
    /// An abandoned top-up can't be confirmed.
    #[error("top-up {:?} was abandoned already", echo(.transaction_no))]
    TopUpEnded {
        /// The call's key.
        transaction_no: String,
    },
    /// A refunded charge can't be kept.
    #[error("charge {:?} was refunded already; charge again", echo(.charge_id))]
    ChargeRefunded {
        /// The charge's id.
        charge_id: String,
    },
    /// One of several requests that go together was refused, and so all are.
    #[error("item {index}: {error}. Nothing of the batch was written")]
    InBatch {
        /// Its place in the list, from 0.
        index: usize,
        /// Why it was refused.
        error: Box<Error>,
    },

    // Database errors.
    /// The tables are not as this package needs them.
    #[error("the database's schema does not fit: {problem}. {remedy}")]
    SchemaMismatch {
        /// What is missing or wrong.
        problem: String,
        /// How to mend it.
        remedy: String,
    },
    /// The evidence for the unit of timestamps contradicts itself.
    #[error("can't tell whether timestamps are milliseconds or seconds: {evidence}. {remedy}")]
    TimestampUnitUnclear {
        /// Which column says what.
        evidence: String,
        /// What to do.
        remedy: String,
    },
    /// Another process or connection held the database's lock for too long.
    #[error(
        "the database is locked by another process or connection ({}); nothing was written, try again",
        said(.message)
    )]
    DatabaseBusy {
        /// The database's own words.
        message: String,
    },
    /// Another process made the same transaction number at the same moment, several times over.
    #[error(
        "another process generated the same transaction number; nothing was written, try again"
    )]
    TransactionNoCollision,
    /// Too many requests are waiting.
    #[error("{waiting} requests are waiting already; nothing was written, try again in a moment")]
    Overloaded {
        /// The queue's bound.
        waiting: usize,
    },
    /// The database could not be reached, or the connection to it broke.
    #[error("the database can't be reached: {}. Nothing was written{advice}", said(.message))]
    DatabaseUnavailable {
        /// What happened, without names or passwords.
        message: String,
        /// What to do, as the end of the sentence.
        advice: &'static str,
        /// Whether the same call can succeed later: a server that restarts yes, a wrong password no.
        retryable: bool,
    },
    /// The connection broke while the commit was under way, and the database could not be asked since.
    #[error(
        "the connection broke while the database was committing ({}): this call may or may not \
         have been carried out. Check before you retry: see docs/errors.md",
        said(.message)
    )]
    OutcomeUnknown {
        /// What happened.
        message: String,
    },
    /// Anything else that the database says.
    #[error("the database failed while {doing}: {} ({database_code})", said(.message))]
    Database {
        /// What was being done.
        doing: &'static str,
        /// The database's own name of the error, such as `SQLITE_FULL`.
        database_code: String,
        /// The database's own words.
        message: String,
        /// Whether the same call can succeed later: a full disk yes, a file that is no database no.
        retryable: bool,
    },
    /// A bug in this package. It is an error and not a panic, because the server must live on.
    #[error("internal error in media-credits: {0}; please report it")]
    Internal(String),
}
