//! A session of a page is good with its key and worth nothing without it.

use super::*;

fn address(path: &str) -> String {
    format!("{ORIGIN}{path}")
}

/// What `GET /api/me` answers to this cookie and these proofs.
async fn me(world: &World, cookie: &str, proofs: &[String]) -> Answer {
    let mut request = Request::builder()
        .method("GET")
        .uri("/api/me")
        .header("cookie", cookie);
    for proof in proofs {
        request = request.header("dpop", proof);
    }
    world.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn t01_a_copied_cookie_is_worth_nothing_and_its_owner_is_told() {
    let world = world().await;
    world.owner().await;
    let cookie = world.session_of_a_page().await;
    let whole = world
        .page("GET", "/api/me", Some(&cookie), Value::Null)
        .await;
    assert_eq!(whole.body.get("copied"), None);

    // Without a proof, and with the proof of another key, whatever that signs.
    assert_eq!(me(&world, &cookie, &[]).await.code(), (401, "signed_out"));
    let thief = Signer::new();
    let nonce = world.nonce(&cookie).await;
    let proof = thief.proof("GET", &address("/api/me"), "1", &nonce);
    assert_eq!(
        me(&world, &cookie, &[proof]).await.code(),
        (401, "signed_out")
    );
    // Nor is somebody without the key given anything to sign.
    let proof = thief.proof("GET", &address("/api/me"), "2", "");
    let answer = me(&world, &cookie, &[proof]).await;
    assert_eq!(answer.code(), (401, "signed_out"));
    assert!(!answer.headers.contains_key("dpop-nonce"));
    // As a program it is no better.
    let token = cookie.strip_prefix("__Host-conclave=").unwrap();
    let bearer = world
        .program("GET", "/api/me", Some(token), Value::Null)
        .await;
    assert_eq!(bearer.code(), (401, "signed_out"));

    // The owner goes on, and is told.
    let told = world
        .page("GET", "/api/me", Some(&cookie), Value::Null)
        .await;
    assert_eq!(told.status, StatusCode::OK);
    assert_eq!(told.body["copied"]["times"], 4);
    world.guard.flush().await;
    let trail = world
        .store
        .audit_after(world.store.org(), &Default::default(), 0, 100)
        .await
        .unwrap();
    let row = trail
        .iter()
        .find(|row| row.line().contains("session_copied"));
    assert!(row.is_some(), "no row of the copies");
}

#[tokio::test]
async fn a_proof_is_good_for_one_request() {
    let world = world().await;
    world.owner().await;
    let cookie = world.session_of_a_page().await;
    let nonce = world.nonce(&cookie).await;
    let sign = |method: &str, address: &str, id: &str| world.key.proof(method, address, id, &nonce);
    for (method, to) in [
        ("POST", address("/api/me")),
        ("GET", address("/api/rooms")),
        ("GET", address("/api/me/")),
        ("GET", address("/api/me?x=1")),
        ("GET", "/api/me".to_owned()),
        ("GET", "https://elsewhere.example/api/me".to_owned()),
        (
            "GET",
            "https://meet.example.org.elsewhere.example/api/me".to_owned(),
        ),
    ] {
        let answer = me(&world, &cookie, &[sign(method, &to, &to)]).await;
        assert_eq!(answer.code(), (401, "signed_out"), "{method} {to}");
    }
    let good = sign("GET", &address("/api/me"), "good");
    let other = sign("GET", &address("/api/me"), "other");
    // Two proofs are none.
    let both = [good.clone(), other];
    assert_eq!(me(&world, &cookie, &both).await.code(), (401, "signed_out"));
    let once = me(&world, &cookie, std::slice::from_ref(&good)).await;
    assert_eq!(once.status, StatusCode::OK);
    let twice = me(&world, &cookie, &[good]).await;
    assert_eq!(twice.code(), (401, "signed_out"));
    // Once the value is old, the next answer brings a fresh one.
    world.clock.advance(Duration::from_secs(301));
    let late = sign("GET", &address("/api/me"), "late");
    let answer = me(&world, &cookie, &[late]).await;
    assert_eq!(answer.code(), (401, "use_dpop_nonce"));
    let fresh = answer.headers["dpop-nonce"].to_str().unwrap();
    let proof = world.key.proof("GET", &address("/api/me"), "fresh", fresh);
    assert_eq!(me(&world, &cookie, &[proof]).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_page_cannot_begin_a_session_that_could_be_copied() {
    let world = world().await;
    let token = world.owner().await;
    let body = json!({"email": "owner@example.org", "password": PASSWORD});
    let request = Request::builder()
        .method("POST")
        .uri("/api/session")
        .header("origin", ORIGIN);
    let answer = world.send(with(request, body)).await;
    assert_eq!(answer.code(), (400, "proof_required"));
    assert!(answer.cookies().is_empty());
    // A session that was made without a key is a program's, and no cookie.
    let cookie = format!("__Host-conclave={token}");
    let answer = world
        .page("GET", "/api/me", Some(&cookie), Value::Null)
        .await;
    assert_eq!(answer.code(), (401, "signed_out"));
}

#[tokio::test]
async fn a_program_may_bind_its_session_too() {
    let world = world().await;
    world.owner().await;
    let ask =
        async |path: &str, method: &str, claims: &Value, token: Option<String>, body: Value| {
            let mut request = Request::builder()
                .method(method)
                .uri(path)
                .header("dpop", world.key.sign(&world.key.header(), claims));
            if let Some(token) = token {
                request = request.header("authorization", token);
            }
            world.send(with(request, body)).await
        };
    let body = json!({"email": "owner@example.org", "password": PASSWORD});
    let mut claims =
        json!({"htm": "POST", "htu": address("/api/token"), "jti": "1", "iat": 1, "nonce": ""});
    let first = ask("/api/token", "POST", &claims, None, body.clone()).await;
    assert_eq!(first.code(), (401, "use_dpop_nonce"));
    claims["nonce"] = json!(first.headers["dpop-nonce"].to_str().unwrap());
    let made = ask("/api/token", "POST", &claims, None, body).await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.body);
    let token = made.body["token"].as_str().unwrap();

    let hash = ring::digest::digest(&ring::digest::SHA256, token.as_bytes());
    let hash = data_encoding::BASE64URL_NOPAD.encode(hash.as_ref());
    let mut claims = json!({"htm": "GET", "htu": address("/api/me"), "jti": "2", "iat": 1, "nonce": claims["nonce"], "ath": hash});
    let bound = || Some(format!("DPoP {token}"));
    let good = ask("/api/me", "GET", &claims, bound(), Value::Null).await;
    assert_eq!(good.status, StatusCode::OK, "{}", good.body);
    claims["jti"] = json!("3");
    let bearer = Some(format!("Bearer {token}"));
    let bearer = ask("/api/me", "GET", &claims, bearer, Value::Null).await;
    assert_eq!(bearer.code(), (401, "signed_out"));
    claims["ath"] = json!("another");
    let other = ask("/api/me", "GET", &claims, bound(), Value::Null).await;
    assert_eq!(other.code(), (401, "signed_out"));
}
