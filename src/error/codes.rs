//! The properties of an error besides its message: its code, its details, and whether a retry can succeed.

use super::{Error, Period};
use crate::echo::detail;

/// A property of the JavaScript error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Detail {
    /// A name, an id, or a sentence.
    Text(String),
    /// A number of credits, requests or milliseconds.
    Number(i64),
    /// A time, in epoch milliseconds; `None` means never.
    TimeMs(Option<i64>),
}

/// The source of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// The call is invalid and must be changed.
    Caller,
    /// The call was valid, but a ledger rule rejected it.
    Ledger,
    /// The database failed, or can't be used.
    Database,
}

impl Family {
    /// The family's name, as callers read it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Ledger => "ledger",
            Self::Database => "database",
        }
    }
}

macro_rules! codes {
    ($($family:ident { $($code:ident = $text:literal,)+ })+) => {
        /// The codes that callers match on. `docs/errors.md` lists each with its cause and remedy.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[allow(missing_docs, reason = "docs/errors.md has them")]
        pub enum Code { $($($code,)+)+ }

        impl Code {
            /// All codes, each at its own index.
            pub const ALL: &[Self] = &[$($(Self::$code,)+)+];

            /// The code, as callers read it.
            pub fn as_str(self) -> &'static str {
                match self { $($(Self::$code => $text,)+)+ }
            }

            /// The family of this code.
            pub fn family(self) -> Family {
                match self { $($(Self::$code)|+ => Family::$family,)+ }
            }
        }
    };
}

codes! {
    Caller {
        InvalidArgument = "INVALID_ARGUMENT",
        InvalidAmount = "INVALID_AMOUNT",
        InvalidId = "INVALID_ID",
        InvalidDate = "INVALID_DATE",
        InvalidValue = "INVALID_VALUE",
        UnknownField = "UNKNOWN_FIELD",
        MissingField = "MISSING_FIELD",
        ReadOnlyField = "READ_ONLY_FIELD",
        TransactionNotSupported = "TRANSACTION_NOT_SUPPORTED",
        UserNotFound = "USER_NOT_FOUND",
        TaskExists = "TASK_EXISTS",
        CreditExists = "CREDIT_EXISTS",
        IdempotencyConflict = "IDEMPOTENCY_CONFLICT",
        ChargeNotFound = "CHARGE_NOT_FOUND",
        TopUpNotFound = "TOP_UP_NOT_FOUND",
        GrantNotFound = "GRANT_NOT_FOUND",
        RevocationNotFound = "REVOCATION_NOT_FOUND",
        InvalidUrl = "INVALID_URL",
        UnsupportedDatabase = "UNSUPPORTED_DATABASE",
        Closed = "CLOSED",
        NotInTransaction = "NOT_IN_TRANSACTION",
    }
    Ledger {
        InsufficientCredits = "INSUFFICIENT_CREDITS",
        SpendingLimit = "SPENDING_LIMIT",
        ChargeOwnerMismatch = "CHARGE_OWNER_MISMATCH",
        TooManyActiveTasks = "TOO_MANY_ACTIVE_TASKS",
        FreeTrialUsedUp = "FREE_TRIAL_USED_UP",
        TaskStateConflict = "TASK_STATE_CONFLICT",
        TaskRefunded = "TASK_REFUNDED",
        GrantWithdrawn = "GRANT_WITHDRAWN",
        SettleExceedsCharge = "SETTLE_EXCEEDS_CHARGE",
        SettleConflict = "SETTLE_CONFLICT",
        ChargeRefunded = "CHARGE_REFUNDED",
        TopUpConfirmed = "TOP_UP_CONFIRMED",
        TopUpEnded = "TOP_UP_ENDED",
        ChargeCorrupt = "CHARGE_CORRUPT",
        ValueUnreadable = "VALUE_UNREADABLE",
    }
    Database {
        SchemaMismatch = "SCHEMA_MISMATCH",
        TimestampUnitUnclear = "TIMESTAMP_UNIT_UNCLEAR",
        DatabaseBusy = "DATABASE_BUSY",
        Overloaded = "OVERLOADED",
        DatabaseUnavailable = "DATABASE_UNAVAILABLE",
        OutcomeUnknown = "OUTCOME_UNKNOWN",
        DatabaseError = "DATABASE_ERROR",
        Internal = "INTERNAL",
    }
}

