//! The pages, from inside the binary. Every page answer carries the policy that lets it run nothing but itself.

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use rust_embed::RustEmbed;

/// Scripts, styles and connections only from here; no inline code, no frames, nothing injected as markup.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self'; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'; trusted-types 'none'";

/// What the page may use of the device, and nobody it might embed.
const PERMISSIONS: &str =
    "camera=(self), microphone=(self), display-capture=(self), geolocation=(), usb=(), payment=()";

#[derive(RustEmbed)]
#[folder = "web/dist"]
#[allow_missing = true]
struct Pages;

/// The routes of the pages. Paths of the app itself all get its one page.
pub fn router() -> Router {
    Router::new()
        .route("/", get(page))
        .route("/invitation", get(page))
        .route("/g/{room}", get(page))
        .route("/sign-in/{provider}", get(page))
        .route("/account", get(page))
        .route("/organisation", get(page))
        .route("/organisation/{part}", get(page))
        .route("/r/{room}", get(page))
        .route("/r/{room}/{part}", get(page))
        .route("/assets/{*path}", get(asset))
        .fallback(async || serve("", "no-store"))
}

async fn page() -> Response {
    serve("index.html", "no-cache")
}

async fn asset(Path(path): Path<String>) -> Response {
    // Names carry a digest of their content.
    serve(
        &format!("assets/{path}"),
        "public, max-age=31536000, immutable",
    )
}

fn serve(path: &str, cache: &'static str) -> Response {
    let guards = [
        ("content-security-policy", POLICY),
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
