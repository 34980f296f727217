//! The results of statements
//! (<https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_query_response.html>).

use super::error::ClientError;
use super::fields::Fields;
use super::packets::Packets;

/// The result of one statement.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResultSet {
    /// The columns of its rows; empty for statements without rows.
    pub columns: Vec<ColumnInfo>,
    /// Its rows as text; `None` is NULL.
    pub rows: Vec<Vec<Option<Vec<u8>>>>,
    /// How many rows matched, even if their values stay the same.
    pub affected_rows: u64,
    /// The server's status flags afterwards (`SERVER_STATUS_…`).
    pub status: u16,
}

/// A column of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnInfo {
    /// Its name or alias.
    pub name: String,
    /// Its type (`MYSQL_TYPE_…`).
    pub kind: u8,
    /// The character set of its text; 63 means bytes.
    pub charset: u16,
    /// Its other attributes (`…_FLAG`).
    pub flags: u16,
}

/// The status flag for further results.
const MORE_RESULTS: u16 = 8;

/// Reads the results of all statements, up to the first that fails.
pub(super) async fn read_all(
    packets: &mut Packets,
    ends_with_ok: bool,
) -> Result<Vec<ResultSet>, ClientError> {
    let mut all = Vec::new();
    loop {
        let one = read_one(packets, ends_with_ok).await;
        let one = one.map_err(|error| error.of_statement(all.len()))?;
        let is_last = one.status & MORE_RESULTS == 0;
        all.push(one);
        if is_last {
            return Ok(all);
        }
    }
}

async fn read_one(packets: &mut Packets, ends_with_ok: bool) -> Result<ResultSet, ClientError> {
    let mut first = Fields::new(packets.message().await?);
    if first.skip(0x00) {
        return done(first);
    }
    if first.skip(0xFB) {
        return Err(ClientError::Protocol("the server asks for a file of this machine"));
    }
    let count = first.number()?;
    if !first.is_empty() {
        return Err(ClientError::Protocol("a number of columns is not valid"));
    }
    let mut columns = Vec::new();
    for _ in 0..count {
        columns.push(column(packets.message().await?)?);
    }
    if !ends_with_ok && end(packets.message().await?, false).is_none() {
        return Err(ClientError::Protocol("there are more columns than announced"));
    }
    let mut rows = Vec::new();
    loop {
        let message = packets.message().await?;
        match end(message, ends_with_ok) {
            Some(end) => return Ok(ResultSet { columns, rows, ..end? }),
            None => rows.push(row(message, columns.len())?),
        }
    }
}

/// Reads the packet that ends a list, if this is one. A row with the same first byte is too long for one
/// packet.
fn end(message: &[u8], is_ok: bool) -> Option<Result<ResultSet, ClientError>> {
    let mut fields = Fields::new(message);
    if message.len() >= if is_ok { 0xFF_FFFF } else { 9 } || !fields.skip(0xFE) {
        return None;
    }
    if is_ok {
        return Some(done(fields));
    }
    // The number of warnings, then the status.
    let status = fields.u16().and_then(|_| fields.u16());
    Some(status.map(|status| ResultSet { status, ..ResultSet::default() }))
}

/// Reads the result of a statement without rows, after its first byte.
fn done(mut fields: Fields<'_>) -> Result<ResultSet, ClientError> {
    let affected_rows = fields.number()?;
    let _last_insert_id = fields.number()?;
    let status = fields.u16()?;
    Ok(ResultSet { affected_rows, status, ..ResultSet::default() })
}

fn column(message: &[u8]) -> Result<ColumnInfo, ClientError> {
    let mut fields = Fields::new(message);
    // Catalog, schema, table, and the table's own name.
    for _ in 0..4 {
        fields.bytes()?;
    }
    let name = String::from_utf8_lossy(fields.bytes()?).into_owned();
    let _own_name = fields.bytes()?;
    let _length_of_the_rest = fields.number()?;
    let charset = fields.u16()?;
    let _longest_value = fields.u32()?;
    Ok(ColumnInfo { name, charset, kind: fields.u8()?, flags: fields.u16()? })
}

fn row(message: &[u8], columns: usize) -> Result<Vec<Option<Vec<u8>>>, ClientError> {
    let mut fields = Fields::new(message);
    let mut row = Vec::with_capacity(columns);
    for _ in 0..columns {
        row.push(fields.cell()?.map(<[u8]>::to_vec));
    }
    if !fields.is_empty() {
        return Err(ClientError::Protocol("a row has more values than columns"));
    }
    Ok(row)
}
