//! Reads the schema over a network, in one round trip if possible.

use super::Statement;
use super::cell::OwnedRow;
use super::declared::Declared;
use super::schema;
use crate::domain::table::TableName;
use crate::error::Result;
use crate::storage::schema::Schema;
use crate::storage::times::TimestampUnit;

/// A schema that is being read.
pub struct Look {
    found: Vec<(TableName, Vec<Declared>)>,
    has_triggers: bool,
    unit: Option<TimestampUnit>,
}

impl Look {
    /// The first statements.
    pub fn questions() -> Vec<Statement<'static>> {
        TableName::ALL.into_iter().map(schema::columns).chain([schema::triggers()]).collect()
    }

    /// Reads their replies. With `unit`, no samples of times are needed.
    pub fn read(answers: &[Vec<OwnedRow>], unit: Option<TimestampUnit>) -> Self {
        let columns = |rows: &Vec<OwnedRow>| rows.iter().map(Declared::read).collect();
        let found = TableName::ALL.into_iter().zip(answers.iter().map(columns)).collect();
        let has_triggers = answers.last().is_some_and(|rows| !rows.is_empty());
        Self { found, has_triggers, unit }
    }

    /// The second statements, if any are needed.
    pub fn samples(&mut self) -> Vec<Statement<'static>> {
        self.sampled().map(|(_, statement)| statement).collect()
    }

    /// The schema, given the replies to the second statements.
    pub fn finish(mut self, answers: &[Vec<OwnedRow>]) -> Result<Schema> {
        for ((column, _), rows) in self.sampled().zip(answers) {
            rows.iter().for_each(|row| column.add_sample(row));
        }
        schema::read(self.found, self.unit, self.has_triggers)
    }

    fn sampled(&mut self) -> impl Iterator<Item = (&mut Declared, Statement<'static>)> {
        let is_asked = self.unit.is_none();
        let tables = self.found.iter_mut().filter(move |_| is_asked);
        tables.flat_map(|(table, columns)| schema::samples(*table, columns))
    }
}
