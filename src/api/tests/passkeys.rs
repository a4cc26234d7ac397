//! Passkeys and recovery codes: what opens an account, and everything that must not.

use super::authenticator::Authenticator;
use super::*;

/// A page that is signed in, and what it did last.
struct Own<'a> {
    world: &'a World,
    cookie: String,
    renewal: String,
}

impl Own<'_> {
    async fn call(&self, method: &str, path: &str, body: Value) -> Answer {
        self.world
            .page(method, path, Some(&self.cookie), body)
            .await
    }

    async fn add(&self, authenticator: &mut Authenticator) -> Answer {
        let begun = self.call("POST", "/api/passkeys/start", Value::Null).await;
        assert_eq!(begun.status, StatusCode::OK, "{}", begun.body);
        let credential = authenticator.make(&begun.body["options"]);
        let body =
            json!({"ceremony": begun.body["ceremony"], "credential": credential, "name": "Blue"});
        self.call("POST", "/api/passkeys", body).await
    }

    async fn renew(&mut self) {
        let renewed = super::renewal::renew(self.world, &self.renewal).await;
        (self.cookie, self.renewal) = super::renewal::kept(&renewed);
    }
}

async fn own(world: &World) -> Own<'_> {
    let (cookie, renewal) = super::renewal::begin(world).await;
    Own {
        world,
        cookie,
        renewal,
    }
}

impl World {
    async fn start(&self) -> Value {
        let begun = self
            .page("POST", "/api/session/passkey/start", None, json!({}))
            .await;
        assert_eq!(begun.status, StatusCode::OK, "{}", begun.body);
        begun.body
    }

    async fn finish(&self, ceremony: &Value, credential: Value) -> Answer {
        let body = json!({"ceremony": ceremony, "credential": credential});
        self.page("POST", "/api/session/passkey", None, body).await
    }

    async fn by_passkey(&self, authenticator: &mut Authenticator) -> Answer {
        let begun = self.start().await;
        let credential = authenticator.make_use(&begun["options"]);
        self.finish(&begun["ceremony"], credential).await
    }

    /// What is asked for after the right password.
    async fn half_way(&self) -> Value {
        let credentials = json!({"email": "owner@example.org", "password": PASSWORD});
        let asked = self.page("POST", "/api/session", None, credentials).await;
        assert_eq!(asked.status, StatusCode::ACCEPTED, "{}", asked.body);
        assert!(asked.cookies().is_empty() && asked.body.get("me").is_none());
        asked.body["second_factor"].clone()
    }

    async fn factor(&self, body: Value) -> Answer {
        self.page("POST", "/api/session/factor", None, body).await
    }

    async fn noted(&self, action: &str) -> usize {
        self.guard.flush().await;
        let trail = self.store.audit_for_test().await;
        trail.iter().filter(|row| row.action == action).count()
    }
}

const REFUSED: (u16, &str) = (401, "passkey_refused");

#[tokio::test]
async fn a_passkey_opens_its_account_and_the_password_alone_no_longer_does() {
    let world = world().await;
    world.owner().await;
    let page = own(&world).await;
    let mut key = Authenticator::new(1);
    let added = page.add(&mut key).await;
    assert_eq!(added.status, StatusCode::CREATED, "{}", added.body);
    assert_eq!(world.noted("add_passkey").await, 1);

    let signed_in = world.by_passkey(&mut key).await;
    assert_eq!(signed_in.status, StatusCode::OK, "{}", signed_in.body);
    assert_eq!(signed_in.body["me"]["name"], "Owner");
    let cookie = signed_in.cookies()[0].split(';').next().unwrap().to_owned();
    let token = cookie.strip_prefix("__Host-conclave=").unwrap();
    let principal = world.auth.principal(token).await.unwrap();
    assert!(principal.came.second_factor, "a passkey is both factors");

    let asked = world.half_way().await;
    assert_eq!(
        asked["options"]["allowCredentials"][0]["id"],
        json!(key.id())
    );
    let credential = key.make_use(&asked["options"]);
    let body = json!({"ceremony": asked["ceremony"], "credential": credential});
    let signed_in = world.factor(body).await;
    assert_eq!(signed_in.status, StatusCode::OK, "{}", signed_in.body);
    // A program is asked as well.
    let credentials = json!({"email": "owner@example.org", "password": PASSWORD});
    let program = world.program("POST", "/api/token", None, credentials).await;
    assert_eq!(program.status, StatusCode::ACCEPTED);
    assert!(program.body.get("token").is_none());

    let list = page.call("GET", "/api/passkeys", Value::Null).await;
    assert_eq!(list.body["passkeys"][0]["name"], "Blue");
    assert!(list.body["passkeys"][0]["used"].is_number());
    let id = list.body["passkeys"][0]["id"].as_str().unwrap();
    let path = format!("/api/passkeys/{id}");
    let named = page.call("PATCH", &path, json!({"name": "Red"})).await;
    assert_eq!(named.status, StatusCode::NO_CONTENT);
    let removed = page.call("DELETE", &path, Value::Null).await;
    assert_eq!(removed.status, StatusCode::NO_CONTENT, "{}", removed.body);
    assert_eq!(world.by_passkey(&mut key).await.code(), REFUSED);
    world.session_of_a_page().await;
}

