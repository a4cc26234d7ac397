//! Tests of what owners set up from outside a meeting, and administrators for all rooms.

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
    assert_eq!(none.body, json!({"password": null}));

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
    let (_, owner) = world.member(&admin, "ada@example.org", true).await;
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

#[tokio::test]
async fn an_administrator_chooses_and_locks_for_all_rooms_and_nobody_else_does() {
    let world = world().await;
    let admin = world.owner().await;
    let (_, member) = world.member(&admin, "ada@example.org", true).await;
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
    assert_eq!(set.body, json!({"two_person_admission": true}));
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
    let (_, member) = world.member(&admin, "ada@example.org", false).await;
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
