//! The API as a client meets it: real routes, real store, a hostile caller now and then.

mod control;
mod embedding;
mod levels;
mod members;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::api::running::RunningRooms;
use crate::api::{ApiState, router};
use crate::auth::limits::Rate;
use crate::auth::passkeys::{PasskeySettings, Passkeys};
use crate::auth::proof::tests::Signer;
use crate::auth::request::{ClientAddr, Origins};
use crate::auth::session::{Auth, AuthSettings};
use crate::clock::{Clock, ManualClock};
use crate::guard::Guard;
use crate::ids::{self, AccountId, ActorId, RoomId};
use crate::rooms::view::Profile;
use crate::secret::{Secret, SystemRandom};
use crate::store::audit::Verdict;
use crate::store::database::Store;
use crate::store::database::tests::store;
use crate::store::roles::GivenRole;
use crate::store::settings::{StoredLevels, StoredOrg};

const ORIGIN: &str = "https://meet.example.org";
const PASSWORD: &str = "correct horse battery";

mod authenticator;
mod ownsessions;
mod passkeys;
mod possession;
mod renewal;
mod setup;

#[derive(Default)]
struct Told(Mutex<Vec<String>>);

impl RunningRooms for Told {
    fn settings_changed(&self, room: RoomId, stored: StoredLevels) -> BoxFuture<'_, ()> {
        let changed = stored
            .levels
            .settings()
            .pairs()
            .map(|(key, value)| format!("{key}={value}"))
            .collect::<Vec<_>>();
        self.0
            .lock()
            .unwrap()
            .push(format!("{room} {}", changed.join(" ")));
        Box::pin(async {})
    }

    fn organisation_changed(&self, stored: Arc<StoredOrg>) -> BoxFuture<'_, ()> {
        let said = stored.choices.iter().map(|(key, choice)| {
            let locked = if choice.locked { " locked" } else { "" };
            format!("{key}={}{locked}", choice.value)
        });
        let said: Vec<_> = said.collect();
        self.0.lock().unwrap().push(format!(
            "organisation {} two_hosts={}",
            said.join(" "),
            stored.choices.two_hosts()
        ));
        Box::pin(async {})
    }

    fn password_changed(
        &self,
        room: RoomId,
        _revision: u64,
        password: Secret<String>,
    ) -> BoxFuture<'_, ()> {
        self.0
            .lock()
            .unwrap()
            .push(format!("{room} password {}", password.expose()));
        Box::pin(async {})
    }

    fn profile_changed(&self, actor: ActorId, profile: Profile) -> BoxFuture<'_, ()> {
        let picture = profile.picture.map(|picture| picture.to_string());
        self.0.lock().unwrap().push(format!(
            "{actor} shows {} {}",
            profile.name,
            picture.unwrap_or_default()
        ));
        Box::pin(async {})
    }

    fn ended(&self, room: RoomId) -> BoxFuture<'_, ()> {
        self.0.lock().unwrap().push(format!("{room} ended"));
        Box::pin(async {})
    }
}

struct World {
    _folder: tempfile::TempDir,
    store: Store,
    clock: Arc<ManualClock>,
    auth: Arc<Auth>,
    guard: Arc<Guard>,
    told: Arc<Told>,
    routes: Router,
    /// The key of the page.
    key: Signer,
    proofs: AtomicU64,
}

#[derive(Debug, PartialEq)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

impl Answer {
    fn code(&self) -> (u16, &str) {
        (
            self.status.as_u16(),
            self.body["code"].as_str().unwrap_or_default(),
        )
    }

    fn cookies(&self) -> Vec<&str> {
        self.headers
            .get_all(header::SET_COOKIE)
            .iter()
            .map(|cookie| cookie.to_str().unwrap())
            .collect()
    }
}

