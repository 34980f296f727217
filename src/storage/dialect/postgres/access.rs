//! The role's privileges on the tables, read with the schema. A missing privilege is reported before anything
//! is written, because row level security causes no error: it hides rows, so nothing is changed.

use super::super::privileges::Command::{Insert, Select, Update};
use super::super::privileges::{Command, Lack, columns_of};
use super::row::{SelectedRow, get, get_texts};
use crate::domain::table::TableName;
use crate::error::Error;
use crate::storage::failure::Answer;
use crate::storage::schema::quote;

/// The role's privileges.
#[derive(Debug, Default)]
pub(super) struct Access {
    lacks: Vec<Lack>,
    /// Whether rows of `user` can be locked.
    locks_users: bool,
    /// Whether commits are confirmed before they are on disk.
    pub(super) answers_early: bool,
}

impl Access {
    /// Reads the rows of `sql/access.sql`.
    pub(super) fn read(rows: &[impl SelectedRow]) -> Answer<Self> {
        let mut access = Self::default();
        for row in rows {
            let name: &str = get(row, 0)?;
            let Some(table) = TableName::named(name) else { continue };
            let (role, locks): (&str, bool) = (get(row, 1)?, get(row, 2)?);
            let (denied, hidden): (_, bool) = (get_texts(row, 3)?, get(row, 4)?);
            let command: &str = get(row, 5)?;
            let Some(command) = Command::ALL.into_iter().find(|one| one.sql() == command) else {
                continue;
            };
            access.answers_early = get(row, 7)?;
            access.locks_users |= table == TableName::User && locks;
            let all = i64::try_from(denied.len()) == Ok(get(row, 6)?);
            access.lacks.extend(lack(table, command, role, Refusal { denied, all, hidden }));
        }
        Ok(access)
    }

    /// The missing privileges.
    pub(super) fn lacks(&self) -> &[Lack] {
        &self.lacks
    }

    /// Rejects commands on a table for which privileges are missing.
    pub(super) fn check(&self, table: TableName, commands: &[Command]) -> Result<(), Error> {
        let is_it = |lack: &&Lack| lack.table == table && commands.contains(&lack.command);
        match self.lacks.iter().find(is_it) {
            None => Ok(()),
            Some(lack) => Err(Error::Database {
                doing: "looking at what its role may do",
                database_code: "42501".to_owned(),
                message: lack.sentence.clone(),
                retryable: false,
            }),
        }
    }

    /// Takes a statement that locks users, and replaces the row locks by advisory locks if the rows can't be
    /// locked: because of row level security, a missing privilege, or because `user` is a view. The statement
    /// must select the id.
    pub(super) fn taking_turns(&self, lock: &str) -> String {
        if self.locks_users {
            return lock.to_owned();
        }
        let look = lock.replace("FOR NO KEY UPDATE", "");
        format!(
            "SELECT *, pg_advisory_xact_lock(hashtextextended(id, 7163217633)) FROM ({look}) AS users"
        )
    }
}

/// Why a command on a table is not allowed.
struct Refusal {
    /// The columns without the privilege.
    denied: Vec<String>,
    /// Whether these are all columns.
    all: bool,
    /// Whether no row level policy allows the command.
    hidden: bool,
}

/// The missing privilege on these columns, or the missing policy.
fn lack(table: TableName, command: Command, role: &str, refusal: Refusal) -> Option<Lack> {
    let Refusal { denied, all, hidden } = refusal;
    let (name, verb, to) = (quote(table.sql()), command.sql(), quote(role));
    let sentence = if let Some(columns) = columns_of(table, command, (&denied, all), quote) {
        format!(
            "role {role} has no privilege to {verb}{columns} on table {}; run: GRANT {verb}{columns} ON {name} TO {to};",
            table.sql()
        )
    } else if hidden && (table != TableName::User || command == Select || command == Update) {
        let condition = if command == Insert { "WITH CHECK (true)" } else { "USING (true)" };
        format!(
            "row level security of table {} has no policy for {verb} by role {role}; run, perhaps with a condition: \
             CREATE POLICY media_credits_{} ON {name} FOR {verb} TO {to} {condition};",
            table.sql(),
            verb.to_lowercase()
        )
    } else {
        return None;
    };
    Some(Lack { table, command, sentence })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::table::TaskKind;
    use TableName::{Credit, Tasks, User};

    #[test]
    fn missing_privileges_are_named() {
        const MEDIA: TableName = Tasks(TaskKind::Media);
        type Row<'a> = (TableName, Command, &'a [&'a str], bool, bool, Option<&'a str>);
        let rows: [Row; 13] = [
            // table, command, columns without the privilege, whether all, hidden by a policy; the message
            (Credit, Select, &[], false, false, None),
            (
                Credit,
                Select,
                &["metadata"],
                false,
                false,
                Some("GRANT SELECT (\"metadata\") ON \"credit\""),
            ),
            (
                Credit,
                Select,
                &["id", "own"],
                true,
                false,
                Some("GRANT SELECT ON \"credit\" TO \"app\";"),
            ),
            (Credit, Insert, &["own"], false, false, None),
            (Credit, Update, &["own", "id"], false, false, None),
            (Credit, Update, &["own", "status"], false, false, Some("GRANT UPDATE (\"status\")")),
            (Credit, Update, &[], false, true, Some("FOR UPDATE TO \"app\" USING (true);")),
            (Credit, Insert, &[], false, true, Some("FOR INSERT TO \"app\" WITH CHECK (true);")),
            (MEDIA, Update, &[], false, true, Some("ON \"media_tasks\" FOR UPDATE")),
            (User, Select, &["email"], false, false, None),
            (User, Select, &["id"], false, false, Some("GRANT SELECT (\"id\") ON \"user\"")),
            (User, Insert, &["id"], true, true, None),
            (User, Update, &["id", "name"], false, false, None),
        ];
        for (table, command, denied, all, hidden, said) in rows {
            let denied = denied.iter().map(|column| (*column).to_owned()).collect();
            let found = lack(table, command, "app", Refusal { denied, all, hidden });
            match (found, said) {
                (Some(lack), Some(said)) => {
                    assert!(lack.sentence.contains(said), "{}", lack.sentence);
                }
                (found, said) => assert_eq!(found.map(|lack| lack.sentence).as_deref(), said),
            }
        }
    }
}
