//! Which types of a server can hold the ledger's values: the rules, whatever the types are called.

use crate::storage::roles::Role;
use crate::storage::schema::{Column, Limit};

/// What a column's values are, as far as the ledger is concerned.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// With room for so many characters; none says that there is room for anything.
    Text(Option<usize>),
    Enum,
    #[cfg_attr(not(feature = "postgres"), expect(dead_code, reason = "PostgreSQL has a type"))]
    Uuid,
    /// With room for credits, and for their negative.
    Integer,
    /// Smaller, or never negative.
    Small,
    Json,
    Time,
    Other,
}

/// What a server calls the types that a role may have.
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
    /// What a column would need to be, in words, if it can't be what it is. `shared`: what it refers to.
    pub(super) fn needed(
        &self,
        role: Role,
        column: &Column,
        shared: Option<&Column>,
    ) -> Option<String> {
        // The app makes its users, and perhaps the database their ids.
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
            // What this package makes is a UUID of 36 characters, and a number of 19.
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

/// Whether a column of words takes this one.
fn fits(column: &Column, word: &str) -> bool {
    match &column.limit {
        Limit::OneOf(labels) => labels.iter().any(|label| label == word),
        Limit::Characters(most) => word.len() <= *most,
        _ => true,
    }
}

/// Ids of one kind can be compared with each other.
fn kind_of_id(family: &Family) -> u8 {
    match family {
        Family::Uuid => 1,
        Family::Integer | Family::Small => 2,
        _ => 0,
    }
}
