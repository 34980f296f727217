//! Which grants may pay for a charge, and in which order they are drawn on.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_json::Value as Json;

use super::grant::{Grant, total_remaining};
use super::options::{MOST_NAMES, check_keys, names};
use super::value::{Fields, Value, describe};
use crate::error::{Error, Result};

/// Which grants may pay, by `transaction_scene`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Scenes {
    /// All grants.
    #[default]
    All,
    /// Only grants with one of these scenes.
    Only(Vec<String>),
    /// All other grants, and those without a scene.
    Except(Vec<String>),
}

impl Scenes {
    /// The options' JavaScript names.
    pub const NAMES: [&str; 2] = ["scenes", "exceptScenes"];

    /// Parses the options `scenes` and `exceptScenes`.
    pub fn parse(options: &Fields) -> Result<Self> {
        let named = |name: &str| match options.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => listed(name, value).map(Some),
        };
        let [only, except] = Self::NAMES;
        match (named(only)?, named(except)?) {
            (None, None) => Ok(Self::All),
            (Some(scenes), None) => Ok(Self::Only(scenes)),
            (None, Some(scenes)) => Ok(Self::Except(scenes)),
            (Some(_), Some(_)) => Err(Error::InvalidArgument {
                name: except.to_owned(),
                expected: format!("left out beside {only}"),
                given: describe(options.get(except)),
            }),
        }
    }

    /// Whether a grant with this scene may pay.
    fn has(&self, scene: Option<&str>) -> bool {
        let is_one = |scenes: &[String]| scene.is_some_and(|it| scenes.iter().any(|one| one == it));
        match self {
            Self::All => true,
            Self::Only(scenes) => is_one(scenes),
            Self::Except(scenes) => !is_one(scenes),
        }
    }
}

/// Parses a list of at least one scene.
fn listed(name: &str, value: &Value) -> Result<Vec<String>> {
    let list = match value {
        Value::Json(json) => serde_json::from_str(json).ok(),
        _ => None,
    };
    list.and_then(names).ok_or_else(|| Error::InvalidArgument {
        name: name.to_owned(),
        expected: format!("a list of at least one scene and at most {MOST_NAMES}"),
        given: value.describe(),
    })
}

/// A sort key for grants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderKey {
    /// The earliest expiry first; grants that never expire come last.
    Expiry,
    /// The oldest first.
    Age,
    /// The first scene's grants first, then the second's, and so on; all others come last.
    Scenes(Vec<String>),
}

/// The order in which grants are drawn on: by these keys, then by expiry, age and `id`. An empty list is the
/// default order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DrawOrder(Arc<[OrderKey]>);

impl DrawOrder {
    /// The maximum number of keys.
    const MOST_KEYS: usize = 10;

    /// Parses the option `drawOrder`; the default order if it was not passed.
    pub fn parse(value: Option<&Value>) -> Result<Self> {
        const NAME: &str = "drawOrder";
        let Some(value) = value else { return Ok(Self::default()) };
        let given: Option<Vec<Json>> = match value {
            Value::Json(json) => serde_json::from_str(json).ok(),
            _ => None,
        };
        for key in given.iter().flatten().filter_map(Json::as_object) {
            check_keys(NAME, key, &["scenes"])?;
        }
        let keys: Option<Vec<OrderKey>> =
            given.and_then(|keys| keys.into_iter().map(order_key).collect());
        let sound = |keys: &Vec<OrderKey>| {
            (1..=Self::MOST_KEYS).contains(&keys.len()) && is_each_once(keys)
        };
        let keys = keys.filter(sound).ok_or_else(|| Error::InvalidArgument {
            name: NAME.to_owned(),
            expected: format!(
                "a list of 'expiry', 'age' and {{ scenes: […] }}, 1 to {} of them, no key and no \
                 scene twice",
                Self::MOST_KEYS
            ),
            given: match value {
                Value::Json(json) => json.chars().take(60).collect(),
                other => other.describe(),
            },
        })?;
        // The default order already sorts by these keys.
        let is_default = matches!(keys[..], [OrderKey::Expiry] | [OrderKey::Expiry, OrderKey::Age]);
        Ok(if is_default { Self::default() } else { Self(keys.into()) })
    }

    /// Whether this is the order in which storage returns grants.
    pub fn is_default(&self) -> bool {
        self.0.is_empty()
    }

