//! Entity tags: a hash of what is shown, so that a change can say which state it is about.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Json, Response};
use data_encoding::BASE64URL_NOPAD;
use ring::digest::{SHA256, digest};
use serde::Serialize;

use crate::api::problem::Problem;
use crate::api::v1::problem::Refused;

/// Bytes of a tag: enough that no two states ever share one.
const BYTES: usize = 18;

/// A state, shown together with its tag.
pub(in crate::api) struct Tagged<T>(pub(in crate::api) T);

impl<T: Serialize> IntoResponse for Tagged<T> {
    fn into_response(self) -> Response {
        let tag = HeaderValue::try_from(of(&self.0));
        let mut response = Json(self.0).into_response();
        // Base64url in quotes is always a header's value.
        if let Ok(tag) = tag {
            response.headers_mut().insert(header::ETAG, tag);
        }
        response
    }
}

/// Whether the state that a request names, if it names one, is this.
pub(in crate::api) fn matches<T: Serialize>(named: Option<&str>, state: &T) -> Result<(), Refused> {
    let Some(named) = named else { return Ok(()) };
    let current = of(state);
    let mut tags = named.split(',').map(|tag| tag.trim_matches([' ', '\t']));
    if named.trim() == "*" || tags.any(|tag| tag == current) {
        Ok(())
    } else {
        Err(Problem::Changed.into())
    }
}

fn of<T: Serialize>(state: &T) -> String {
    let text = serde_json::to_vec(state).unwrap_or_default();
    let hash = digest(&SHA256, &text);
    let short: Vec<u8> = hash.as_ref().iter().copied().take(BYTES).collect();
    format!("\"{}\"", BASE64URL_NOPAD.encode(&short))
}
