//! Where one is signed in, and signing out there.

use super::*;

async fn list(world: &World, token: &str) -> Vec<Value> {
    let answer = world
        .program("GET", "/api/sessions", Some(token), Value::Null)
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    answer.body["sessions"].as_array().unwrap().clone()
}

async fn token(world: &World, email: &str) -> Answer {
    let body = json!({"email": email, "password": PASSWORD});
    let answer = world.program("POST", "/api/token", None, body).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    answer
}

fn text(answer: &Answer, field: &str) -> String {
    answer.body[field].as_str().unwrap().to_owned()
}

async fn end(world: &World, token: &str, id: &str) -> Answer {
    let path = format!("/api/sessions/{id}");
    world
        .program("DELETE", &path, Some(token), Value::Null)
        .await
}

#[tokio::test]
async fn an_account_sees_where_it_is_signed_in_and_signs_out_there() {
    let world = world().await;
    let first = world.owner().await;
    world.clock.advance(Duration::from_secs(5));
    let second = token(&world, "owner@example.org").await;
    let shown = list(&world, &first).await;
    assert_eq!(shown.len(), 2);
    // The one used last first, and from the place of the request, as far as it is kept.
    assert_eq!(
        (&shown[0]["this"], &shown[1]["this"]),
        (&json!(false), &json!(true))
    );
    assert_eq!(shown[0]["place"], "192.0.2.*");
    assert_eq!(shown[0]["device"], "A program");
    assert_eq!(shown[0]["began"], shown[0]["used"]);
    // Another account sees none of it and ends nothing.
    let (_, other) = world.member(&first, "attendee@example.org", false).await;
    let id = shown[0]["id"].as_str().unwrap();
    assert_eq!(list(&world, &other).await.len(), 1);
    assert_eq!(end(&world, &other, id).await.code(), (404, "not_found"));
    for none in ["", "x", "AAAAAAAAAAAAAAAAAAAAAA", &"A".repeat(5000)] {
        let answer = end(&world, &first, none).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{none}");
    }
    let ended = end(&world, &first, id).await;
    assert_eq!(ended.status, StatusCode::NO_CONTENT);
    let me = world
        .program("GET", "/api/me", Some(&text(&second, "token")), Value::Null)
        .await;
    assert_eq!(me.code(), (401, "signed_out"));
    let body = json!({"renewal": second.body["renewal"]});
    let renewed = world.program("POST", "/api/token/renew", None, body).await;
    assert_eq!(renewed.code(), (401, "signed_out"));
    assert_eq!(list(&world, &first).await.len(), 1);
    assert_eq!(end(&world, &first, id).await.code(), (404, "not_found"));
    world.guard.flush().await;
    let trail = world.store.audit_for_test().await;
    let noted = trail
        .iter()
        .filter(|row| row.action == "end_own_sessions" && row.verdict == Verdict::Permitted);
    // Asked by whoever may, also of what was none of theirs: what they may is asked before what there is.
    assert!(noted.count() >= 2);
    // A guest has no account, and so no list.
    let room = RoomId::from_bytes([4; 16]).to_string();
    let guest = json!({"room": room, "name": "Visitor"});
    let guest = world.program("POST", "/api/guest", None, guest).await;
    let guest = text(&guest, "token");
    let none = world
        .program("GET", "/api/sessions", Some(&guest), Value::Null)
        .await;
    assert_eq!(none.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_renewal_says_when_and_from_where_and_a_new_password_leaves_one() {
    let world = world().await;
    world.owner().await;
    let made = token(&world, "owner@example.org").await;
    world.clock.advance(Duration::from_secs(600));
    let request = Request::builder()
        .method("POST")
        .uri("/api/token/renew")
        .header("user-agent", "meeting-bot/3 (planted)");
    let body = json!({"renewal": made.body["renewal"]});
    let renewed = world.send(with(request, body)).await;
    assert_eq!(renewed.status, StatusCode::OK, "{}", renewed.body);
    let renewed = text(&renewed, "token");
    let shown = list(&world, &renewed).await;
    assert_eq!(shown.len(), 2);
    assert_eq!(shown[0]["device"], "meeting-bot");
    let millis = |field: &str| shown[0][field].as_i64().unwrap();
    assert_eq!(millis("used") - millis("began"), 600_000);
    let body = json!({"password": "another horse battery"});
    let changed = world
        .program("POST", "/api/account/password", Some(&renewed), body)
        .await;
    // The sign-in is too long ago: it wants to be proved again.
    assert_eq!(changed.code(), (403, "confirm_first"));
    let kept = world
        .program(
            "POST",
            "/api/account/end-others",
            Some(&renewed),
            Value::Null,
        )
        .await;
    let token = text(&kept, "token");
    let left = list(&world, &token).await;
    assert_eq!(left.len(), 1);
    assert_eq!(left[0]["this"], true);
    // That proves nothing, and lengthens nothing.
    assert_eq!(kept.body["expires"], made.body["expires"]);
    let body = json!({"password": "another horse battery"});
    let changed = world
        .program("POST", "/api/account/password", Some(&token), body)
        .await;
    assert_eq!(changed.code(), (403, "confirm_first"));
}
