//! Another product brings its users: tokens that its server asks for, exchanged by its page, once, with the page's key, from where the
//! organisation lets pages come from.

use super::*;

const PRODUCT: &str = "https://app.example.com";

impl World {
    /// A room, and a key that may bring people to its door.
    async fn embedding(&self) -> (String, String, String) {
        let owner = self.owner().await;
        let body = json!({"name": "Course Desk", "scopes": ["join"], "expires_in_days": 30});
        let made = self
            .program("POST", "/v1/api-keys", Some(&owner), body)
            .await;
        let key = made.body["key"].as_str().unwrap().to_owned();
        let room = self.room(&owner).await;
        let body = json!({"origins": [PRODUCT]});
        let set = self
            .program("PUT", "/v1/embedding/origins", Some(&owner), body)
            .await;
        assert_eq!(set.body, json!({"origins": [PRODUCT]}));
        (owner, key, room)
    }

    async fn join_token(&self, key: &str, room: &str, body: Value) -> Answer {
        let path = format!("/v1/rooms/{room}/join-tokens");
        self.program("POST", &path, Some(key), body).await
    }

    async fn token(&self, key: &str, room: &str) -> String {
        let made = self.join_token(key, room, user(&self.key)).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
        made.body["token"].as_str().unwrap().to_owned()
    }

    /// As a page of `origin` with `key`, which signs what the server gives it.
    async fn page_of(&self, origin: &str, key: &Signer, path: &str, body: &Value) -> Answer {
        let mut nonce = String::new();
        loop {
            let id = self.proofs.fetch_add(1, Ordering::Relaxed).to_string();
            let proof = key.proof("POST", &format!("{ORIGIN}{path}"), &id, &nonce);
            let request = Request::builder()
                .method("POST")
                .uri(path)
                .header("origin", origin)
                .header("sec-fetch-site", "cross-site")
                .header("dpop", proof);
            let answer = self.send(with(request, body.clone())).await;
            match answer.headers.get("dpop-nonce") {
                Some(fresh) if nonce.is_empty() => nonce = fresh.to_str().unwrap().to_owned(),
                _ => return answer,
            }
        }
    }

    async fn exchange(&self, origin: &str, key: &Signer, token: &str) -> Answer {
        let body = json!({"token": token});
        self.page_of(origin, key, "/v1/join", &body).await
    }
}

fn user(key: &Signer) -> Value {
    json!({"external_id": "user-42", "name": "Student", "jkt": key.thumbprint()})
}

#[tokio::test]
async fn a_token_brings_one_user_once_and_the_page_of_the_product_alone_reads_the_answer() {
    let world = world().await;
    let (owner, key, room) = world.embedding().await;
    let token = world.token(&key, &room).await;
    assert_eq!(token.split('.').count(), 5, "no JWE");
    let joined = world.exchange(PRODUCT, &world.key, &token).await;
    assert_eq!(joined.status, StatusCode::OK, "{}", joined.body);
    assert_eq!(joined.headers["access-control-allow-origin"], PRODUCT);
    assert_eq!(joined.headers["vary"], "origin");
    assert!(
        !joined
            .headers
            .contains_key("access-control-allow-credentials")
    );
    assert!(joined.cookies().is_empty());
    assert_eq!(joined.body["room"], json!(room));
    assert_eq!(joined.body["name"], "Student");

    // What came of it is a guest of that room, whom the product vouches for, with the key of the page.
    let shown = world.auth.shown(joined.body["session"].as_str().unwrap());
    let shown = shown.await.unwrap();
    assert!(shown.was_brought() && world.auth.challenge(&shown).is_some());
    let again = world.exchange(PRODUCT, &world.key, &token).await;
    assert_eq!(again.code(), (403, "join_refused"));

    // It goes on as long as its page has its key, and as nobody else.
    let renewal = json!({"renewal": joined.body["renewal"]});
    let thief = Signer::new();
    let path = "/v1/join/renew";
    let stolen = world.page_of(PRODUCT, &thief, path, &renewal).await;
    assert_eq!(stolen.code(), (403, "join_refused"));
    let renewed = world.page_of(PRODUCT, &world.key, path, &renewal).await;
    assert_eq!(renewed.status, StatusCode::OK, "{}", renewed.body);
    assert_eq!(renewed.body["room"], json!(room));

    // The same person comes as the same one, another as another, and in another room as another still.
    let actor = async |room: &str, external: &str| {
        let mut body = user(&world.key);
        body["external_id"] = json!(external);
        let made = world.join_token(&key, room, body).await;
        let token = made.body["token"].as_str().unwrap().to_owned();
        let joined = world.exchange(PRODUCT, &world.key, &token).await;
        let session = joined.body["session"].as_str().unwrap().to_owned();
        world.auth.principal(&session).await.unwrap().actor()
    };
    let one = actor(&room, "user-42").await;
    assert_eq!(one, actor(&room, "user-42").await);
    assert_ne!(one, actor(&room, "user-43").await);
    let elsewhere = world.room(&owner).await;
    assert_ne!(one, actor(&elsewhere, "user-42").await);
    // Rows are written in order: with this one the others are there.
    world.room(&owner).await;
    let trail = world.store.audit_for_test().await;
    let done = |action| trail.iter().filter(|row| row.action == action).count();
    assert_eq!((done("make_join_token"), done("join_by_token")), (5, 5));
}

