//! The schema as read from the database: columns, and the types of ids.

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

/// The tables, read with [`Tables::look`] and [`Tables::read`].
#[derive(Debug, Clone)]
pub struct Tables {
    /// The columns.
    pub schema: Arc<Schema>,
    details: Arc<Details>,
}

/// Facts about the schema that only MySQL has.
#[derive(Debug, Default)]
struct Details {
    /// The character sets and collations of columns.
    collations: BTreeMap<(String, String), (String, String)>,
    /// Columns that the server sets to the current time on each change of their row, unless the statement
    /// sets them.
    touched: BTreeSet<(String, String)>,
    /// Tables whose primary key begins with `id`, so that their rows can be locked in the order of ids.
    by_id: BTreeSet<String>,
}

/// The error for a table whose storage engine has no transactions, so that a charge could be written partly.
fn no_transactions(table: &str, engine: &str) -> Error {
    Error::SchemaMismatch {
        problem: format!("table {table} has the engine {engine}, which has no transactions"),
        remedy: format!("Run: ALTER TABLE {} ENGINE = InnoDB;", quote(table)),
    }
}

impl Tables {
    /// The statements that read the schema. Each is a SELECT from at most one table.
    pub fn look(is_mariadb: bool) -> Vec<Statement> {
        let (columns, unique) = (include_str!("sql/columns.sql"), include_str!("sql/unique.sql"));
        let engines = include_str!("sql/engines.sql");
        let json = is_mariadb.then_some(include_str!("sql/json.sql"));
        let all = [columns, unique, engines, schema::TIMESTAMPS].into_iter().chain(json);
        all.map(str::to_owned).collect()
    }

    /// Reads the replies to [`Self::look`], and rejects a schema that lacks what this package needs.
    pub fn read(replies: &[Vec<impl SelectedRow>]) -> Answer<Self> {
        let [columns, unique, engines, timestamps, json @ ..] = replies else {
            return Err(Failure::Lost("the server sent fewer replies than expected".to_owned()));
        };
        if let Some(row) = engines.first() {
            return Err(no_transactions(get(row, 0)?, get(row, 1)?).into());
        }
        let mut details = Details::default();
        let timestamps = schema::timestamps(timestamps)?;
        let mut said = Said { unique: Vec::new(), json: Vec::new(), timestamps };
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

    /// The kinds of tasks that the app has.
    pub(super) fn kinds(&self) -> impl Iterator<Item = TaskKind> {
        let is_there = |kind: &TaskKind| self.schema.table(TableName::Tasks(*kind)).is_ok();
        [TaskKind::Media, TaskKind::Ai].into_iter().filter(is_there)
    }

    /// The type of ids in a column, by its SQL name.
    pub(super) fn ids(&self, table: TableName, column: &str) -> Answer<IdType> {
        let found = self.table(table)?.columns.iter().find(|found| found.name == column);
        let key = (table.sql().to_owned(), column.to_owned());
        let collation = || self.details.collations.get(&key).cloned();
        Ok(found.map_or(IdType::Text(None), |column| IdType::of(column, collation())))
    }

    /// A table in a FROM clause, so that its rows are locked in the order of their ids.
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

    /// The SET clauses that keep the ledger's times unchanged, except for the columns in `but`.
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

    /// A time as a literal for a column of `credit`.
    pub(super) fn time_for(&self, key: &str, time_ms: i64) -> Answer<String> {
        Ok(literal::time(self.of_credit(key)?, time_ms))
    }

    /// Locks users, which serializes their charges and refunds. They are locked in one order, so that there
    /// is no deadlock.
    pub(super) fn lock_users(&self, ids: impl IntoIterator<Item: AsRef<str>>) -> Answer<Statement> {
        let id = self.ids(TableName::User, "id")?;
        let (list, table) = (id.many(ids), self.in_order(TableName::User));
        let id = id.text("id");
        Ok(format!("SELECT {id} FROM {table} WHERE id IN {list} ORDER BY `user`.id FOR UPDATE"))
    }

    /// Locks the user who owns this row, before the row itself, as all transactions do.
    pub(super) fn lock_owner(&self, table: TableName, id: &str) -> Answer<Statement> {
        let (users, owners) = (self.ids(TableName::User, "id")?, self.ids(table, "user_id")?);
        let (name, is_it) = (quote(table.sql()), self.ids(table, "id")?.is("id", id));
        let owner = users.from(&owners, &format!("(SELECT user_id FROM {name} WHERE {is_it})"));
        let text = users.text("id");
        Ok(format!("SELECT {text} FROM `user` WHERE id = {owner} FOR UPDATE"))
    }

    /// Selects the whole row with an id.
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
