//! Pages: a limit, and an opaque cursor that says after which line the next one begins.

use data_encoding::BASE64URL_NOPAD;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::api::problem::Problem;
use crate::api::v1::problem::Refused;
use crate::bounded::Text;
use crate::clock::Timestamp;
use crate::store::pages::After;

/// Lines of a page, unless the caller wants fewer or more.
pub(super) const PAGE: u32 = 50;
/// Lines of a page at most.
const MOST: u32 = 200;

/// Which page is wanted.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct Wanted {
    /// `next` of the page before.
    #[param(value_type = Option<String>, max_length = 64)]
    pub(super) cursor: Option<Text<64>>,
    /// Lines of the page.
    #[param(minimum = 1, maximum = 200)]
    pub(super) limit: Option<u32>,
}

impl Wanted {
    /// After which line, and how many.
    pub(in crate::api) fn read(&self) -> Result<(Option<After>, u32), Refused> {
        let limit = self.limit.unwrap_or(PAGE);
        if !(1..=MOST).contains(&limit) {
            return Err(Problem::BadRequest.into());
        }
        let after = self.cursor.as_ref().map(|cursor| {
            let bytes = BASE64URL_NOPAD.decode(cursor.as_str().as_bytes()).ok()?;
            let (at, id) = bytes.split_first_chunk::<8>()?;
            let id: [u8; 16] = id.try_into().ok()?;
            Some((Timestamp::from_millis(i64::from_be_bytes(*at)), id))
        });
        match after {
            Some(None) => Err(Problem::BadRequest.into()),
            after => Ok((after.flatten(), limit)),
        }
    }
}

/// The cursor of the page that begins after this line.
pub(in crate::api) fn cursor((at, id): After) -> String {
    let bytes = [at.as_millis().to_be_bytes().as_slice(), &id].concat();
    BASE64URL_NOPAD.encode(&bytes)
}

/// The cursor of the page of what has smaller numbers than this.
pub(super) fn number_cursor(number: i64) -> String {
    BASE64URL_NOPAD.encode(&number.to_be_bytes())
}

/// The number in such a cursor.
pub(super) fn read_number(cursor: &str) -> Result<i64, Refused> {
    let bytes = BASE64URL_NOPAD.decode(cursor.as_bytes());
    let bytes = bytes.ok().and_then(|bytes| bytes.try_into().ok());
    bytes
        .map(i64::from_be_bytes)
        .ok_or(Refused(Problem::BadRequest))
}
