//! Settings of organisations and rooms as a client meets them over HTTP.

use super::*;

#[tokio::test]
async fn an_administrator_chooses_and_locks_for_all_rooms_and_nobody_else_does() {
    let world = world().await;
    let admin = world.owner().await;
    let (_, member) = world.member(&admin, "attendee@example.org", true).await;
    let id = world.room(&member).await;
    let (all, of_room) = (
        "/api/organisation/settings",
        format!("/api/rooms/{id}/settings"),
    );
    let choice = json!({"key": "camera", "value": "attendees_may_guests_ask", "locked": true});
    for (method, path, body) in [
        ("GET", all, Value::Null),
        ("PATCH", all, choice.clone()),
        (
            "PATCH",
            "/api/organisation/options",
            json!({"two_person_admission": true}),
        ),
    ] {
        let refused = world.program(method, path, Some(&member), body).await;
        assert_eq!(refused.code(), (403, "not_allowed"), "{method} {path}");
    }
    let locked = world.program("PATCH", all, Some(&admin), choice).await;
    assert_eq!(
        (
            &locked.body["level"],
            &locked.body["locked"],
            &locked.body["may_change"]
        ),
        (&json!("organisation"), &json!(true), &json!(true))
    );
    let relax = json!({"key": "camera", "value": "everyone_may"});
    let refused = world.program("PATCH", &of_room, Some(&member), relax).await;
    assert_eq!(refused.code(), (404, "not_found"));
    let shown = world
        .program("GET", &of_room, Some(&member), Value::Null)
        .await;
    let line = |key: &str| {
        let lines = shown.body["settings"].as_array().unwrap();
        lines
            .iter()
            .find(|line| line["key"] == key)
            .unwrap()
            .clone()
    };
    assert_eq!(line("camera")["may_change"], false);
    assert_eq!(line("microphone")["may_change"], true);
    assert_eq!(line("max_participants")["may_change"], false);

    let codes = [
        ("audit_log", "on", (403, "not_allowed")),
        ("camera", "sometimes", (422, "invalid_value")),
        ("sign_in", "guests_may_knock", (200, "")),
        ("waiting_room", "nobody", (200, "")),
        ("password", "none", (409, "unprotected")),
    ];
    for (key, value, code) in codes {
        let body = json!({"key": key, "value": value, "locked": false});
        let answer = world.program("PATCH", all, Some(&admin), body).await;
        assert_eq!(answer.code(), code, "{key}");
    }
    let option = json!({"two_person_admission": true});
    let set = world
        .program("PATCH", "/api/organisation/options", Some(&admin), option)
        .await;
    let options = json!({"two_person_admission": true, "require_second_factor": false});
    assert_eq!(set.body, options);
    let shown = world.program("GET", all, Some(&admin), Value::Null).await;
    assert_eq!(shown.body["two_person_admission"], true);
    let told = world.told.0.lock().unwrap().clone();
    assert_eq!(told.len(), 4);
    assert_eq!(
        told[0],
        "organisation camera=attendees_may_guests_ask locked two_hosts=false"
    );
    let trail = world.store.audit_for_test().await;
    for words in [
        "camera=attendees_may_guests_ask locked",
        "waiting_room=nobody",
        "two_person_admission=on",
    ] {
        assert!(trail.iter().any(|row| row.detail.as_deref() == Some(words)));
    }
}

#[tokio::test]
async fn who_may_create_rooms_is_what_the_organisation_says() {
    let world = world().await;
    let admin = world.owner().await;
    let (_, member) = world.member(&admin, "attendee@example.org", false).await;
    let title = json!({"title": "Mine"});
    let made = world
        .program("POST", "/api/rooms", Some(&member), title.clone())
        .await;
    assert_eq!(made.code(), (403, "not_allowed"));
    let choice = json!({"key": "room_creation", "value": "any_account", "locked": false});
    world
        .program("PATCH", "/api/organisation/settings", Some(&admin), choice)
        .await;
    let made = world
        .program("POST", "/api/rooms", Some(&member), title)
        .await;
    assert_eq!(made.status, StatusCode::CREATED);
}
