//! Calls inside a transaction that the app has begun. The app's client drives them, on its own thread: it
//! runs the statements that a call asks for and passes the rows back, until the call is done.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Waker};

use super::clock::{Clock, Ids, now_ms};
#[cfg(feature = "postgres")]
use super::operation::Counting;
use super::operation::{Operation, Write};
use super::outcome::Outcome;
use super::reads;
use super::replays::{is_duplicate_key, replay};
use super::run::change;
use crate::error::{Error, Result};
#[cfg(feature = "mysql")]
use crate::storage::dialect::mysql::ledger::Ledger;
#[cfg(feature = "sqlite")]
use crate::storage::dialect::sqlite::over_wire::OverWire;
use crate::storage::failure::{Answer, Failure};
#[cfg(feature = "postgres")]
use crate::storage::search_path::SearchPath;
use crate::storage::store::Store;
#[cfg(feature = "sqlite")]
use crate::storage::times::TimestampUnit;
#[cfg(feature = "mysql")]
use crate::storage::within::mysql;
#[cfg(feature = "postgres")]
use crate::storage::within::postgres;
#[cfg(feature = "sqlite")]
use crate::storage::within::sqlite;
use crate::storage::within::{ClientReply, Exchange};

static IDS: LazyLock<Ids> = LazyLock::new(Ids::new);

/// A call inside the app's transaction.
pub struct WithinCall {
    work: Pin<Box<dyn Future<Output = Answer<Outcome>> + Send>>,
    exchange: Arc<Exchange>,
}

/// The progress of a call.
#[derive(Debug)]
pub enum Progress {
    /// Run these statements in order. Pass the client's replies to `next`.
    Run(Vec<String>),
    /// The result.
    Done(Result<Outcome>),
}

impl WithinCall {
    /// A call of this function in a PostgreSQL transaction. If user ids are text, a user named by a number is
    /// rejected with `user_by_number`. If schemas are given, the tables must be in them.
    #[cfg(feature = "postgres")]
    pub fn on_postgres(
        (function, operation): (&'static str, Operation),
        user_by_number: Option<Error>,
        schemas: Option<SearchPath>,
    ) -> Self {
        let exchange = Arc::new(Exchange::default());
        let counting = operation.counting().map(|counting| match counting {
            Counting::Always => function,
            Counting::Option(option) => option,
        });
        let terms = postgres::Terms { counting, schemas };
        let asked = Arc::clone(&exchange);
        let work = Box::pin(run_on_postgres(asked, operation, user_by_number, terms));
        Self { work, exchange }
    }

    /// A call in a MySQL transaction, like [`Self::on_postgres`].
    #[cfg(feature = "mysql")]
    pub fn on_mysql(operation: Operation, user_by_number: Option<Error>) -> Self {
        let exchange = Arc::new(Exchange::default());
        let work = Box::pin(run_on_mysql(Arc::clone(&exchange), operation, user_by_number));
        Self { work, exchange }
    }

    /// A call in an SQLite transaction. Times are in this unit; if none is given, the tables' rows show it. A
    /// user named by a number is rejected with `user_by_number`, because ids are text.
    #[cfg(feature = "sqlite")]
    pub fn on_sqlite(
        operation: Operation,
        user_by_number: Option<Error>,
        unit: Option<TimestampUnit>,
    ) -> Self {
        let exchange = Arc::new(Exchange::default());
        let asked = Arc::clone(&exchange);
        let work = Box::pin(async move {
            if let Some(refusal) = user_by_number {
                return Err(refusal.into());
            }
            let transaction = sqlite::Transaction::new(&asked, unit).await?;
            run(&mut OverWire::new(transaction), &operation).await
        });
        Self { work, exchange }
    }

    /// Continues with the client's replies to the last statements. Must not be called after it is done.
    pub fn next(&mut self, reply: Option<ClientReply>) -> Progress {
        if let Some(reply) = reply {
            self.exchange.answer(reply);
        }
        match self.work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(outcome) => Progress::Done(outcome.map_err(Failure::into_error)),
            Poll::Pending => match self.exchange.take() {
                Some(statements) => Progress::Run(statements),
                None => Progress::Done(Err(Error::Internal("a call waits for nothing".to_owned()))),
            },
        }
    }
}

#[cfg(feature = "postgres")]
async fn run_on_postgres(
    exchange: Arc<Exchange>,
    operation: Operation,
    user_by_number: Option<Error>,
    terms: postgres::Terms,
) -> Answer<Outcome> {
    let mut transaction = postgres::Transaction::new(&exchange, terms).await?;
    loop {
        let refusal = user_by_number.clone().filter(|_| !transaction.has_numbered_users());
        let outcome = match refusal {
            Some(refusal) => Err(refusal.into()),
            None => run(&mut transaction, &operation).await,
        };
        // The tables are checked before anything is written.
        let is_stale = |error: &Error| error.of_one().is_about_columns();
        transaction = match transaction.moved().await {
            Some(elsewhere) => elsewhere?,
            None => match outcome {
                Err(Failure::Refused(error)) if !transaction.is_new && is_stale(&error) => {
                    transaction.looked_again().await?
                }
                outcome => return outcome,
            },
        };
    }
}

#[cfg(feature = "mysql")]
async fn run_on_mysql(
    exchange: Arc<Exchange>,
    operation: Operation,
    user_by_number: Option<Error>,
) -> Answer<Outcome> {
    let mut transaction = mysql::Transaction::new(&exchange).await?;
    loop {
        let refusal = user_by_number.clone().filter(|_| !transaction.has_numbered_users());
        let is_new = transaction.is_new;
        let mut ledger = Ledger(transaction);
        let outcome = match refusal {
            Some(refusal) => Err(refusal.into()),
            None => run(&mut ledger, &operation).await,
        };
        if outcome.is_err()
            && let Some(seeing_now) = ledger.0.seeing_now()
        {
            transaction = seeing_now;
            continue;
        }
        // The tables are checked before anything is written.
        let is_stale = |error: &Error| error.of_one().is_about_columns();
        match outcome {
            Err(Failure::Refused(error)) if !is_new && is_stale(&error) => {
                transaction = mysql::Transaction::look(&exchange).await?;
            }
            outcome => return outcome,
        }
    }
}

async fn run(store: &mut dyn Store, operation: &Operation) -> Answer<Outcome> {
    match operation {
        Operation::Write(write) => make(store, write).await,
        Operation::Read(question) => reads::read(store, question, now_ms()).await,
        Operation::CreateTables(_) | Operation::Diagnose | Operation::Stats => {
            Err(Error::Internal("not inside a transaction".to_owned()).into())
        }
    }
}

/// Makes one change. A repeated call returns the row of the first one.
async fn make(store: &mut dyn Store, write: &Write) -> Answer<Outcome> {
    match change(store, write, Clock { now_ms: now_ms(), ids: &IDS }).await {
        Err(Failure::Refused(refusal)) if is_duplicate_key(write, &refusal) => {
            replay(store, write).await
        }
        made => made,
    }
}
