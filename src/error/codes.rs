//! What callers see of an error besides its message: its code, its details, and whether to try again.

use super::Error;
use crate::echo::detail;

/// A property that an error carries into JavaScript.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Detail {
    /// A name, an id, a sentence.
    Text(String),
    /// A number of credits or requests.
    Number(i64),
}

impl Error {
    /// The code that callers match on. `docs/errors.md` lists every one with cause and remedy.
    pub fn code(&self) -> &'static str {
        match self {
            Self::InvalidArgument { .. } => "INVALID_ARGUMENT",
            Self::InvalidAmount { .. } => "INVALID_AMOUNT",
            Self::InvalidId { .. } => "INVALID_ID",
            Self::InvalidDate { .. } => "INVALID_DATE",
            Self::InvalidValue { .. } => "INVALID_VALUE",
            Self::UnknownField { .. } => "UNKNOWN_FIELD",
            Self::MissingField { .. } => "MISSING_FIELD",
            Self::ReadOnlyField { .. } => "READ_ONLY_FIELD",
            Self::TransactionNotSupported { .. } => "TRANSACTION_NOT_SUPPORTED",
            Self::UserNotFound { .. } => "USER_NOT_FOUND",
            Self::TaskExists { .. } => "TASK_EXISTS",
            Self::CreditExists { .. } => "CREDIT_EXISTS",
            Self::IdempotencyConflict { .. } => "IDEMPOTENCY_CONFLICT",
            Self::ChargeNotFound { .. } | Self::TaskNotCharged { .. } => "CHARGE_NOT_FOUND",
            Self::InvalidUrl { .. } => "INVALID_URL",
            Self::UnsupportedDatabase { .. } => "UNSUPPORTED_DATABASE",
            Self::Closed => "CLOSED",
            Self::InsufficientCredits { .. } => "INSUFFICIENT_CREDITS",
            Self::ChargeOwnerMismatch { .. } => "CHARGE_OWNER_MISMATCH",
            Self::ChargeCorrupt { .. } => "CHARGE_CORRUPT",
            Self::TooManyActiveTasks { .. } => "TOO_MANY_ACTIVE_TASKS",
            Self::FreeTrialUsedUp { .. } => "FREE_TRIAL_USED_UP",
            Self::TaskStateConflict { .. } => "TASK_STATE_CONFLICT",
            Self::TaskRefunded { .. } => "TASK_REFUNDED",
            Self::SettleExceedsCharge { .. } => "SETTLE_EXCEEDS_CHARGE",
            Self::SettleConflict { .. } => "SETTLE_CONFLICT",
            Self::InBatch { error, .. } => error.code(),
            Self::ValueUnreadable { .. } => "VALUE_UNREADABLE",
            Self::SchemaMismatch { .. } => "SCHEMA_MISMATCH",
            Self::TimestampUnitUnclear { .. } => "TIMESTAMP_UNIT_UNCLEAR",
            Self::DatabaseBusy { .. } | Self::TransactionNoCollision => "DATABASE_BUSY",
            Self::Overloaded { .. } => "OVERLOADED",
            Self::DatabaseUnavailable { .. } => "DATABASE_UNAVAILABLE",
            Self::OutcomeUnknown { .. } => "OUTCOME_UNKNOWN",
            Self::Database { .. } => "DATABASE_ERROR",
            Self::Internal(_) => "INTERNAL",
        }
    }

    /// Whether the very same call can succeed later, as it is.
    /// Nothing was written, so trying again is safe.
    pub fn retryable(&self) -> bool {
        match self {
            Self::DatabaseBusy { .. } | Self::TransactionNoCollision | Self::Overloaded { .. } => {
                true
            }
            Self::Database { retryable, .. } | Self::DatabaseUnavailable { retryable, .. } => {
                *retryable
            }
            Self::InBatch { error, .. } => error.retryable(),
            _ => false,
        }
    }

    /// The same error, of an item of a list. What is wrong with the database is no item's fault.
    pub fn of_item(self, index: usize) -> Self {
        match self {
            Self::DatabaseBusy { .. }
            | Self::TransactionNoCollision
            | Self::DatabaseUnavailable { .. }
            | Self::OutcomeUnknown { .. }
            | Self::Database { .. }
            | Self::InBatch { .. } => self,
            refusal => Self::InBatch { index, error: Box::new(refusal) },
        }
    }

    /// The numbers and names that become properties of the JavaScript error, in camelCase.
    pub fn details(&self) -> Vec<(&'static str, Detail)> {
        let text = |value: &str| Detail::Text(detail(value).into_owned());
        match self {
            Self::InvalidArgument { name, .. } | Self::InvalidId { name, .. } => {
                vec![("field", text(name))]
            }
            Self::InvalidAmount { name, .. } => vec![("field", text(name))],
            Self::InvalidDate { field, .. } => vec![("field", text(field))],
            Self::InvalidValue { table, field, .. }
            | Self::UnknownField { table, field }
            | Self::MissingField { table, field } => {
                vec![("table", text(table)), ("field", text(field))]
            }
            Self::ValueUnreadable { table, field, id, .. } => {
                vec![("table", text(table)), ("field", text(field)), ("id", text(id))]
            }
            Self::ReadOnlyField { field, .. } => vec![("field", text(field))],
            Self::UserNotFound { user_id } => vec![("userId", text(user_id))],
            Self::TaskExists { task_id } | Self::TaskNotCharged { task_id } => {
                vec![("taskId", text(task_id))]
            }
            Self::CreditExists { field, value }
            | Self::IdempotencyConflict { field, value, .. } => {
                vec![("field", text(field)), ("value", text(value))]
            }
            Self::ChargeNotFound { charge_id }
            | Self::ChargeOwnerMismatch { charge_id, .. }
            | Self::ChargeCorrupt { charge_id, .. } => vec![("creditId", text(charge_id))],
            Self::InsufficientCredits { required, available } => vec![
                ("required", Detail::Number(*required)),
                ("available", Detail::Number(*available)),
            ],
            Self::TooManyActiveTasks { active, max_active } => vec![
                ("active", Detail::Number(*active)),
                ("maxActive", Detail::Number(*max_active)),
            ],
            Self::FreeTrialUsedUp { used, limit } => {
                vec![("used", Detail::Number(*used)), ("limit", Detail::Number(*limit))]
            }
            Self::TransactionNotSupported { .. } => vec![("field", text("tx"))],
            Self::TaskStateConflict { task_id, status, .. } => {
                vec![("taskId", text(task_id)), ("status", text(status))]
            }
            Self::TaskRefunded { task_id, charge_id } => {
                vec![("taskId", text(task_id)), ("creditId", text(charge_id))]
            }
            Self::SettleExceedsCharge { charge_id, charged, requested } => vec![
                ("creditId", text(charge_id)),
                ("charged", Detail::Number(*charged)),
                ("requested", Detail::Number(*requested)),
            ],
            Self::SettleConflict { charge_id, settled, requested } => vec![
                ("creditId", text(charge_id)),
                ("settled", Detail::Number(*settled)),
                ("requested", Detail::Number(*requested)),
            ],
            Self::InBatch { index, error } => {
                let mut details = error.details();
                details.push(("index", Detail::Number(i64::try_from(*index).unwrap_or(i64::MAX))));
                details
            }
            Self::Database { database_code, .. } => vec![("databaseCode", text(database_code))],
            Self::InvalidUrl { .. }
            | Self::UnsupportedDatabase { .. }
            | Self::Closed
            | Self::SchemaMismatch { .. }
            | Self::TimestampUnitUnclear { .. }
            | Self::DatabaseBusy { .. }
            | Self::TransactionNoCollision
            | Self::Overloaded { .. }
            | Self::DatabaseUnavailable { .. }
            | Self::OutcomeUnknown { .. }
            | Self::Internal(_) => Vec::new(),
        }
    }
}