async fn world() -> World {
    let (folder, store) = store().await;
    let clock = Arc::new(ManualClock::new());
    let random = Arc::new(SystemRandom);
    let settings = AuthSettings::default();
    let auth = Auth::start_with(store.clone(), clock.clone(), random.clone(), settings)
        .await
        .unwrap();
    let passkeys = Passkeys::new(&PasskeySettings::default(), &[ORIGIN.to_owned()]).unwrap();
    let auth = Arc::new(auth.with_passkeys(passkeys));
    let guard = Arc::new(Guard::new(store.clone(), clock.clone()).unwrap());
    let told = Arc::new(Told::default());
    let routes = router(ApiState {
        auth: auth.clone(),
        store: store.clone(),
        guard: guard.clone(),
        rooms: told.clone(),
        origins: Origins::new([ORIGIN.to_owned()]),
        clock: clock.clone(),
        random,
        webhooks: Default::default(),
        control_pace: Rate::new(200, Duration::from_millis(100)),
    });
    World {
        _folder: folder,
        store,
        clock,
        auth,
        guard,
        told,
        routes,
        key: Signer::new(),
        proofs: AtomicU64::new(0),
    }
}

impl World {
    async fn send(&self, request: Request<Body>) -> Answer {
        let mut request = request;
        request
            .extensions_mut()
            .insert(ClientAddr(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))));
        let response = self.routes.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, 1 << 20).await.unwrap();
        let body = if bytes.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&bytes).unwrap()
        };
        Answer {
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }

    /// As a program: with a token, without origin and cookies.
    async fn program(&self, method: &str, path: &str, token: Option<&str>, body: Value) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        self.send(with(request, body)).await
    }

    /// As a page: with our origin, the cookie of a session if there is one, and a proof of the page's key. The value to
    /// sign is fetched as a page does: by asking without one.
    async fn page(&self, method: &str, path: &str, cookie: Option<&str>, body: Value) -> Answer {
        let answer = self
            .signed(&self.key, (method, path), cookie, body.clone(), "")
            .await;
        match answer.headers.get("dpop-nonce") {
            Some(nonce) => {
                assert_eq!(answer.code(), (401, "use_dpop_nonce"));
                let nonce = nonce.to_str().unwrap();
                self.signed(&self.key, (method, path), cookie, body, nonce)
                    .await
            }
            None => answer,
        }
    }

    /// As a page with some key.
    async fn signed(
        &self,
        key: &Signer,
        (method, path): (&str, &str),
        cookie: Option<&str>,
        body: Value,
        nonce: &str,
    ) -> Answer {
        let address = format!("{ORIGIN}{}", path.split('?').next().unwrap());
        let id = self.proofs.fetch_add(1, Ordering::Relaxed).to_string();
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("dpop", key.proof(method, &address, &id, nonce))
            .header("origin", ORIGIN);
        if let Some(cookie) = cookie {
            request = request.header("cookie", cookie);
        }
        self.send(with(request, body)).await
    }

    /// The cookie of the first account's page.
    async fn session_of_a_page(&self) -> String {
        let credentials = json!({"email": "owner@example.org", "password": PASSWORD});
        let signed_in = self.page("POST", "/api/session", None, credentials).await;
        assert_eq!(signed_in.status, StatusCode::OK, "{}", signed_in.body);
        let cookie = signed_in.cookies()[0].split(';').next().unwrap().to_owned();
        assert!(cookie.starts_with("__Host-conclave="));
        cookie
    }

    /// A proof of the page's key that would be taken now.
    async fn proof(&self, method: &str, path: &str, cookie: &str) -> String {
        let nonce = self.nonce(cookie).await;
        let id = self.proofs.fetch_add(1, Ordering::Relaxed).to_string();
        let address = format!("{ORIGIN}{path}");
        self.key.proof(method, &address, &id, &nonce)
    }

    /// What a page has to sign now.
    async fn nonce(&self, cookie: &str) -> String {
        let me = ("GET", "/api/me");
        let answer = self
            .signed(&self.key, me, Some(cookie), Value::Null, "")
            .await;
        answer.headers["dpop-nonce"].to_str().unwrap().to_owned()
    }

    /// The first account: administrator.
    async fn owner(&self) -> String {
        let link = self.auth.first_owner_link().await.unwrap().unwrap();
        let body = acceptance(link.expose(), "owner@example.org", "Owner");
        let made = self
            .program("POST", "/api/invitations/accept", None, body)
            .await;
        assert_eq!(made.status, StatusCode::OK, "{}", made.body);
        made.body["token"].as_str().unwrap().to_owned()
    }

    async fn member(
        &self,
        owner: &str,
        email: &str,
        may_create_rooms: bool,
    ) -> (AccountId, String) {
        let invite = json!({"kind": "member", "may_create_rooms": may_create_rooms});
        let invited = self
            .program("POST", "/api/invitations", Some(owner), invite)
            .await;
        let path = invited.body["path"].as_str().unwrap();
        let secret = path.strip_prefix("/invitation#").unwrap();
        let made = self
            .program(
                "POST",
                "/api/invitations/accept",
                None,
                acceptance(secret, email, "Attendee"),
            )
            .await;
        let id = made.body["me"]["id"].as_str().unwrap().parse().unwrap();
        (id, made.body["token"].as_str().unwrap().to_owned())
    }

    async fn room(&self, owner: &str) -> String {
        let made = self
            .program(
                "POST",
                "/api/rooms",
                Some(owner),
                json!({"title": "Weekly"}),
            )
            .await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
        made.body["id"].as_str().unwrap().to_owned()
    }
}

