//! What a handler of the control API is given: who asks, where, with what query and what body. All of it is read strictly: a parameter that
//! the endpoint does not know, or one that comes twice, is refused in the query as in the body.

use std::sync::Arc;

use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use serde::de::DeserializeOwned;

use crate::api::again::there;
use crate::api::body::Strict;
use crate::api::problem::Problem;
use crate::api::router::Api;
use crate::api::v1::problem::Refused;
use crate::auth::principal::Principal;

/// Who asks, at an endpoint that takes no query.
pub(in crate::api) struct By(pub(in crate::api) Principal);

/// Who asks, with a query of type `Q`.
pub(in crate::api) struct Asking<Q>(pub(in crate::api) Principal, pub(in crate::api) Q);

/// Who asks, if their holder was there lately: for what would stay with whoever finds an open browser.
pub(in crate::api) struct There(pub(in crate::api) Principal);

/// Who asks, at an endpoint that takes no query: a program, or a person who was there lately.
pub(in crate::api) struct Here(pub(in crate::api) Principal);

/// The variable parts of the path.
pub(in crate::api) struct At<T>(pub(in crate::api) T);

/// A body of type `T`.
pub(in crate::api) struct Given<T>(pub(in crate::api) T);

/// The state that the request is about (RFC 9110, section 13.1.1), if it names one.
pub(in crate::api) struct IfMatch(pub(in crate::api) Option<String>);

impl<S: Sync> FromRequestParts<S> for By {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Refused> {
        if parts.uri.query().is_some_and(|query| !query.is_empty()) {
            return Err(Problem::BadRequest.into());
        }
        whoever(parts).map(Self)
    }
}

impl FromRequestParts<Arc<Api>> for There {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Refused> {
        let By(principal) = By::from_request_parts(parts, api).await?;
        there(api, &principal, &parts.headers)?;
        Ok(Self(principal))
    }
}

impl FromRequestParts<Arc<Api>> for Here {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Refused> {
        let By(principal) = By::from_request_parts(parts, api).await?;
        here(api, &principal, &parts.headers)?;
        Ok(Self(principal))
    }
}

/// Whether a person who asks was there lately. A program is nowhere: its key says what it may do.
pub(in crate::api) fn here(
    api: &Api,
    principal: &Principal,
    headers: &HeaderMap,
) -> Result<(), Refused> {
    if principal.account().is_some() {
        there(api, principal, headers)?;
    }
    Ok(())
}

impl<S: Sync, Q: DeserializeOwned> FromRequestParts<S> for Asking<Q> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Refused> {
        let Query(query) =
            Query::try_from_uri(&parts.uri).map_err(|_| Refused(Problem::BadRequest))?;
        Ok(Self(whoever(parts)?, query))
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for At<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let path = Path::from_request_parts(parts, state).await;
        let Path(path) = path.map_err(|_| Refused(Problem::NotFound))?;
        Ok(Self(path))
    }
}

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for Given<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refused> {
        let Strict(body) = Strict::from_request(request, state).await?;
        Ok(Self(body))
    }
}

impl<S: Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Refused> {
        Ok(Self(only(&parts.headers, header::IF_MATCH.as_str())?))
    }
}

/// A header that may come once.
pub(super) fn only(headers: &HeaderMap, name: &str) -> Result<Option<String>, Refused> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => {
            let text = value.to_str().map_err(|_| Refused(Problem::BadRequest))?;
            Ok(Some(text.to_owned()))
        }
        (Some(_), Some(_)) => Err(Problem::BadRequest.into()),
    }
}

/// Put there by the gate, which lets nobody else through.
fn whoever(parts: &Parts) -> Result<Principal, Refused> {
    let found = parts.extensions.get::<Principal>().cloned();
    found.ok_or(Refused(Problem::SignedOut))
}
