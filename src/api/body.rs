//! Request bodies, read within a bounded time: JSON of at most 16 KiB, said to be JSON, into a strict type; or a file, whatever
//! it is said to be.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use futures_util::StreamExt;
use serde::de::DeserializeOwned;
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::api::problem::Problem;

const MAX_BYTES: usize = 16 * 1024;
/// A body that trickles in is given up.
const PATIENCE: Duration = Duration::from_secs(10);
/// A file may come over a slow line.
const FILE_PATIENCE: Duration = Duration::from_secs(30);

/// A body of type `T`.
pub(super) struct Strict<T>(pub(super) T);

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for Strict<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        // A form of a foreign page can send text and forms, never this type, without our permission.
        if !is_json(request.headers()) {
            return Err(Problem::NotJson);
        }
        let read = timeout(PATIENCE, read(request.into_body(), MAX_BYTES));
        let bytes = read.await.map_err(|_| Problem::BadRequest)??;
        // Fields would also be read from an array, by their order, which is described nowhere.
        let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
        if first != Some(&b'{') {
            return Err(Problem::BadRequest);
        }
        serde_json::from_slice(&bytes)
            .map(Self)
            .map_err(|_| Problem::BadRequest)
    }
}

/// A file of at most so many bytes.
pub(super) async fn file(body: Body, most: usize) -> Result<Vec<u8>, Problem> {
    let read = timeout(FILE_PATIENCE, read(body, most));
    let mut bytes = read.await.map_err(|_| Problem::BadRequest)??;
    Ok(std::mem::take(&mut bytes))
}

async fn read(body: Body, most: usize) -> Result<Zeroizing<Vec<u8>>, Problem> {
    let mut bytes = Zeroizing::new(Vec::new());
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| Problem::BadRequest)?;
        if bytes.len().saturating_add(chunk.len()) > most {
            return Err(Problem::TooLarge);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn is_json(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(only), None) = (types.next(), types.next()) else {
        return false;
    };
    let Ok(text) = only.to_str() else {
        return false;
    };
    let mut parts = text.split(';').map(|part| part.trim_matches(' '));
    parts
        .next()
        .is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"))
        && parts.all(|parameter| parameter.eq_ignore_ascii_case("charset=utf-8"))
}
