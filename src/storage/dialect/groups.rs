//! Groups the rows of plans that are written together.

use std::collections::HashMap;

use crate::domain::plan::{RowChange, Verb};
use crate::domain::table::TableName;

/// Rows that one statement can write, at least one each.
pub(super) fn groups<'r>(rows: impl Iterator<Item = &'r RowChange>) -> Vec<Vec<&'r RowChange>> {
    let mut groups: Vec<Vec<&RowChange>> = Vec::new();
    // Where new rows of a table with the same columns are.
    let mut places: HashMap<(TableName, Vec<&str>), usize> = HashMap::new();
    for row in rows {
        let last = groups.len();
        let place = match row.verb {
            Verb::Insert => {
                let keys = row.fields.iter().map(|(key, _)| key).collect();
                *places.entry((row.table, keys)).or_insert(last)
            }
            Verb::Update | Verb::UpdateCharge => last,
        };
        match groups.get_mut(place) {
            Some(group) => group.push(row),
            None => groups.push(vec![row]),
        }
    }
    groups
}
