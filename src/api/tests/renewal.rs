//! Sessions are renewed by whoever holds their key, and end when two do.

use super::*;

/// Session and renewal of an answer, as a browser sends them back.
pub(super) fn kept(answer: &Answer) -> (String, String) {
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let cookies = answer.cookies();
    let find = |name: &str| {
        let found = cookies.iter().find(|cookie| cookie.starts_with(name));
        found.unwrap().split(';').next().unwrap().to_owned()
    };
    (find("__Host-conclave="), find("__Host-conclave-renewal="))
}

pub(super) async fn begin(world: &World) -> (String, String) {
    let credentials = json!({"email": "owner@example.org", "password": PASSWORD});
    let answer = world.page("POST", "/api/session", None, credentials).await;
    kept(&answer)
}

pub(super) async fn renew(world: &World, renewal: &str) -> Answer {
    let path = "/api/session/renew";
    world.page("POST", path, Some(renewal), Value::Null).await
}

async fn me(world: &World, cookie: &str) -> Answer {
    world
        .page("GET", "/api/me", Some(cookie), Value::Null)
        .await
}

#[tokio::test]
async fn a_page_renews_its_session_and_a_lost_answer_costs_nothing() {
    let world = world().await;
    world.owner().await;
    let (session, renewal) = begin(&world).await;
    assert_eq!(me(&world, &session).await.status, StatusCode::OK);
    world.clock.advance(Duration::from_secs(15 * 60));
    assert_eq!(me(&world, &session).await.code(), (401, "signed_out"));
    // Neither stands for the other.
    let crossed = renewal.replace("-renewal", "");
    assert_eq!(me(&world, &crossed).await.code(), (401, "signed_out"));
    let crossed = session.replace("conclave=", "conclave-renewal=");
    assert_eq!(renew(&world, &crossed).await.code(), (401, "signed_out"));
    // Two tabs, or an answer that never came, however long ago that was.
    kept(&renew(&world, &renewal).await);
    world.clock.advance(Duration::from_secs(60 * 60));
    let (session, renewal) = kept(&renew(&world, &renewal).await);
    assert_eq!(me(&world, &session).await.status, StatusCode::OK);
    // The session has an end that no renewal puts off.
    world.clock.advance(Duration::from_secs(23 * 60 * 60));
    assert_eq!(renew(&world, &renewal).await.code(), (401, "signed_out"));
}

#[tokio::test]
async fn t01_a_renewal_that_is_used_twice_ends_the_session_and_says_why() {
    let world = world().await;
    world.owner().await;
    let (_, first) = begin(&world).await;
    let (session, second) = kept(&renew(&world, &first).await);
    assert_eq!(me(&world, &session).await.status, StatusCode::OK);
    // Without the key it is refused, and the owner told; that alone ends nothing.
    let thief = Signer::new();
    let nonce = world.nonce(&session).await;
    let asked = ("POST", "/api/session/renew");
    let stolen = world
        .signed(&thief, asked, Some(&first), Value::Null, &nonce)
        .await;
    assert_eq!(stolen.code(), (401, "signed_out"));
    assert_eq!(me(&world, &session).await.body["copied"]["times"], 1);
    // With it, and when what came of it was in use for a while, two hold the session.
    world.clock.advance(Duration::from_secs(61));
    assert_eq!(renew(&world, &first).await.code(), (401, "session_reused"));
    assert_eq!(me(&world, &session).await.code(), (401, "session_reused"));
    assert_eq!(renew(&world, &second).await.code(), (401, "session_reused"));
    // Whoever it is signs in again.
    let (session, _) = begin(&world).await;
    assert_eq!(me(&world, &session).await.status, StatusCode::OK);
}

#[tokio::test]
async fn signing_out_ends_what_would_renew_it_and_programs_renew_by_body() {
    let world = world().await;
    world.owner().await;
    let (session, renewal) = begin(&world).await;
    let out = world
        .page("DELETE", "/api/session", Some(&session), Value::Null)
        .await;
    assert_eq!(out.cookies().len(), 2);
    assert_eq!(renew(&world, &renewal).await.code(), (401, "signed_out"));
    let body = json!({"email": "owner@example.org", "password": PASSWORD});
    let made = world.program("POST", "/api/token", None, body).await;
    let body = json!({"renewal": made.body["renewal"]});
    let made = world
        .program("POST", "/api/token/renew", None, body.clone())
        .await;
    let token = made.body["token"].as_str().unwrap();
    let me = world
        .program("GET", "/api/me", Some(token), Value::Null)
        .await;
    assert_eq!(me.status, StatusCode::OK);
    world.clock.advance(Duration::from_secs(61));
    let again = world.program("POST", "/api/token/renew", None, body).await;
    assert_eq!(again.code(), (401, "session_reused"));
    // A guest's too.
    let room = RoomId::from_bytes([4; 16]).to_string();
    let body = json!({"room": room, "name": "Visitor"});
    let made = world.program("POST", "/api/guest", None, body).await;
    let body = json!({"renewal": made.body["renewal"]});
    world.clock.advance(Duration::from_secs(15 * 60));
    let made = world.program("POST", "/api/token/renew", None, body).await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.body);
    assert_eq!(made.body["me"]["room"], room);
}
