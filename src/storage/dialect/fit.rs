//! Which types of a server can hold the ledger's values: the rules that all servers share.

use crate::storage::roles::Role;
use crate::storage::schema::{Column, Limit};

/// The kinds of types, as far as the ledger distinguishes them.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// Text with this maximum length in characters; `None` if it is unlimited.
    Text(Option<usize>),
    Enum,
    #[cfg_attr(not(feature = "postgres"), expect(dead_code, reason = "PostgreSQL has a type"))]
    Uuid,
    /// Integers that can hold credits and their negatives.
    Integer,
    /// Smaller or unsigned integers.
    Small,
    Json,
    Time,
    Other,
}

/// A server's names of the types that a role may have.
pub(super) struct TypeNames {
    pub(super) user_id: &'static str,
    pub(super) task_id: &'static str,
    pub(super) credit_id: &'static str,
    pub(super) transaction_no: &'static str,
    pub(super) state: &'static str,
    pub(super) words: &'static str,
    pub(super) details: &'static str,
    pub(super) credits: &'static str,
    pub(super) time: &'static str,
}

/// The types of a server.
pub(super) struct Types {
    pub(super) family: fn(&Column) -> Family,
    pub(super) names: TypeNames,
}

impl Types {
    /// A description of the type that a column needs, if its own is not suitable. `shared` is the column that
    /// it refers to.
    pub(super) fn needed(
        &self,
        role: Role,
        column: &Column,
        shared: Option<&Column>,
    ) -> Option<String> {
        // The app creates users, and the database may compute their ids.
        let is_written = !(role == Role::UserId && column.name == "id");
        if column.limit == Limit::Computed && is_written {
            return Some("a plain column, which this package writes".to_owned());
        }
        let family = (self.family)(column);
        if let Role::State(words) = role
            && matches!(family, Family::Enum | Family::Text(_))
        {
            let word = words.iter().find(|word| !fits(column, word));
            return word.map(|word| format!("one that takes {word:?}"));
        }
        if let Some(needed) = self.needed_family(role, &family) {
            return Some(needed.to_owned());
        }
        let shared =
            shared.filter(|shared| kind_of_id(&(self.family)(shared)) != kind_of_id(&family))?;
        Some(format!("of type {}, as what it refers to", shared.sql_type))
    }

    fn needed_family(&self, role: Role, found: &Family) -> Option<&'static str> {
        use Family::{Enum, Integer, Json, Small, Text, Time, Uuid};
        let has_room = |characters: usize| match found {
            Text(Some(most)) => *most >= characters,
            _ => true,
        };
        let names = &self.names;
        match (role, found) {
            (Role::UserId, Text(_) | Uuid | Integer | Small) => None,
            (Role::UserId, _) => Some(names.user_id),
            (Role::TaskId, Text(_) | Uuid) => None,
            (Role::TaskId, _) => Some(names.task_id),
            // New ids and numbers are UUIDs of 36 characters and numbers of 19 digits.
            (Role::CreditId, Text(_) | Uuid) if has_room(36) => None,
            (Role::CreditId, _) => Some(names.credit_id),
            (Role::TransactionNo, Text(_)) if has_room(19) => None,
            (Role::TransactionNo, _) => Some(names.transaction_no),
            (Role::State(_), _) => Some(names.state),
            (Role::Words, Enum | Text(_)) => None,
            (Role::Words, _) => Some(names.words),
            (Role::Details, Json | Text(None)) => None,
            (Role::Details, _) => Some(names.details),
            (Role::Credits, Integer) => None,
            (Role::Credits, _) => Some(names.credits),
            (Role::Time, Time) => None,
            (Role::Time, _) => Some(names.time),
        }
    }
}

/// Whether a column accepts this value.
fn fits(column: &Column, word: &str) -> bool {
    match &column.limit {
        Limit::OneOf(labels) => labels.iter().any(|label| label == word),
        Limit::Characters(most) => word.len() <= *most,
        _ => true,
    }
}

/// Ids can be compared if they are of the same kind.
fn kind_of_id(family: &Family) -> u8 {
    match family {
        Family::Uuid => 1,
        Family::Integer | Family::Small => 2,
        _ => 0,
    }
}