fn acceptance(secret: &str, email: &str, name: &str) -> Value {
    json!({"token": secret, "email": email, "name": name, "password": PASSWORD})
}

fn with(request: axum::http::request::Builder, body: Value) -> Request<Body> {
    match body {
        Value::Null => request.body(Body::empty()).unwrap(),
        body => request
            .header("content-type", "application/json")
            .body(Body::from(body.to_string()))
            .unwrap(),
    }
}

#[tokio::test]
async fn a_page_signs_in_makes_a_room_and_signs_out() {
    let world = world().await;
    world.owner().await;
    let credentials = json!({"email": "Owner@example.org", "password": PASSWORD});
    let signed_in = world.page("POST", "/api/session", None, credentials).await;
    assert_eq!(signed_in.status, StatusCode::OK);
    assert_eq!(signed_in.body["me"]["kind"], "account");
    assert_eq!(signed_in.body["me"]["admin"], true);
    assert!(signed_in.body.get("token").is_none() && signed_in.body.get("device").is_none());
    let cookies = signed_in.cookies();
    assert_eq!(cookies.len(), 3);
    assert!(cookies.iter().all(|cookie| {
        cookie.ends_with("; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=900")
            || cookie.ends_with("; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=86400")
            || cookie.starts_with("__Host-conclave-device=")
    }));
    let cookie = cookies[0].split(';').next().unwrap();

    let me = world
        .page("GET", "/api/me", Some(cookie), Value::Null)
        .await;
    assert_eq!(me.body["name"], "Owner");
    let made = world
        .page(
            "POST",
            "/api/rooms",
            Some(cookie),
            json!({"title": " All  hands "}),
        )
        .await;
    assert_eq!(made.body["title"], "All hands");
    let id = made.body["id"].as_str().unwrap();
    assert_eq!(made.body["path"], format!("/r/{id}"));
    assert_eq!(made.body["password"].as_str().unwrap().len(), 27);
    let listed = world
        .page("GET", "/api/rooms", Some(cookie), Value::Null)
        .await;
    assert_eq!(listed.body["rooms"][0]["id"], id);

    let out = world
        .page("DELETE", "/api/session", Some(cookie), Value::Null)
        .await;
    assert_eq!(out.status, StatusCode::NO_CONTENT);
    assert!(out.cookies()[0].starts_with("__Host-conclave=; "));
    let me = world
        .page("GET", "/api/me", Some(cookie), Value::Null)
        .await;
    assert_eq!(me.code(), (401, "signed_out"));
}

