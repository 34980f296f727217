//! A call inside the app's own transaction, driven by JavaScript.

use std::panic::{AssertUnwindSafe, catch_unwind};

use napi_derive::napi;
use serde::Deserialize;

use super::encode;
use super::functions::{Call, Function};
use super::options::ConnectOptions;
use crate::engine::within::{Progress, WithinCall};
use crate::error::{Error, Result};
use crate::storage::location::Location;
use crate::storage::within::{ClientError, ClientReply};

/// A call inside the app's transaction. It runs on the JavaScript thread and never blocks: see `next`.
#[napi]
pub struct TransactionCall {
    /// `None` when it is done.
    call: Option<WithinCall>,
    refusal: Option<Error>,
}

/// The next step of a call: statements to run in order, or the reply.
#[napi(object)]
pub struct Next {
    /// The statements, unless it is done.
    pub statements: Option<Vec<String>>,
    /// Its reply, if it is done.
    pub reply: Option<String>,
}

/// The client's reply to the statements.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Said {
    /// For each statement its rows, as texts.
    Rows(Vec<Vec<String>>),
    /// The client's error.
    Error {
        code: Option<String>,
        message: String,
        table: Option<String>,
        constraint: Option<String>,
        key: Option<String>,
    },
}

impl TransactionCall {
    pub(super) fn new(call: Result<WithinCall>) -> Self {
        match call {
            Ok(call) => Self { call: Some(call), refusal: None },
            Err(error) => Self { call: None, refusal: Some(error) },
        }
    }
}

#[napi]
impl TransactionCall {
    /// Continues with the client's reply to the previous statements, as JSON: `{"rows":[["…"]]}` or
    /// `{"error":{"code":"40001","message":"…"}}`.
    #[napi]
    pub fn next(&mut self, said: Option<String>) -> Next {
        let progress = match (self.refusal.take(), &mut self.call) {
            (Some(error), _) => Progress::Done(Err(error)),
            (None, Some(call)) => match said.as_deref().map(read).transpose() {
                Ok(reply) => {
                    catch_unwind(AssertUnwindSafe(|| call.next(reply))).unwrap_or_else(|_| {
                        Progress::Done(Err(Error::Internal(
                            "a call inside a transaction panicked".to_owned(),
                        )))
                    })
                }
                Err(error) => Progress::Done(Err(error)),
            },
            (None, None) => Progress::Done(Err(Error::Internal("the call is done".to_owned()))),
        };
        match progress {
            Progress::Run(statements) => Next { statements: Some(statements), reply: None },
            Progress::Done(outcome) => {
                self.call = None;
                Next { statements: None, reply: Some(encode::reply(&outcome)) }
            }
        }
    }
}

fn read(said: &str) -> Result<ClientReply> {
    let said = serde_json::from_str(said)
        .map_err(|error| Error::Internal(format!("reading what the client said: {error}")))?;
    Ok(match said {
        Said::Rows(rows) => Ok(rows),
        Said::Error { code, message, table, constraint, key } => {
            Err(ClientError { code, message, table, constraint, key })
        }
    })
}

/// Creates the call of a function in a transaction, from the function's name and the JSON text of its
/// arguments.
pub(super) fn call(
    options: &ConnectOptions,
    dialect: &str,
    name: &str,
    arguments: &str,
) -> Result<WithinCall> {
    let no_function = || Error::Internal(format!("there is no function {name}"));
    let function = Function::named(name).ok_or_else(no_function)?;
    let Call { operation, user_by_number } = function.read(arguments, &options.defaults)?;
    Ok(match dialect {
        "postgres" => {
            // Tables are found as by a connection to this URL.
            let of_url = match &options.location {
                Ok(Location::Postgres(url)) => url.schema.as_ref(),
                _ => None,
            };
            let schemas = options.settings.postgres.database.schema.as_ref().or(of_url);
            let call = (function.name(), operation);
            WithinCall::on_postgres(call, user_by_number, schemas.cloned())
        }
        "mysql" => WithinCall::on_mysql(operation, user_by_number),
        _ => {
            let unit = options.settings.sqlite.database.timestamp_unit;
            WithinCall::on_sqlite(operation, user_by_number, unit)
        }
    })
}
