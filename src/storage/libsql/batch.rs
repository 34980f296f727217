//! A batch that writes: its own BEGIN and COMMIT, and between them only steps that depend on those before.

use super::error::{of_statement, unreadable};
use super::hrana::{Condition, Outcome, Step};
use crate::error::Error;
use crate::storage::dialect::sqlite::Statement;
use crate::storage::dialect::sqlite::guard::changed;
use crate::storage::dialect::sqlite::wire::{Change, OwnedRow};
use crate::storage::failure::Failure;

/// A batch that writes everything or nothing.
pub(super) struct WriteBatch<'s> {
    pub(super) steps: Vec<Step<'s>>,
    guards: usize,
    changes: &'s [Change<'s>],
    then: usize,
    commit: usize,
}

/// The result of the batch.
pub(super) enum Written {
    All(Vec<Vec<OwnedRow>>),
    /// The facts did not hold, or no longer hold.
    Stale {
        /// The current result, if a cached one was outdated.
        became: Option<Vec<OwnedRow>>,
    },
    Nothing(Failure),
}

impl<'s> WriteBatch<'s> {
    pub(super) fn new(
        (guards, guess): (&'s [Statement<'s>], Option<&'s (usize, Statement<'s>)>),
        changes: &'s [Change<'s>],
        then: &'s [Statement<'s>],
    ) -> Self {
        let mut steps = vec![Step::command(None, "BEGIN IMMEDIATE")];
        for guard in guards {
            steps.push(Step::new(Some(goes_on(&steps)), guard));
        }
        for change in changes {
            // A server that has ended the transaction runs the following statements without one.
            let open = Condition::not(Condition::IsAutocommit);
            let condition = Condition::And { conds: vec![goes_on(&steps), open] };
            steps.push(Step::new(Some(condition), &change.statement));
            steps.push(Step::command(Some(goes_on(&steps)), changed(change.rows)));
        }
        for statement in then {
            steps.push(Step::new(Some(goes_on(&steps)), statement));
        }
        let commit = steps.len();
        end(&mut steps);
        if let Some((at, question)) = guess {
            steps.push(Step::new(Some(Condition::Error { step: at + 1 }), question));
        }
        Self { steps, guards: guards.len(), changes, then: then.len(), commit }
    }

    pub(super) fn read(&self, mut outcomes: Vec<Outcome>) -> Written {
        let commit = self.commit;
        if matches!(outcomes[commit], Outcome::Done { .. }) {
            let then = outcomes.into_iter().skip(commit - self.then).take(self.then);
            let rows = then.map(|outcome| match outcome {
                Outcome::Done { rows, .. } => rows,
                Outcome::Failed(_) | Outcome::Skipped => Vec::new(),
            });
            return Written::All(rows.collect());
        }
        let failed = outcomes.iter().position(|outcome| matches!(outcome, Outcome::Failed(_)));
        match failed {
            Some(at) if (1..=self.guards).contains(&at) && is_false(&outcomes[at]) => {
                let became = match outcomes.drain(commit + 2..).next() {
                    Some(Outcome::Done { rows, .. }) => Some(rows),
                    _ => None,
                };
                Written::Stale { became }
            }
            // There was no transaction to commit.
            Some(at) if at == commit && is_over(&outcomes[at]) => Written::Nothing(taken_away()),
            Some(at) => Written::Nothing(self.failure(at, &outcomes)),
            // A change was skipped although all steps before it succeeded.
            None if self.is_change(outcomes.iter().position(is_skipped)) => {
                Written::Nothing(taken_away())
            }
            None => Written::Nothing(unreadable()),
        }
    }

    /// Whether a step is a change, which is run only inside the transaction.
    fn is_change(&self, step: Option<usize>) -> bool {
        let at = step.and_then(|step| step.checked_sub(self.guards + 1));
        at.is_some_and(|at| at.is_multiple_of(2) && at / 2 < self.changes.len())
    }

    /// Why nothing was written, by the first failed step.
    fn failure(&self, at: usize, outcomes: &[Outcome]) -> Failure {
        let Outcome::Failed(error) = &outcomes[at] else { return unreadable() };
        let change = at.checked_sub(self.guards + 1);
        match change.filter(|change| is_false(&outcomes[at]) && change % 2 == 1) {
            Some(check) if check / 2 < self.changes.len() => {
                let changed = match &outcomes[at - 1] {
                    Outcome::Done { changes, .. } => *changes,
                    Outcome::Failed(_) | Outcome::Skipped => 0,
                };
                let Change { what, rows, .. } = self.changes[check / 2];
                Failure::Refused(Error::Database {
                    doing: "writing",
                    database_code: "SQLITE_DONE".to_owned(),
                    message: format!(
                        "{what} changed {changed} rows instead of {rows}; look for a trigger that stops it"
                    ),
                    retryable: false,
                })
            }
            _ => of_statement(error, "writing"),
        }
    }
}

fn is_skipped(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Skipped)
}

/// Whether a COMMIT failed because the transaction had ended.
fn is_over(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Failed(error) if error.message.contains("no transaction is active"))
}

/// The server has rolled back the transaction between two steps, as it does with slow ones.
fn taken_away() -> Failure {
    Failure::Conflict("the server has undone the transaction, which took too long".to_owned())
}

/// Whether a step failed because its guard does not hold.
fn is_false(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Failed(error) if error.message.contains("integer overflow"))
}

/// The condition that the step before was run and succeeded.
pub(super) fn goes_on(steps: &[Step<'_>]) -> Condition {
    Condition::Ok { step: steps.len() - 1 }
}

/// Commits if all steps succeeded, otherwise rolls back.
pub(super) fn end(steps: &mut Vec<Step<'_>>) {
    steps.push(Step::command(Some(goes_on(steps)), "COMMIT"));
    let conds = vec![Condition::not(goes_on(steps)), Condition::not(Condition::IsAutocommit)];
    steps.push(Step::command(Some(Condition::And { conds }), "ROLLBACK"));
}
