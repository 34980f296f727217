//! The dependencies between the files of `src`: there are no circles, and layers depend only on lower ones.
//!
//! A file that only lists its folder (`mod`, `pub use`) needs nothing. Code that exists only in tests is left out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path as FilePath;

/// `crate::domain::charge` as `["domain", "charge"]`.
type Path = Vec<String>;

/// Which layer may not need which.
const LAYERS: [(&str, &[&str]); 12] = [
    ("error", &["domain", "storage", "engine", "node"]),
    ("echo", &["error", "domain", "storage", "engine", "node"]),
    ("histogram", &["echo", "error", "domain", "storage", "engine", "node"]),
    ("domain", &["histogram", "storage", "engine", "node"]),
    ("storage", &["engine", "node"]),
    (
        "storage::dialect",
        &[
            "storage::sqlite",
            "storage::postgres",
            "storage::libsql",
            "storage::mysql",
            "storage::within",
        ],
    ),
    (
        "storage::within",
        &["storage::sqlite", "storage::postgres", "storage::libsql", "storage::mysql"],
    ),
    ("storage::sqlite", &["storage::postgres", "storage::libsql", "storage::mysql"]),
    ("storage::postgres", &["storage::sqlite", "storage::libsql", "storage::mysql"]),
    ("storage::libsql", &["storage::sqlite", "storage::postgres", "storage::mysql"]),
    ("storage::mysql", &["storage::sqlite", "storage::postgres", "storage::libsql"]),
    ("engine", &["node"]),
];

/// The engine itself, which is the same over each store.
const CORE: [&str; 15] = [
    "auditing",
    "charges",
    "clock",
    "local",
    "operation",
    "outcome",
    "reads",
    "registry",
    "renewals",
    "replays",
    "revocations",
    "run",
    "share",
    "stats",
    "top_ups",
];

/// The parts that run it over one store.
const OVER_A_STORE: [&str; 5] =
    ["engine::sqlite", "engine::remote", "engine::postgres", "engine::libsql", "engine::mysql"];

/// The only places where a crate may be named.
const HOMES: [(&str, &[&str]); 15] = [
    ("napi", &["node"]),
    ("napi_derive", &["node"]),
    ("rusqlite", &["storage::sqlite"]),
    ("libc", &["storage::sqlite"]),
    ("tokio_postgres", &["storage::postgres"]),
    ("deadpool_postgres", &["storage::postgres"]),
    ("postgres_types", &["storage::postgres"]),
    ("hyper", &["storage::libsql"]),
    ("curve25519_dalek", &["storage::mysql"]),
    ("deadpool", &["storage::pool", "storage::mysql"]),
    ("ring", &["storage::mysql", "storage::libsql", "storage::tls"]),
    ("tokio_rustls", &["storage::libsql", "storage::mysql"]),
    (
        "rustls",
        &[
            "storage::postgres",
            "storage::libsql",
            "storage::mysql",
            "storage::roots",
            "storage::tls",
        ],
    ),
    ("rustls_native_certs", &["storage::roots"]),
    ("tokio_postgres_rustls", &["storage::postgres"]),
];

#[test]
fn layers_depend_only_on_lower_ones() {
    let needs = arrows().into_iter().flat_map(|(from, to)| {
        let from = from.join("::");
        to.into_iter().map(move |to| (from.clone(), to.join("::")))
    });
    let broken: Vec<String> = needs
        .filter(|(from, to)| {
            let forbids = |(layer, above): &(&str, &[&str])| {
                is_in(from, layer) && above.iter().any(|above| is_in(to, above))
            };
            LAYERS.iter().any(forbids)
        })
        .map(|(from, to)| format!("{from} needs {to}"))
        .collect();
    assert_eq!(broken, Vec::<String>::new());
}

#[test]
fn the_engine_itself_is_the_same_over_each_store() {
    let arrows = arrows();
    let mut broken = Vec::new();
    for module in CORE {
        let from = Path::from(["engine".to_owned(), module.to_owned()]);
        for to in arrows[&from].iter().map(|to| to.join("::")) {
            if OVER_A_STORE.iter().any(|over| is_in(&to, over)) {
                broken.push(format!("engine::{module} needs {to}"));
            }
        }
    }
    assert_eq!(broken, Vec::<String>::new());
}

#[test]
fn a_driver_is_named_only_in_its_own_folder() {
    let mut named = BTreeSet::new();
    let mut broken = Vec::new();
    for (module, text) in sources() {
        let module = module.join("::");
        for (driver, home) in HOMES.iter().filter(|(driver, _)| names(driver, &text) > 0) {
            named.insert(*driver);
            if !home.iter().any(|home| is_in(&module, home)) {
                broken.push(format!("{module} names {driver}"));
            }
        }
    }
    assert_eq!(broken, Vec::<String>::new());
    // Otherwise this would look for names that do not exist.
    assert_eq!(named, HOMES.iter().map(|(driver, _)| *driver).collect());
}

/// Whether a module is this one, or inside it.
fn is_in(module: &str, of: &str) -> bool {
    module.strip_prefix(of).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

#[test]
fn no_two_files_need_each_other() {
    let arrows = arrows();
    let reached: BTreeMap<&Path, BTreeSet<&Path>> =
        arrows.keys().map(|from| (from, reached_from(from, &arrows))).collect();
    let circles: BTreeSet<Vec<String>> = reached
        .iter()
        .filter(|(file, reached)| reached.contains(*file))
        .map(|(file, to)| {
            let circle = to.iter().filter(|other| reached[**other].contains(*file));
            circle.map(|file| file.join("::")).collect()
        })
        .collect();
    assert_eq!(circles, BTreeSet::new());
}

fn reached_from<'a>(from: &Path, arrows: &'a BTreeMap<Path, BTreeSet<Path>>) -> BTreeSet<&'a Path> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<&Path> = arrows[from].iter().collect();
    while let Some(file) = next.pop() {
        if reached.insert(file) {
            next.extend(&arrows[file]);
        }
    }
    reached
}

