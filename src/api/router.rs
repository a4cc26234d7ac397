//! The routes of the API and what every answer carries. Nothing that changes something is a GET.

use std::hash::RandomState;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware;
use axum::response::Response;
use axum::routing::{any, get, patch, post, put};

use crate::api::problem::Problem;
use crate::api::running::RunningRooms;
use crate::api::{
    account, again, audit, guestlinks, invitations, organisation, ownsessions, passkeys, profile,
    providers, quality, rooms, sessions, settings, speech, stepup, streamtokens, transcripts, v1,
};
use crate::auth::limits::{Rate, Rates};
use crate::auth::picture::Painter;
use crate::auth::request::Origins;
use crate::auth::session::Auth;
use crate::clock::Clock;
use crate::guard::Guard;
use crate::ids::ActorId;
use crate::secret::RandomSource;
use crate::store::database::Store;
use crate::webhooks::settings::WebhookSettings;

/// Requests of one identity: as fast as a person clicks, or a small program loops.
const PACE: Rate = Rate::new(60, Duration::from_millis(100));
/// Changes of one's profile, and pictures that are read for it: work for the server, and for hosts who decide.
const PROFILE_PACE: Rate = Rate::new(6, Duration::from_secs(10));
/// Pictures that one identity looks at: those of the largest meeting at once.
const PICTURE_PACE: Rate = Rate::new(1000, Duration::from_millis(20));
/// Requests with one token from one network: more than any other pace lets through.
const SHOWN_PACE: Rate = Rate::new(2000, Duration::from_millis(5));
/// Identities whose pace is remembered.
const PACED: usize = 16_384;

/// What the API works with.
#[derive(Clone)]
pub struct ApiState {
    /// Who someone is.
    pub auth: Arc<Auth>,
    /// What lasts.
    pub store: Store,
    /// What they may do.
    pub guard: Arc<Guard>,
    /// Rooms to be told of changes.
    pub rooms: Arc<dyn RunningRooms>,
    /// Pages that may act.
    pub origins: Origins,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Identifiers and room passwords.
    pub random: Arc<dyn RandomSource>,
    /// Where webhooks may lead.
    pub webhooks: WebhookSettings,
    /// How often each caller may ask the control API.
    pub control_pace: Rate,
}

/// The state together with what the API keeps for itself.
pub(super) struct Api {
    pub(super) state: ApiState,
    pub(super) pace: Mutex<Rates<ActorId>>,
    /// Of one token from one network, before anything of it is opened or verified.
    pub(super) shown_pace: Mutex<Rates<u64>>,
    pub(super) hasher: RandomState,
    pub(super) picture_pace: Mutex<Rates<ActorId>>,
    pub(super) profile_pace: Mutex<Rates<ActorId>>,
    pub(super) painter: Painter,
    pub(super) v1: v1::Kept,
}

