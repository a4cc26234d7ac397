//! The control API as programs meet it: keys and their scopes, pages, tags, requests that come twice, and everything that is refused.

use super::*;

impl World {
    /// A key for these things, made by the owner.
    async fn api_key(&self, owner: &str, scopes: &[&str]) -> String {
        let body = json!({"name": "Booking", "scopes": scopes, "expires_in_days": 30});
        let made = self
            .program("POST", "/v1/api-keys", Some(owner), body)
            .await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
        made.body["key"].as_str().unwrap().to_owned()
    }

    /// A request with headers of its own.
    pub(super) async fn asks(
        &self,
        (method, path): (&str, &str),
        token: &str,
        headers: &[(&str, &str)],
        body: Value,
    ) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {token}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(with(request, body)).await
    }
}

#[tokio::test]
async fn a_key_makes_lists_renames_and_ends_rooms_as_far_as_its_scopes_go() {
    let world = world().await;
    let owner = world.owner().await;
    let key = world.api_key(&owner, &["rooms:write"]).await;
    let reader = world.api_key(&owner, &["rooms:read"]).await;
    assert!(key.starts_with("ck_"));

    let made = world
        .program("POST", "/v1/rooms", Some(&key), json!({"title": "Viewing"}))
        .await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    let path = made.headers["location"].to_str().unwrap().to_owned();
    assert!(made.body["password"].as_str().unwrap().len() > 10);

    let listed = world
        .program("GET", "/v1/rooms", Some(&reader), Value::Null)
        .await;
    assert_eq!(listed.body["rooms"][0]["title"], "Viewing");
    assert_eq!(listed.body["next"], Value::Null);
    let renamed = json!({"title": "Second viewing"});
    let refused = world
        .program("PATCH", &path, Some(&reader), renamed.clone())
        .await;
    assert_eq!(refused.code(), (403, "not_allowed"));
    assert_eq!(refused.headers["content-type"], "application/problem+json");
    assert_eq!(refused.body["type"], "urn:conclave:problem:not_allowed");
    assert_eq!(refused.body["status"], 403);

    // A change names the state that it is about, and is refused when that is another.
    let shown = world
        .program("GET", &path, Some(&reader), Value::Null)
        .await;
    let tag = shown.headers["etag"].to_str().unwrap().to_owned();
    let changed = world
        .asks(
            ("PATCH", &path),
            &key,
            &[("if-match", &tag)],
            renamed.clone(),
        )
        .await;
    assert_eq!(changed.body["title"], "Second viewing");
    let stale = world
        .asks(("DELETE", &path), &key, &[("if-match", &tag)], Value::Null)
        .await;
    assert_eq!(stale.code(), (412, "changed"));
    let ended = world
        .program("DELETE", &path, Some(&key), Value::Null)
        .await;
    assert_eq!(ended.status, StatusCode::NO_CONTENT);
    let gone = world.program("GET", &path, Some(&key), Value::Null).await;
    assert_eq!(gone.code(), (404, "not_found"));

    // All of it stands in the trail under the key's own name.
    let keys = world
        .program("GET", "/v1/api-keys", Some(&owner), Value::Null)
        .await;
    let id: ActorId = keys.body["keys"]
        .as_array()
        .unwrap()
        .iter()
        .find(|line| line["scopes"] == json!(["rooms:write"]))
        .and_then(|line| line["id"].as_str())
        .unwrap()
        .parse()
        .unwrap();
    let trail = world.store.audit_for_test().await;
    let done: Vec<_> = trail
        .iter()
        .filter(|row| row.actor == Some(*id.as_bytes()))
        .map(|row| row.action)
        .collect();
    assert_eq!(done, ["create_room", "rename_room", "end_room"]);
}

