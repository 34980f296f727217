//! The engine's log on stderr, if `MEDIA_CREDITS_LOG` is set. Otherwise no subscriber is installed, and an event costs
//! one comparison.

use std::io::{self, Write};
use std::sync::Once;

use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Registry, fmt};

/// Starts the log when the first connection of the process finds a directive such as `debug` or
/// `media_credits=trace`. All JavaScript environments share one log.
pub(super) fn start(directive: &str) {
    static STARTED: Once = Once::new();
    if directive.trim().is_empty() {
        return;
    }
    STARTED.call_once(|| match parse(directive) {
        Some(filter) => install(filter),
        // Stderr may be closed, which is ignored.
        None => drop(writeln!(
            io::stderr(),
            "media-credits logs nothing: MEDIA_CREDITS_LOG is invalid; write error, warn, info, debug or \
             trace, or a level for a part, such as media_credits::engine=debug"
        )),
    });
}

/// The events to log: only this package's, because dependencies may log values. `None` if the directive is
/// invalid or matches nothing in this package.
fn parse(directive: &str) -> Option<Targets> {
    const ALL: &str = env!("CARGO_CRATE_NAME");
    let given: Targets = directive.trim().parse().ok()?;
    let is_ours = |target: &str| {
        target.strip_prefix(ALL).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    };
    let all = given.default_level().map(|level| (ALL, level));
    let ours: Vec<_> =
        all.into_iter().chain(given.iter().filter(|(part, _)| is_ours(part))).collect();
    (!ours.is_empty()).then(|| Targets::new().with_targets(ours))
}

fn install(filter: Targets) {
    // A line that can't be written is dropped: reporting it on stderr would panic, since stderr has failed.
    let lines = fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(false)
        .with_thread_names(true)
        .log_internal_errors(false);
    // This library sets no other subscriber.
    let _ = tracing::subscriber::set_global_default(Registry::default().with(lines).with(filter));
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level;

    #[test]
    fn a_directive_chooses_what_is_logged() {
        let rows = [
            // a directive; whether the engine's errors, warnings and details are logged
            ("debug", Some((true, true, true))),
            (" DEBUG ", Some((true, true, true))),
            ("warn", Some((true, true, false))),
            ("off", Some((false, false, false))),
            ("media_credits=trace", Some((true, true, true))),
            ("error,deadpool=trace", Some((true, false, false))),
            ("warn,media_credits::engine=debug", Some((true, true, true))),
            ("media_credits::storage=debug", Some((false, false, false))),
            ("verbose", None),
            ("media_credit=debug", None),
            ("media_creditss=debug", None),
            ("media_credits=loud", None),
            ("postgres://app:secret@host/app", None),
            ("=", None),
        ];
        for (directive, expected) in rows {
            let filter = parse(directive);
            let levels = filter.map(|filter| {
                let written =
                    |level: Level| filter.would_enable("media_credits::engine::sqlite", &level);
                (written(Level::ERROR), written(Level::WARN), written(Level::DEBUG))
            });
            assert_eq!(levels, expected, "{directive}");
            let others = parse(directive)
                .is_some_and(|filter| filter.would_enable("deadpool", &Level::ERROR));
            assert!(!others, "{directive}");
        }
    }
}
