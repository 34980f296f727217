//! Lists: filters, pages, and parts of pages.

use super::arguments::Arguments;
use crate::domain::column::{Kind, in_form};
use crate::domain::options::flag;
use crate::domain::table::TableName;
use crate::domain::value::{Fields, Value, check_id};
use crate::engine::Read;
use crate::error::{Error, Result};
use crate::storage::{Filter, Page, Window};

/// Parameters that filter rows, with their columns.
type Parameters = [(&'static str, &'static str)];

impl Arguments {
    /// A page of a table's rows.
    pub(super) fn list(&mut self, table: TableName, known: &Parameters) -> Result<Read> {
        let query = self.query(known, &["page", "limit", "getUser"])?;
        let page = read_page(query.get("page").cloned(), query.get("limit").cloned(), 30)?;
        let page = self.part(page)?;
        let filter = read_filter(table, known, &query)?;
        Ok(match flag(&query, "getUser")? {
            true => Read::ListWithUsers(filter, page),
            false => Read::List(filter, page),
        })
    }

    /// A part of a page, if the last arguments name one: `lib/lists.js` combines the parts of long pages.
    pub(super) fn part(&mut self, page: Page) -> Result<Page> {
        let (offset, limit) = (self.value("offset")?, self.value("rows")?);
        let (Some(Value::Integer(offset)), Some(Value::Integer(limit))) = (offset, limit) else {
            return Ok(page);
        };
        Ok(Page { part: Window { limit, offset }, ..page })
    }

    /// The total number of rows.
    pub(super) fn count(&mut self, table: TableName, known: &Parameters) -> Result<Read> {
        let query = self.query(known, &[])?;
        Ok(Read::Count(read_filter(table, known, &query)?))
    }

    fn query(&mut self, known: &Parameters, more: &[&str]) -> Result<Fields> {
        let name = self.function;
        let query = self.optional_fields(&format!("{name}(query)"))?;
        let names = known.iter().map(|(parameter, _)| *parameter);
        query.only(name, &names.chain(more.iter().copied()).collect::<Vec<_>>())?;
        Ok(query)
    }
}

/// A page, given as numbers or text.
pub(super) fn read_page(
    page: Option<Value>,
    limit: Option<Value>,
    default_limit: i64,
) -> Result<Page> {
    Ok(Page::whole(read_number("page", page, 1)?, read_number("limit", limit, default_limit)?))
}

/// A number of pages or rows, as large as JavaScript's safe integers. Empty text is not a number.
fn read_number(name: &str, value: Option<Value>, default: i64) -> Result<i64> {
    const LARGEST: i64 = (1 << 53) - 1;
    match value.map(from_url) {
        None => Ok(default),
        Some(Value::Text(text)) if text.is_empty() => Ok(default),
        Some(Value::Integer(number)) if (1..=LARGEST).contains(&number) => Ok(number),
        Some(other) => Err(Error::InvalidArgument {
            name: name.to_owned(),
            expected: format!("a whole number from 1 to {LARGEST}"),
            given: other.describe(),
        }),
    }
}

/// A number from a URL's query may be text.
pub(super) fn from_url(value: Value) -> Value {
    in_form(Kind::Integer, &value).into_owned()
}

fn read_filter(table: TableName, known: &[(&str, &'static str)], query: &Fields) -> Result<Filter> {
    let mut equal = Vec::new();
    for (parameter, column) in known {
        match query.get(parameter) {
            // Missing or empty means all, as in the app.
            None => {}
            Some(Value::Text(text)) if text.is_empty() => {}
            Some(Value::Null) if *parameter != "userId" => {}
            // Null does not mean all: without a session, an app must not read all users' rows.
            value => equal.push((*column, check_id(parameter, value)?)),
        }
    }
    Ok(Filter { table, equal })
}
