//! Who shares which engine: one for each file in a process, however often the file is opened, from
//! however many threads, and however its path is spelled.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Connection, Engine, Settings};
use crate::error::{Error, Result};
use crate::storage::location::{Location, canonical};
use crate::storage::sqlite::Place;

struct Shared {
    engine: Arc<Engine>,
    leases: usize,
}

static ENGINES: Mutex<Option<HashMap<PathBuf, Shared>>> = Mutex::new(None);

/// The right to use an engine.
pub(super) struct Lease {
    /// `None`: nobody else can share this engine.
    path: Option<PathBuf>,
}

pub(super) fn join(location: &Location, settings: Settings) -> Result<Connection> {
    let path = match location {
        Location::SqliteMemory => {
            let engine = Arc::new(Engine::start(&Place::Memory, settings)?);
            return Ok(Connection { engine, lease: Lease { path: None } });
        }
        Location::SqliteFile(path) => canonical(path),
    };
    let mut engines = engines();
    let engines = engines.get_or_insert_default();
    if let Some(shared) = engines.get_mut(&path) {
        check_settings(shared.engine.settings, settings)?;
        shared.leases += 1;
        let engine = Arc::clone(&shared.engine);
        return Ok(Connection { engine, lease: Lease { path: Some(path) } });
    }
    let engine = Arc::new(Engine::start(&Place::File(path.clone()), settings)?);
    engines.insert(path.clone(), Shared { engine: Arc::clone(&engine), leases: 1 });
    Ok(Connection { engine, lease: Lease { path: Some(path) } })
}

impl Lease {
    /// Ends the lease. Whether it was the last one: then nobody can join this engine any more.
    pub(super) fn end(self) -> bool {
        let Some(path) = &self.path else { return true };
        let mut engines = engines();
        let Some(engines) = engines.as_mut() else { return true };
        match engines.get_mut(path) {
            Some(shared) if shared.leases > 1 => {
                shared.leases -= 1;
                false
            }
            _ => {
                engines.remove(path);
                true
            }
        }
    }
}

/// One engine can't be durable for one caller and not for another.
fn check_settings(running: Settings, wanted: Settings) -> Result<()> {
    if running == wanted {
        return Ok(());
    }
    Err(Error::InvalidArgument {
        name: "connect(options)".to_owned(),
        expected: "the same as in this process's other connections to this database".to_owned(),
        given: "other options; pass the same ones everywhere, or close() the others first"
            .to_owned(),
    })
}

/// A panic elsewhere can't leave the map half changed.
fn engines() -> MutexGuard<'static, Option<HashMap<PathBuf, Shared>>> {
    ENGINES.lock().unwrap_or_else(PoisonError::into_inner)
}