#[tokio::test]
async fn t05_a_key_is_no_session_and_no_session_is_a_key() {
    let world = world().await;
    let owner = world.owner().await;
    let everything = [
        "organisation:write",
        "members:write",
        "rooms:write",
        "guest-links",
        "sessions:control",
        "join",
        "audit:read",
        "webhooks:write",
    ];
    let key = world.api_key(&owner, &everything).await;
    for path in ["/api/me", "/api/rooms", "/api/organisation/settings"] {
        let answer = world.program("GET", path, Some(&key), Value::Null).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
    }
    // No key makes another, whatever it is for.
    let body = json!({"name": "Another", "scopes": ["rooms:read"], "expires_in_days": 1});
    let refused = world
        .program("POST", "/v1/api-keys", Some(&key), body)
        .await;
    assert_eq!(refused.code(), (403, "not_allowed"));
    // A page never has one, and none comes beside a cookie.
    let from_a_page = world
        .asks(
            ("GET", "/v1/rooms"),
            &key,
            &[("origin", ORIGIN)],
            Value::Null,
        )
        .await;
    assert_eq!(from_a_page.code(), (403, "wrong_origin"));
    let beside = [("cookie", "__Host-conclave=t")];
    let refused = world
        .asks(("GET", "/v1/rooms"), &key, &beside, Value::Null)
        .await;
    assert_eq!(refused.code(), (401, "signed_out"));
    // A guest, a wrong key, none at all.
    let guest = json!({"room": "a".repeat(26), "name": "Guest"});
    let guest = world.program("POST", "/api/guest", None, guest).await;
    let guest = guest.body["token"].as_str().unwrap();
    let refused = world
        .program("GET", "/v1/rooms", Some(guest), Value::Null)
        .await;
    assert_eq!(refused.code(), (403, "not_allowed"));
    for wrong in [
        format!("{key}a"),
        "ck_".to_owned(),
        format!("ck_{}", "a".repeat(43)),
    ] {
        let refused = world
            .program("GET", "/v1/rooms", Some(&wrong), Value::Null)
            .await;
        assert_eq!(refused.code(), (401, "signed_out"));
    }
    let refused = world.program("GET", "/v1/nothing", None, Value::Null).await;
    assert_eq!(refused.code(), (401, "signed_out"));
    let refused = world
        .program("GET", "/v1/nothing", Some(&key), Value::Null)
        .await;
    assert_eq!(refused.code(), (404, "not_found"));
    let refused = world
        .program("PUT", "/v1/rooms", Some(&key), Value::Null)
        .await;
    assert_eq!(refused.code(), (405, "bad_method"));
}

#[tokio::test]
async fn t01_a_key_is_over_when_taken_back_when_its_time_is_up_and_when_its_maker_is_none() {
    let world = world().await;
    let owner = world.owner().await;
    let key = world.api_key(&owner, &["rooms:read"]).await;
    let asked = || world.program("GET", "/v1/rooms", Some(&key), Value::Null);
    assert_eq!(asked().await.status, StatusCode::OK);

    let keys = world
        .program("GET", "/v1/api-keys", Some(&owner), Value::Null)
        .await;
    let path = format!(
        "/v1/api-keys/{}",
        keys.body["keys"][0]["id"].as_str().unwrap()
    );
    assert!(!keys.body.to_string().contains(&key[10..]));
    let revoked = world
        .program("DELETE", &path, Some(&owner), Value::Null)
        .await;
    assert_eq!(revoked.status, StatusCode::NO_CONTENT);
    assert_eq!(asked().await.code(), (401, "signed_out"));

    let key = world.api_key(&owner, &["rooms:read"]).await;
    let asked = || world.program("GET", "/v1/rooms", Some(&key), Value::Null);
    assert_eq!(asked().await.status, StatusCode::OK);
    let me = world
        .program("GET", "/api/me", Some(&owner), Value::Null)
        .await;
    let id: AccountId = me.body["id"].as_str().unwrap().parse().unwrap();
    world
        .auth
        .revoke_account(world.store.org(), id)
        .await
        .unwrap();
    assert_eq!(asked().await.code(), (401, "signed_out"));
}