#[tokio::test]
async fn t09_a_room_of_others_and_no_room_answer_alike() {
    let world = world().await;
    let admin = world.owner().await;
    let (_, stranger) = world.member(&admin, "attendee@example.org", true).await;
    let theirs = world.room(&admin).await;
    let none = ids::random::<RoomId>(&SystemRandom).to_string();
    let guest = world
        .program(
            "POST",
            "/api/guest",
            None,
            json!({"room": theirs, "name": "Visitor"}),
        )
        .await;
    let guest = guest.body["token"].as_str().unwrap();
    for token in [stranger.as_str(), guest] {
        for (method, rest, body) in [
            ("GET", "", Value::Null),
            ("DELETE", "", Value::Null),
            ("GET", "/password", Value::Null),
            ("POST", "/password", json!({})),
            ("GET", "/settings", Value::Null),
            (
                "PATCH",
                "/settings",
                json!({"key": "waiting_room", "value": "nobody"}),
            ),
        ] {
            let at = async |room: &str| {
                world
                    .program(
                        method,
                        &format!("/api/rooms/{room}{rest}"),
                        Some(token),
                        body.clone(),
                    )
                    .await
            };
            let refused = at(&theirs).await;
            assert_eq!(refused.code(), (404, "not_found"), "{method} {rest}");
            assert_eq!(refused, at(&none).await, "{method} {rest}");
            assert_eq!(refused, at("not-an-id").await, "{method} {rest}");
        }
    }
    assert!(
        world
            .store
            .room(world.store.org(), theirs.parse().unwrap())
            .await
            .unwrap()
            .is_some()
    );
    assert!(world.told.0.lock().unwrap().is_empty());
    world.guard.flush().await;
    let trail = world.store.audit_for_test().await;
    assert!(
        trail
            .iter()
            .any(|row| row.action == "end_room" && row.verdict == Verdict::Denied)
    );
}

#[tokio::test]
async fn a_host_sees_a_room_but_not_its_password_and_cannot_end_it() {
    let world = world().await;
    let admin = world.owner().await;
    let (host, token) = world.member(&admin, "attendee@example.org", false).await;
    let id = world.room(&admin).await;
    let by = ActorId::from_bytes([0; 16]);
    let room: RoomId = id.parse().unwrap();
    let now = world.clock.now();
    world
        .store
        .set_role(
            world.store.org(),
            room,
            host,
            Some(GivenRole::Host),
            by,
            now,
        )
        .await
        .unwrap();
    let ask = async |method: &str, rest: &str| {
        world
            .program(
                method,
                &format!("/api/rooms/{id}{rest}"),
                Some(&token),
                Value::Null,
            )
            .await
            .status
            .as_u16()
    };
    assert_eq!(ask("GET", "").await, 200);
    assert_eq!(ask("GET", "/settings").await, 200);
    assert_eq!(ask("GET", "/password").await, 404);
    assert_eq!(ask("DELETE", "").await, 404);
    let listed = world
        .program("GET", "/api/rooms", Some(&token), Value::Null)
        .await;
    assert_eq!(listed.body["rooms"][0]["role"], "host");
}

