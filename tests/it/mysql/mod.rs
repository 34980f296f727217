//! Properties of MySQL: collations, times in seconds, locks, and refused values.

mod contention;
mod facts;
mod lost;
mod world;
