//! A call's arguments, as JSON text.

use super::wire::Argument;
use crate::domain::call_options::CallOptions;
use crate::domain::paying::DrawOrder;
use crate::domain::spending::{Limit, MOST_LIMITS, no_list};
use crate::domain::value::{Fields, Value, check_id};
use crate::error::{Error, Result};

/// The arguments of a call, read one by one.
pub(super) struct Arguments {
    /// The function's name.
    pub(super) function: &'static str,
    rest: std::vec::IntoIter<Argument>,
    user_by_number: Option<Error>,
    /// The connection's draw order.
    pub(super) draw_order: DrawOrder,
}

impl Arguments {
    /// Parses the JSON text of an array.
    pub(super) fn read(
        function: &'static str,
        arguments: &str,
        draw_order: &DrawOrder,
    ) -> Result<Self> {
        let mut arguments: Vec<Argument> = serde_json::from_str(arguments)
            .map_err(|error| Error::Internal(format!("{function}: {error}")))?;
        let user_by_number = take_numbers(&mut arguments);
        let (rest, draw_order) = (arguments.into_iter(), draw_order.clone());
        Ok(Self { function, rest, user_by_number, draw_order })
    }

    pub(super) fn next(&mut self) -> Argument {
        self.rest.next().unwrap_or(Argument::Nothing)
    }

    /// A user's id: text or a number.
    pub(super) fn user_id(&mut self) -> Result<String> {
        const NAME: &str = "userId";
        let value = self.value(NAME)?;
        let Some(Value::Integer(number)) = value else { return check_id(NAME, value.as_ref()) };
        self.user_by_number.get_or_insert(by_number(number));
        Ok(number.to_string())
    }

    /// If the call names a user by a number: the error for databases whose user ids are text.
    pub(super) fn user_by_number(self) -> Option<Error> {
        self.user_by_number
    }

    pub(super) fn id(&mut self, name: &str) -> Result<String> {
        check_id(name, self.value(name)?.as_ref())
    }

    /// An argument; `None` if it was not passed.
    pub(super) fn value(&mut self, name: &str) -> Result<Option<Value>> {
        match self.next() {
            Argument::Nothing => Ok(None),
            passed => read_value(name, passed).map(Some),
        }
    }

    /// The fields of an object. Fields that are `undefined` are left out.
    pub(super) fn fields(&mut self, name: &str) -> Result<Fields> {
        self.next().into_object(name)
    }

    /// The fields of an optional object.
    pub(super) fn optional_fields(&mut self, name: &str) -> Result<Fields> {
        match self.rest.as_slice().first() {
            None | Some(Argument::Nothing) => {
                self.next();
                Ok(Fields::default())
            }
            Some(_) => self.fields(name),
        }
    }

    /// The options, the last argument of most functions.
    pub(super) fn options(&mut self) -> Result<CallOptions> {
        let limits = match self.rest.as_mut_slice().first_mut() {
            Some(Argument::Fields(fields)) => take_limits(fields).transpose()?,
            _ => None,
        };
        let passed = self.optional_fields(&format!("{}(options)", self.function))?;
        let (limits, draw_order) = (limits.unwrap_or_default().into(), self.draw_order.clone());
        Ok(CallOptions { passed, limits, draw_order })
    }

    /// Rejects arguments that this version does not know: an ignored option could go unnoticed.
    pub(super) fn nothing_left(&mut self) -> Result<()> {
        match self.rest.find(|passed| *passed != Argument::Nothing) {
            None => Ok(()),
            Some(other) => Err(invalid(self.function, "called without further arguments", &other)),
        }
    }
}

impl Argument {
    /// The fields of an object. Fields that are `undefined` are left out.
    pub(super) fn into_object(self, name: &str) -> Result<Fields> {
        match self {
            Self::Fields(fields) => fields
                .into_iter()
                .filter(|(_, passed)| *passed != Self::Nothing)
                .map(|(name, passed)| read_value(&name, passed).map(|value| (name, value)))
                .collect(),
            other => Err(invalid(name, "an object", &other)),
        }
    }

