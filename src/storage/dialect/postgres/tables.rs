//! The schema as read from the database: columns, and the role's privileges on them.

use std::sync::Arc;

use super::super::privileges::{Command, Lack};
use super::Statement;
use super::access::Access;
use super::ids::IdType;
use super::row::SelectedRow;
use super::schema;
use super::value::Value;
use crate::domain::table::{TableName, TaskKind};
use crate::storage::failure::{Answer, Failure};
use crate::storage::schema::{Schema, Table};

/// The tables, read with [`Tables::look`] and [`Tables::read`].
#[derive(Debug, Clone)]
pub struct Tables {
    /// The columns.
    pub schema: Arc<Schema>,
    access: Arc<Access>,
}

impl Tables {
    /// The statements that read the schema.
    pub fn look() -> [Statement; 2] {
        let (columns, access) = (include_str!("sql/columns.sql"), include_str!("sql/access.sql"));
        [Statement::new(columns, []), Statement::new(access, [])]
    }

    /// Reads the replies to [`Self::look`], and rejects a schema that lacks what this package needs.
    pub fn read(columns: &[impl SelectedRow], access: &[impl SelectedRow]) -> Answer<Self> {
        let access = Arc::new(Access::read(access)?);
        Ok(Self { schema: Arc::new(schema::read(columns)?), access })
    }

    /// Whether commits are confirmed before they are on disk.
    pub fn answers_early(&self) -> bool {
        self.access.answers_early
    }

    /// The role's missing privileges.
    pub fn lacks(&self) -> &[Lack] {
        self.access.lacks()
    }

    /// The columns of a table.
    pub fn table(&self, name: TableName) -> Answer<&Arc<Table>> {
        self.may(name, &[Command::Select])?;
        self.schema.table(name).map_err(Failure::Refused)
    }

    /// The kinds of tasks that the app has.
    pub(super) fn kinds(&self) -> impl Iterator<Item = TaskKind> {
        let is_there = |kind: &TaskKind| self.schema.table(TableName::Tasks(*kind)).is_ok();
        [TaskKind::Media, TaskKind::Ai].into_iter().filter(is_there)
    }

    /// Rejects commands on a table for which privileges are missing.
    pub(super) fn may(&self, table: TableName, commands: &[Command]) -> Answer<()> {
        self.access.check(table, commands).map_err(Failure::Refused)
    }

    /// Rejects the charge of a task, or a charge by itself, for which privileges are missing.
    pub(super) fn may_charge(&self, kinds: &[TaskKind], charges: bool) -> Answer<()> {
        self.may(TableName::User, &[Command::Select])?;
        for kind in kinds {
            self.may(TableName::Tasks(*kind), &[Command::Select, Command::Insert])?;
        }
        let refunds = &[Command::Select, Command::Update];
        self.may(TableName::Credit, if charges { &Command::ALL } else { refunds })
    }

    /// The type of a table's ids.
    pub(super) fn ids_of(&self, table: TableName) -> Answer<IdType> {
        Ok(IdType::of(self.table(table)?))
    }

    /// The id of a row of this table as a parameter; NULL if there is none.
    pub(super) fn id<'i>(&self, table: TableName, id: impl Into<Option<&'i str>>) -> Answer<Value> {
        Ok(self.ids_of(table)?.one(id.into()))
    }

    /// Ids of rows of this table as a parameter.
    pub(super) fn ids(
        &self,
        table: TableName,
        ids: impl IntoIterator<Item: AsRef<str>>,
    ) -> Answer<Value> {
        Ok(self.ids_of(table)?.many(ids))
    }

    /// A time as a parameter for a column of `credit`.
    pub(super) fn time_for(&self, key: &str, time_ms: i64) -> Answer<Value> {
        self.time_in(TableName::Credit, key, time_ms)
    }

    /// A time as a parameter for a column.
    pub(super) fn time_in(&self, table: TableName, key: &str, time_ms: i64) -> Answer<Value> {
        let column = self.table(table)?.column(key).map_err(Failure::Refused)?;
        Ok(Value::time_of(column, Some(time_ms)))
    }

    /// A statement that locks users, in the form that the role may use.
    pub(super) fn taking_turns(&self, lock: &str) -> String {
        self.access.taking_turns(lock)
    }

    /// Locks a user, and reads whether the keys of a new row of `credit` are in use.
    pub fn lock_user(
        &self,
        user_id: &str,
        credit_id: Option<&str>,
        transaction_no: Option<&str>,
    ) -> Answer<Statement> {
        let user = self.id(TableName::User, user_id)?;
        let id = self.id(TableName::Credit, credit_id)?;
        let number = Value::Text(transaction_no.map(str::to_owned));
        let lock = self.taking_turns(include_str!("sql/lock_user.sql"));
        Ok(Statement::new(lock, [user, id, number]))
    }
}
