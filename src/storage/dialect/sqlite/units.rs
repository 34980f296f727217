//! Finds the unit of a database's times, from the columns' defaults and stored values.

use std::ops::Range;

use super::Statement;
use super::declared::{Declared, Sample};
use crate::domain::table::{TableName, TaskKind};
use crate::error::{Error, Result};
use crate::storage::schema::{Kind, quote};
use crate::storage::times::TimestampUnit;

/// Columns whose values are never far in the past or the future, so that they reveal the unit.
const CLOCK_COLUMNS: [&str; 2] = ["created_at", "updated_at"];

/// A unit, and the value or default that reveals it.
type Evidence = (Unit, String);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Seconds,
    Milliseconds,
    /// Not supported by this package.
    Microseconds,
}

impl Unit {
    const ALL: [Self; 3] = [Self::Seconds, Self::Milliseconds, Self::Microseconds];

    fn as_str(self) -> &'static str {
        match self {
            Self::Seconds => TimestampUnit::Seconds.as_str(),
            Self::Milliseconds => TimestampUnit::Milliseconds.as_str(),
            Self::Microseconds => "µs",
        }
    }

    fn of(unit: TimestampUnit) -> Self {
        match unit {
            TimestampUnit::Seconds => Self::Seconds,
            TimestampUnit::Milliseconds => Self::Milliseconds,
        }
    }
}

/// Finds the unit of times. All columns that reveal one must agree: first those filled in by a clock, then
/// other time columns, such as `expires_at`. A table of tasks that disagrees can't be used, but the others
/// can: its error is returned with the unit.
pub(super) fn find_unit(
    found: &[(TableName, Vec<Declared>)],
) -> Result<(TimestampUnit, Vec<(TableName, Error)>)> {
    let unit = by_clocks(found)?;
    let mut unusable = Vec::new();
    for (table, columns) in with_ids(found) {
        let times = columns.iter().filter(|column| column.kind() == Kind::Timestamp);
        for column in times {
            let Some((other, evidence)) = of_column(table, column) else { continue };
            if other == Unit::of(unit) {
                continue;
            }
            let (other, unit) = (other.as_str(), unit.as_str());
            let error = Error::TimestampUnitUnclear {
                evidence: format!("{evidence} says {other}, other columns say {unit}"),
                remedy: format!("Keep this column in {unit} like the others, in the app too"),
            };
            if !table.is_optional() {
                return Err(error);
            }
            unusable.push((table, error));
        }
    }
    Ok((unit, unusable))
}

/// The tables that exist.
fn with_ids(
    found: &[(TableName, Vec<Declared>)],
) -> impl Iterator<Item = (TableName, &[Declared])> {
    let tables = found.iter().map(|(table, columns)| (*table, columns.as_slice()));
    tables.filter(|(_, columns)| columns.iter().any(|column| column.name == "id"))
}

fn is_clock(column: &Declared) -> bool {
    CLOCK_COLUMNS.contains(&column.name.as_str())
}

/// The unit of the clocks: from columns' defaults, and from the stored values of clock columns.
fn by_clocks(found: &[(TableName, Vec<Declared>)]) -> Result<TimestampUnit> {
    let mut evidence: Vec<Evidence> = Vec::new();
    let mut without_times = None;
    // AI tasks do not count, so that they can't affect an app that does not use them.
    let tables = with_ids(found).filter(|(table, _)| *table != TableName::Tasks(TaskKind::Ai));
    for (table, columns) in tables {
        for column in columns.iter().filter(|column| is_clock(column)) {
            let place = format!("{}.{}", table.sql(), column.name);
            if let Some(unit) = column.default_clock() {
                evidence.push((Unit::of(unit), format!("the default of {place}")));
            }
            let told: Vec<_> = column.samples.iter().filter_map(Sample::unit_of_clock).collect();
            evidence.extend(units_of_many(&told, &place));
            if column.samples.iter().any(|Sample(stored)| stored.is_none()) {
                without_times.get_or_insert(place);
            }
        }
    }
    let Some((unit, first)) = evidence.first() else {
        return without_times
            .map_or(Ok(TimestampUnit::Milliseconds), |place| Err(no_times(&place)));
    };
    let unclear = |evidence| Error::TimestampUnitUnclear {
        evidence,
        remedy: "Pass connect({ timestampUnit: 'ms' }) or 's'".to_owned(),
    };
    let says = format!("{first} says {}", unit.as_str());
    if let Some((other, second)) = evidence.iter().find(|(other, _)| other != unit) {
        return Err(unclear(format!("{says}, {second} says {}", other.as_str())));
    }
    match unit {
        Unit::Seconds => Ok(TimestampUnit::Seconds),
        Unit::Milliseconds => Ok(TimestampUnit::Milliseconds),
        Unit::Microseconds => Err(unclear(says)),
    }
}

