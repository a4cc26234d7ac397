//! Members as administrators see and change them: pages and searches, rights, the end of sessions and of accounts, and what keys see of it.

use super::*;

impl World {
    async fn listed(&self, token: &str, query: &str) -> Answer {
        let path = format!("/v1/members{query}");
        let answer = self.program("GET", &path, Some(token), Value::Null).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        answer
    }

    /// Someone with this name; their session.
    async fn named(&self, owner: &str, email: &str, name: &str) -> String {
        let body = json!({"may_create_rooms": false});
        let invited = self
            .program("POST", "/v1/invitations", Some(owner), body)
            .await;
        let path = invited.body["path"].as_str().unwrap();
        let secret = path.strip_prefix("/invitation#").unwrap();
        let body = acceptance(secret, email, name);
        let made = self
            .program("POST", "/api/invitations/accept", None, body)
            .await;
        made.body["token"].as_str().unwrap().to_owned()
    }

    async fn scoped(&self, owner: &str, scopes: &[&str]) -> String {
        let body = json!({"name": "Directory", "scopes": scopes, "expires_in_days": 1});
        let made = self
            .program("POST", "/v1/api-keys", Some(owner), body)
            .await;
        made.body["key"].as_str().unwrap().to_owned()
    }
}

/// The path of the member of that name.
fn path_of(list: &Answer, name: &str) -> String {
    let members = list.body["members"].as_array().unwrap();
    let found = members.iter().find(|line| line["name"] == name).unwrap();
    format!("/v1/members/{}", found["id"].as_str().unwrap())
}

