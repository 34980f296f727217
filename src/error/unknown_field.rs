//! What to do about a field that a table or a function does not have.

use std::borrow::Cow;

const CHARGE: &str = "calls that charge";
const CREATE_A_TASK: &str = "calls that create a task";
const CHANGE_A_TASK: &str = "calls that change a task";
const REVOKE: &str = "revokeGrants";

/// The options of calls, with the calls that have them.
const OPTIONS: [(&str, &str); 13] = [
    ("scenes", CHARGE),
    ("exceptScenes", CHARGE),
    ("limits", CHARGE),
    ("replay", "calls that create a task, a charge or a grant"),
    ("maxActive", CREATE_A_TASK),
    ("freeTrialLimit", "calls that create a media task"),
    ("charge", CREATE_A_TASK),
    ("ifStatus", CHANGE_A_TASK),
    ("ifUpdatedBefore", CHANGE_A_TASK),
    ("allowRefunded", "updateMediaTaskById and updateAITaskById"),
    ("refundPolicy", "connect, and of calls that refund"),
    ("over", "calls that settle"),
    ("atomic", "calls that take a list"),
];
/// Those of `revokeGrants`. Their names are columns elsewhere.
const OF_REVOKE: [&str; 4] = ["total", "reason", "recover", "transactionNo"];

/// The end of the error's sentence. `table` is a table or a function, `field` is not in it.
pub(super) fn remedy(table: &str, field: &str) -> Cow<'static, str> {
    let known = OPTIONS.iter().find(|(option, _)| *option == field);
    match known {
        _ if table == "createMediaTasks" => {
            "an item has a task and its costCredits; options are the call's last argument".into()
        }
        _ if table == REVOKE && OF_REVOKE.contains(&field) => {
            format!("{field} is an option of {REVOKE}, in its last argument").into()
        }
        Some((_, calls)) => format!(
            "{field} is an option of {calls}, in their last argument; for a column of this name, add it to the table"
        )
        .into(),
        None => "fix the name, or add the column to the table".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_among_columns_or_parameters_is_told_where_it_belongs() {
        let rows = [
            // the table or function, the field; what the remedy says
            ("media_tasks", "scenes", "scenes is an option of calls that charge"),
            ("consumeCredits", "limits", "limits is an option of calls that charge"),
            ("credit", "replay", "replay is an option of calls that create"),
            ("ai_task", "ifStatus", "ifStatus is an option of calls that change a task"),
            ("revokeGrants", "transactionNo", "transactionNo is an option of revokeGrants"),
            ("createMediaTasks", "maxActive", "an item has a task and its costCredits"),
            ("media_tasks", "reason", "fix the name"),
            ("consumeCredits", "transactionNo", "fix the name"),
            ("media_tasks", "titel", "fix the name"),
        ];
        for (table, field, expected) in rows {
            assert!(remedy(table, field).starts_with(expected), "{}", remedy(table, field));
        }
    }
}
