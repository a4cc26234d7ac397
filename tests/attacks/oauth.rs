//! Attacks on sign-in by providers, with a provider that the test makes and that behaves as badly as it can: T13, T14, X07 and
//! what RFC 9700 lists. Each is refused, and links nothing.

use std::time::Duration;

use reqwest::Method;
use reqwest::header::{COOKIE, ORIGIN, SET_COOKIE};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

use crate::common::server::{Answer, PASSWORD, Person, Room, Server};
use crate::common::socket::Socket;
use crate::common::text;
use crate::provider::{Manner, Plan, Provider, pairs};
use crate::raw;

/// One browser: its cookies, and an address of its own.
#[derive(Clone)]
pub(crate) struct Browser<'a> {
    server: &'a Server,
    pub(crate) session: Option<String>,
    pub(crate) away: Option<String>,
    address: String,
}

impl<'a> Browser<'a> {
    pub(crate) fn new(server: &'a Server, number: usize) -> Self {
        let [.., a, b] = u32::try_from(number).unwrap().to_be_bytes();
        Self {
            server,
            session: None,
            away: None,
            address: format!("10.{a}.{b}.7"),
        }
    }

    /// Someone is signed in there.
    pub(crate) async fn of(server: &'a Server, number: usize, email: &str) -> Self {
        Self {
            session: Some(session(server, email).await),
            ..Self::new(server, number)
        }
    }

    fn cookies(&self) -> String {
        let cookies = [
            ("__Host-conclave", &self.session),
            ("__Host-conclave-away", &self.away),
        ];
        let cookies = cookies
            .iter()
            .filter_map(|(name, value)| Some(format!("{name}={}", value.as_ref()?)));
        cookies.collect::<Vec<_>>().join("; ")
    }

