//! What is MySQL's own: collations, times in seconds, locks, and what a server says no to.

mod contention;
mod facts;
mod lost;
mod world;