    /// An object whose fields are objects themselves.
    pub(super) fn into_fields(self, name: &str) -> Result<ArgumentMap> {
        match self {
            Self::Fields(fields) => Ok(ArgumentMap(fields)),
            other => Err(invalid(name, "an object", &other)),
        }
    }

    pub(super) fn describe(&self) -> String {
        match self {
            Self::Nothing => "undefined".to_owned(),
            Self::Value(value) => value.describe(),
            Self::Fields(_) => "an object".to_owned(),
            Self::List(_) => "a list".to_owned(),
        }
    }
}

/// Arguments by name.
pub(super) struct ArgumentMap(Vec<(String, Argument)>);

impl ArgumentMap {
    pub(super) fn take(&mut self, name: &str) -> Argument {
        match self.0.iter().position(|(other, _)| other == name) {
            Some(at) => self.0.remove(at).1,
            None => Argument::Nothing,
        }
    }

    pub(super) fn fields(&mut self, name: &str) -> Result<Fields> {
        self.take(name).into_object(name)
    }

    pub(super) fn value(&mut self, name: &str) -> Result<Option<Value>> {
        match self.take(name) {
            Argument::Nothing => Ok(None),
            passed => read_value(name, passed).map(Some),
        }
    }

    pub(super) fn nothing_left(self, function: &str) -> Result<()> {
        match self.0.into_iter().next() {
            None => Ok(()),
            Some((field, _)) => Err(Error::UnknownField { table: function.to_owned(), field }),
        }
    }
}

/// Takes the limits out of the options and leaves null; `None` if there is no list of limits.
fn take_limits(options: &mut [(String, Argument)]) -> Option<Result<Vec<Limit>>> {
    let (_, passed) = options.iter_mut().find(|(name, _)| name == "limits")?;
    let items = match passed {
        Argument::List(items) => std::mem::take(items),
        _ => return None,
    };
    *passed = Argument::Value(Value::Null);
    if items.len() > MOST_LIMITS {
        return Some(Err(no_list(format!("{} limits", items.len()))));
    }
    let limit = |(at, item): (usize, Argument)| {
        Limit::parse(at, &item.into_object(&format!("limits[{at}]"))?)
    };
    Some(items.into_iter().enumerate().map(limit).collect())
}

/// Converts user ids that are numbers to text. Returns the error for databases whose user ids are text.
fn take_numbers(arguments: &mut [Argument]) -> Option<Error> {
    let mut refusal = None;
    for argument in arguments {
        let found = match argument {
            Argument::Fields(fields) => take_numbers_of(fields),
            Argument::List(items) => {
                let items = items.iter_mut().enumerate();
                items.fold(None, |refusal, (index, item)| {
                    let Argument::Fields(fields) = item else { return refusal };
                    let found = take_numbers_of(fields).map(|refusal| refusal.of_item(index));
                    refusal.or(found)
                })
            }
            _ => None,
        };
        refusal = refusal.or(found);
    }
    refusal
}

fn take_numbers_of(fields: &mut [(String, Argument)]) -> Option<Error> {
    fields.iter_mut().fold(None, |refusal, (name, passed)| {
        let found = match (name.as_str(), &mut *passed) {
            ("userId", Argument::Value(Value::Integer(number))) => {
                let (number, refusal) = (number.to_string(), by_number(*number));
                *passed = Argument::Value(Value::Text(number));
                Some(refusal)
            }
            ("task", Argument::Fields(fields)) => take_numbers_of(fields),
            _ => None,
        };
        refusal.or(found)
    })
}

fn by_number(number: i64) -> Error {
    Error::InvalidId { name: "userId".to_owned(), given: number.to_string() }
}

/// An object in place of a value, as in `createMediaTask(task, { … })`.
fn read_value(name: &str, passed: Argument) -> Result<Value> {
    match passed {
        Argument::Value(value) => Ok(value),
        other => Err(invalid(name, "a value", &other)),
    }
}

fn invalid(name: &str, expected: &str, passed: &Argument) -> Error {
    Error::InvalidArgument {
        name: name.to_owned(),
        expected: expected.to_owned(),
        given: passed.describe(),
    }
}
