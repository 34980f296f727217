//! Statements on whole rows, whose columns vary from call to call: their SQL is cached for each set of
//! columns.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;

use super::Statement;
use super::cell::{Cell, SelectedRow};
use crate::domain::value::Fields;
use crate::error::Result;
use crate::storage;
use crate::storage::schema::{Kind, Table, quote};
use crate::storage::times::TimestampUnit;

/// The kind of statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatementVerb {
    /// Inserts a row.
    Insert,
    /// Updates the row with an id.
    Update,
    /// The same for a charge that is still active: only one of several concurrent refunds succeeds.
    UpdateCharge,
    /// Selects the whole row with an id.
    Find,
    /// Selects a row if the one with an id has these values.
    Has,
}

/// The SQL for some columns of a table, in the order of the row's fields.
#[derive(Debug)]
pub struct RowText {
    verb: StatementVerb,
    table: &'static str,
    keys: Vec<String>,
    text: String,
    /// The kinds of the columns.
    kinds: Vec<Kind>,
}

/// The cached SQL of one connection.
#[derive(Debug, Default)]
pub struct RowTexts {
    made: Vec<Arc<RowText>>,
}

/// Reads a whole row.
pub fn read_row(row: &impl SelectedRow, table: &Arc<Table>, unit: TimestampUnit) -> storage::Row {
    let columns = table.columns.iter().enumerate();
    let values = columns.map(|(at, column)| row.cell(at).read(column, unit)).collect();
    storage::Row { table: Arc::clone(table), values }
}

impl RowTexts {
    /// Maximum number of entries. Apps use only a few different sets of fields.
    const MOST: usize = 64;

    /// The SQL for these fields.
    pub fn get(
        &mut self,
        verb: StatementVerb,
        table: &Table,
        row: &Fields,
    ) -> Result<Arc<RowText>> {
        if let Some(made) = self.made.iter().find(|made| made.fits(verb, table, row)) {
            return Ok(Arc::clone(made));
        }
        let made = Arc::new(RowText::new(verb, table, row)?);
        if self.made.len() >= Self::MOST {
            self.made.clear();
        }
        self.made.push(Arc::clone(&made));
        Ok(made)
    }

    /// Removes all entries, after the tables have changed.
    pub fn clear(&mut self) {
        self.made.clear();
    }
}

impl RowText {
    /// The statement with these values, followed by an id if there is one.
    pub fn bind<'a>(
        &'a self,
        row: &'a Fields,
        id: Option<&'a str>,
        unit: TimestampUnit,
    ) -> Result<Statement<'a>> {
        let mut values = Vec::with_capacity(self.kinds.len() + 1);
        for ((_, value), &kind) in row.iter().zip(&self.kinds) {
            values.push(Cell::of(value, kind, unit)?);
        }
        values.extend(id.map(Cell::from));
        Ok(Statement::new(self.text.as_str(), values))
    }

    /// An insert of several rows, at least one.
    pub fn bind_all<'a>(
        &'a self,
        rows: &'a [Cow<'_, Fields>],
        unit: TimestampUnit,
    ) -> Result<Statement<'a>> {
        let mut values = Vec::with_capacity(self.kinds.len() * rows.len());
        for row in rows {
            values.extend(self.bind(row, None, unit)?.values);
        }
        let more = format!(", ({})", vec!["?"; self.kinds.len()].join(", ")).repeat(rows.len() - 1);
        Ok(Statement::new(format!("{}{more}", self.text), values))
    }

    fn fits(&self, verb: StatementVerb, table: &Table, row: &Fields) -> bool {
        self.verb == verb
            && self.table == table.name
            && self.keys.iter().map(String::as_str).eq(row.iter().map(|(key, _)| key))
    }

    fn new(verb: StatementVerb, table: &Table, row: &Fields) -> Result<Self> {
        let (mut keys, mut kinds) = (Vec::new(), Vec::new());
        let (mut names, mut places, mut changes) = (String::new(), String::new(), String::new());
        for (key, _) in row.iter() {
            let column = table.column(key)?;
            let comma = if keys.is_empty() { "" } else { ", " };
            let name = quote(&column.name);
            // Writing to a String can't fail.
            let _ = write!(names, "{comma}{name}");
            let _ = write!(places, "{comma}?");
            let _ = match verb {
                StatementVerb::Has => write!(changes, "{name} IS ? AND "),
                _ => write!(changes, "{comma}{name} = ?"),
            };
            keys.push(key.to_owned());
            kinds.push(column.kind);
        }
        let quoted = quote(table.name);
        let text = match verb {
            StatementVerb::Insert => format!("INSERT INTO {quoted} ({names}) VALUES ({places})"),
            StatementVerb::Update => format!("UPDATE {quoted} SET {changes} WHERE id = ?"),
            StatementVerb::UpdateCharge => format!(
                "UPDATE {quoted} SET {changes} \
                 WHERE id = ? AND transaction_type = 'consume' AND status = 'active'"
            ),
            StatementVerb::Has => format!("SELECT 1 FROM {quoted} WHERE {changes}id = ?"),
            StatementVerb::Find => {
                format!("SELECT {} FROM {quoted} WHERE id = ?", table.select_list)
            }
        };
        Ok(Self { verb, table: table.name, keys, text, kinds })
    }
}