/// The units of a clock column's values. Units of fewer than half of the values are single wrong rows, which
/// an audit finds.
fn units_of_many(told: &[(Unit, f64)], place: &str) -> Vec<Evidence> {
    let evidence = |unit: Unit| {
        let mut of_unit = told.iter().filter(|(other, _)| *other == unit);
        let is_half = of_unit.clone().count() * 2 >= told.len();
        let (_, stored) = of_unit.next().filter(|_| is_half)?;
        Some((unit, format!("{place} = {stored}")))
    };
    Unit::ALL.into_iter().filter_map(evidence).collect()
}

/// The unit in which most of a column's values are plausible. At least two values must agree: one may be a
/// wrong row.
fn of_column(table: TableName, column: &Declared) -> Option<Evidence> {
    const SEVERAL: usize = 2;
    let unit = if is_clock(column) { Sample::unit_of_clock } else { Sample::unit_of_sale };
    let told: Vec<(Unit, f64)> = column.samples.iter().filter_map(unit).collect();
    let evidence = |unit: Unit| {
        let mut of_unit = told.iter().filter(|(other, _)| *other == unit);
        let count = of_unit.clone().count();
        let (_, stored) = of_unit.next().filter(|_| count >= SEVERAL && count * 2 > told.len())?;
        Some((unit, format!("{}.{} = {stored}", table.sql(), column.name)))
    };
    Unit::ALL.into_iter().find_map(evidence)
}

impl Sample {
    /// A number below the first plausible millisecond value is in seconds: as milliseconds it would be before
    /// March 1973, and as seconds it reaches to the year 5138. The same holds for microseconds, by a factor
    /// of a thousand. Values outside 1973 to 5138 in every unit, or with a fraction, were not written by a
    /// clock.
    fn unit_of_clock(&self) -> Option<(Unit, f64)> {
        const FIRST: f64 = 100_000_000.0;
        let firsts = [FIRST, FIRST * 1e3, FIRST * 1e6, FIRST * 1e9];
        let stored = self.0.filter(|stored| stored.fract() == 0.0)?;
        let mut told = Unit::ALL.into_iter().zip(firsts.windows(2));
        told.find(|(_, firsts)| (firsts[0]..firsts[1]).contains(&stored))
            .map(|(unit, _)| (unit, stored))
    }

    /// The unit of a time that may be far in the past or the future: only if it falls in the years 2010 to
    /// 2100, when credits are sold or expire.
    fn unit_of_sale(&self) -> Option<(Unit, f64)> {
        const SOLD: Range<f64> = 1_262_304_000.0..4_102_444_800.0;
        let stored = self.0?;
        let in_seconds = [stored, stored / 1e3, stored / 1e6];
        let mut told = Unit::ALL.into_iter().zip(in_seconds);
        told.find(|(_, seconds)| SOLD.contains(seconds)).map(|(unit, _)| (unit, stored))
    }
}

/// Whether this column's values reveal the unit.
pub(super) fn is_told_by(column: &Declared) -> bool {
    is_clock(column) || column.kind() == Kind::Timestamp
}

/// Samples of a column: the first rows and, by the primary key's index, rows at random places. A few suffice,
/// because an app writes all its times in one unit, but only few grants may expire. The number of rows read
/// does not grow with the table.
pub(super) fn samples(table: TableName, column: &Declared) -> Statement<'static> {
    let rows = match table {
        TableName::Credit if !is_clock(column) => 1000,
        // Rows of tasks may hold long texts.
        _ => 50,
    };
    let (table, column) = (quote(table.sql()), quote(&column.name));
    let some = |order| {
        format!("SELECT * FROM (SELECT id, {column} AS stored FROM {table} {order} LIMIT {rows})")
    };
    let (first, random) = (some(""), some("ORDER BY id DESC"));
    // UNION, so that a row in both samples counts once.
    let text = format!("SELECT stored FROM ({first} UNION {random}) WHERE stored IS NOT NULL");
    Statement::new(text, [])
}

fn no_times(place: &str) -> Error {
    Error::SchemaMismatch {
        problem: format!("{place} holds no epoch milliseconds or seconds"),
        remedy: "Declare the column as integer(…, { mode: 'timestamp_ms' }) in the app's Drizzle \
                 schema and convert its rows"
            .to_owned(),
    }
}