/// The routes, all under `/api/`. Every request needs the extension [`crate::auth::request::ClientAddr`].
pub fn router(state: ApiState) -> Router {
    let control_pace = state.control_pace;
    let api = Arc::new(Api {
        state,
        pace: Mutex::new(Rates::new(PACE, PACED)),
        shown_pace: Mutex::new(Rates::new(SHOWN_PACE, PACED)),
        hasher: RandomState::new(),
        picture_pace: Mutex::new(Rates::new(PICTURE_PACE, PACED)),
        profile_pace: Mutex::new(Rates::new(PROFILE_PACE, PACED)),
        painter: Painter::default(),
        v1: v1::Kept::new(control_pace),
    });
    let control = v1::routes(api.clone());
    Router::new()
        .route(
            "/api/session",
            post(sessions::sign_in).delete(sessions::sign_out),
        )
        .route("/api/session/passkey/start", post(passkeys::start_sign_in))
        .route("/api/session/passkey", post(passkeys::sign_in))
        .route("/api/session/factor", post(passkeys::second_factor))
        .route("/api/session/step-up/start", post(stepup::start))
        .route("/api/session/step-up", post(stepup::show))
        .route("/api/again/passkey", post(again::start))
        .route("/api/again", post(again::prove))
        .route("/api/passkeys", get(passkeys::list).post(passkeys::add))
        .route("/api/passkeys/start", post(passkeys::start))
        .route(
            "/api/passkeys/{passkey}",
            patch(passkeys::rename).delete(passkeys::remove),
        )
        .route("/api/recovery-codes", post(passkeys::make_codes))
        .route("/api/account", get(account::show))
        .route("/api/account/verify", post(account::verify))
        .route("/api/account/email", post(account::change_email))
        .route("/api/account/password", post(account::change_password))
        .route("/api/account/end-others", post(account::end_others))
        .route("/api/sessions", get(ownsessions::list))
        .route(
            "/api/sessions/{session}",
            axum::routing::delete(ownsessions::end),
        )
        .route("/api/reset", post(account::ask_reset))
        .route("/api/reset/finish", post(account::finish_reset))
        .route("/api/verify", post(account::finish_verify))
        .route("/api/session/renew", post(sessions::renew))
        .route("/api/token", post(sessions::token))
        .route("/api/token/renew", post(sessions::renew_token))
        .route("/api/me", get(sessions::me).patch(profile::change))
        .route("/api/picture", put(profile::upload))
        .route("/api/pictures/{id}", get(profile::picture))
        .route("/api/providers", get(providers::list))
        .route(
            "/api/providers/{provider}/sign-in",
            post(providers::sign_in),
        )
        .route("/api/providers/{provider}/link", post(providers::link))
        .route(
            "/api/providers/{provider}/return",
            post(providers::come_back),
        )
        .route("/api/identities", get(providers::identities))
        .route(
            "/api/identities/{identity}",
            axum::routing::delete(providers::unlink),
        )
        .route("/api/guest", post(sessions::guest))
        .route("/api/invitations", post(invitations::create))
        .route("/api/invitations/accept", post(invitations::accept))
        .route("/api/rooms", get(rooms::list).post(rooms::create))
        .route("/api/rooms/{id}", get(rooms::show).delete(rooms::end))
        .route(
            "/api/rooms/{id}/password",
            get(rooms::password).post(rooms::new_password),
        )
        .route(
            "/api/rooms/{id}/settings",
            get(settings::show).patch(settings::change),
        )
        .route(
            "/api/rooms/{id}/speech",
            get(speech::show).put(speech::change),
        )
        .route("/api/rooms/{id}/audit", get(audit::of_room))
        .route("/api/rooms/{id}/quality", get(quality::show))
        .route("/api/organisation/audit", get(audit::of_organisation))
        .route(
            "/api/rooms/{id}/guest-links",
            get(guestlinks::list).post(guestlinks::create),
        )
        .route(
            "/api/rooms/{id}/guest-links/{link}",
            axum::routing::delete(guestlinks::revoke),
        )
        .route(
            "/api/rooms/{id}/stream-tokens",
            get(streamtokens::list).post(streamtokens::create),
        )
        .route(
            "/api/rooms/{id}/stream-tokens/{token}",
            axum::routing::delete(streamtokens::revoke),
        )
        .route("/api/rooms/{id}/transcripts", get(transcripts::list))
        .route(
            "/api/rooms/{id}/transcripts/{transcript}",
            axum::routing::delete(transcripts::delete),
        )
        .route(
            "/api/rooms/{id}/transcripts/{transcript}/{file}",
            get(transcripts::read),
        )
        .route("/api/rooms/{id}/settings/preview", get(settings::preview))
        .route("/api/rooms/{id}/entry", get(settings::entry))
        .route("/api/rooms/{id}/preset", post(settings::apply_preset))
        .route(
            "/api/organisation/settings",
            get(organisation::show).patch(organisation::change),
        )
        .route(
            "/api/organisation/sessions",
            axum::routing::delete(organisation::end_sessions),
        )
        .route(
            "/api/organisation/options",
            patch(organisation::change_options),
        )
        .route("/api/{*rest}", any(async || Problem::NotFound))
        .method_not_allowed_fallback(async || Problem::BadMethod)
        .merge(control)
        .layer(middleware::map_response(guarded))
        .with_state(api)
}

/// Marks an answer that never changes under its address, so that the reader's own browser may keep it.
#[derive(Clone, Copy)]
pub(super) struct Lasting;

/// No answer is kept, guessed at, framed or read by another site.
pub(super) async fn guarded(mut response: Response) -> Response {
    let lasting = response.extensions().get::<Lasting>().is_some();
    let cache = if lasting {
        "private, max-age=86400, immutable"
    } else {
        "no-store"
    };
    let fixed = [
        (header::CACHE_CONTROL, cache),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'; sandbox",
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ];
    for (name, value) in fixed {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}