    /// Sorts grants, or items with a grant, from the default order into this one.
    pub fn sort<T>(&self, all: &mut [T], grant: impl Fn(&T) -> &Grant) {
        for key in self.0.iter().rev() {
            match key {
                OrderKey::Expiry => {
                    all.sort_by_key(|it| {
                        (grant(it).expires_at_ms.is_none(), grant(it).expires_at_ms)
                    });
                }
                OrderKey::Age => all.sort_by_key(|it| grant(it).created_at_ms()),
                OrderKey::Scenes(scenes) => {
                    let places = scenes.iter().rev().zip(1..);
                    let places: HashMap<&str, usize> =
                        places.map(|(scene, place)| (scene.as_str(), place)).collect();
                    let place = |it: &T| grant(it).scene().and_then(|scene| places.get(scene));
                    all.sort_by_key(|it| Reverse(place(it).copied()));
                }
            }
        }
    }
}

fn order_key(key: Json) -> Option<OrderKey> {
    match key {
        Json::String(key) if key == "expiry" => Some(OrderKey::Expiry),
        Json::String(key) if key == "age" => Some(OrderKey::Age),
        Json::Object(mut key) => names(key.remove("scenes")?).map(OrderKey::Scenes),
        _ => None,
    }
}

/// Whether each key and each scene occurs only once: a second one would have no effect.
fn is_each_once(keys: &[OrderKey]) -> bool {
    let mut scenes = HashSet::new();
    keys.iter().enumerate().all(|(at, key)| match key {
        OrderKey::Scenes(named) => named.iter().all(|scene| scenes.insert(scene.as_str())),
        OrderKey::Expiry | OrderKey::Age => !keys[..at].contains(key),
    })
}

/// Which grants may pay, and in which order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Paying {
    /// The scenes that may pay.
    pub scenes: Scenes,
    /// The draw order.
    pub order: DrawOrder,
}

impl Paying {
    /// Whether all grants may pay, in the default order.
    pub fn is_plain(&self) -> bool {
        self.takes_all() && self.order.is_default()
    }

    /// Whether all grants may pay.
    pub fn takes_all(&self) -> bool {
        self.scenes == Scenes::All
    }

