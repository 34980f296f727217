//! The schema as it was read: columns, and the types of ids.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::row::{SelectedRow, get};
use super::ids::IdType;
use super::schema::{self, Said};
use super::{Statement, literal, quote};
use crate::domain::table::{TableName, TaskKind};
use crate::error::{Error, Result};
use crate::storage::failure::{Answer, Failure};
use crate::storage::roles::Role;
use crate::storage::schema::{Column, Schema, Table};

/// The tables, as [`Tables::look`] and [`Tables::read`] find them.
#[derive(Debug, Clone)]
pub struct Tables {
    /// Their columns.
    pub schema: Arc<Schema>,
    details: Arc<Details>,
}

/// What a schema of any database does not say.
#[derive(Debug, Default)]
struct Details {
    /// The character sets and collations of columns.
    collations: BTreeMap<(String, String), (String, String)>,
    /// Columns that the server sets to the time of any change of their row, unless a statement says what they are.
    touched: BTreeSet<(String, String)>,
    /// The tables whose `id` begins the primary key, by which their rows are then locked in order.
    by_id: BTreeSet<String>,
}

/// The error for a table of which half of a charge could be written.
fn no_transactions(table: &str, engine: &str) -> Error {
    Error::SchemaMismatch {
        problem: format!("table {table} has the engine {engine}, which has no transactions"),
        remedy: format!("Run: ALTER TABLE {} ENGINE = InnoDB;", quote(table)),
    }
}

impl Tables {
    /// The statements that look at them. All are SELECTs from one table.
    pub fn look(is_mariadb: bool) -> Vec<Statement> {
        let (columns, unique) = (include_str!("sql/columns.sql"), include_str!("sql/unique.sql"));
        let engines = include_str!("sql/engines.sql");
        let json = is_mariadb.then_some(include_str!("sql/json.sql"));
        [columns, unique, engines].into_iter().chain(json).map(str::to_owned).collect()
    }

    /// Reads the replies to [`Self::look`], and refuses a schema that lacks what this package needs.
    pub fn read(replies: &[Vec<impl SelectedRow>]) -> Answer<Self> {
        let [columns, unique, engines, json @ ..] = replies else {
            return Err(Failure::Lost("the server sent fewer replies than expected".to_owned()));
        };
        if let Some(row) = engines.first() {
            return Err(no_transactions(get(row, 0)?, get(row, 1)?).into());
        }
        let (mut details, mut said) = (Details::default(), Said::default());
        for row in unique {
            let (table, column): (String, String) = (get(row, 0)?, get(row, 1)?);
            if column == "id" && get(row, 2)? {
                details.by_id.insert(table.clone());
            }
            said.unique.push((table, column));
        }
        for row in json.iter().flatten() {
            said.json.push((get(row, 0)?, get(row, 1)?));
        }
        for row in columns {
            let extra = get::<Option<&str>>(row, 5)?.unwrap_or_default();
            if extra.to_lowercase().contains("on update") {
                details.touched.insert((get(row, 0)?, get(row, 1)?));
            }
            let (charset, collation) = (get(row, 6)?, get(row, 7)?);
            if let (Some(charset), Some(collation)) = (charset, collation) {
                details.collations.insert((get(row, 0)?, get(row, 1)?), (charset, collation));
            }
        }
        let schema = Arc::new(schema::read(columns, &said)?);
        Ok(Self { schema, details: Arc::new(details) })
    }

    /// The columns of a table.
    pub fn table(&self, name: TableName) -> Answer<&Arc<Table>> {
        self.schema.table(name).map_err(Failure::Refused)
    }

    /// The kinds of task that the app has.
    pub(super) fn kinds(&self) -> impl Iterator<Item = TaskKind> {
        let is_there = |kind: &TaskKind| self.schema.table(TableName::Tasks(*kind)).is_ok();
        [TaskKind::Media, TaskKind::Ai].into_iter().filter(is_there)
    }

    /// What ids in a column are, by its name in SQL.
    pub(super) fn ids(&self, table: TableName, column: &str) -> Answer<IdType> {
        let found = self.table(table)?.columns.iter().find(|found| found.name == column);
        let key = (table.sql().to_owned(), column.to_owned());
        let collation = || self.details.collations.get(&key).cloned();
        Ok(found.map_or(IdType::Text(None), |column| IdType::of(column, collation())))
    }

    /// A table whose rows are locked in the order of their ids.
    pub(super) fn in_order(&self, table: TableName) -> String {
        let name = quote(table.sql());
        match self.details.by_id.contains(table.sql()) {
            true => format!("{name} FORCE INDEX (PRIMARY)"),
            false => name,
        }
    }

    /// A column of `credit`.
    pub(super) fn of_credit(&self, key: &str) -> Answer<&Column> {
        Ok(self.table(TableName::Credit)?.column(key)?)
    }

    /// What a SET says of the times that a change leaves as they are: the ledger's own, but for those of these names.
    pub(super) fn untouched(&self, table: TableName, but: &[&str]) -> Vec<String> {
        let is_untouched = |(name, column): &&(String, String)| {
            name == table.sql()
                && Role::of(table, column) == Some(Role::Time)
                && !but.contains(&column.as_str())
        };
        let untouched = self.details.touched.iter().filter(is_untouched);
        untouched.map(|(_, column)| format!("{column} = {column}")).collect()
    }

    /// A charge's detail and metadata, as text.
    pub(super) fn details(&self) -> Answer<String> {
        let (detail, metadata) = (self.of_credit("consumedDetail")?, self.of_credit("metadata")?);
        Ok(format!("{}, {}", schema::selected(detail), schema::selected(metadata)))
    }

    /// A time as a column of `credit` has it.
    pub(super) fn time_for(&self, key: &str, time_ms: i64) -> Answer<String> {
        Ok(literal::time(self.of_credit(key)?, time_ms))
    }

    /// Locks users: all that charges and refunds of them do takes turns behind it. In one order, so that none waits in
    /// a circle.
    pub(super) fn lock_users(&self, ids: impl IntoIterator<Item: AsRef<str>>) -> Answer<Statement> {
        let id = self.ids(TableName::User, "id")?;
        let (list, table) = (id.many(ids), self.in_order(TableName::User));
        let id = id.text("id");
        Ok(format!("SELECT {id} FROM {table} WHERE id IN {list} ORDER BY `user`.id FOR UPDATE"))
    }

    /// Locks the user whose row of this table has this id: before the row, as all transactions do.
    pub(super) fn lock_owner(&self, table: TableName, id: &str) -> Answer<Statement> {
        let (users, owners) = (self.ids(TableName::User, "id")?, self.ids(table, "user_id")?);
        let (name, is_it) = (quote(table.sql()), self.ids(table, "id")?.is("id", id));
        let owner = users.from(&owners, &format!("(SELECT user_id FROM {name} WHERE {is_it})"));
        let text = users.text("id");
        Ok(format!("SELECT {text} FROM `user` WHERE id = {owner} FOR UPDATE"))
    }

    /// The whole row with an id.
    pub fn find(&self, table: TableName, id: &str) -> Answer<Statement> {
        let (columns, name) = (&self.table(table)?.select_list, quote(table.sql()));
        let is_it = self.ids(table, "id")?.is("id", id);
        Ok(format!("SELECT {columns} FROM {name} WHERE {is_it}"))
    }

    /// Whether the ids of users are numbers.
    pub fn has_numbered_users(&self) -> Result<bool> {
        Ok(super::ids::has_numbered_users(&self.schema))
    }
}
