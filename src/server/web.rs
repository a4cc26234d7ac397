//! The pages, from inside the binary. Every page answer carries the policy that lets it run nothing but itself.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use rust_embed::RustEmbed;

use crate::store::database::Store;

/// Scripts, styles and connections only from here; no inline code, no frames, nothing injected as markup.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self'; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; \
                      trusted-types 'none'; frame-ancestors ";

/// What the page may use of the device, and nobody it might embed.
const PERMISSIONS: &str =
    "camera=(self), microphone=(self), display-capture=(self), geolocation=(), usb=(), payment=()";

#[derive(RustEmbed)]
#[folder = "web/dist"]
#[allow_missing = true]
struct Pages;

/// The routes of the pages. Paths of the app itself all get its one page.
pub fn router(store: Store) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/invitation", get(page))
        .route("/g/{room}", get(page))
        .route("/sign-in/{provider}", get(page))
        .route("/account", get(page))
        .route("/reset", get(page))
        .route("/verify", get(page))
        .route("/organisation", get(page))
        .route("/organisation/{part}", get(page))
        .route("/embed", get(embedded).with_state(store))
        .route("/r/{room}", get(page))
        .route("/r/{room}/{part}", get(page))
        .route("/assets/{*path}", get(asset))
        .fallback(async || serve("", "no-store"))
}

async fn page() -> Response {
    serve("index.html", "no-cache")
}

/// The one page that may stand in a frame: of the origins that the organisation allows, and of no others.
async fn embedded(State(store): State<Store>) -> Response {
    let mut response = serve("index.html", "no-store");
    let origins = store.embedding_origins(store.org()).await;
    let origins = origins.unwrap_or_default();
    // Origins are letters, digits and a few signs: always a header's value.
    if !origins.is_empty()
        && let Ok(policy) = HeaderValue::try_from(format!("{POLICY}{}", origins.join(" ")))
    {
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
        // It knows no lists, and what is said above is newer.
        headers.remove(header::X_FRAME_OPTIONS);
    }
    response
}

async fn asset(Path(path): Path<String>) -> Response {
    // Names carry a digest of their content.
    serve(
        &format!("assets/{path}"),
        "public, max-age=31536000, immutable",
    )
}

fn serve(path: &str, cache: &'static str) -> Response {
    let policy = format!("{POLICY}'none'");
    let guards = [
        ("content-security-policy", policy.as_str()),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("x-frame-options", "DENY"),
        ("strict-transport-security", "max-age=31536000"),
        ("permissions-policy", PERMISSIONS),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ];
    let Some(file) = Pages::get(path) else {
        return (StatusCode::NOT_FOUND, guards, "not found").into_response();
    };
    let kind = HeaderValue::from_str(file.metadata.mimetype())
        .unwrap_or(HeaderValue::from_static("application/octet-stream"));
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, HeaderValue::from_static(cache)),
    ];
    (headers, guards, file.data).into_response()
}
