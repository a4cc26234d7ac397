//! Reading typed values out of rows. A value of the wrong shape is corruption, never a guess.

use crate::clock::Timestamp;
use crate::secret::Secret;
use crate::store::error::StoreError;
use crate::store::seal::{Column, SealingKeys};
use crate::store::sql::{Row, Target};

/// An identifier of 16 bytes.
pub(super) fn id<I: From<[u8; 16]>>(row: &Row, column: &str) -> Result<I, StoreError> {
    bytes::<16>(row, column).map(I::from)
}

/// Exactly `N` bytes.
pub(super) fn bytes<const N: usize>(row: &Row, column: &str) -> Result<[u8; N], StoreError> {
    row.try_get::<&[u8], _>(column)?
        .try_into()
        .map_err(|_| StoreError::Corrupt)
}

/// An identifier that may be absent.
pub(super) fn id_or_none<I: From<[u8; 16]>>(
    row: &Row,
    column: &str,
) -> Result<Option<I>, StoreError> {
    let bytes: Option<Vec<u8>> = row.try_get(column)?;
    bytes
        .map(|bytes| <[u8; 16]>::try_from(bytes).map(I::from))
        .transpose()
        .map_err(|_| StoreError::Corrupt)
}

/// A point in time.
pub(super) fn time(row: &Row, column: &str) -> Result<Timestamp, StoreError> {
    Ok(Timestamp::from_millis(row.try_get(column)?))
}

/// A point in time that may be absent.
pub(super) fn time_or_none(row: &Row, column: &str) -> Result<Option<Timestamp>, StoreError> {
    Ok(row
        .try_get::<Option<i64>, _>(column)?
        .map(Timestamp::from_millis))
}

/// Yes or no, stored as 1 or 0.
pub(super) fn flag(row: &Row, column: &str) -> Result<bool, StoreError> {
    match row.try_get::<i64, _>(column)? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(StoreError::Corrupt),
    }
}

/// Sealed text, opened. `Missing` when the room or the account that it belongs to has ended.
pub(super) async fn sealed_text(
    on: impl Into<Target<'_>>,
    row: &Row,
    keys: &SealingKeys,
    column: Column,
    id: &[&[u8]],
) -> Result<Secret<String>, StoreError> {
    let sealed: &[u8] = row.try_get(column.name)?;
    keys.open_text(on, column, id, sealed).await
}