#[tokio::test]
async fn t01_whoever_has_the_token_and_not_the_key_has_nothing_and_does_not_use_it_up() {
    let world = world().await;
    let (_, key, room) = world.embedding().await;
    let token = world.token(&key, &room).await;
    let thief = Signer::new();
    let stolen = world.exchange(PRODUCT, &thief, &token).await;
    assert_eq!(stolen.code(), (403, "join_refused"));
    // Without any proof, and as a session or a key.
    let request = Request::builder()
        .method("POST")
        .uri("/v1/join")
        .header("origin", PRODUCT);
    let bare = world.send(with(request, json!({"token": token}))).await;
    assert_eq!(bare.code(), (400, "proof_required"));
    for path in ["/api/me", "/v1/rooms"] {
        let answer = world.program("GET", path, Some(&token), Value::Null).await;
        assert_eq!(answer.code(), (401, "signed_out"), "{path}");
    }
    assert!(world.auth.shown(&token).await.is_err());
    let renewal = json!({ "renewal": token });
    let path = "/v1/join/renew";
    let answer = world.page_of(PRODUCT, &world.key, path, &renewal).await;
    assert_eq!(answer.code(), (403, "join_refused"));
    let joined = world.exchange(PRODUCT, &world.key, &token).await;
    assert_eq!(joined.status, StatusCode::OK, "{}", joined.body);
    // Nor is what came of it a session for anything else.
    let session = joined.body["session"].as_str().unwrap();
    for (method, path) in [
        ("GET", "/api/me"),
        ("GET", "/api/rooms"),
        ("POST", "/v1/rooms"),
    ] {
        let body = if method == "GET" {
            Value::Null
        } else {
            json!({"title": "Mine"})
        };
        let answer = world.program(method, path, Some(session), body).await;
        assert_eq!(answer.code(), (401, "signed_out"), "{path}");
    }
    // A session of a guest who came otherwise is not renewed here.
    let guest = json!({"room": room, "name": "Visitor"});
    let guest = world.page("POST", "/api/guest", None, guest).await;
    let cookies = guest.cookies();
    let renewal = cookies
        .iter()
        .find_map(|cookie| cookie.strip_prefix("__Host-conclave-renewal="))
        .and_then(|rest| rest.split(';').next())
        .unwrap();
    let body = json!({ "renewal": renewal });
    let answer = world.page_of(ORIGIN, &world.key, path, &body).await;
    assert_eq!(answer.code(), (403, "join_refused"));
}