impl Error {
    /// The code, as callers read it.
    pub fn code(&self) -> &'static str {
        self.kind().as_str()
    }

    /// Its family.
    pub fn family(&self) -> Family {
        self.kind().family()
    }

    /// The code.
    pub fn kind(&self) -> Code {
        match self {
            Self::InvalidArgument { .. } => Code::InvalidArgument,
            Self::InvalidAmount { .. } => Code::InvalidAmount,
            Self::InvalidId { .. } => Code::InvalidId,
            Self::InvalidDate { .. } => Code::InvalidDate,
            Self::InvalidValue { .. } => Code::InvalidValue,
            Self::UnknownField { .. } => Code::UnknownField,
            Self::MissingField { .. } => Code::MissingField,
            Self::ReadOnlyField { .. } => Code::ReadOnlyField,
            Self::TransactionNotSupported { .. }
            | Self::LossyConnection { .. }
            | Self::OldSnapshot { .. } => Code::TransactionNotSupported,
            Self::UserNotFound { .. } => Code::UserNotFound,
            Self::TaskExists { .. } => Code::TaskExists,
            Self::CreditExists { .. } => Code::CreditExists,
            Self::IdempotencyConflict { .. } => Code::IdempotencyConflict,
            Self::ChargeNotFound { .. } | Self::TaskNotCharged { .. } => Code::ChargeNotFound,
            Self::GrantWithdrawn { .. } => Code::GrantWithdrawn,
            Self::GrantNotFound { .. } => Code::GrantNotFound,
            Self::RevocationNotFound { .. } => Code::RevocationNotFound,
            Self::InvalidUrl { .. } => Code::InvalidUrl,
            Self::UnsupportedDatabase { .. } => Code::UnsupportedDatabase,
            Self::Closed => Code::Closed,
            Self::NotInTransaction => Code::NotInTransaction,
            Self::InsufficientCredits { .. } => Code::InsufficientCredits,
            Self::SpendingLimit { .. } => Code::SpendingLimit,
            Self::ChargeOwnerMismatch { .. } => Code::ChargeOwnerMismatch,
            Self::ChargeCorrupt { .. } => Code::ChargeCorrupt,
            Self::TooManyActiveTasks { .. } => Code::TooManyActiveTasks,
            Self::FreeTrialUsedUp { .. } => Code::FreeTrialUsedUp,
            Self::TaskStateConflict { .. } => Code::TaskStateConflict,
            Self::TaskRefunded { .. } => Code::TaskRefunded,
            Self::SettleExceedsCharge { .. } => Code::SettleExceedsCharge,
            Self::SettleConflict { .. } => Code::SettleConflict,
            Self::ChargeRefunded { .. } => Code::ChargeRefunded,
            Self::TopUpNotFound { .. } => Code::TopUpNotFound,
            Self::TopUpConfirmed { .. } => Code::TopUpConfirmed,
            Self::TopUpEnded { .. } => Code::TopUpEnded,
            Self::InBatch { error, .. } => error.kind(),
            Self::ValueUnreadable { .. } => Code::ValueUnreadable,
            Self::SchemaMismatch { .. } => Code::SchemaMismatch,
            Self::TimestampUnitUnclear { .. } => Code::TimestampUnitUnclear,
            Self::DatabaseBusy { .. } | Self::TransactionNoCollision => Code::DatabaseBusy,
            Self::Overloaded { .. } => Code::Overloaded,
            Self::DatabaseUnavailable { .. } => Code::DatabaseUnavailable,
            Self::OutcomeUnknown { .. } => Code::OutcomeUnknown,
            Self::Database { .. } => Code::DatabaseError,
            Self::Internal(_) => Code::Internal,
        }
    }

    /// Whether the same call can succeed later without changes. Nothing was written, so a retry is safe.
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

    /// The error itself, without the index of an item in a list.
    pub fn of_one(&self) -> &Self {
        match self {
            Self::InBatch { error, .. } => error,
            error => error,
        }
    }

    /// Whether the call may succeed, or fail differently, after the schema is read again.
    pub fn is_about_columns(&self) -> bool {
        matches!(
            self,
            Self::UnknownField { .. }
                | Self::MissingField { .. }
                | Self::InvalidValue { .. }
                | Self::SchemaMismatch { .. }
        )
    }

    /// The same error, for an item of a list. Database errors concern no single item and stay as they are.
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

    /// The properties of the JavaScript error, in camelCase.
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
            Self::GrantNotFound { field, value } => {
                vec![("field", text(field)), ("value", text(value))]
            }
            Self::RevocationNotFound { transaction_no } => {
                vec![("transactionNo", text(transaction_no))]
            }
            Self::GrantWithdrawn { credit_id } => vec![("creditId", text(credit_id))],
            Self::ChargeNotFound { charge_id }
            | Self::ChargeOwnerMismatch { charge_id, .. }
            | Self::ChargeCorrupt { charge_id, .. } => vec![("creditId", text(charge_id))],
            Self::InsufficientCredits { required, available, balance } => {
                let numbers = [("required", *required), ("available", *available)].into_iter();
                let numbers = numbers.chain(balance.map(|balance| ("balance", balance)));
                numbers.map(|(name, number)| (name, Detail::Number(number))).collect()
            }
            Self::SpendingLimit { required, spent, limit_index, limit, per, resets_at_ms } => vec![
                ("required", Detail::Number(*required)),
                ("spent", Detail::Number(*spent)),
                ("limitIndex", index_detail(*limit_index)),
                ("limit", Detail::Number(*limit)),
                ("per", per_detail(*per)),
                ("resetsAt", Detail::TimeMs(*resets_at_ms)),
            ],
            Self::TooManyActiveTasks { active, max_active } => vec![
                ("active", Detail::Number(*active)),
                ("maxActive", Detail::Number(*max_active)),
            ],
            Self::FreeTrialUsedUp { used, limit } => {
                vec![("used", Detail::Number(*used)), ("limit", Detail::Number(*limit))]
            }
            Self::TransactionNotSupported { .. } | Self::LossyConnection { .. } => {
                vec![("field", text("tx"))]
            }
            Self::OldSnapshot { option, .. } => vec![("field", text(option))],
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
            Self::TopUpNotFound { transaction_no }
            | Self::TopUpConfirmed { transaction_no }
            | Self::TopUpEnded { transaction_no } => vec![("value", text(transaction_no))],
            Self::ChargeRefunded { charge_id } => vec![("creditId", text(charge_id))],
            Self::InBatch { index, error } => {
                let mut details = error.details();
                details.push(("index", index_detail(*index)));
                details
            }
            Self::Database { database_code, .. } => vec![("databaseCode", text(database_code))],
            Self::InvalidUrl { .. }
            | Self::UnsupportedDatabase { .. }
            | Self::Closed
            | Self::NotInTransaction
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

fn index_detail(index: usize) -> Detail {
    Detail::Number(i64::try_from(index).unwrap_or(i64::MAX))
}

/// A limit's window, as the call's option `per` has it.
fn per_detail(per: Period) -> Detail {
    match per {
        Period::Unit(unit) => Detail::Text(unit.to_owned()),
        Period::Ms(ms) => Detail::Number(ms),
    }
}
