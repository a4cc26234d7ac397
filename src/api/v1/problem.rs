//! What the control API answers when it does not do what was asked: problem details (RFC 9457), with the codes of the whole API.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Json, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::problem::Problem;
use crate::auth::error::AuthError;
use crate::store::error::StoreError;

/// The media type of problem details.
pub(super) const MEDIA_TYPE: &str = "application/problem+json";

/// Why a request was not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::api) struct Refused(pub(in crate::api) Problem);

/// Why a request was not carried out (RFC 9457).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct Details {
    /// A stable name of the kind of problem: `urn:conclave:problem:` and the code.
    #[schema(example = "urn:conclave:problem:not_found")]
    r#type: String,
    /// One plain sentence for people.
    title: &'static str,
    /// The status of the answer.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// The stable code alone.
    #[schema(example = "not_found")]
    code: &'static str,
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let Self(problem) = self;
        let code = problem.code();
        let details = Details {
            r#type: format!("urn:conclave:problem:{code}"),
            title: problem.text(),
            status: problem.status().as_u16(),
            code,
        };
        let mut response = (problem.status(), Json(details)).into_response();
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        problem.mark(&mut response);
        response
    }
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self(error.into())
    }
}

impl From<AuthError> for Refused {
    fn from(error: AuthError) -> Self {
        Self(error.into())
    }
}