#[tokio::test]
async fn a_token_is_good_for_a_minute_and_as_long_as_its_key() {
    let world = world().await;
    let (owner, key, room) = world.embedding().await;
    let token = world.token(&key, &room).await;
    world.clock.advance(Duration::from_secs(60));
    let late = world.exchange(PRODUCT, &world.key, &token).await;
    assert_eq!(late.code(), (403, "join_refused"));
    let token = world.token(&key, &room).await;
    let kept = world.token(&key, &room).await;
    world.clock.advance(Duration::from_secs(58));
    let joined = world.exchange(PRODUCT, &world.key, &token).await;
    assert_eq!(joined.status, StatusCode::OK);
    // What the key made and nobody used is over with it; who is in stays in.
    let keys = world
        .program("GET", "/v1/api-keys", Some(&owner), Value::Null)
        .await;
    let path = format!(
        "/v1/api-keys/{}",
        keys.body["keys"][0]["id"].as_str().unwrap()
    );
    world
        .program("DELETE", &path, Some(&owner), Value::Null)
        .await;
    let over = world.exchange(PRODUCT, &world.key, &kept).await;
    assert_eq!(over.code(), (403, "join_refused"));
    let session = joined.body["session"].as_str().unwrap();
    assert!(world.auth.shown(session).await.is_ok());
}

#[tokio::test]
async fn x07_only_pages_of_the_organisations_origins_exchange_tokens() {
    let world = world().await;
    let (owner, key, room) = world.embedding().await;
    let token = world.token(&key, &room).await;
    for origin in [
        "https://app.example.com.evil.example",
        "https://evil.example",
        "https://app.example.com:8443",
        "http://app.example.com",
        "https://APP.example.com",
        "https://sub.app.example.com",
        "null",
        "",
    ] {
        let answer = world.exchange(origin, &world.key, &token).await;
        assert_eq!(answer.code(), (403, "wrong_origin"), "{origin}");
        assert!(!answer.headers.contains_key("access-control-allow-origin"));
        let request = Request::builder()
            .method("OPTIONS")
            .uri("/v1/join")
            .header("origin", origin)
            .header("access-control-request-method", "POST");
        let asked = world.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(asked.code(), (403, "wrong_origin"), "{origin}");
        assert!(!asked.headers.contains_key("access-control-allow-origin"));
    }
    let request = Request::builder()
        .method("OPTIONS")
        .uri("/v1/join")
        .header("origin", PRODUCT)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type,dpop");
    let asked = world.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(asked.status, StatusCode::NO_CONTENT);
    assert_eq!(asked.headers["access-control-allow-origin"], PRODUCT);
    assert_eq!(asked.headers["access-control-allow-methods"], "POST");
    // Everything else of the server stays closed to that page, and says nothing to it.
    for (method, path) in [
        ("OPTIONS", "/v1/rooms"),
        ("GET", "/v1/rooms"),
        ("GET", "/api/me"),
        ("POST", "/api/session"),
        ("GET", "/v1/openapi.json"),
    ] {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("origin", PRODUCT);
        let answer = world.send(request.body(Body::empty()).unwrap()).await;
        assert!(
            !answer.headers.contains_key("access-control-allow-origin"),
            "{method} {path}"
        );
    }
    // An origin that is taken back is foreign at once.
    let none = json!({"origins": []});
    world
        .program("PUT", "/v1/embedding/origins", Some(&owner), none)
        .await;
    let answer = world.exchange(PRODUCT, &world.key, &token).await;
    assert_eq!(answer.code(), (403, "wrong_origin"));
}