#[tokio::test]
async fn t05_a_guest_may_do_nothing_here() {
    let world = world().await;
    let admin = world.owner().await;
    let id = world.room(&admin).await;
    let guest = world
        .program(
            "POST",
            "/api/guest",
            None,
            json!({"room": id, "name": "Visitor"}),
        )
        .await;
    assert_eq!(guest.body["me"]["room"], id);
    let token = guest.body["token"].as_str().unwrap();
    let me = world
        .program("GET", "/api/me", Some(token), Value::Null)
        .await;
    assert_eq!(me.body["kind"], "guest");
    let invite = json!({"kind": "member", "may_create_rooms": true});
    for (method, path, body) in [
        ("GET", "/api/rooms", Value::Null),
        ("POST", "/api/rooms", json!({"title": "Mine"})),
        ("POST", "/api/invitations", invite),
    ] {
        assert_eq!(
            world.program(method, path, Some(token), body).await.code(),
            (403, "not_allowed"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_guest_session_says_nothing_about_the_room() {
    let world = world().await;
    let admin = world.owner().await;
    let there = world.room(&admin).await;
    let not_there = ids::random::<RoomId>(&SystemRandom).to_string();
    let mut shapes = Vec::new();
    for room in [there, not_there] {
        let guest = world
            .page(
                "POST",
                "/api/guest",
                None,
                json!({"room": room, "name": "Visitor"}),
            )
            .await;
        assert_eq!(guest.status, StatusCode::OK);
        let cookie = guest.cookies()[0];
        assert!(cookie.starts_with("__Host-conclave="));
        shapes.push((
            guest.headers.len(),
            cookie.len(),
            guest.body.to_string().len(),
        ));
    }
    assert_eq!(shapes[0], shapes[1]);
}

#[tokio::test]
async fn only_who_may_makes_rooms_and_invites() {
    let world = world().await;
    let admin = world.owner().await;
    let (_, plain) = world.member(&admin, "attendee@example.org", false).await;
    let (_, maker) = world.member(&admin, "visitor@example.org", true).await;
    let title = json!({"title": "Mine"});
    assert_eq!(
        world
            .program("POST", "/api/rooms", Some(&plain), title.clone())
            .await
            .status
            .as_u16(),
        403
    );
    assert_eq!(
        world
            .program("POST", "/api/rooms", Some(&maker), title)
            .await
            .status
            .as_u16(),
        201
    );
    let invite = json!({"kind": "member", "may_create_rooms": true});
    assert_eq!(
        world
            .program("POST", "/api/invitations", Some(&maker), invite.clone())
            .await
            .status
            .as_u16(),
        403
    );
    let owner = json!({"kind": "owner", "may_create_rooms": true});
    assert_eq!(
        world
            .program("POST", "/api/invitations", Some(&admin), owner)
            .await
            .code(),
        (400, "bad_request")
    );
    let trail = world.store.audit_for_test().await;
    assert_eq!(
        trail
            .iter()
            .filter(|row| row.action == "invite_account")
            .count(),
        2
    );
}

#[tokio::test]
async fn an_invitation_is_used_once_and_a_taken_address_looks_like_a_spent_one() {
    let world = world().await;
    let admin = world.owner().await;
    let invite = json!({"kind": "member", "may_create_rooms": false, "name": "Attendee"});
    let accept = "/api/invitations/accept";
    let secret = async || {
        let invited = world
            .program("POST", "/api/invitations", Some(&admin), invite.clone())
            .await;
        invited.body["path"]
            .as_str()
            .unwrap()
            .strip_prefix("/invitation#")
            .unwrap()
            .to_owned()
    };
    let (one, two) = (secret().await, secret().await);
    let made = world
        .page(
            "POST",
            accept,
            None,
            acceptance(&one, "attendee@example.org", "Attendee"),
        )
        .await;
    assert_eq!(made.status, StatusCode::OK);
    assert_eq!(made.cookies().len(), 3);
    let again = world
        .page(
            "POST",
            accept,
            None,
            acceptance(&one, "visitor@example.org", "Visitor"),
        )
        .await;
    assert_eq!(again.code(), (403, "invitation_refused"));
    let taken = world
        .page(
            "POST",
            accept,
            None,
            acceptance(&two, "attendee@example.org", "Visitor"),
        )
        .await;
    assert_eq!(taken, again);
    let spent = world
        .page(
            "POST",
            accept,
            None,
            acceptance(&two, "visitor@example.org", "Visitor"),
        )
        .await;
    assert_eq!(spent, again);
    let made_up = world
        .page(
            "POST",
            accept,
            None,
            acceptance("AAAA", "visitor@example.org", "Visitor"),
        )
        .await;
    assert_eq!(made_up, again);
}

#[tokio::test]
async fn an_unknown_account_and_a_wrong_password_answer_alike() {
    let world = world().await;
    world.owner().await;
    let sign_in = async |email: &str, password: &str| {
        world
            .page(
                "POST",
                "/api/session",
                None,
                json!({"email": email, "password": password}),
            )
            .await
    };
    let wrong = sign_in("owner@example.org", "wrong horse battery").await;
    assert_eq!(wrong.code(), (401, "sign_in_refused"));
    assert!(wrong.cookies().is_empty());
    for (email, password) in [
        ("nobody@example.org", PASSWORD),
        ("no address", PASSWORD),
        ("owner@example.org", "short"),
        ("", ""),
    ] {
        assert_eq!(sign_in(email, password).await, wrong, "{email}");
    }
    world.guard.flush().await;
    let trail = world.store.audit_for_test().await;
    let counted: u64 = trail
        .iter()
        .filter(|row| row.action == "sign_in" && row.verdict == Verdict::Denied)
        .map(|row| row.count)
        .sum();
    assert_eq!(counted, 5);
}

#[tokio::test]
async fn t10_guesses_at_a_password_run_out_with_a_time_to_wait() {
    let world = world().await;
    world.owner().await;
    let body = json!({"email": "owner@example.org", "password": "wrong horse battery"});
    let mut last = None;
    for _ in 0..8 {
        last = Some(
            world
                .program("POST", "/api/token", None, body.clone())
                .await,
        );
    }
    let last = last.unwrap();
    assert_eq!(last.code(), (429, "rate_limited"));
    let wait: u64 = last.headers[header::RETRY_AFTER]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    world.clock.advance(Duration::from_secs(wait));
    let right = json!({"email": "owner@example.org", "password": PASSWORD});
    let signed_in = world.program("POST", "/api/token", None, right).await;
    assert_eq!(signed_in.status, StatusCode::OK);
    assert!(signed_in.body["token"].is_string() && signed_in.body["device"].is_string());
    assert!(signed_in.cookies().is_empty());
}

#[tokio::test]
async fn x07_nothing_is_changed_from_a_foreign_page() {
    let world = world().await;
    let token = world.owner().await;
    let id = world.room(&token).await;
    let cookie = world.session_of_a_page().await;
    let bearer = format!("Bearer {token}");
    let room = format!("/api/rooms/{id}");
    let foreign = "https://evil.example";
    for headers in [
        &[("cookie", cookie.as_str()), ("origin", foreign)][..],
        &[("cookie", cookie.as_str()), ("origin", "null")],
        &[("cookie", cookie.as_str())],
        &[
            ("cookie", cookie.as_str()),
            ("origin", ORIGIN),
            ("sec-fetch-site", "cross-site"),
        ],
        &[("authorization", bearer.as_str()), ("origin", foreign)],
        &[("authorization", bearer.as_str()), ("cookie", "a=b")],
        &[
            ("authorization", bearer.as_str()),
            ("cookie", cookie.as_str()),
        ],
    ] {
        for (method, path, body) in [
            (Method::DELETE, room.as_str(), None),
            (Method::DELETE, "/api/session", None),
            (Method::POST, "/api/rooms", Some(r#"{"title":"x"}"#)),
        ] {
            let proof = world.proof(method.as_str(), path, &cookie).await;
            let mut request = Request::builder().method(method).uri(path);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            request = request.header("content-type", "application/json");
            request = request.header("dpop", proof);
            let request = request
                .body(body.map_or(Body::empty(), Body::from))
                .unwrap();
            let answer = world.send(request).await;
            assert!(
                matches!(answer.status.as_u16(), 401 | 403),
                "{headers:?} {path}: {}",
                answer.body
            );
        }
    }
    // The same cookie and proof from our own page are taken.
    let own = world
        .page("DELETE", "/api/session", Some(&cookie), Value::Null)
        .await;
    assert_eq!(own.status, StatusCode::NO_CONTENT);
    // A page gets no token to read, a program no cookie to lose.
    let credentials = json!({"email": "owner@example.org", "password": PASSWORD});
    let from_page = world
        .page("POST", "/api/token", None, credentials.clone())
        .await;
    assert_eq!(from_page.code(), (403, "wrong_origin"));
    let from_program = world
        .program("POST", "/api/session", None, credentials)
        .await;
    assert_eq!(from_program.code(), (403, "wrong_origin"));
    assert!(
        world
            .program("GET", &room, Some(&token), Value::Null)
            .await
            .status
            .is_success()
    );
}

#[tokio::test]
async fn x07_no_get_changes_anything() {
    let world = world().await;
    let token = world.owner().await;
    let id = world.room(&token).await;
    for path in [
        "/api/session",
        "/api/token",
        "/api/guest",
        "/api/invitations",
        "/api/invitations/accept",
    ] {
        let answer = world.program("GET", path, Some(&token), Value::Null).await;
        assert_eq!(answer.code(), (405, "bad_method"), "{path}");
    }
    let answer = world
        .program("GET", "/api/rooms/x/y/z", Some(&token), Value::Null)
        .await;
    assert_eq!(answer.code(), (404, "not_found"));
    assert!(
        world
            .program(
                "GET",
                &format!("/api/rooms/{id}"),
                Some(&token),
                Value::Null
            )
            .await
            .status
            .is_success()
    );
}

#[tokio::test]
async fn a_body_is_strict_bounded_and_said_to_be_json() {
    let world = world().await;
    let token = world.owner().await;
    let send = async |kind: Option<&str>, body: String| {
        let mut request = Request::builder()
            .method("POST")
            .uri("/api/rooms")
            .header("authorization", format!("Bearer {token}"));
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        let answer = world.send(request.body(Body::from(body)).unwrap()).await;
        (
            answer.status.as_u16(),
            answer.body["code"].as_str().unwrap_or_default().to_owned(),
        )
    };
    let json = Some("application/json");
    let good = || r#"{"title":"x"}"#.to_owned();
    assert_eq!(send(json, good()).await.0, 201);
    assert_eq!(
        send(Some("application/json; charset=utf-8"), good())
            .await
            .0,
        201
    );
    for kind in [
        None,
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
        Some("application/jsonp"),
        Some(""),
    ] {
        assert_eq!(
            send(kind, good()).await,
            (415, "not_json".to_owned()),
            "{kind:?}"
        );
    }
    for body in [
        String::new(),
        "{}".to_owned(),
        "[]".to_owned(),
        "null".to_owned(),
        r#"{"title":1}"#.to_owned(),
        r#"{"title":"x","owner":"me"}"#.to_owned(),
        r#"{"title":"x","title":"y"}"#.to_owned(),
        r#"{"title":"x"} {}"#.to_owned(),
        format!(r#"{{"title":"{}"}}"#, "x".repeat(3000)),
        "[".repeat(10_000),
        "\u{0}".to_owned(),
    ] {
        assert_eq!(
            send(json, body.clone()).await,
            (400, "bad_request".to_owned()),
            "{body:.40}"
        );
    }
    let large = format!(r#"{{"title":"{}"}}"#, "x".repeat(17 * 1024));
    assert_eq!(send(json, large).await, (413, "too_large".to_owned()));
    for title in ["", "  ", "a\u{202e}b", &"x".repeat(121)] {
        let body = json!({"title": title}).to_string();
        assert_eq!(send(json, body).await, (422, "invalid_name".to_owned()));
    }
}

#[tokio::test]
async fn every_answer_forbids_being_kept_framed_or_guessed_at() {
    let world = world().await;
    for (method, path) in [
        ("GET", "/api/me"),
        ("GET", "/api/none"),
        ("PUT", "/api/rooms"),
        ("POST", "/api/guest"),
    ] {
        let answer = world.program(method, path, None, Value::Null).await;
        assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store", "{path}");
        assert_eq!(answer.headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert_eq!(answer.headers[header::CONTENT_TYPE], "application/json");
        assert!(
            !answer
                .headers
                .contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN)
        );
    }
}

#[tokio::test]
async fn one_identity_cannot_hurry_and_others_are_not_held_up() {
    let world = world().await;
    let admin = world.owner().await;
    let (_, other) = world.member(&admin, "attendee@example.org", false).await;
    let mut refused = 0;
    for _ in 0..80 {
        let answer = world
            .program("GET", "/api/me", Some(&admin), Value::Null)
            .await;
        refused += u32::from(answer.status == StatusCode::TOO_MANY_REQUESTS);
    }
    assert!((15..=25).contains(&refused), "{refused}");
    assert!(
        world
            .program("GET", "/api/me", Some(&other), Value::Null)
            .await
            .status
            .is_success()
    );
}

#[tokio::test]
async fn without_a_database_nothing_is_acknowledged() {
    let world = world().await;
    let token = world.owner().await;
    world.store.close().await;
    let made = world
        .program("POST", "/api/rooms", Some(&token), json!({"title": "x"}))
        .await;
    assert_eq!(made.code(), (503, "unavailable"));
}
