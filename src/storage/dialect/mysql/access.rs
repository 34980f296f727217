//! The account's privileges on the tables, for an operator's information: the server itself rejects what is
//! not granted.

use super::super::privileges::{Command, Lack, columns_of};
use super::super::row::{SelectedRow, get};
use super::quote;
use crate::domain::table::TableName;
use crate::storage::failure::Answer;

/// A column, and the commands for which privileges are missing.
struct Column {
    table: TableName,
    name: String,
    may: Vec<String>,
}

/// The account's missing privileges, from the rows of `sql/privileges.sql`.
pub fn lacks(rows: &[impl SelectedRow]) -> Answer<Vec<Lack>> {
    let mut columns = Vec::new();
    for row in rows {
        let Some(table) = TableName::named(get(row, 0)?) else { continue };
        let may: String = get(row, 2)?;
        let may = may.split(',').map(|privilege| privilege.trim().to_uppercase()).collect();
        columns.push(Column { table, name: get(row, 1)?, may });
    }
    let Some(row) = rows.first() else { return Ok(Vec::new()) };
    let (database, account): (String, String) = (get(row, 3)?, get(row, 4)?);
    let of = |table| columns.iter().filter(move |column| column.table == table);
    let commands = |table| Command::ALL.into_iter().map(move |command| (table, command));
    let found = TableName::ALL.into_iter().flat_map(commands).filter_map(|(table, command)| {
        let is_denied = |column: &&Column| !column.may.iter().any(|may| may == command.sql());
        let denied: Vec<String> =
            of(table).filter(is_denied).map(|column| column.name.clone()).collect();
        let all = denied.len() == of(table).count();
        let columns = columns_of(table, command, (&denied, all), quote)?;
        let (verb, to, name) = (command.sql(), account_in_quotes(&account), table.sql());
        let sentence = format!(
            "{to} has no privilege to {verb}{columns} on table {name}; run: GRANT {verb}{columns} ON {}.{} TO {to};",
            quote(&database),
            quote(name)
        );
        Some(Lack { table, command, sentence })
    });
    Ok(found.collect())
}

/// The account in the form that GRANT takes. A role has no host.
fn account_in_quotes(account: &str) -> String {
    match account.rsplit_once('@') {
        Some((user, host)) => format!("{}@{}", quote(user), quote(host)),
        None => quote(account),
    }
}

#[cfg(test)]
mod tests {
    use super::super::json::JsonRow;
    use super::*;

    #[test]
    fn missing_privileges_are_named() {
        const ALL: &str = "select,insert,update,references";
        type Row<'a> = (&'a [(&'a str, &'a str, &'a str)], &'a [&'a str]);
        let rows: [Row; 5] = [
            // the columns with the granted commands; the messages
            (&[("credit", "id", ALL), ("credit", "status", ALL)], &[]),
            (
                &[("credit", "id", "select"), ("credit", "status", "select")],
                &[
                    "GRANT INSERT ON `shop`.`credit` TO `app`@`10.%`;",
                    "GRANT UPDATE ON `shop`.`credit` TO `app`@`10.%`;",
                ],
            ),
            (
                &[("credit", "id", "select,insert"), ("credit", "status", "insert,update")],
                &["GRANT SELECT (`status`) ON `shop`.`credit`"],
            ),
            // The other columns belong to the app and are not changed here.
            (&[("user", "id", "select"), ("user", "email", "")], &[]),
            (&[("user", "free_trial_used", "select")], &["GRANT UPDATE ON `shop`.`user`"]),
        ];
        for (columns, said) in rows {
            let row = |(table, column, may): &(&str, &str, &str)| {
                let values = serde_json::json!([table, column, may, "shop", "app@10.%"]);
                serde_json::from_value::<JsonRow>(values).unwrap()
            };
            let rows: Vec<JsonRow> = columns.iter().map(row).collect();
            let found = lacks(&rows).unwrap();
            assert_eq!(found.len(), said.len(), "{found:?}");
            for (lack, said) in found.iter().zip(said) {
                assert!(lack.as_json()["message"].to_string().contains(said), "{lack:?}");
            }
        }
    }
}