#[tokio::test]
async fn t05_nobody_is_brought_as_more_than_a_guest_nor_by_whoever_may_not() {
    let world = world().await;
    let (owner, key, room) = world.embedding().await;
    let with_role = |role: &str| {
        let mut body = user(&world.key);
        body["role"] = json!(role);
        body
    };
    for role in [
        "attendee",
        "presenter",
        "host",
        "owner",
        "program",
        "Guest",
        "",
    ] {
        let answer = world.join_token(&key, &room, with_role(role)).await;
        assert_eq!(answer.code(), (400, "bad_request"), "{role}");
    }
    for role in ["guest", "observer"] {
        let answer = world.join_token(&key, &room, with_role(role)).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
    }
    // A person in person, a key without the scope, a room that is not there, a name and a key that are none.
    let in_person = world.join_token(&owner, &room, user(&world.key)).await;
    assert_eq!(
        in_person.status,
        StatusCode::NOT_FOUND,
        "{}",
        in_person.body
    );
    let other = json!({"name": "Booking", "scopes": ["rooms:write"], "expires_in_days": 30});
    let other = world
        .program("POST", "/v1/api-keys", Some(&owner), other)
        .await;
    let other = other.body["key"].as_str().unwrap().to_owned();
    let refused = world.join_token(&other, &room, user(&world.key)).await;
    assert_eq!(refused.code(), (403, "not_allowed"));
    let nowhere = ids::random::<RoomId>(&SystemRandom).to_string();
    let nowhere = world.join_token(&key, &nowhere, user(&world.key)).await;
    assert_eq!(nowhere.code(), (404, "not_found"));
    for (field, value, code) in [
        ("name", json!(""), (422, "invalid_name")),
        ("external_id", json!(""), (422, "invalid_value")),
        (
            "external_id",
            json!("x".repeat(129)),
            (422, "invalid_value"),
        ),
        ("jkt", json!("short"), (400, "bad_request")),
        ("jkt", Value::Null, (400, "bad_request")),
        ("room", json!(room), (400, "bad_request")),
    ] {
        let mut body = user(&world.key);
        body[field] = value;
        let answer = world.join_token(&key, &room, body).await;
        assert_eq!(answer.code(), code, "{field}");
    }
}

#[tokio::test]
async fn a_request_that_comes_again_gives_the_same_token_and_no_second_use() {
    let world = world().await;
    let (_, key, room) = world.embedding().await;
    let path = format!("/v1/rooms/{room}/join-tokens");
    let body = user(&world.key);
    let ask = async || {
        let request = Request::builder()
            .method("POST")
            .uri(&path)
            .header("authorization", format!("Bearer {key}"))
            .header("idempotency-key", "one");
        world.send(with(request, body.clone())).await
    };
    let (first, second) = (ask().await, ask().await);
    assert_eq!(second.headers["idempotency-replayed"], "true");
    assert_eq!(first.body, second.body);
    let token = first.body["token"].as_str().unwrap();
    let joined = world.exchange(PRODUCT, &world.key, token).await;
    assert_eq!(joined.status, StatusCode::OK);
    let again = world.exchange(PRODUCT, &world.key, token).await;
    assert_eq!(again.code(), (403, "join_refused"));
}

#[tokio::test]
async fn origins_are_exact_and_changed_as_they_were_seen() {
    let world = world().await;
    let owner = world.owner().await;
    let path = "/v1/embedding/origins";
    let seen = world.program("GET", path, Some(&owner), Value::Null).await;
    assert_eq!(seen.body, json!({"origins": []}));
    for origin in [
        "*",
        "null",
        "https://*.example.com",
        "http://app.example.com",
        "http://localhost:3000",
        "https://app.example.com/",
    ] {
        let body = json!({"origins": [PRODUCT, origin]});
        let answer = world.program("PUT", path, Some(&owner), body).await;
        assert_eq!(answer.code(), (422, "invalid_origin"), "{origin}");
    }
    let body = json!({"origins": [PRODUCT, "https://a.example.com", PRODUCT]});
    let set = world.program("PUT", path, Some(&owner), body).await;
    assert_eq!(
        set.body,
        json!({"origins": ["https://a.example.com", PRODUCT]})
    );
    let tag = seen.headers["etag"].to_str().unwrap();
    let request = Request::builder()
        .method("PUT")
        .uri(path)
        .header("authorization", format!("Bearer {owner}"))
        .header("if-match", tag);
    let stale = world.send(with(request, json!({"origins": []}))).await;
    assert_eq!(stale.code(), (412, "changed"));
    let (_, member) = world.member(&owner, "member@example.org", true).await;
    for (method, body) in [("GET", Value::Null), ("PUT", json!({"origins": []}))] {
        let answer = world.program(method, path, Some(&member), body).await;
        assert_eq!(answer.code(), (403, "not_allowed"), "{method}");
    }
}
