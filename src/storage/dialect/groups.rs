//! Groups the rows of several plans.

use std::collections::HashMap;

use crate::domain::plan::{RowChange, Verb};
use crate::domain::table::TableName;

/// Groups of rows that one statement each can write.
pub(super) fn groups<'r>(rows: impl Iterator<Item = &'r RowChange>) -> Vec<Vec<&'r RowChange>> {
    let mut groups: Vec<Vec<&RowChange>> = Vec::new();
    // The group of new rows by table and columns.
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
