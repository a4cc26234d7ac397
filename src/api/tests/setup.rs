//! Tests of what owners set up from outside a meeting.

use super::*;

#[tokio::test]
async fn an_owner_sets_a_room_up_and_the_meeting_is_told() {
    let world = world().await;
    let owner = world.owner().await;
    let id = world.room(&owner).await;
    let path = |rest: &str| format!("/api/rooms/{id}{rest}");
    let owner = Some(owner.as_str());

    let shown = world.program("GET", &path(""), owner, Value::Null).await;
    assert_eq!(shown.body["title"], "Weekly");
    let first = world
        .program("GET", &path("/password"), owner, Value::Null)
        .await;
    let second = world
        .program("POST", &path("/password"), owner, json!({}))
        .await;
    assert_ne!(first.body["password"], second.body["password"]);
    let read = world
        .program("GET", &path("/password"), owner, Value::Null)
        .await;
    assert_eq!(read.body, second.body);
    // Somebody else who saw the first one is told, and changes nothing.
    let late = json!({"revision": first.body["revision"]});
    let late = world.program("POST", &path("/password"), owner, late).await;
    assert_eq!(
        (late.status.as_u16(), &late.body["code"]),
        (409, &json!("stale"))
    );
    let kept = world
        .program("GET", &path("/password"), owner, Value::Null)
        .await;
    assert_eq!(kept.body, second.body);

    let change = json!({"key": "waiting_room", "value": "guests_only"});
    let changed = world
        .program("PATCH", &path("/settings"), owner, change)
        .await;
    assert_eq!(changed.body["value"], "guests_only");
    let change = json!({"key": "password", "value": "none"});
    world
        .program("PATCH", &path("/settings"), owner, change)
        .await;
    let settings = world
        .program("GET", &path("/settings"), owner, Value::Null)
        .await;
    let settings = settings.body["settings"].as_array().unwrap().clone();
    assert!(
        settings
            .iter()
            .any(|setting| setting["key"] == "password" && setting["value"] == "none")
    );
    let none = world
        .program("GET", &path("/password"), owner, Value::Null)
        .await;
    assert_eq!(none.body, json!({"password": null, "revision": 1}));

    let ended = world.program("DELETE", &path(""), owner, Value::Null).await;
    assert_eq!(ended.status, StatusCode::NO_CONTENT);
    let gone = world.program("GET", &path(""), owner, Value::Null).await;
    assert_eq!(gone.code(), (404, "not_found"));

    let told = world.told.0.lock().unwrap().clone();
    assert_eq!(
        told[0],
        format!(
            "{id} password {}",
            second.body["password"].as_str().unwrap()
        )
    );
    assert_eq!(told[1], format!("{id} waiting_room=guests_only"));
    assert_eq!(
        told[2],
        format!("{id} waiting_room=guests_only password=none")
    );
    assert_eq!(told[3], format!("{id} ended"));
    let trail = world.store.audit_for_test().await;
    let said = |words: &str| {
        trail
            .iter()
            .any(|row| row.detail.as_deref() == Some(words) && row.verdict == Verdict::Permitted)
    };
    assert!(said("waiting_room=guests_only") && said("password=none"));
    assert!(trail.iter().any(|row| row.action == "end_room"));
}

#[tokio::test]
async fn a_setting_outside_its_bounds_is_refused_and_nothing_changes() {
    let world = world().await;
    let admin = world.owner().await;
    let (_, owner) = world.member(&admin, "attendee@example.org", true).await;
    let id = world.room(&owner).await;
    let path = format!("/api/rooms/{id}/settings");
    let mut codes = Vec::new();
    for (key, value) in [
        ("waiting_room", "nobody"),
        ("sign_in", "guests_may_knock"),
        ("password", "none"),              // nothing would be left
        ("max_participants", "thousand"),  // an administrator's
        ("remote_unmute", "request_only"), // nobody's
        ("waiting_room", "sometimes"),
        ("no_such_setting", "on"),
    ] {
        let body = json!({"key": key, "value": value});
        let answer = world.program("PATCH", &path, Some(&owner), body).await;
        codes.push((
            answer.status.as_u16(),
            answer.body["code"].as_str().unwrap_or_default().to_owned(),
        ));
    }
    let codes: Vec<_> = codes
        .iter()
        .map(|(status, code)| (*status, code.as_str()))
        .collect();
    assert_eq!(
        codes,
        [
            (200, ""),
            (200, ""),
            (409, "unprotected"),
            (404, "not_found"),
            (404, "not_found"),
            (422, "invalid_value"),
            (422, "invalid_value"),
        ]
    );
    let room = world
        .store
        .room(world.store.org(), id.parse().unwrap())
        .await
        .unwrap()
        .unwrap();
    let stands: Vec<_> = room
        .settings
        .pairs()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    assert_eq!(stands, ["waiting_room=nobody", "sign_in=guests_may_knock"]);
}