/// Which files each file needs.
fn arrows() -> BTreeMap<Path, BTreeSet<Path>> {
    let sources = sources();
    let files: BTreeMap<Path, File> = sources
        .iter()
        .map(|(module, text)| (module.clone(), read(module, text, &sources)))
        .collect();
    let needed = |(module, file): (&Path, &File)| {
        let to = file.needs.iter().filter_map(|path| home(path, &files, 0));
        (module.clone(), to.filter(|to| to != module && !to.is_empty()).collect())
    };
    files.iter().filter(|(module, _)| !module.is_empty()).map(needed).collect()
}

/// Each module, and its text.
pub(crate) fn sources() -> BTreeMap<Path, String> {
    let mut sources = BTreeMap::new();
    collect(&FilePath::new(env!("CARGO_MANIFEST_DIR")).join("src"), &[], &mut sources);
    assert!(sources.len() > 50, "these are not the sources: {:?}", sources.keys());
    sources
}

/// The modules below a folder, and their texts.
fn collect(folder: &FilePath, module: &[String], sources: &mut BTreeMap<Path, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if ["tests", "properties"].contains(&name.as_str()) {
            continue;
        }
        let below = [module, std::slice::from_ref(&name)].concat();
        if path.is_dir() {
            collect(&path, &below, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let own = ["mod", "lib"].contains(&name.as_str());
            sources.insert(if own { module.to_vec() } else { below }, without_tests(&text));
        }
    }
}

/// Its code, without comments and without code for tests.
fn without_tests(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    code.lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n")
}

#[derive(Default)]
struct File {
    /// The paths that it names, from the root.
    needs: Vec<Path>,
    /// The paths of its imported names.
    names: BTreeMap<String, Path>,
}

fn read(module: &Path, text: &str, sources: &BTreeMap<Path, String>) -> File {
    let mut file = File::default();
    let mut end = 0;
    for (at, _) in text.match_indices("::") {
        if at < end {
            continue;
        }
        let start =
            text[..at].rfind(|c: char| !c.is_alphanumeric() && c != '_').map_or(0, |at| at + 1);
        if text[..start].ends_with("::") {
            continue;
        }
        let (paths, length) = tree(&text[start..]);
        end = start + length;
        let line = text[..start].rsplit(['\n', ';']).next().unwrap_or_default().trim();
        for path in paths.iter().filter_map(|path| absolute(path, module, sources)) {
            if line.ends_with("use")
                && let Some(name) = path.last()
            {
                file.names.insert(name.clone(), path.clone());
            }
            // A file does not need what it only re-exports, unless it uses it too.
            let listed = line.starts_with("pub") && line.ends_with("use");
            let used = || path.last().is_some_and(|name| names(name, text) > 1);
            if !listed || used() {
                file.needs.push(path);
            }
        }
    }
    file
}

/// How often a name is in a text.
fn names(name: &str, text: &str) -> usize {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| *word == name).count()
}

/// The paths of `a::{b, c::d}`, and how long the text of it is.
fn tree(text: &str) -> (Vec<Path>, usize) {
    let mut path = Path::new();
    let mut at = 0;
    loop {
        let rest = &text[at..];
        if rest.starts_with('{') {
            let (mut paths, mut inside) = (Vec::new(), at + 1);
            while !text[inside..].starts_with('}') {
                let skipped =
                    text[inside..].find(|c: char| !c.is_whitespace() && c != ',').unwrap();
                inside += skipped;
                if text[inside..].starts_with('}') {
                    break;
                }
                let (below, length) = tree(&text[inside..]);
                paths.extend(below.into_iter().map(|below| [path.clone(), below].concat()));
                let more = text[inside + length..].find([',', '}']).unwrap();
                inside += length + more;
            }
            return (paths, inside + 1);
        }
        let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        if length > 0 {
            path.push(rest[..length].to_owned());
        }
        at += length;
        if length == 0 || !text[at..].starts_with("::") {
            return (vec![path], at);
        }
        at += 2;
    }
}

/// A path of this module from the root, if it belongs to this crate.
fn absolute(path: &[String], module: &Path, sources: &BTreeMap<Path, String>) -> Option<Path> {
    let (first, rest) = path.split_first()?;
    let from = match first.as_str() {
        "crate" => Path::new(),
        "self" => module.clone(),
        "super" => module[..module.len() - 1].to_vec(),
        child => [module.clone(), vec![child.to_owned()]].concat(),
    };
    let known = ["crate", "self", "super"].contains(&first.as_str()) || sources.contains_key(&from);
    match rest.first() {
        Some(again) if again == "super" => absolute(rest, &from, sources),
        _ => known.then(|| [from, rest.to_vec()].concat()),
    }
}

/// The file that contains what a path names.
fn home(path: &[String], files: &BTreeMap<Path, File>, depth: usize) -> Option<Path> {
    let known = (0..=path.len()).rev().find(|length| files.contains_key(&path[..*length]))?;
    let module = &path[..known];
    let alias = path.get(known).and_then(|name| files[module].names.get(name));
    match alias {
        Some(from) if depth < 10 && from != path => home(from, files, depth + 1),
        _ => Some(module.to_vec()),
    }
}