#[tokio::test]
async fn a_passkey_of_another_page_without_a_look_at_its_owner_or_with_another_key_opens_nothing() {
    let world = world().await;
    world.owner().await;
    let page = own(&world).await;
    let mut key = Authenticator::new(1);
    page.add(&mut key).await;
    let good = (key.origin.clone(), key.domain.clone());
    for origin in [
        "https://evil.example",
        "https://meet.example.org.evil.example",
        "https://meet.example.org:444",
        "http://meet.example.org",
        "https://sub.meet.example.org",
    ] {
        key.origin = origin.to_owned();
        assert_eq!(world.by_passkey(&mut key).await.code(), REFUSED, "{origin}");
    }
    key.origin = good.0;
    key.domain = "example.org".to_owned();
    assert_eq!(world.by_passkey(&mut key).await.code(), REFUSED);
    key.domain = good.1;
    key.verified = false;
    assert_eq!(world.by_passkey(&mut key).await.code(), REFUSED);
    key.verified = true;
    // Another key under the same name; and the right one that calls itself somebody else's.
    let mut other = Authenticator::new(1);
    other.user = key.user.clone();
    assert_eq!(world.by_passkey(&mut other).await.code(), REFUSED);
    let user = std::mem::replace(&mut key.user, json!("AAAAAAAAAAAAAAAAAAAAAA"));
    assert_eq!(world.by_passkey(&mut key).await.code(), REFUSED);
    key.user = Value::Null;
    assert_eq!(world.by_passkey(&mut key).await.code(), REFUSED);
    key.user = user;
    // An unknown one is answered like a wrong one.
    let mut unknown = Authenticator::new(9);
    unknown.user = key.user.clone();
    assert_eq!(world.by_passkey(&mut unknown).await.code(), REFUSED);
    assert_eq!(world.by_passkey(&mut key).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_ceremony_is_for_one_purpose_one_browser_one_time_and_five_minutes() {
    let world = world().await;
    world.owner().await;
    let page = own(&world).await;
    let mut key = Authenticator::new(1);
    let begun = page.call("POST", "/api/passkeys/start", Value::Null).await;
    let body = json!({"ceremony": begun.body["ceremony"], "credential": key.make(&begun.body["options"]), "name": "Blue"});
    // Of another session of the same account it is not.
    let other = own(&world).await;
    let refused = other.call("POST", "/api/passkeys", body.clone()).await;
    assert_eq!(refused.code(), REFUSED);
    // And that try has ended it.
    let refused = page.call("POST", "/api/passkeys", body).await;
    assert_eq!(refused.code(), REFUSED);
    assert_eq!(page.add(&mut key).await.status, StatusCode::CREATED);
    let twice = page.add(&mut key).await;
    assert_eq!(twice.code(), REFUSED);

    // The same answer twice, an answer to another question, a question that was somebody else's.
    let begun = world.start().await;
    let credential = key.make_use(&begun["options"]);
    let first = world.finish(&begun["ceremony"], credential.clone()).await;
    assert_eq!(first.status, StatusCode::OK);
    let second = world.finish(&begun["ceremony"], credential).await;
    assert_eq!(second.code(), REFUSED);
    let (one, two) = (world.start().await, world.start().await);
    let crossed = key.make_use(&one["options"]);
    let crossed = world.finish(&two["ceremony"], crossed).await;
    assert_eq!(crossed.code(), REFUSED);
    let begun = world.start().await;
    let body =
        json!({"ceremony": begun["ceremony"], "credential": key.make_use(&begun["options"])});
    let thief = Signer::new();
    let at = ("POST", "/api/session/passkey");
    let asked = world.signed(&thief, at, None, body.clone(), "").await;
    let nonce = asked.headers["dpop-nonce"].to_str().unwrap();
    let stolen = world.signed(&thief, at, None, body, nonce).await;
    assert_eq!(stolen.code(), REFUSED);

    // A question for the second factor is none for a sign-in, and the other way round; nor is a session one.
    let asked = world.half_way().await;
    let credential = key.make_use(&asked["options"]);
    let mixed = world.finish(&asked["ceremony"], credential).await;
    assert_eq!(mixed.code(), REFUSED);
    let begun = world.start().await;
    let body =
        json!({"ceremony": begun["ceremony"], "credential": key.make_use(&begun["options"])});
    assert_eq!(world.factor(body).await.code(), REFUSED);
    let session = page.cookie.strip_prefix("__Host-conclave=").unwrap();
    let begun = world.start().await;
    let credential = key.make_use(&begun["options"]);
    assert_eq!(
        world.finish(&json!(session), credential).await.code(),
        REFUSED
    );

    let begun = world.start().await;
    let credential = key.make_use(&begun["options"]);
    world.clock.advance(Duration::from_secs(301));
    let late = world.finish(&begun["ceremony"], credential).await;
    assert_eq!(late.code(), REFUSED);
    assert_eq!(world.by_passkey(&mut key).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_passkey_whose_counter_goes_back_opens_nothing_from_then_on() {
    let world = world().await;
    world.owner().await;
    let page = own(&world).await;
    let mut key = Authenticator::new(1);
    page.add(&mut key).await;
    key.counter = 40;
    assert_eq!(world.by_passkey(&mut key).await.status, StatusCode::OK);
    key.counter = 7;
    assert_eq!(world.by_passkey(&mut key).await.code(), REFUSED);
    key.counter = 100;
    assert_eq!(world.by_passkey(&mut key).await.code(), REFUSED);
    assert_eq!(world.noted("passkey_copied").await, 1);
    let list = page.call("GET", "/api/passkeys", Value::Null).await;
    assert!(list.body["passkeys"][0]["copied"].is_number());
    // The account still asks for more than the password.
    world.half_way().await;
}

#[tokio::test]
async fn a_recovery_code_stands_in_once_within_the_budget_of_guesses() {
    let world = world().await;
    world.owner().await;
    let page = own(&world).await;
    page.add(&mut Authenticator::new(1)).await;
    assert_eq!(world.half_way().await["codes"], false);
    let made = page.call("POST", "/api/recovery-codes", Value::Null).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    let codes = made.body["codes"].as_array().unwrap().clone();
    assert_eq!(codes.len(), 10);
    let asked = world.half_way().await;
    assert_eq!(asked["codes"], true);
    let with = |code: &Value| json!({"ceremony": asked["ceremony"], "code": code});
    let wrong = world.factor(with(&json!("abcd-efgh-ijkl-mnop"))).await;
    assert_eq!(wrong.code(), (401, "code_refused"));
    let signed_in = world.factor(with(&codes[0])).await;
    assert_eq!(signed_in.status, StatusCode::OK, "{}", signed_in.body);
    assert_eq!(world.noted("recovery_code_used").await, 1);
    // The sign-in is over, and so is the code.
    assert_eq!(
        world.factor(with(&codes[1])).await.code(),
        (401, "code_refused")
    );
    let asked = world.half_way().await;
    let with = |code: &Value| json!({"ceremony": asked["ceremony"], "code": code});
    assert_eq!(
        world.factor(with(&codes[0])).await.code(),
        (401, "code_refused")
    );
    let list = page.call("GET", "/api/passkeys", Value::Null).await;
    assert!(list.body["code_used"].is_number());
    // Guesses end, also for a right code.
    let mut limited = false;
    for _ in 0..20 {
        let guess = world.factor(with(&json!("bbbb-bbbb-bbbb-bbbb"))).await;
        limited |= guess.code() == (429, "rate_limited");
    }
    assert!(limited);
    assert_eq!(
        world.factor(with(&codes[2])).await.code(),
        (429, "rate_limited")
    );
    // New ones end the old ones.
    world.clock.advance(Duration::from_secs(4));
    let again = page.call("POST", "/api/recovery-codes", Value::Null).await;
    assert_eq!(again.status, StatusCode::CREATED);
    world.clock.advance(Duration::from_secs(3600));
    let asked = world.half_way().await;
    let old = json!({"ceremony": asked["ceremony"], "code": codes[3]});
    assert_eq!(world.factor(old).await.code(), (401, "code_refused"));
}

#[tokio::test]
async fn ways_in_are_changed_only_by_somebody_who_was_there_lately() {
    let world = world().await;
    world.owner().await;
    let mut page = own(&world).await;
    let mut key = Authenticator::new(1);
    page.add(&mut key).await;
    world.clock.advance(Duration::from_secs(11 * 60));
    let list = page.call("GET", "/api/passkeys", Value::Null).await;
    let path = format!(
        "/api/passkeys/{}",
        list.body["passkeys"][0]["id"].as_str().unwrap()
    );
    for (method, path) in [
        ("POST", "/api/passkeys/start"),
        ("POST", "/api/recovery-codes"),
        ("DELETE", path.as_str()),
    ] {
        let refused = page.call(method, path, Value::Null).await;
        assert_eq!(refused.code(), (403, "confirm_first"), "{method} {path}");
    }
    let wrong = json!({"password": "wrong horse battery"});
    let wrong = page.call("POST", "/api/again", wrong).await;
    assert_eq!(wrong.code(), (401, "sign_in_refused"));
    let by_password = json!({"password": PASSWORD});
    let by_password = page.call("POST", "/api/again", by_password).await;
    assert_eq!(by_password.status, StatusCode::OK, "{}", by_password.body);
    let begun = page.call("POST", "/api/again/passkey", Value::Null).await;
    let credential = key.make_use(&begun.body["options"]);
    let by_passkey = json!({"ceremony": begun.body["ceremony"], "credential": credential});
    let by_passkey = page.call("POST", "/api/again", by_passkey).await;
    assert_eq!(by_passkey.status, StatusCode::OK, "{}", by_passkey.body);
    let with = async |cookie: &str, again: &str| {
        let proof = world.proof("POST", "/api/recovery-codes", cookie).await;
        let request = Request::builder()
            .method("POST")
            .uri("/api/recovery-codes")
            .header("origin", ORIGIN)
            .header("dpop", proof)
            .header("conclave-again", again)
            .header("cookie", cookie);
        world.send(super::with(request, Value::Null)).await
    };
    for proved in [&by_password, &by_passkey] {
        let again = proved.body["again"].as_str().unwrap();
        assert_eq!(with(&page.cookie, again).await.status, StatusCode::CREATED);
        // In another session it says nothing, nor is it a session.
        assert_eq!(
            with(&page.cookie, &again[1..]).await.code(),
            (403, "confirm_first")
        );
        let as_session = format!("__Host-conclave={again}");
        let answer = world
            .page("GET", "/api/me", Some(&as_session), Value::Null)
            .await;
        assert_eq!(answer.code(), (401, "signed_out"));
    }
    // It is bound to the session, however often that is renewed meanwhile; and a renewal proves nothing anew.
    let again = by_password.body["again"].as_str().unwrap();
    world.clock.advance(Duration::from_secs(5 * 60));
    page.renew().await;
    assert_eq!(with(&page.cookie, again).await.status, StatusCode::CREATED);
    let refused = page.call("POST", "/api/recovery-codes", Value::Null).await;
    assert_eq!(refused.code(), (403, "confirm_first"));
    let begun = page.call("POST", "/api/again/passkey", Value::Null).await;
    page.renew().await;
    let credential = key.make_use(&begun.body["options"]);
    let answer = json!({"ceremony": begun.body["ceremony"], "credential": credential});
    let answer = page.call("POST", "/api/again", answer).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    world.clock.advance(Duration::from_secs(6 * 60));
    assert_eq!(
        with(&page.cookie, again).await.code(),
        (403, "confirm_first")
    );
}

#[tokio::test]
async fn a_new_password_and_a_word_of_the_owner_end_every_other_session() {
    let world = world().await;
    world.owner().await;
    for (path, body) in [
        (
            "/api/account/password",
            json!({"password": "another horse battery"}),
        ),
        ("/api/account/end-others", Value::Null),
    ] {
        let (page, other) = (own(&world).await, own(&world).await);
        let kept = page.call("POST", path, body).await;
        assert_eq!(kept.status, StatusCode::OK, "{}", kept.body);
        let cookie = kept.cookies()[0].split(';').next().unwrap();
        for (cookie, stands) in [
            (cookie, true),
            (&page.cookie, false),
            (&other.cookie, false),
        ] {
            let me = world
                .page("GET", "/api/me", Some(cookie), Value::Null)
                .await;
            assert_eq!(me.status == StatusCode::OK, stands, "{path}");
        }
        let back = json!({"password": PASSWORD});
        let back = world
            .page("POST", "/api/account/password", Some(cookie), back)
            .await;
        assert_eq!(back.status, StatusCode::OK, "{}", back.body);
    }
}
