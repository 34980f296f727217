//! All errors, with their codes.
//!
//! Three families, as in `docs/errors.md`: caller errors, ledger errors, database errors. A message says what to do
//! next, and never contains a password or a URL.

mod codes;
mod period;
mod unknown_field;
mod wait;

use thiserror::Error;

pub use self::codes::{Code, Detail, Family};
pub use self::period::Period;
use self::unknown_field::remedy;
pub use self::wait::Wait;
use crate::echo::{echo, said};

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call failed. It is `Clone` because one failed commit fails a whole batch.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Error {
    // Caller errors: the arguments are invalid, or name a row that does not exist.
    /// An argument of the wrong type: no object where one is needed, an unknown option, page 0.
    #[error("{} must be {expected}, got {given}", echo(.name))]
    InvalidArgument {
        /// The argument or option.
        name: String,
        /// What is expected.
        expected: String,
        /// A description of the value.
        given: String,
    },
    /// A number of credits that is not a whole number within the limits.
    #[error("{name} must be a whole number from {min} to 2147483647, got {given}")]
    InvalidAmount {
        /// The argument or field.
        name: &'static str,
        /// The smallest allowed number.
        min: i64,
        /// A description of the value.
        given: String,
    },
    /// An id that is missing, empty, too long, or not text.
    #[error("{} must be a text of 1 to 255 characters without NUL, got {given}", echo(.name))]
    InvalidId {
        /// The argument or field.
        name: String,
        /// A description of the value.
        given: String,
    },
    /// A value for a time column that is not a valid Date.
    #[error("{} must be a valid Date, got {given}", echo(.field))]
    InvalidDate {
        /// The field.
        field: String,
        /// A description of the value.
        given: String,
    },
    /// A value that its column can't hold.
    #[error("{table}.{field} must be {expected}, got {given}")]
    InvalidValue {
        /// The table's SQL name.
        table: String,
        /// The field's JavaScript name.
        field: String,
        /// What is expected.
        expected: String,
        /// A description of the value.
        given: String,
    },
    /// A key that is neither a column nor a parameter.
    #[error(
        "unknown field {:?}: {table} has no such column or parameter; {}",
        echo(.field), remedy(.table, .field)
    )]
    UnknownField {
        /// The table, or the function with the parameters.
        table: String,
        /// The key, as passed.
        field: String,
    },
    /// A missing field that the table requires and has no default for.
    #[error("{table}.{field} is missing: the column has no default and can't be NULL")]
    MissingField {
        /// The table's SQL name.
        table: String,
        /// The field's JavaScript name.
        field: String,
    },
    /// A field that this call must not change.
    #[error("{field} can't be set here: {reason}")]
    ReadOnlyField {
        /// The field's JavaScript name.
        field: &'static str,
        /// Why, and what to do instead.
        reason: &'static str,
    },
    /// `tx`, with which an app passes its own transaction.
    #[error(
        "{function} can't run inside this tx; nothing was written. Pass a transaction of a client that \
         within(tx) supports, or leave tx out and replace the model that passes it (for createAITask, \
         models/ai_task.ts): here the task and its charge are one transaction"
    )]
    TransactionNotSupported {
        /// The function's name.
        function: &'static str,
    },
    /// The app's connection does not transfer every character.
    #[error(
        "the transaction's connection uses {encoding} (character_set_results), which replaces some characters by ?; \
         nothing was written. Connect with utf8mb4, mysql2's default: leave charset out"
    )]
    LossyConnection {
        /// The encoding of what the server sends.
        encoding: String,
    },
    /// A call that counts rows or depends on all of them, in a transaction with a snapshot older than the call.
    #[error(
        "{option} can't be kept at {isolation}, where a transaction does not see rows written after it began; nothing was \
         written. Begin the transaction at READ COMMITTED, or do without {option}"
    )]
    OldSnapshot {
        /// The option or the function.
        option: &'static str,
        /// The transaction's isolation level.
        isolation: String,
    },
    /// No row in `user` has this id.
    #[error("there is no user {:?}; create the user before you grant or charge credits", echo(.user_id))]
    UserNotFound {
        /// The id.
        user_id: String,
    },
    /// A task with this id exists already.
    #[error("task {:?} exists already; nothing was charged. A new task needs a new id", echo(.task_id))]
    TaskExists {
        /// The task's id.
        task_id: String,
    },
    /// A credit row with this `id` or `transactionNo` exists already.
    #[error("a credit row with {field} {:?} exists already; nothing was written", echo(.value))]
    CreditExists {
        /// `id` or `transactionNo`.
        field: &'static str,
        /// The value.
        value: String,
    },
    /// The idempotency key of a call with `replay` was used by a different request.
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
        /// How the requests differ.
        differs: &'static str,
    },
    /// A task that costs nothing has nothing to settle.
    #[error("task {:?} has no charge, so there is nothing to settle", echo(.task_id))]
    TaskNotCharged {
        /// The task's id.
        task_id: String,
    },
    /// There is no charge with this `creditId`.
    #[error(
        "there is no charge {:?}; creditId must be the id of a row that consumeCredits returned",
        echo(.charge_id)
    )]
    ChargeNotFound {
        /// The id.
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
    /// There is no revocation to restore.
    #[error(
        "there is no revocation with transactionNo {:?}; nothing was written. Call again after revokeGrants, or name the \
         grants: restoreGrants(transactionNo, {{ orderNo }})",
        echo(.transaction_no)
    )]
    RevocationNotFound {
        /// The idempotency key of the call of `revokeGrants`.
        transaction_no: String,
    },
    /// The URL is invalid.
    #[error("the database URL is not usable: {}", said(.reason))]
    InvalidUrl {
        /// What is wrong, and what to do.
        reason: String,
    },
    /// A kind of database that is not supported.
    #[error("{} databases are not supported: {advice}", echo(.scheme))]
    UnsupportedDatabase {
        /// The URL's scheme. The URL itself may contain a password.
        scheme: String,
        /// What to do instead.
        advice: &'static str,
    },
    /// The connection was closed.
    #[error("this connection is closed; call connect() for a new one")]
    Closed,
    /// The client that was passed has no open transaction.
    #[error(
        "the client is in no transaction; pass the one that its transaction's callback gets, or begin one first"
    )]
    NotInTransaction,

    // Ledger errors: the request was valid, but a ledger rule rejected it.
    /// The balance is smaller than the charge. The app's pages show this message, so it must not change.
    #[error("Insufficient credits, {available} < {required}")]
    InsufficientCredits {
        /// The credits of the charge.
        required: i64,
        /// The spendable credits of the grants that may pay.
        available: i64,
        /// The spendable credits of all grants, if only some may pay.
        balance: Option<i64>,
    },
    /// The charge belongs to another user or task.
    #[error(
        "charge {:?} does not belong to {owner}; nothing was written. A task needs a charge of its own. \
         To detach this charge from a task: updateMediaTaskById(id, {{ creditId: null }})",
        echo(.charge_id)
    )]
    ChargeOwnerMismatch {
        /// The charge's id.
        charge_id: String,
        /// A text that says which user or task it belongs to.
        owner: String,
    },
    /// The charge's `consumed_detail` is unreadable, so the source of its credits is unknown.
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
    /// A column holds a value of the wrong type, such as text in place of a time.
    #[error(
        "{table}.{field} of row {id:?} holds {found}, not {expected}; nothing was written. Correct \
         the value; `npx media-credits audit` lists all such rows"
    )]
    ValueUnreadable {
        /// The table's SQL name.
        table: &'static str,
        /// The field's JavaScript name.
        field: &'static str,
        /// The row's `id`.
        id: String,
        /// A description of the value.
        found: String,
        /// What is expected.
        expected: &'static str,
    },
    /// A plan's limit: the user has used up a spending limit. The app's pages show this message.
    #[error("Spending limit, {spent} + {required} > {limit} per {per}")]
    SpendingLimit {
        /// The credits of the charge.
        required: i64,
        /// The credits spent in this window.
        spent: i64,
        /// The limit's index in the call's list.
        limit_index: usize,
        /// Its credits.
        limit: i64,
        /// Its window.
        per: Period,
        /// When this limit allows the charge; `None` means never.
        resets_at_ms: Option<i64>,
    },
    /// A plan's limit: the user has too many unfinished tasks. The app's pages may show this message.
    #[error("Too many active tasks, {active} of {max_active}")]
    TooManyActiveTasks {
        /// The number of unfinished tasks.
        active: i64,
        /// The maximum.
        max_active: i64,
    },
    /// A plan's limit: the user has used all free trials. The app's pages show this message.
    #[error("Free trials are used up, {used} of {limit}")]
    FreeTrialUsedUp {
        /// The number of used trials.
        used: i64,
        /// The maximum.
        limit: i64,
    },
    /// A condition of the call was not met.
    #[error("task {:?} is {:?}, {reason}; nothing was written", echo(.task_id), echo(.status))]
    TaskStateConflict {
        /// The task's id.
        task_id: String,
        /// The current status.
        status: String,
        /// The condition, and why it is not met.
        reason: &'static str,
    },
    /// A late worker delivers a task whose charge was refunded.
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
    /// A charge can't be settled to more than its credits.
    #[error(
        "charge {:?} took {charged} credits, fewer than {requested}; nothing was written. \
         `over: 'available'` draws the difference",
        echo(.charge_id)
    )]
    SettleExceedsCharge {
        /// The charge's id.
        charge_id: String,
        /// The charge's credits.
        charged: i64,
        /// The requested credits.
        requested: i64,
    },
    /// A charge can be settled only once.
    #[error(
        "charge {:?} was settled to {settled} credits already, not to {requested}; nothing was written",
        echo(.charge_id)
    )]
    SettleConflict {
        /// The charge's id.
        charge_id: String,
        /// The credits that it was settled to; 0 if it was refunded.
        settled: i64,
        /// The requested credits.
        requested: i64,
    },
    /// No top-up has this transaction number.
    #[error("no top-up has the transaction number {:?}", echo(.transaction_no))]
    TopUpNotFound {
        /// The call's idempotency key.
        transaction_no: String,
    },
    /// A confirmed top-up can't be abandoned.
    #[error("top-up {:?} was confirmed already", echo(.transaction_no))]
    TopUpConfirmed {
        /// The call's idempotency key.
        transaction_no: String,
    },
    /// An abandoned top-up can't be confirmed.
    #[error("top-up {:?} was abandoned already", echo(.transaction_no))]
    TopUpEnded {
        /// The call's idempotency key.
        transaction_no: String,
    },
    /// A refunded charge can't be kept.
    #[error("charge {:?} was refunded already; charge again", echo(.charge_id))]
    ChargeRefunded {
        /// The charge's id.
        charge_id: String,
    },
    /// An item of an atomic batch was rejected, and therefore the whole batch.
    #[error("item {index}: {error}. Nothing of the batch was written")]
    InBatch {
        /// Its index in the list, from 0.
        index: usize,
        /// Why it was rejected.
        error: Box<Error>,
    },

    // Database errors.
    /// The tables do not have the form that this package needs.
    #[error("the database's schema does not fit: {problem}. {remedy}")]
    SchemaMismatch {
        /// What is missing or wrong.
        problem: String,
        /// How to fix it.
        remedy: String,
    },
    /// Columns disagree about the unit of timestamps.
    #[error("can't tell whether timestamps are milliseconds or seconds: {evidence}. {remedy}")]
    TimestampUnitUnclear {
        /// Which columns, and their units.
        evidence: String,
        /// What to do.
        remedy: String,
    },
    /// The request waited for too long.
    #[error("{} ({}); nothing was written, try again", .wait.as_str(), said(.message))]
    DatabaseBusy {
        /// For what.
        wait: Wait,
        /// The database's message, or more about the wait.
        message: String,
    },
    /// Another process generated the same transaction numbers, several times in a row.
    #[error(
        "another process generated the same transaction number; nothing was written, try again"
    )]
    TransactionNoCollision,
    /// Too many requests are waiting.
    #[error("{waiting} requests are waiting already; nothing was written, try again in a moment")]
    Overloaded {
        /// The maximum number of waiting requests.
        waiting: usize,
    },
    /// The database could not be reached, or the connection to it broke.
    #[error("the database can't be reached: {}. Nothing was written{advice}", said(.message))]
    DatabaseUnavailable {
        /// What happened, without names or passwords.
        message: String,
        /// What to do, as the end of the sentence.
        advice: &'static str,
        /// Whether the same call can succeed later: yes if a server restarts, no after a wrong password.
        retryable: bool,
    },
    /// The connection broke during the commit, and its outcome could not be found out since.
    #[error(
        "the connection broke while the database was committing ({}): this call may or may not \
         have been carried out. Check before you retry: see docs/errors.md",
        said(.message)
    )]
    OutcomeUnknown {
        /// What happened.
        message: String,
    },
    /// Any other error of the database.
    #[error("the database failed while {doing}: {} ({database_code})", said(.message))]
    Database {
        /// What was being done.
        doing: &'static str,
        /// The database's name or code of the error, such as `SQLITE_FULL`.
        database_code: String,
        /// The database's message.
        message: String,
        /// Whether the same call can succeed later: yes if the disk is full, no if the file is not a
        /// database.
        retryable: bool,
    },
    /// A bug in this package. It is an error instead of a panic, because the server must go on.
    #[error("internal error in media-credits: {0}; please report it")]
    Internal(String),
}