#[tokio::test]
async fn who_finds_an_open_browser_makes_no_key_that_stays() {
    let world = world().await;
    let owner = world.owner().await;
    world.clock.advance(Duration::from_secs(10 * 60));
    let body = json!({"name": "Booking", "scopes": ["rooms:read"], "expires_in_days": 30});
    let make = |again: &'static str| {
        let headers = if again.is_empty() {
            vec![]
        } else {
            vec![("conclave-again", again)]
        };
        let body = body.clone();
        let (world, owner) = (&world, &owner);
        async move {
            world
                .asks(("POST", "/v1/api-keys"), owner, &headers, body)
                .await
        }
    };
    assert_eq!(make("").await.code(), (403, "confirm_first"));
    assert_eq!(make("nonsense").await.code(), (403, "confirm_first"));
    // Looking, and taking one back, need nobody there.
    let list = world
        .program("GET", "/v1/api-keys", Some(&owner), Value::Null)
        .await;
    assert_eq!(
        (list.status, list.body["keys"].as_array().map(Vec::len)),
        (StatusCode::OK, Some(0))
    );
    let shown = json!({"password": PASSWORD});
    let shown = world
        .program("POST", "/api/again", Some(&owner), shown)
        .await;
    let again: &'static str = shown.body["again"].as_str().unwrap().to_owned().leak();
    assert_eq!(make(again).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn what_opens_the_organisation_to_others_wants_its_administrator_there() {
    let world = world().await;
    let owner = world.owner().await;
    let key = world.api_key(&owner, &["webhooks:write"]).await;
    let new = |name: &str| json!({"name": name, "url": "https://hooks.example.org/", "events": ["room.created"]});
    let made = world
        .program("POST", "/v1/webhooks", Some(&owner), new("Early"))
        .await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    let webhook = format!("/v1/webhooks/{}", made.body["id"].as_str().unwrap());
    let origins = |all: &[&str]| json!({ "origins": all });
    let origins_at = "/v1/embedding/origins";
    let both = origins(&["https://one.example.org", "https://two.example.org"]);
    let set = world.program("PUT", origins_at, Some(&owner), both).await;
    assert_eq!(set.status, StatusCode::OK, "{}", set.body);

    world.clock.advance(Duration::from_secs(10 * 60));
    let secret = format!("{webhook}/secret");
    let elsewhere = json!({"url": "https://other.example.org/"});
    for (method, path, body) in [
        ("POST", "/v1/webhooks", new("Late")),
        ("PATCH", webhook.as_str(), elsewhere.clone()),
        ("POST", secret.as_str(), Value::Null),
        ("PUT", origins_at, origins(&["https://three.example.org"])),
    ] {
        let answer = world.program(method, path, Some(&owner), body).await;
        assert_eq!(answer.code(), (403, "confirm_first"), "{method} {path}");
    }
    // What tells others less wants nobody there.
    for (method, path, body) in [
        ("PATCH", webhook.as_str(), json!({"active": false})),
        ("PUT", origins_at, origins(&["https://one.example.org"])),
    ] {
        let answer = world.program(method, path, Some(&owner), body).await;
        assert_eq!(answer.status, StatusCode::OK, "{method} {path}");
    }
    // A program is never there: its key says what it may do.
    let answer = world
        .program("PATCH", &webhook, Some(&key), elsewhere)
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
}

#[tokio::test]
async fn t01_a_key_ends_with_its_time() {
    let world = world().await;
    let owner = world.owner().await;
    let key = world.api_key(&owner, &["rooms:read"]).await;
    world.clock.advance(Duration::from_secs(29 * 24 * 3600));
    let asked = || world.program("GET", "/v1/rooms", Some(&key), Value::Null);
    assert_eq!(asked().await.status, StatusCode::OK);
    world.clock.advance(Duration::from_secs(24 * 3600));
    assert_eq!(asked().await.code(), (401, "signed_out"));
}

#[tokio::test]
async fn unknown_and_doubled_parameters_are_refused_in_query_and_body() {
    let world = world().await;
    let owner = world.owner().await;
    let key = world.api_key(&owner, &["rooms:write"]).await;
    for path in [
        "/v1/rooms?limit=1&limit=1",
        "/v1/rooms?limt=1",
        "/v1/rooms?limit=0",
        "/v1/rooms?limit=201",
        "/v1/rooms?limit=",
        "/v1/rooms?cursor=nonsense",
        "/v1/api-keys?limit=1",
    ] {
        let answer = world.program("GET", path, Some(&key), Value::Null).await;
        assert_eq!(answer.code(), (400, "bad_request"), "{path}");
    }
    let sought = |letters| format!("/v1/members?q={}", "%C3%A4".repeat(letters));
    let rows = |before: &str| format!("/v1/audit?before={before}");
    for (path, status) in [
        (sought(64), StatusCode::OK),
        (sought(65), StatusCode::BAD_REQUEST),
        (rows("9223372036854775807"), StatusCode::OK),
        (rows("9223372036854775808"), StatusCode::BAD_REQUEST),
    ] {
        let answer = world.program("GET", &path, Some(&owner), Value::Null).await;
        assert_eq!(answer.status, status, "{path}");
    }
    for body in [
        r#"{"title":"A","title":"B"}"#,
        r#"{"title":"A","owner_id":null}"#,
        r#"{"title":7}"#,
        r#"["A"]"#,
        "[]",
        "{",
        "",
    ] {
        let request = Request::builder()
            .method("POST")
            .uri("/v1/rooms")
            .header("authorization", format!("Bearer {key}"))
            .header("content-type", "application/json")
            .body(Body::from(body))
            .unwrap();
        assert_eq!(
            world.send(request).await.code(),
            (400, "bad_request"),
            "{body}"
        );
    }
}

#[tokio::test]
async fn pages_show_every_room_once() {
    let world = world().await;
    let owner = world.owner().await;
    let key = world.api_key(&owner, &["rooms:write"]).await;
    for at in 0..7 {
        let body = json!({"title": format!("Room {at}")});
        world.program("POST", "/v1/rooms", Some(&key), body).await;
        if at % 2 == 0 {
            world.clock.advance(Duration::from_millis(3));
        }
    }
    let (mut seen, mut path) = (Vec::new(), "/v1/rooms?limit=3".to_owned());
    loop {
        let page = world.program("GET", &path, Some(&key), Value::Null).await;
        let rooms = page.body["rooms"].as_array().unwrap();
        assert!(rooms.len() <= 3);
        seen.extend(rooms.iter().map(|room| room["title"].to_string()));
        let Some(next) = page.body["next"].as_str() else {
            break;
        };
        path = format!("/v1/rooms?limit=3&cursor={next}");
    }
    seen.sort();
    let all: Vec<_> = (0..7).map(|at| format!("\"Room {at}\"")).collect();
    assert_eq!(seen, all);
}

#[tokio::test]
async fn a_request_with_a_key_of_its_own_is_done_once() {
    let world = world().await;
    let owner = world.owner().await;
    let key = world.api_key(&owner, &["rooms:write"]).await;
    let named = [("idempotency-key", "booking-17")];
    let post = |title: &str| {
        let body = json!({"title": title});
        world.asks(("POST", "/v1/rooms"), &key, &named, body)
    };
    let first = post("Viewing").await;
    assert_eq!(first.status, StatusCode::CREATED);
    let again = post("Viewing").await;
    assert_eq!((again.status, &again.body), (first.status, &first.body));
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert_eq!(post("Another").await.code(), (422, "key_reused"));
    let listed = world
        .program("GET", "/v1/rooms", Some(&key), Value::Null)
        .await;
    assert_eq!(listed.body["rooms"].as_array().unwrap().len(), 1);
    // At the same time one is carried out; the other is told so, or hears the same.
    let named = [("idempotency-key", "booking-18")];
    let post = || {
        let body = json!({"title": "Together"});
        world.asks(("POST", "/v1/rooms"), &key, &named, body)
    };
    let (one, other) = tokio::join!(post(), post());
    let done = [&one, &other].map(|answer| answer.status == StatusCode::CREATED);
    assert!(done.contains(&true));
    for answer in [&one, &other] {
        let told = answer.status == StatusCode::CONFLICT && answer.body["code"] == "in_progress";
        assert!(
            answer.status == StatusCode::CREATED || told,
            "{}",
            answer.body
        );
    }
    assert!(done != [true, true] || one.body == other.body);
    // The name is the caller's own: another caller's request is another request.
    let second = world.api_key(&owner, &["rooms:write"]).await;
    let named = [("idempotency-key", "booking-17")];
    let other = world
        .asks(
            ("POST", "/v1/rooms"),
            &second,
            &named,
            json!({"title": "Viewing"}),
        )
        .await;
    assert_ne!(other.body["id"], first.body["id"]);
    // A day later it is forgotten, and what was refused was never kept.
    world.clock.advance(Duration::from_secs(24 * 3600 + 1));
    assert_ne!(
        world
            .asks(
                ("POST", "/v1/rooms"),
                &key,
                &named,
                json!({"title": "Viewing"})
            )
            .await
            .body["id"],
        first.body["id"]
    );
    for wrong in ["", "a b", &"a".repeat(65)] {
        let named = [("idempotency-key", wrong)];
        let refused = world
            .asks(("POST", "/v1/rooms"), &key, &named, json!({"title": "A"}))
            .await;
        assert_eq!(refused.code(), (400, "bad_request"), "{wrong:?}");
    }
}

#[tokio::test]
async fn answers_say_how_often_one_may_ask_and_a_flood_is_held_up_alone() {
    let world = world().await;
    let owner = world.owner().await;
    let key = world.api_key(&owner, &["rooms:read"]).await;
    let first = world
        .program("GET", "/v1/rooms", Some(&key), Value::Null)
        .await;
    assert_eq!(first.headers["ratelimit-policy"], "\"caller\";q=200;w=20");
    assert_eq!(first.headers["ratelimit"], "\"caller\";r=199;t=0");
    let mut last = first;
    for _ in 0..200 {
        last = world
            .program("GET", "/v1/rooms", Some(&key), Value::Null)
            .await;
    }
    assert_eq!(last.code(), (429, "rate_limited"));
    assert_eq!(last.headers["ratelimit"], "\"caller\";r=0;t=20");
    assert!(last.headers.contains_key("retry-after"));
    let other = world
        .program("GET", "/v1/rooms", Some(&owner), Value::Null)
        .await;
    assert_eq!(other.status, StatusCode::OK);
}

#[tokio::test]
async fn x07_pages_change_things_from_our_own_origin_alone_and_a_get_changes_nothing() {
    let world = world().await;
    let owner = world.owner().await;
    let body = json!({"title": "Viewing"});
    let foreign = [("origin", "https://evil.example")];
    let refused = world
        .asks(("POST", "/v1/rooms"), &owner, &foreign, body.clone())
        .await;
    assert_eq!(refused.code(), (403, "wrong_origin"));
    let cookie = world.session_of_a_page().await;
    let mut request = Request::builder()
        .method("POST")
        .uri("/v1/rooms")
        .header("cookie", &cookie)
        .header("origin", "https://evil.example");
    request = request.header("content-type", "application/json");
    let refused = world.send(with(request, body)).await;
    assert_eq!(refused.code(), (403, "wrong_origin"));
    let listed = world
        .program("GET", "/v1/rooms", Some(&owner), Value::Null)
        .await;
    assert_eq!(listed.body["rooms"], json!([]));
}

#[tokio::test]
async fn the_description_is_open_to_anyone_and_nothing_else_is() {
    let world = world().await;
    let shown = world
        .program("GET", "/v1/openapi.json", None, Value::Null)
        .await;
    assert_eq!(shown.status, StatusCode::OK);
    assert_eq!(
        shown.body["openapi"].as_str().unwrap().get(..3),
        Some("3.1")
    );
    for (path, item) in shown.body["paths"].as_object().unwrap() {
        let path = path
            .replace("{room}", &"a".repeat(26))
            .replace("{key}", &"a".repeat(26));
        for (method, operation) in item.as_object().unwrap() {
            // What pages of others reach asks where they come from.
            let refused = match operation.get("security") {
                Some(_) => (403, "wrong_origin"),
                None => (401, "signed_out"),
            };
            let answer = world
                .program(&method.to_uppercase(), &path, None, Value::Null)
                .await;
            assert_eq!(answer.code(), refused, "{method} {path}");
        }
    }
}