    /// The grants that may pay, in draw order. Unless this is plain, `grants` must be all spendable grants,
    /// with their provenance.
    pub fn choose<'g>(&self, grants: &'g [Grant]) -> Cow<'g, [Grant]> {
        if self.is_plain() {
            return Cow::Borrowed(grants);
        }
        let mut chosen: Vec<Grant> = self.those(grants).cloned().collect();
        self.order.sort(&mut chosen, |grant| grant);
        Cow::Owned(chosen)
    }

    /// The sum of the credits that may pay.
    pub fn available(&self, grants: &[Grant]) -> i64 {
        total_remaining(self.those(grants))
    }

    fn those<'g>(&self, grants: &'g [Grant]) -> impl Iterator<Item = &'g Grant> {
        grants.iter().filter(|grant| self.scenes.has(grant.scene()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::grant::Provenance;

    fn json(json: &str) -> Value {
        Value::Json(json.to_owned())
    }

    /// Grant `b` expires first and `a` last, `c` and `d` never; `d` is the oldest, then `a`.
    fn grants() -> Vec<Grant> {
        let grant = |id: &str, expires_at_ms, (scene, created_at_ms): (Option<&str>, i64)| Grant {
            id: id.to_owned(),
            transaction_no: String::new(),
            credits: 9,
            remaining: 1,
            expires_at_ms,
            active: true,
            provenance: Some(Arc::new(Provenance {
                scene: scene.map(str::to_owned),
                created_at_ms: Some(created_at_ms),
            })),
        };
        vec![
            grant("b", Some(5), (Some("gift"), 40)),
            grant("a", Some(9), (Some("payment"), 20)),
            grant("d", None, (Some("gift"), 10)),
            grant("c", None, (None, 30)),
        ]
    }

    fn ids(grants: &[Grant]) -> String {
        grants.iter().map(|grant| grant.id.as_str()).collect()
    }

    #[test]
    fn scenes_choose_the_grants_that_pay() {
        let refused = Err("INVALID_ARGUMENT");
        let list = |number| json(&format!("[{}]", vec![r#""gift""#; number].join(",")));
        let rows = [
            // scenes, exceptScenes; which grants may pay
            (None, None, Ok("badc")),
            (Some(Value::Null), Some(Value::Null), Ok("badc")),
            (Some(json(r#"["gift"]"#)), None, Ok("bd")),
            (Some(json(r#"["payment","gift"]"#)), Some(Value::Null), Ok("bad")),
            (Some(json(r#"["other"]"#)), None, Ok("")),
            (Some(json(r#"["Gift"]"#)), None, Ok("")),
            (None, Some(json(r#"["gift"]"#)), Ok("ac")),
            (None, Some(json(r#"["gift","payment"]"#)), Ok("c")),
            (None, Some(json(r#"["other"]"#)), Ok("badc")),
            (Some(list(1000)), None, Ok("bd")),
            (Some(list(1001)), None, refused),
            (Some(json(r#"["gift"]"#)), Some(json(r#"["gift"]"#)), refused),
            (Some(json("[]")), None, refused),
            (Some(json("{}")), None, refused),
            (Some(json(r#"[""]"#)), None, refused),
            (Some(json("[null]")), None, refused),
            (Some(json("[\"a\u{fffd}\"]")), None, refused),
            (Some(Value::Text("gift".into())), None, refused),
            (None, Some(Value::Bool(false)), refused),
            (None, Some(json("[]")), refused),
        ];
        for (only, except, expected) in rows {
            let given = [("scenes", only), ("exceptScenes", except)];
            let options: Fields =
                given.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
            let paying = |scenes| Paying { scenes, order: DrawOrder::default() };
            let chosen =
                Scenes::parse(&options).map(|scenes| ids(&paying(scenes).choose(&grants())));
            let chosen = chosen.map_err(|error| error.code());
            assert_eq!(chosen.as_deref(), expected.as_ref().map(|it| *it), "{options:?}");
        }
    }

    #[test]
    fn a_draw_order_sorts_the_grants() {
        let rows = [
            // drawOrder; the order, and whether it is the default
            (r#"["expiry","age"]"#, ("badc", true)),
            (r#"["expiry"]"#, ("badc", true)),
            (r#"["age"]"#, ("dacb", false)),
            (r#"["age","expiry"]"#, ("dacb", false)),
            (r#"["expiry",{"scenes":["gift"]}]"#, ("badc", false)),
            (r#"[{"scenes":["gift"]}]"#, ("bdac", false)),
            (r#"[{"scenes":["gift"]},"age"]"#, ("dbac", false)),
            (r#"[{"scenes":["payment","gift"]}]"#, ("abdc", false)),
            (r#"[{"scenes":["payment"]},{"scenes":["gift"]},"age"]"#, ("adbc", false)),
        ];
        for (text, (order, is_default)) in rows {
            let parsed = DrawOrder::parse(Some(&json(text))).unwrap();
            assert_eq!(parsed.is_default(), is_default, "{text}");
            let paying = Paying { scenes: Scenes::All, order: parsed };
            assert_eq!(ids(&paying.choose(&grants())), order, "{text}");
        }
        assert!(DrawOrder::parse(None).is_ok_and(|order| order.is_default()));
    }

    #[test]
    fn draw_orders_that_are_none() {
        let many: Vec<String> = (0..11).map(|at| format!(r#"{{"scenes":["{at}"]}}"#)).collect();
        let many = format!("[{}]", many.join(","));
        let refused = "INVALID_ARGUMENT";
        let unknown = "UNKNOWN_FIELD";
        let rows = [
            // drawOrder; the code
            (r#"[]"#, refused),
            (r#"["expiry","expiry"]"#, refused),
            (r#"["scene"]"#, refused),
            (r#"[{}]"#, refused),
            (r#"[{"scenes":[]}]"#, refused),
            (r#"[{"scenes":["a","a"]}]"#, refused),
            (r#"[{"scenes":["a"]},"age",{"scenes":["b","a"]}]"#, refused),
            (r#"[["age"]]"#, refused),
            (r#"{"0":"age"}"#, refused),
            (many.as_str(), refused),
            (r#"[{"scenes":["a"],"more":1}]"#, unknown),
            (r#"["age",{"scene":["a"]}]"#, unknown),
        ];
        for (text, code) in rows {
            let error = DrawOrder::parse(Some(&json(text))).unwrap_err();
            assert_eq!(error.code(), code, "{text}");
        }
        for value in [Value::Null, Value::Text("age".into()), Value::Integer(1)] {
            assert!(DrawOrder::parse(Some(&value)).is_err(), "{value:?}");
        }
    }

    #[test]
    fn grants_that_may_pay() {
        let paying = |scenes| Paying { scenes, order: DrawOrder::default() };
        let gift = || vec!["gift".to_owned()];
        assert_eq!(paying(Scenes::All).available(&grants()), 4);
        assert_eq!(paying(Scenes::Only(gift())).available(&grants()), 2);
        assert_eq!(paying(Scenes::Except(gift())).available(&grants()), 2);
    }
}