    pub(crate) async fn call(&mut self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let proof = self.server.sign(method.as_str(), path).await;
        let mut request = self
            .server
            .http
            .request(method, self.server.url(path))
            .header("dpop", proof);
        request = request
            .header(ORIGIN, self.server.origin())
            .header("X-Forwarded-For", &self.address);
        let cookies = self.cookies();
        if !cookies.is_empty() {
            request = request.header(COOKIE, cookies);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = Answer::of(request.send().await.unwrap()).await;
        for cookie in answer.headers.get_all(SET_COOKIE) {
            let (pair, rest) = cookie.to_str().unwrap().split_once(';').unwrap();
            assert!(rest.contains("Secure; HttpOnly; SameSite="), "{rest}");
            let (name, value) = pair.split_once('=').unwrap();
            let value = (!value.is_empty()).then(|| value.to_owned());
            match name {
                "__Host-conclave" => self.session = value,
                "__Host-conclave-away" => {
                    assert!(rest.contains("SameSite=Lax"), "{rest}");
                    self.away = value;
                }
                _ => {}
            }
        }
        answer
    }

    /// Begins; gives the address of the provider's page.
    pub(crate) async fn leave(&mut self, provider: &str) -> String {
        let path = format!("/api/providers/{provider}/sign-in");
        let answer = self
            .call(Method::POST, &path, Some(json!({"next": "/organisation"})))
            .await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        text(&answer.body, "address")
    }

    async fn leave_to_link(&mut self, provider: &str) -> String {
        let path = format!("/api/providers/{provider}/link");
        let answer = self
            .call(Method::POST, &path, Some(json!({"password": PASSWORD})))
            .await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        text(&answer.body, "address")
    }

    pub(crate) async fn come_back(&mut self, provider: &str, body: Value) -> Answer {
        let path = format!("/api/providers/{provider}/return");
        self.call(Method::POST, &path, Some(body)).await
    }

    /// The whole way there and back.
    pub(crate) async fn sign_in(&mut self, at: &Provider, provider: &str, subject: &str) -> Answer {
        let address = self.leave(provider).await;
        let code = at.authorize(&address, subject);
        self.come_back(provider, json!({"state": state(&address), "code": code}))
            .await
    }

    pub(crate) async fn link(&mut self, at: &Provider, provider: &str, subject: &str) -> Answer {
        let address = self.leave_to_link(provider).await;
        let code = at.authorize(&address, subject);
        self.come_back(provider, json!({"state": state(&address), "code": code}))
            .await
    }

    /// Joins a room as a page does.
    pub(crate) async fn join(&self, room: &Room) -> Socket {
        let (cookies, origin) = (self.cookies(), self.server.origin());
        let fields = [("cookie", cookies.as_str()), ("origin", &origin)];
        let mut socket = Socket::open(self.server, None, Some(&fields))
            .await
            .unwrap();
        let challenge = socket.read().await.unwrap();
        let (address, nonce) = (self.server.url("/ws"), text(&challenge, "nonce"));
        let proof = self.server.key.proof("GET", &address, &nonce);
        let request = json!({"type": "join", "room": room.id, "password": room.password});
        let frame = json!({"id": 1, "proof": proof, "request": request});
        socket.raw(frame.to_string()).await;
        socket
    }

    pub(crate) async fn me(&mut self) -> Answer {
        self.call(Method::GET, "/api/me", None).await
    }
}

/// The session of a page that somebody signs in on, from its cookie.
async fn session(server: &Server, email: &str) -> String {
    let cookie = server.cookie(email).await;
    cookie.strip_prefix("__Host-conclave=").unwrap().to_owned()
}

pub(crate) fn state(address: &str) -> String {
    pairs(address.split_once('?').unwrap().1)["state"].clone()
}

/// The one answer to whatever is wrong, and no session with it.
pub(crate) fn refused(answer: &Answer, what: &str) {
    let code = answer.body["code"].as_str().unwrap_or_default();
    assert_eq!(
        (answer.status.as_u16(), code),
        (403, "provider_refused"),
        "{what}: {}",
        answer.body
    );
    let sessions = answer.headers.get_all(SET_COOKIE).iter();
    let sessions =
        sessions.filter(|cookie| cookie.to_str().unwrap().starts_with("__Host-conclave="));
    assert_eq!(sessions.count(), 0, "{what}");
}

/// A server with these providers, its owner, and a member who has the e-mail address that every identity claims.
async fn world(providers: &[String]) -> (Server, Person, Person) {
    let providers = format!("[{}]", providers.join(", "));
    let server = Server::start_set(&[
        ("CONCLAVE_PROVIDERS", &providers),
        ("CONCLAVE_PROXIES__TRUSTED", "[\"127.0.0.0/8\"]"),
    ])
    .await;
    let owner = server.owner().await;
    let member = server.member(&owner, "member@example.org", "Member").await;
    (server, owner, member)
}

async fn linked(server: &Server, person: &Person) -> usize {
    let answer = server
        .get(Method::GET, "/api/identities", Some(&person.token), None)
        .await;
    answer["identities"].as_array().unwrap().len()
}

fn over(value: Value) -> Map<String, Value> {
    let Value::Object(map) = value else {
        unreachable!()
    };
    map
}

#[tokio::test]
async fn t13_an_identity_comes_in_only_after_its_holder_proved_both_sides() {
    let (one, other) = (Provider::start().await, Provider::start().await);
    let (server, owner, member) =
        world(&[one.settings("one", ""), other.settings("other", "")]).await;
    // The member's own, verified e-mail address opens nothing; an unverified one neither.
    for verified in [json!(true), json!(false), Value::Null] {
        one.plan(|plan| plan.claims = over(json!({"email_verified": verified})));
        refused(
            &Browser::new(&server, 1).sign_in(&one, "one", "77").await,
            "e-mail",
        );
    }
    one.behave();
    assert_eq!(linked(&server, &member).await, 0);
    // A link needs the password once more, even with a session.
    let mut browser = Browser::of(&server, 2, "member@example.org").await;
    let path = "/api/providers/one/link";
    for (body, status) in [
        (json!({"password": "wrong horse battery"}), 401),
        (json!({}), 400),
    ] {
        assert_eq!(
            browser.call(Method::POST, path, Some(body)).await.status,
            status
        );
    }
    let nobody = Browser::new(&server, 3)
        .call(Method::POST, path, Some(json!({"password": PASSWORD})))
        .await;
    assert_eq!(nobody.status, 401);
    let answer = browser.link(&one, "one", "77").await;
    assert_eq!(
        (answer.status.as_u16(), &answer.body["linked"]),
        (200, &json!(true)),
        "{}",
        answer.body
    );
    assert_eq!(linked(&server, &member).await, 1);
    // From here on that identity is the member, whatever address its provider says it has now.
    one.plan(|plan| plan.claims = over(json!({"email": "owner@example.org"})));
    let mut elsewhere = Browser::new(&server, 4);
    let answer = elsewhere.sign_in(&one, "one", "77").await;
    assert_eq!(
        (answer.status.as_u16(), &answer.body["next"]),
        (200, &json!("/organisation")),
        "{}",
        answer.body
    );
    assert_eq!(elsewhere.me().await.body["id"], member.id.as_str());
    // Another subject, and the same subject of another issuer, are someone else.
    refused(
        &Browser::new(&server, 5).sign_in(&one, "one", "78").await,
        "another subject",
    );
    refused(
        &Browser::new(&server, 6)
            .sign_in(&other, "other", "77")
            .await,
        "another issuer",
    );
    // It belongs to one account: nobody else links it, not even the owner.
    refused(
        &Browser::of(&server, 7, "owner@example.org")
            .await
            .link(&one, "one", "77")
            .await,
        "linked twice",
    );
    assert_eq!(linked(&server, &owner).await, 0);
    // Taken back, it opens nothing, and the session that came by it is over.
    let list = browser.call(Method::GET, "/api/identities", None).await;
    let path = format!(
        "/api/identities/{}",
        text(&list.body["identities"][0], "id")
    );
    let stolen = Browser::of(&server, 8, "owner@example.org")
        .await
        .call(Method::DELETE, &path, None)
        .await;
    assert_eq!(stolen.status, 404);
    assert_eq!(browser.call(Method::DELETE, &path, None).await.status, 204);
    assert_eq!(elsewhere.me().await.status, 401);
    assert_eq!(browser.me().await.status, 200);
    refused(
        &Browser::new(&server, 9).sign_in(&one, "one", "77").await,
        "unlinked",
    );
    // What was done stands in the trail.
    let trail = server
        .get(
            Method::GET,
            "/api/organisation/audit",
            Some(&owner.token),
            None,
        )
        .await
        .to_string();
    for action in ["link_identity", "unlink_identity", "sign_in"] {
        assert!(
            trail.contains(&format!("\"{action}\"")),
            "{action}: {trail}"
        );
    }
}

#[tokio::test]
async fn t13_a_link_is_for_the_session_that_asked_for_it() {
    let one = Provider::start().await;
    let (server, owner, member) = world(&[one.settings("one", "")]).await;
    // The attacker's identity, brought back in the member's browser.
    let mut attacker = Browser::of(&server, 1, "owner@example.org").await;
    let address = attacker.leave_to_link("one").await;
    let code = one.authorize(&address, "evil");
    let body = json!({"state": state(&address), "code": code});
    refused(
        &Browser::of(&server, 2, "member@example.org")
            .await
            .come_back("one", body.clone())
            .await,
        "no cookie",
    );
    let mut swapped = Browser::of(&server, 3, "member@example.org").await;
    swapped.away = attacker.away.clone();
    refused(&swapped.come_back("one", body).await, "another's session");
    // Signed out in between, or with another session of the same account.
    for other in [None, Some(session(&server, "member@example.org").await)] {
        let mut browser = Browser::of(&server, 4, "member@example.org").await;
        let address = browser.leave_to_link("one").await;
        let code = one.authorize(&address, "evil");
        browser.session = other;
        let body = json!({"state": state(&address), "code": code});
        refused(&browser.come_back("one", body).await, "another session");
    }
    assert_eq!(
        (
            linked(&server, &owner).await,
            linked(&server, &member).await
        ),
        (0, 0)
    );
}

#[tokio::test]
async fn t14_state_belongs_to_one_browser_one_provider_and_one_use() {
    let (one, evil) = (Provider::start().await, Provider::start().await);
    let (server, _, member) = world(&[one.settings("one", ""), evil.settings("evil", "")]).await;
    assert_eq!(
        Browser::of(&server, 1, "member@example.org")
            .await
            .link(&one, "one", "77")
            .await
            .status,
        200
    );
    for careless in [false, true] {
        for at in [&one, &evil] {
            at.plan(|plan| plan.careless = careless);
        }
        let asked = one.asked("/token");
        let mut browser = Browser::new(&server, 2 + usize::from(careless));
        let address = browser.leave("one").await;
        let good = json!({"state": state(&address), "code": one.authorize(&address, "77")});
        // Missing, wrong, cut, of another browser; a browser that never left (login CSRF); a cookie of one's own making.
        for body in [
            json!({"code": good["code"]}),
            json!({"state": null, "code": good["code"]}),
        ] {
            let mut browser = browser.clone();
            assert_eq!(browser.come_back("one", body).await.status, 400);
        }
        let other = Browser::new(&server, 4).leave("one").await;
        for wrong in [
            String::new(),
            "x".repeat(43),
            state(&address)[..42].to_owned(),
            state(&other),
        ] {
            let mut browser = browser.clone();
            let body = json!({"state": wrong, "code": good["code"]});
            refused(&browser.come_back("one", body).await, "wrong state");
        }
        let mut victim = Browser::new(&server, 5);
        refused(&victim.come_back("one", good.clone()).await, "login CSRF");
        victim.leave("one").await;
        refused(
            &victim.come_back("one", good.clone()).await,
            "login CSRF from a browser that left too",
        );
        for cookie in ["x".to_owned(), member.token.clone()] {
            let mut browser = browser.clone();
            browser.away = Some(cookie);
            refused(
                &browser.come_back("one", good.clone()).await,
                "made-up cookie",
            );
        }
        // The cookie is no session either.
        let mut posing = Browser::new(&server, 6);
        posing.session = browser.away.clone();
        assert_eq!(posing.me().await.status, 401);
        // Mix-up: the answer of one provider given out as another's.
        let mut mixed = browser.clone();
        refused(&mixed.come_back("evil", good.clone()).await, "mix-up");
        assert_eq!(evil.asked("/token"), 0);
        assert_eq!(one.asked("/token"), asked);
        // None of that used it up; its own use does, even at a provider that takes codes twice.
        let before = browser.clone();
        assert_eq!(browser.come_back("one", good.clone()).await.status, 200);
        assert_eq!(browser.away, None);
        refused(
            &before.clone().come_back("one", good.clone()).await,
            "code replay",
        );
        assert_eq!(one.asked("/token"), asked + 1);
        // The code in a way of the attacker's own: the verifier is another.
        if !careless {
            let mut thief = Browser::new(&server, 7);
            let address = one_more(&one, &browser).await;
            let mine = thief.leave("one").await;
            let body = json!({"state": state(&mine), "code": address});
            refused(&thief.come_back("one", body).await, "another's code");
        }
    }
}

/// A code that someone else was given.
async fn one_more(one: &Provider, browser: &Browser<'_>) -> String {
    let address = browser.clone().leave("one").await;
    one.authorize(&address, "77")
}

#[tokio::test]
async fn t14_an_id_token_that_is_not_ours_now_and_its_own_is_refused() {
    let one = Provider::start().await;
    let (server, ..) = world(&[one.settings("one", "")]).await;
    assert_eq!(
        Browser::of(&server, 1, "member@example.org")
            .await
            .link(&one, "one", "77")
            .await
            .status,
        200
    );
    let claims = [
        json!({"nonce": "wrong"}),
        json!({"nonce": null}),
        json!({"iss": "https://localhost"}),
        json!({"iss": format!("{}/", one.issuer())}),
        json!({"iss": null}),
        json!({"aud": "someone-else"}),
        json!({"aud": [crate::provider::CLIENT, "someone-else"]}),
        json!({"aud": null}),
        json!({"azp": "someone-else"}),
        json!({"exp": 1}),
        json!({"exp": null}),
        json!({"iat": 1_000_000_000}),
        json!({"iat": 9_000_000_000_u64, "exp": 9_000_000_100_u64}),
        json!({"sub": ""}),
        json!({"sub": null}),
        json!({"sub": "7".repeat(256)}),
    ];
    let heads = [
        json!({"alg": "none"}),
        json!({"alg": "HS256"}),
        json!({"alg": "RS256"}),
        json!({"crit": ["x"], "x": 1}),
    ];
    let plans = claims.into_iter().map(|claims| Plan {
        claims: over(claims),
        ..Plan::default()
    });
    let plans = plans.chain(heads.into_iter().map(|head| Plan {
        head: over(head),
        ..Plan::default()
    }));
    // Signed with a key that the provider does not show.
    let foreign = Plan {
        signs: 9,
        ..Plan::default()
    };
    for (at, plan) in plans.chain([foreign]).enumerate() {
        one.plan(|now| *now = plan.clone());
        refused(
            &Browser::new(&server, 10 + at)
                .sign_in(&one, "one", "77")
                .await,
            &format!("{plan:?}"),
        );
    }
    one.behave();
    assert_eq!(
        Browser::new(&server, 90)
            .sign_in(&one, "one", "77")
            .await
            .status,
        200
    );
    // The issuer that the answer names, where it names one, is this one (RFC 9207).
    for (at, iss) in [
        "https://localhost",
        "https://evil.example",
        "",
        &format!("{}/", one.issuer()),
    ]
    .iter()
    .enumerate()
    {
        let mut browser = Browser::new(&server, 100 + at);
        let address = browser.leave("one").await;
        let body =
            json!({"state": state(&address), "code": one.authorize(&address, "77"), "iss": iss});
        refused(&browser.come_back("one", body).await, iss);
    }
}

#[tokio::test]
async fn t14_a_provider_that_names_itself_must_do_so_every_time() {
    let one = Provider::start().await;
    one.plan(|plan| {
        plan.metadata = over(json!({"authorization_response_iss_parameter_supported": true}))
    });
    let (server, ..) = world(&[one.settings("one", "")]).await;
    let mut browser = Browser::of(&server, 1, "member@example.org").await;
    refused(&browser.link(&one, "one", "77").await, "no issuer");
    let address = browser.leave_to_link("one").await;
    let body = json!({"state": state(&address), "code": one.authorize(&address, "77"), "iss": one.issuer()});
    assert_eq!(browser.come_back("one", body).await.status, 200);
}

#[tokio::test]
async fn t14_keys_are_fetched_anew_once_when_a_provider_changes_them() {
    let one = Provider::start().await;
    let (server, ..) = world(&[one.settings("one", "")]).await;
    assert_eq!(
        Browser::of(&server, 1, "member@example.org")
            .await
            .link(&one, "one", "77")
            .await
            .status,
        200
    );
    assert_eq!(one.asked("/keys"), 1);
    one.plan(|plan| (plan.signs, plan.shows) = (5, 5));
    assert_eq!(
        Browser::new(&server, 2)
            .sign_in(&one, "one", "77")
            .await
            .status,
        200
    );
    assert_eq!(one.asked("/keys"), 2);
    // Unknown keys do not make the server ask again and again.
    one.plan(|plan| (plan.signs, plan.shows) = (6, 5));
    for at in 0..5 {
        refused(
            &Browser::new(&server, 3 + at)
                .sign_in(&one, "one", "77")
                .await,
            "unknown key",
        );
    }
    assert_eq!(one.asked("/keys"), 2);
}

#[tokio::test]
async fn t14_nobody_is_sent_to_a_provider_that_is_not_what_it_was_set_to_be() {
    let plain = Provider::start().await;
    let issuer = plain.issuer();
    let other = |text: &str| text.to_owned();
    let tricks = [
        json!({"issuer": format!("{issuer}.evil.example")}),
        json!({"issuer": format!("{issuer}/")}),
        json!({"issuer": format!("{issuer}/../x")}),
        json!({"issuer": issuer.replace("https://", "https://evil.example@")}),
        json!({"issuer": other("https://localhost:1")}),
        json!({"issuer": other("https://localhost")}),
        json!({"code_challenge_methods_supported": ["plain"]}),
        json!({"code_challenge_methods_supported": []}),
        json!({"authorization_endpoint": issuer.replace("https", "http")}),
        json!({"authorization_endpoint": "javascript:alert(1)"}),
        json!({"authorization_endpoint": issuer.replace("https://", "https://user@")}),
        json!({"token_endpoint": null}),
        json!({"token_endpoint": issuer.replace("https", "http")}),
        json!({"jwks_uri": issuer.replace("https", "http")}),
    ];
    // A provider for each, for one that failed is left alone for a while.
    let mut providers = Vec::new();
    for trick in &tricks {
        let provider = Provider::start().await;
        let here = provider.issuer();
        let moved: Value = serde_json::from_str(
            &trick
                .to_string()
                .replace(&issuer["https://".len()..], &here["https://".len()..])
                .replace(&issuer["https".len()..], &here["https".len()..]),
        )
        .unwrap();
        provider.plan(|plan| plan.metadata = over(moved));
        providers.push(provider);
    }
    let settings: Vec<_> = providers
        .iter()
        .enumerate()
        .map(|(at, provider)| provider.settings(&format!("p{at}"), ""))
        .collect();
    let (server, ..) = world(&settings).await;
    for (at, trick) in tricks.iter().enumerate() {
        let path = format!("/api/providers/p{at}/sign-in");
        let answer = Browser::new(&server, at)
            .call(Method::POST, &path, Some(json!({})))
            .await;
        refused(&answer, &trick.to_string());
    }
}

#[tokio::test]
async fn t14_the_way_back_and_on_is_ours_alone() {
    let one = Provider::start().await;
    let (server, ..) = world(&[one.settings("one", "")]).await;
    let path = "/api/providers/one/sign-in";
    // The redirect address is made of our own page and nothing that the request says.
    let mut browser = Browser::new(&server, 1);
    let address = browser.leave("one").await;
    let query = pairs(address.split_once('?').unwrap().1);
    assert_eq!(
        query["redirect_uri"],
        format!("{}/sign-in/one", server.origin())
    );
    assert_eq!(query["response_type"], "code");
    for more in [
        json!({"redirect_uri": "https://evil.example"}),
        json!({"code_challenge_method": "plain"}),
        json!({"state": "mine"}),
        json!({"nonce": "mine"}),
        json!({"response_mode": "fragment"}),
    ] {
        assert_eq!(
            browser.call(Method::POST, path, Some(more)).await.status,
            400
        );
    }
    for next in [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "/@evil.example",
        "/../..//evil",
        "javascript:alert(1)",
        "/%2f%2fevil.example",
    ] {
        refused(
            &browser
                .call(Method::POST, path, Some(json!({"next": next})))
                .await,
            next,
        );
    }
    for name in ["two", "one%2f..%2ftwo", "ONE", "one.", "..%2fone"] {
        let path = format!("/api/providers/{name}/sign-in");
        refused(
            &browser.call(Method::POST, &path, Some(json!({}))).await,
            name,
        );
    }
    // X07: no other site, no program and no mere address begins or ends a way.
    for path in [path, "/api/providers/one/link", "/api/providers/one/return"] {
        let body = json!({"state": "x", "code": "x"});
        assert_eq!(server.call(Method::GET, path, None, None).await.status, 405);
        for (field, value) in [
            ("origin", "https://evil.example".to_owned()),
            ("origin", format!("{}.evil.example", server.origin())),
            ("origin", "null".to_owned()),
            ("sec-fetch-site", "cross-site".to_owned()),
            ("sec-fetch-site", "same-site".to_owned()),
        ] {
            let mut request = server
                .http
                .post(server.url(path))
                .json(&body)
                .header(field, &value);
            if field != "origin" {
                request = request.header(ORIGIN, server.origin());
            }
            let status = request.send().await.unwrap().status();
            assert!(
                [401, 403].contains(&status.as_u16()),
                "{path} {field}: {value}: {status}"
            );
        }
        let program = server
            .http
            .post(server.url(path))
            .json(&json!({"state": "x", "code": "x"}))
            .send()
            .await
            .unwrap();
        assert!(program.status().is_client_error());
    }
    // The page that people come back to is the same whatever stands behind it, and hands nothing on.
    let page = server
        .http
        .get(server.url("/sign-in/one?code=x&state=y"))
        .send()
        .await
        .unwrap();
    assert_eq!(page.headers()["referrer-policy"], "no-referrer");
    assert!(page.headers().get(SET_COOKIE).is_none());
}

#[tokio::test]
async fn t14_a_provider_cannot_fill_hold_or_lead_the_server() {
    // Inside, where nobody may be led: on an address that is not the issuer's own host.
    let inside = TcpListener::bind("127.0.0.2:0").await.unwrap();
    let there = format!("https://127.0.0.2:{}", inside.local_addr().unwrap().port());
    let at = |place, manner| Plan {
        manners: [(place, manner)].into(),
        ..Plan::default()
    };
    let pointing = |name: &str| Plan {
        metadata: over(json!({name: format!("{there}/x")})),
        ..Plan::default()
    };
    let gigabyte = Some(1 << 30);
    let plans = [
        at("/.well-known", Manner::Endless(gigabyte)),
        at("/.well-known", Manner::Endless(None)),
        at("/keys", Manner::Endless(None)),
        at("/token", Manner::Endless(gigabyte)),
        at(
            "/.well-known",
            Manner::Leads("/.well-known/openid-configuration".to_owned()),
        ),
        at("/token", Manner::Leads(format!("{there}/token"))),
        at("/keys", Manner::Leads(there.clone())),
        at("/.well-known", Manner::Trickles),
        at("/token", Manner::Trickles),
        at("/token", Manner::Silent),
        pointing("jwks_uri"),
        pointing("token_endpoint"),
        at("/token", Manner::Says(500, json!({}))),
        at(
            "/token",
            Manner::Says(200, json!({"access_token": "x", "token_type": "Bearer"})),
        ),
        at("/token", Manner::Says(200, json!([]))),
    ];
    let mut providers = Vec::new();
    for plan in &plans {
        let provider = Provider::start().await;
        provider.plan(|now| *now = plan.clone());
        providers.push(provider);
    }
    let settings: Vec<_> = providers
        .iter()
        .enumerate()
        .map(|(at, provider)| provider.settings(&format!("p{at}"), ""))
        .collect();
    let (server, ..) = world(&settings).await;
    let started = raw::now();
    let tries = providers.iter().enumerate().map(|(at, provider)| {
        let mut browser = Browser::new(&server, at);
        async move {
            let id = format!("p{at}");
            let path = format!("/api/providers/{id}/sign-in");
            let answer = browser.call(Method::POST, &path, Some(json!({}))).await;
            if answer.status == 200 {
                let address = text(&answer.body, "address");
                let body =
                    json!({"state": state(&address), "code": provider.authorize(&address, "77")});
                return browser.come_back(&id, body).await;
            }
            answer
        }
    });
    let answers = futures_util::future::join_all(tries).await;
    for (answer, plan) in answers.iter().zip(&plans) {
        refused(answer, &format!("{plan:?}"));
    }
    assert!(
        started.elapsed() < Duration::from_secs(20),
        "{:?}",
        started.elapsed()
    );
    let sent: u64 = providers.iter().map(Provider::sent).sum();
    // What was on the way when the server hung up: buffers of both systems, four times.
    assert!(sent < 64 << 20, "{sent} bytes were taken");
    let followed: usize = providers
        .iter()
        .map(|provider| provider.asked("/.well-known"))
        .max()
        .unwrap();
    assert!(followed <= 1, "a redirect was followed");
    let led = tokio::time::timeout(Duration::from_millis(100), inside.accept()).await;
    assert!(led.is_err(), "the server was led inside");
}

#[tokio::test]
async fn t13_claims_give_rights_for_as_long_as_they_hold() {
    let one = Provider::start().await;
    let rules = ", accounts = \"made\", required = [{ claim = \"hd\", values = [\"example.org\"] }], \
                 creators = [{ claim = \"groups\", values = [\"staff\"] }], admins = [{ claim = \"groups\", values = [\"chiefs\"] }]";
    let (server, _, member) = world(&[one.settings("one", rules)]).await;
    refused(
        &Browser::new(&server, 1).sign_in(&one, "one", "77").await,
        "no domain",
    );
    let say = |hd: &str, groups: Value| {
        one.plan(|plan| plan.claims = over(json!({"hd": hd, "groups": groups})));
    };
    say("example.org.evil", json!(["staff"]));
    refused(
        &Browser::new(&server, 2).sign_in(&one, "one", "77").await,
        "another domain",
    );
    // A new account, not the member's, though the address is: an e-mail address that was registered before is nobody's here.
    say("example.org", json!(["staff", "chiefs"]));
    let mut first = Browser::new(&server, 3);
    assert_eq!(first.sign_in(&one, "one", "77").await.status, 200);
    let me = first.me().await.body;
    assert_ne!(me["id"], member.id.as_str());
    assert_eq!(
        (&me["name"], &me["admin"], &me["may_create_rooms"]),
        (&json!("Someone Elsewhere"), &json!(true), &json!(true))
    );
    // Less is said at the next sign-in: what was given before is gone, in the older session too.
    say("example.org", json!(["staff"]));
    let mut second = Browser::new(&server, 4);
    assert_eq!(second.sign_in(&one, "one", "77").await.status, 200);
    for browser in [&mut first, &mut second] {
        let now = browser.me().await.body;
        assert_eq!(
            (&now["id"], &now["admin"], &now["may_create_rooms"]),
            (&me["id"], &json!(false), &json!(true))
        );
    }
    // The only way in is not taken away.
    let list = second.call(Method::GET, "/api/identities", None).await;
    let path = format!(
        "/api/identities/{}",
        text(&list.body["identities"][0], "id")
    );
    assert_eq!(second.call(Method::DELETE, &path, None).await.status, 403);
    // Nobody signs in to it with a password.
    let body =
        json!({"email": format!("{}@identity.invalid", text(&me, "id")), "password": PASSWORD});
    assert_eq!(
        Browser::new(&server, 5)
            .call(Method::POST, "/api/session", Some(body))
            .await
            .status,
        401
    );
}

#[tokio::test]
async fn t14_facebook_says_who_it_is_to_the_holder_of_the_secret_alone() {
    let book = Provider::start().await;
    let (server, _, member) = world(&[book.as_facebook("facebook")]).await;
    let mut browser = Browser::of(&server, 1, "member@example.org").await;
    assert_eq!(
        browser.link(&book, "facebook", "1234567890").await.status,
        200
    );
    let mut elsewhere = Browser::new(&server, 2);
    assert_eq!(
        elsewhere
            .sign_in(&book, "facebook", "1234567890")
            .await
            .status,
        200
    );
    assert_eq!(elsewhere.me().await.body["id"], member.id.as_str());
    assert_eq!(book.asked("/v23.0/me"), 2);
    refused(
        &Browser::new(&server, 3)
            .sign_in(&book, "facebook", "1234567891")
            .await,
        "another",
    );
    for (at, says) in [
        json!({"id": "1234567890/../4"}),
        json!({"id": ""}),
        json!({"name": "x"}),
        json!({"id": 1_234_567_890}),
    ]
    .into_iter()
    .enumerate()
    {
        book.plan(|plan| {
            _ = plan
                .manners
                .insert("/v23.0/me", Manner::Says(200, says.clone()))
        });
        refused(
            &Browser::new(&server, 4 + at)
                .sign_in(&book, "facebook", "1234567890")
                .await,
            &says.to_string(),
        );
    }
    book.behave();
    let mut mixed = Browser::new(&server, 20);
    let address = mixed.leave("facebook").await;
    let body = json!({"state": state(&address), "code": book.authorize(&address, "1234567890"), "iss": "https://evil.example"});
    refused(&mixed.come_back("facebook", body).await, "issuer");
}