#[cfg(test)]
mod tests {
    use super::super::schema::DIALECT;
    use super::*;
    use crate::domain::table::TableName;
    use crate::domain::value::Value;
    use crate::storage::schema::{Column, Limit};

    fn table() -> Table {
        let column = |name: &str, key: &str, kind| Column {
            name: name.to_owned(),
            key: key.to_owned(),
            kind,
            sql_type: String::new(),
            limit: Limit::None,
            not_null: false,
            has_default: false,
            unique: false,
            type_id: 0,
        };
        let columns = vec![
            column("id", "id", Kind::Text),
            column("user_id", "userId", Kind::Text),
            column("odd\"name", "odd\"name", Kind::Json),
        ];
        Table::new(TableName::Credit, columns, &DIALECT)
    }

    fn fields(keys: &[&str]) -> Fields {
        keys.iter().map(|key| ((*key).to_owned(), Value::Null)).collect()
    }

    #[test]
    fn sql_of_each_verb() {
        let rows: [(StatementVerb, &[&str], &str); 4] = [
            (
                StatementVerb::Insert,
                &["id", "userId"],
                r#"INSERT INTO "credit" ("id", "user_id") VALUES (?, ?)"#,
            ),
            (
                StatementVerb::Insert,
                &["odd\"name"],
                r#"INSERT INTO "credit" ("odd""name") VALUES (?)"#,
            ),
            (
                StatementVerb::Update,
                &["userId", "id"],
                r#"UPDATE "credit" SET "user_id" = ?, "id" = ? WHERE id = ?"#,
            ),
            (
                StatementVerb::Find,
                &[],
                r#"SELECT "id", "user_id", "odd""name" FROM "credit" WHERE id = ?"#,
            ),
        ];
        let mut texts = RowTexts::default();
        // Twice, to cover a new and a cached statement.
        for (verb, keys, expected) in rows.into_iter().chain(rows) {
            let made = texts.get(verb, &table(), &fields(keys)).unwrap();
            assert_eq!(made.text, expected);
            assert_eq!(made.kinds.len(), keys.len());
        }
        assert_eq!(texts.made.len(), rows.len());
        let unknown = texts.get(StatementVerb::Insert, &table(), &fields(&["nothing"]));
        assert_eq!(unknown.unwrap_err().code(), "UNKNOWN_FIELD");
    }

    #[test]
    fn the_cache_is_bounded() {
        let mut texts = RowTexts::default();
        for count in 0..RowTexts::MOST * 2 {
            let keys = vec!["id"; count];
            assert!(texts.get(StatementVerb::Insert, &table(), &fields(&keys)).is_ok());
            assert!(texts.made.len() <= RowTexts::MOST);
        }
    }
}
