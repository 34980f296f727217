//! Shared engines: one for each database in a process, for any number of connections and threads.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Result};

/// The engines of a process, by the identity of their databases.
pub(super) struct Registry<K, E> {
    engines: Mutex<Option<HashMap<K, Shared<E>>>>,
}

struct Shared<E> {
    engine: Arc<E>,
    leases: usize,
}

/// The right to use an engine.
pub(super) struct Lease<K: 'static, E: 'static> {
    /// `None` if no other connection can share this engine.
    shared: Option<(&'static Registry<K, E>, K)>,
}

impl<K: Eq + Hash + Clone, E> Registry<K, E> {
    pub(super) const fn new() -> Self {
        Self { engines: Mutex::new(None) }
    }

    /// Returns the running engine of a database if it `fits` the caller's settings, or starts one.
    pub(super) fn join(
        &'static self,
        key: K,
        fits: impl FnOnce(&E) -> bool,
        start: impl FnOnce() -> Result<Arc<E>>,
    ) -> Result<(Arc<E>, Lease<K, E>)> {
        let mut engines = self.lock();
        let engines = engines.get_or_insert_default();
        let engine = match engines.get_mut(&key) {
            Some(shared) if fits(&shared.engine) => {
                shared.leases += 1;
                Arc::clone(&shared.engine)
            }
            Some(_) => return Err(other_options()),
            None => {
                let engine = start()?;
                let shared = Shared { engine: Arc::clone(&engine), leases: 1 };
                engines.insert(key.clone(), shared);
                engine
            }
        };
        Ok((engine, Lease { shared: Some((self, key)) }))
    }

    /// The lock may be poisoned: a panic elsewhere can't leave the map half changed.
    fn lock(&self) -> MutexGuard<'_, Option<HashMap<K, Shared<E>>>> {
        self.engines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash + Clone, E> Lease<K, E> {
    /// A lease of an engine that is not shared.
    #[cfg(feature = "sqlite")]
    pub(super) fn private() -> Self {
        Self { shared: None }
    }

    /// Ends the lease. Returns whether it was the last one; then no connection can join this engine any more.
    pub(super) fn end(self) -> bool {
        let Some((registry, key)) = &self.shared else { return true };
        let mut engines = registry.lock();
        let Some(engines) = engines.as_mut() else { return true };
        match engines.get_mut(key) {
            Some(shared) if shared.leases > 1 => {
                shared.leases -= 1;
                false
            }
            _ => {
                engines.remove(key);
                true
            }
        }
    }
}

/// Two connections can't share an engine with different settings, such as different durability.
fn other_options() -> Error {
    Error::InvalidArgument {
        name: "connect(options)".to_owned(),
        expected: "the same as in this process's other connections to this database".to_owned(),
        given: "other options; pass the same ones everywhere, or close() the others first"
            .to_owned(),
    }
}
