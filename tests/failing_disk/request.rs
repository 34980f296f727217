//! The requests of the tests of a failing disk.

use media_credits::domain::call_options::CallOptions;
use media_credits::domain::charge::ChargeRequest;
use media_credits::domain::grant::NewGrant;
use media_credits::domain::value::{Fields, Value};
use media_credits::engine::{Charging, Operation, Write};
use rusqlite::{Connection as Raw, OptionalExtension};

use super::OLD_COST;
use crate::common::{create_task, fields, text, update_task};

/// A request whose effect is visible in the database.
#[derive(Debug, Clone, Copy)]
pub(super) enum Request {
    /// A new task.
    Task { id: &'static str, cost: i64 },
    /// A charge without a task.
    Charge { number: &'static str, credits: i64 },
    /// A task of the template fails, and its charge is refunded.
    Fail { id: &'static str },
    /// New credits.
    Grant { id: &'static str, credits: i64 },
}

impl Request {
    pub(super) fn operation(self) -> Operation {
        Operation::Write(match self {
            Self::Task { id, cost } => create_task(id, "u", cost),
            Self::Fail { id } => update_task(id, &[("status", text("failed"))]),
            Self::Charge { number, credits } => {
                let parameters = [
                    ("userId", text("u")),
                    ("credits", Value::Integer(credits)),
                    ("transactionNo", text(number)),
                ];
                let request = ChargeRequest::parse(&fields(&parameters), &CallOptions::default());
                Write::Charge(Charging::Consume(request.unwrap()))
            }
            Self::Grant { id, credits } => {
                let row =
                    [("id", text(id)), ("userId", text("u")), ("credits", Value::Integer(credits))];
                Write::Grant(NewGrant::parse(fields(&row), &Fields::default()).unwrap())
            }
        })
    }

    /// Whether all of it is in the database. It panics if only a part is.
    pub(super) fn is_in(self, raw: &Raw) -> bool {
        let number = |sql: &str, parameter: &str| -> Option<i64> {
            raw.query_row(sql, [parameter], |row| row.get(0)).optional().unwrap()
        };
        match self {
            Self::Task { id, cost } => {
                let sql = "SELECT ifnull((SELECT -credits FROM credit WHERE id = credit_id), 0)
                           FROM media_tasks WHERE id = ?";
                let charged = number(sql, id);
                assert!(charged.is_none_or(|charged| charged == cost), "{self:?}: {charged:?}");
                charged.is_some()
            }
            Self::Charge { number: transaction_no, credits } => {
                let sql = "SELECT -credits FROM credit WHERE transaction_no = ?";
                let charged = number(sql, transaction_no);
                assert!(charged.is_none_or(|charged| charged == credits), "{self:?}: {charged:?}");
                charged.is_some()
            }
            Self::Fail { id } => {
                let sql = "SELECT count(*) FROM media_tasks WHERE id = ? AND status = 'failed'";
                number(sql, id) == Some(1)
            }
            Self::Grant { id, .. } => number("SELECT 1 FROM credit WHERE id = ?", id).is_some(),
        }
    }

    /// By how much it changes the sum of all remaining credits.
    pub(super) fn gain(self) -> i64 {
        match self {
            Self::Task { cost, .. } => -cost,
            Self::Charge { credits, .. } => -credits,
            Self::Fail { .. } => OLD_COST,
            Self::Grant { credits, .. } => credits,
        }
    }
}