fn names(list: &Answer) -> Vec<&str> {
    let members = list.body["members"].as_array().unwrap().iter();
    members.map(|line| line["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn an_administrator_sees_how_members_are_reached_and_sign_in_and_a_key_does_not() {
    let world = world().await;
    let owner = world.owner().await;
    world.named(&owner, "some@example.org", "Some One").await;
    let list = world.listed(&owner, "").await;
    assert_eq!(names(&list).len(), 2);
    let line = world.listed(&owner, "?q=some").await.body["members"][0].clone();
    assert_eq!(line["ways"]["email"], "some@example.org");
    assert_eq!(line["ways"]["password"], true);
    assert_eq!(line["ways"]["providers"], json!([]));
    assert_eq!(line["ways"]["signed_in"], Value::Null);
    // A sign-in is known from the trail.
    let body = json!({"email": "some@example.org", "password": PASSWORD});
    let signed_in = world.page("POST", "/api/session", None, body).await;
    assert_eq!(signed_in.status, StatusCode::OK);
    // Written after it, and so known after it.
    let key = world.scoped(&owner, &["members:read"]).await;
    let line = world.listed(&owner, "?q=some").await.body["members"][0].clone();
    assert!(line["ways"]["signed_in"].is_i64(), "{line}");
    let seen = world.listed(&key, "").await;
    assert_eq!(names(&seen).len(), 2);
    assert!(!seen.body.to_string().contains("example.org"));
    assert_eq!(seen.body["members"][0]["ways"], Value::Null);
    // Nor does it find anybody by an address that it does not see.
    assert!(names(&world.listed(&key, "?q=some@").await).is_empty());
    assert_eq!(names(&world.listed(&owner, "?q=SOME@").await), ["Some One"]);
}

#[tokio::test]
async fn a_search_goes_through_everyone_page_by_page() {
    let world = world().await;
    let owner = world.owner().await;
    for number in 0..5 {
        let email = format!("m{number}@example.org");
        let name = if number % 2 == 0 { "Even" } else { "Odd" };
        world.named(&owner, &email, name).await;
    }
    let (mut found, mut cursor, mut pages) = (0, String::new(), 0);
    loop {
        let page = world
            .listed(&owner, &format!("?q=even&limit=1{cursor}"))
            .await;
        assert!(names(&page).iter().all(|name| *name == "Even"));
        found += names(&page).len();
        pages += 1;
        match page.body["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
        assert!(pages < 10);
    }
    assert_eq!(found, 3);
    for wrong in ["?q=a&q=b", "?words=a", "?limit=0", "?cursor=x"] {
        let path = format!("/v1/members{wrong}");
        let refused = world.program("GET", &path, Some(&owner), Value::Null).await;
        assert_eq!(refused.code(), (400, "bad_request"), "{wrong}");
    }
}

#[tokio::test]
async fn whoever_gives_a_right_or_ends_an_account_was_there_lately() {
    let world = world().await;
    let owner = world.owner().await;
    world.named(&owner, "some@example.org", "Some One").await;
    let path = path_of(&world.listed(&owner, "").await, "Some One");
    world.clock.advance(Duration::from_secs(11 * 60));
    for right in ["admin", "may_create_rooms"] {
        let body = json!({ right: true });
        let refused = world.program("PATCH", &path, Some(&owner), body).await;
        assert_eq!(refused.code(), (403, "confirm_first"), "{right}");
    }
    let refused = world
        .program("DELETE", &path, Some(&owner), Value::Null)
        .await;
    assert_eq!(refused.code(), (403, "confirm_first"));
    let invitation = |creates: bool| {
        [
            ("/v1/invitations", json!({"may_create_rooms": creates})),
            (
                "/api/invitations",
                json!({"kind": "member", "may_create_rooms": creates}),
            ),
        ]
    };
    for (path, body) in invitation(true) {
        let refused = world.program("POST", path, Some(&owner), body).await;
        assert_eq!(refused.code(), (403, "confirm_first"), "{path}");
    }
    // Without a right it is an everyday matter; and a right is taken without it.
    for (path, body) in invitation(false) {
        let made = world.program("POST", path, Some(&owner), body).await;
        assert!(made.status.is_success(), "{path}: {}", made.body);
    }
    let body = json!({"may_create_rooms": false});
    let taken = world.program("PATCH", &path, Some(&owner), body).await;
    assert_eq!(taken.status, StatusCode::OK, "{}", taken.body);
    let again = world
        .program(
            "POST",
            "/api/again",
            Some(&owner),
            json!({"password": PASSWORD}),
        )
        .await;
    let again = again.body["again"].as_str().unwrap().to_owned();
    let proved = [("conclave-again", again.as_str())];
    let given = world
        .asks(
            ("PATCH", &path),
            &owner,
            &proved,
            json!({"may_create_rooms": true}),
        )
        .await;
    assert_eq!(given.body["may_create_rooms"], true, "{}", given.body);
    let ended = world
        .asks(("DELETE", &path), &owner, &proved, Value::Null)
        .await;
    assert_eq!(ended.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_members_sessions_end_at_once_and_a_key_ends_no_administrators() {
    let world = world().await;
    let owner = world.owner().await;
    let member = world.named(&owner, "some@example.org", "Some One").await;
    let list = world.listed(&owner, "").await;
    let sessions = |name: &str| format!("{}/sessions", path_of(&list, name));
    let reader = world.scoped(&owner, &["members:read"]).await;
    let writer = world.scoped(&owner, &["members:write"]).await;
    let end = async |who: &str, token: &str| {
        let path = sessions(who);
        world
            .program("DELETE", &path, Some(token), Value::Null)
            .await
    };
    assert_eq!(end("Some One", &reader).await.code(), (403, "not_allowed"));
    assert_eq!(end("Some One", &member).await.code(), (403, "not_allowed"));
    let name = names(&list)
        .into_iter()
        .find(|name| *name != "Some One")
        .unwrap();
    assert_eq!(end(name, &writer).await.code(), (403, "not_allowed"));
    let ended = end("Some One", &writer).await;
    assert_eq!(ended.status, StatusCode::NO_CONTENT, "{}", ended.body);
    let me = world
        .program("GET", "/api/me", Some(&member), Value::Null)
        .await;
    assert_eq!(me.code(), (401, "signed_out"));
    // The account is still there; the owner may end their own sessions too, and is out then.
    assert_eq!(names(&world.listed(&owner, "").await).len(), 2);
    assert_eq!(end(name, &owner).await.status, StatusCode::NO_CONTENT);
    let me = world
        .program("GET", "/api/me", Some(&owner), Value::Null)
        .await;
    assert_eq!(me.code(), (401, "signed_out"));
    let trail = world.store.audit_for_test().await;
    let words: Vec<_> = trail
        .iter()
        .filter(|row| row.detail.as_deref() == Some("sign_out"))
        .map(|row| row.action)
        .collect();
    assert!(words.contains(&"manage_member") && words.contains(&"manage_admin"));
}
