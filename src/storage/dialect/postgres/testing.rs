//! A fake server for tests.

use std::collections::VecDeque;
use std::future::ready;

use super::Statement;
use super::row::{Cell, SelectedRow};
use super::tables::Tables;
use super::wire::{End, Mode, Pipeline, Wire};
use crate::error::Result;
use crate::storage::failure::Answer;

/// A row of values with the numbers of their types.
#[derive(Debug, Clone)]
pub(super) struct TestRow(pub(super) Vec<Cell<'static>>, pub(super) u32);

impl SelectedRow for TestRow {
    fn cell(&self, at: usize) -> Cell<'_> {
        self.0.get(at).copied().unwrap_or(Cell::Null)
    }

    fn type_id(&self, _: usize) -> Option<u32> {
        Some(self.1)
    }
}

pub(super) fn row(cells: &[Cell<'static>]) -> TestRow {
    TestRow(cells.to_vec(), TEXT)
}

/// The number of the type `text`.
pub(super) const TEXT: u32 = 25;

/// The columns of `user` and `credit` that the ledger needs, and a column `own` of `credit` with this type.
pub(super) fn tables_with(own: &'static str) -> Tables {
    const TIME: &str = "timestamp without time zone";
    let columns = [
        ("user", "id", "text"),
        ("credit", "id", "text"),
        ("credit", "user_id", "text"),
        ("credit", "transaction_no", "text"),
        ("credit", "transaction_type", "text"),
        ("credit", "transaction_scene", "text"),
        ("credit", "credits", "integer"),
        ("credit", "remaining_credits", "integer"),
        ("credit", "description", "text"),
        ("credit", "expires_at", TIME),
        ("credit", "status", "text"),
        ("credit", "created_at", TIME),
        ("credit", "updated_at", TIME),
        ("credit", "consumed_detail", "text"),
        ("credit", "metadata", "text"),
        ("credit", "own", own),
    ];
    let (no, text) = (Cell::Bool(false), Cell::Integer(TEXT.into()));
    let columns = columns.map(|(table, name, sql_type)| {
        let [table, name, sql_type] = [table, name, sql_type].map(Cell::Text);
        row(&[table, name, sql_type, no, no, Cell::Text("[]"), text, text, no, no])
    });
    let (user, role, update) = (Cell::Text("user"), Cell::Text("app"), Cell::Text("UPDATE"));
    let locks = [user, role, Cell::Bool(true), Cell::Text("[]"), no, update, Cell::Integer(1), no];
    Tables::read(&columns, &[row(&locks)]).unwrap()
}

/// What was sent.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) begin: Option<Mode>,
    pub(super) statements: Vec<Statement>,
    pub(super) end: Option<End>,
}

/// A wire that returns the given replies in order, and records what was sent.
pub(super) struct TestWire {
    pub(super) tables: Tables,
    pub(super) answers: VecDeque<Answer<Vec<Vec<TestRow>>>>,
    pub(super) sent: Vec<Sent>,
}

impl Wire for TestWire {
    type Row = TestRow;

    fn tables(&self) -> Result<&Tables> {
        Ok(&self.tables)
    }

    fn send(
        &mut self,
        Pipeline { begin, statements, end, .. }: Pipeline<'_>,
    ) -> impl Future<Output = Answer<Vec<Vec<TestRow>>>> + Send {
        self.sent.push(Sent { begin, statements: statements.to_vec(), end });
        ready(self.answers.pop_front().unwrap())
    }

    fn undo(&mut self) {}

    async fn look_again(&mut self) -> Answer<()> {
        Ok(())
    }
}
