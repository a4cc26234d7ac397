//! Idempotency keys: a POST that comes again with the same key is done once and answered alike. What failed changed nothing and is simply
//! tried again; only what was done is kept.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use ring::digest::{Context, SHA256};
use tokio::time::timeout;

use crate::api::problem::Problem;
use crate::api::router::Api;
use crate::api::v1::caller::only;
use crate::api::v1::problem::Refused;
use crate::auth::principal::Principal;
use crate::ids::ActorId;
use crate::secret::Secret;
use crate::store::idempotency::Given;

/// The header that names a request (draft-ietf-httpapi-idempotency-key-header).
pub(super) const HEADER: &str = "idempotency-key";
/// An answer that is given again says so.
const AGAIN: HeaderName = HeaderName::from_static("idempotency-replayed");
/// Characters of a key.
const LONGEST: usize = 64;
/// Bytes of a body, as everywhere in the API.
const MAX_BODY: usize = 16 * 1024;
/// Bytes of an answer that is kept; no endpoint that changes something answers more.
const MAX_ANSWER: usize = 256 * 1024;
/// A body that trickles in is given up.
const PATIENCE: Duration = Duration::from_secs(10);
/// Requests with a key under way at a time.
const MOST: usize = 1024;

/// Requests that are being carried out, by whom and under which name.
#[derive(Debug, Default)]
pub(in crate::api) struct UnderWay(Mutex<HashSet<(ActorId, [u8; 32])>>);

/// A place among them, given back when it is dropped.
struct Place<'a> {
    among: &'a UnderWay,
    which: (ActorId, [u8; 32]),
}

/// Carries a request out, or answers as it was answered before.
pub(super) async fn once(
    api: &Arc<Api>,
    principal: &Principal,
    request: Request,
    next: Next,
) -> Result<Response, Refused> {
    let Some(key) = only(request.headers(), HEADER)? else {
        return Ok(next.run(request).await);
    };
    if key.is_empty() || key.len() > LONGEST || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Problem::BadRequest.into());
    }
    let (parts, body) = request.into_parts();
    let body = timeout(PATIENCE, to_bytes(body, MAX_BODY)).await;
    let body = body
        .map_err(|_| Refused(Problem::BadRequest))?
        .map_err(|_| Refused(Problem::TooLarge))?;
    let name = hash(&[key.as_bytes()]);
    let kind = parts.headers.get(header::CONTENT_TYPE);
    let asked = hash(&[
        parts.method.as_str().as_bytes(),
        parts.uri.to_string().as_bytes(),
        kind.map_or(&[], HeaderValue::as_bytes),
        &body,
    ]);
    let (org, actor) = (principal.org, principal.actor());
    let _place = api.v1.under_way.enter((actor, name))?;
    let (store, now) = (&api.state.store, api.state.clock.now());
    if let Some(given) = store.answer_given(org, actor, name, now).await? {
        return if given.request == asked {
            replay(&given)
        } else {
            Err(Problem::KeyReused.into())
        };
    }
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    if !response.status().is_success() {
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, MAX_ANSWER).await;
    let body = body.map_err(|_| Refused(Problem::Unavailable))?;
    let text = String::from_utf8(body.to_vec()).map_err(|_| Refused(Problem::Unavailable))?;
    let given = Given {
        request: asked,
        status: parts.status.as_u16(),
        answer: Secret::new(text),
    };
    // What was done is done, whether the answer can be kept or not.
    if let Err(error) = store.keep_answer(org, actor, name, given, now).await {
        tracing::warn!(%error, "an answer could not be kept for the same request");
    }
    Ok(Response::from_parts(parts, Body::from(body)))
}

fn replay(given: &Given) -> Result<Response, Refused> {
    let status = StatusCode::from_u16(given.status).map_err(|_| Refused(Problem::Unavailable))?;
    let mut response = (status, given.answer.expose().clone()).into_response();
    if given.answer.expose().is_empty() {
        response.headers_mut().remove(header::CONTENT_TYPE);
    } else {
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
    }
    response
        .headers_mut()
        .insert(AGAIN, HeaderValue::from_static("true"));
    Ok(response)
}

/// Each part with its length, so that no two requests are spelled alike.
fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    let mut out = [0; 32];
    out.iter_mut()
        .zip(context.finish().as_ref())
        .for_each(|(to, from)| *to = *from);
    out
}

impl UnderWay {
    fn enter(&self, which: (ActorId, [u8; 32])) -> Result<Place<'_>, Refused> {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if places.len() >= MOST {
            return Err(Problem::Busy.into());
        }
        if !places.insert(which) {
            return Err(Problem::InProgress.into());
        }
        Ok(Place { among: self, which })
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut places = self.among.0.lock().unwrap_or_else(PoisonError::into_inner);
        places.remove(&self.which);
    }
}
