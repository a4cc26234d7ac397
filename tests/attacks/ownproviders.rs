//! Providers of the organisation's own: what an administrator adds on the page stands beside the operator's, reaches no internal network, tells nobody
//! its secret, and ends with all that came by it.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::common::server::{Answer, Person, Server};
use crate::common::text;
use crate::oauth::{Browser, refused, state};
use crate::provider::{CLIENT, Manner, Provider, SECRET};
use crate::raw;

/// The promise is 250 ms on a machine that does nothing else; to look by itself takes a server 5 s.
const SOON: Duration = Duration::from_secs(2);

struct World {
    server: Server,
    owner: Person,
    _folder: TempDir,
}

/// A server with the operator's provider `one`, that lets others be on this machine and trusts all of these.
async fn world(one: &Provider, others: &[&Provider]) -> World {
    let folder = tempfile::tempdir().unwrap();
    let authorities = folder.path().join("authorities.pem");
    let all = others.iter().chain([&one]);
    let all: String = all
        .map(|provider| std::fs::read_to_string(provider.authority()).unwrap())
        .collect();
    std::fs::write(&authorities, all).unwrap();
    let server = Server::start_set(&[
        (
            "CONCLAVE_PROVIDERS",
            &format!("[{}]", one.settings("one", "")),
        ),
        ("CONCLAVE_SIGN_IN__INTERNAL", "[\"localhost\"]"),
        (
            "CONCLAVE_SIGN_IN__AUTHORITIES",
            authorities.to_str().unwrap(),
        ),
        ("CONCLAVE_PROXIES__TRUSTED", "[\"127.0.0.0/8\"]"),
    ])
    .await;
    let owner = server.owner().await;
    server.member(&owner, "member@example.org", "Member").await;
    World {
        server,
        owner,
        _folder: folder,
    }
}

fn wanted(provider: &Provider, name: &str) -> Value {
    json!({"kind": "openid", "name": name, "issuer": provider.issuer(), "client_id": CLIENT, "client_secret": SECRET})
}

impl World {
    async fn asks(
        &self,
        method: Method,
        path: &str,
        tag: Option<&str>,
        body: Option<Value>,
    ) -> Answer {
        let request = self.server.http.request(method, self.server.url(path));
        let mut request = request.bearer_auth(&self.owner.token);
        if let Some(tag) = tag {
            request = request.header("if-match", tag);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        Answer::of(request.send().await.unwrap()).await
    }

    /// Adds one; its name in addresses.
    async fn add(&self, body: Value) -> String {
        let made = self
            .asks(Method::POST, "/v1/providers", None, Some(body))
            .await;
        assert_eq!(made.status, 201, "{}", made.body);
        text(&made.body, "id")
    }

    async fn change(&self, id: &str, body: Value) {
        let path = format!("/v1/providers/{id}");
        let changed = self.asks(Method::PATCH, &path, None, Some(body)).await;
        assert_eq!(changed.status, 200, "{}", changed.body);
    }
}

/// The second in which something is changed is over: a session knows no more of its beginning.
async fn next_second() {
    tokio::time::sleep(Duration::from_millis(1100)).await;
}

#[tokio::test]
async fn several_own_providers_stand_beside_the_operators_and_each_knows_its_own() {
    let (one, two, three) = (
        Provider::start().await,
        Provider::start().await,
        Provider::start().await,
    );
    let world = world(&one, &[&two, &three]).await;
    let second = world.add(wanted(&two, "Second")).await;
    let third = world.add(wanted(&three, "Third")).await;
    let offered = world
        .server
        .get(Method::GET, "/api/providers", None, None)
        .await;
    let names = offered["providers"].as_array().unwrap().iter();
    let names: Vec<_> = names.map(|one| text(one, "name")).collect();
    assert_eq!(names, ["one", "Second", "Third"]);
    let all = [(&one, "one"), (&two, &second), (&three, &third)];
    for (number, (provider, id)) in all.into_iter().enumerate() {
        let mut browser = Browser::of(&world.server, number, "member@example.org").await;
        let linked = browser.link(provider, id, "77").await;
        assert_eq!(linked.status, 200, "{id}: {}", linked.body);
        let mut elsewhere = Browser::new(&world.server, 10 + number);
        let signed_in = elsewhere.sign_in(provider, id, "77").await;
        assert_eq!(signed_in.status, 200, "{id}: {}", signed_in.body);
    }
    // The answer of one is none of another.
    let mut mixed = Browser::new(&world.server, 30);
    let address = mixed.leave(&second).await;
    let body = json!({"state": state(&address), "code": two.authorize(&address, "77")});
    refused(&mixed.come_back(&third, body).await, "mix-up");
    let shown = world.asks(Method::GET, "/v1/providers", None, None).await;
    let lines = shown.body["providers"].as_array().unwrap();
    let linked: Vec<_> = lines.iter().map(|line| line["linked"].as_u64()).collect();
    assert_eq!(linked, [Some(1); 3]);
    assert_eq!(lines[0]["own"], false);
    let redirect = format!("{}/sign-in/{second}", world.server.origin());
    assert_eq!(lines[1]["redirects"][0], redirect);
    // Nor is there a way around its rules by another of the same issuer.
    let around = wanted(&one, "Around");
    let refused = world
        .asks(Method::POST, "/v1/providers", None, Some(around))
        .await;
    assert_eq!(
        (refused.status.as_u16(), refused.code()),
        (422, "invalid_provider")
    );
    // The operator's is read and not touched.
    for (method, body) in [
        (Method::PATCH, Some(json!({"name": "Mine"}))),
        (Method::DELETE, None),
    ] {
        let refused = world.asks(method, "/v1/providers/one", None, body).await;
        assert_eq!(
            (refused.status.as_u16(), refused.code()),
            (404, "not_found")
        );
    }
}

#[tokio::test]
async fn what_is_removed_turned_off_or_narrowed_lets_nobody_finish_and_ends_what_came_by_it() {
    let (one, two) = (Provider::start().await, Provider::start().await);
    let world = world(&one, &[&two]).await;
    let server = &world.server;
    let id = world.add(wanted(&two, "Second")).await;
    let mut member = Browser::of(server, 1, "member@example.org").await;
    assert_eq!(member.link(&two, &id, "77").await.status, 200);
    let room = server.room(&world.owner, "Board").await;
    let _host = server.enter(&world.owner, &room).await;
    let off = json!({"enabled": false});
    let narrower = json!({"required": [{"claim": "groups", "values": ["staff"]}]});
    let removed = Value::Null;
    for (number, change) in [off, narrower, removed].into_iter().enumerate() {
        let mut browser = Browser::new(server, 10 + number);
        let signed_in = browser.sign_in(&two, &id, "77").await;
        assert_eq!(signed_in.status, 200, "{}", signed_in.body);
        // In a meeting by it.
        let mut socket = browser.join(&room).await;
        socket.next("waiting").await;
        // Another is on their way, and at the provider already.
        let mut away = Browser::new(server, 20 + number);
        let address = away.leave(&id).await;
        let body = json!({"state": state(&address), "code": two.authorize(&address, "77")});
        let since = raw::now();
        match &change {
            Value::Null => {
                let path = format!("/v1/providers/{id}");
                let gone = world.asks(Method::DELETE, &path, None, None).await;
                assert_eq!(gone.status, 204, "{}", gone.body);
            }
            change => world.change(&id, change.clone()).await,
        }
        assert_eq!(socket.closed().await, "signed_out", "{change}");
        let took = since.elapsed();
        println!("figure providers.ended {} ms", took.as_millis());
        assert!(took < SOON, "{change}: {took:?}");
        assert_eq!(browser.me().await.status, 401, "{change}");
        refused(&away.come_back(&id, body).await, "on their way");
        // Whoever came otherwise is untouched.
        assert_eq!(member.me().await.status, 200);
        if !change.is_null() {
            world
                .change(&id, json!({"enabled": true, "required": []}))
                .await;
            next_second().await;
            // What was over stays over.
            assert_eq!(browser.me().await.status, 401, "{change}");
        }
    }
    let path = format!("/api/providers/{id}/sign-in");
    let mut browser = Browser::new(server, 40);
    let gone = browser.call(Method::POST, &path, Some(json!({}))).await;
    refused(&gone, "removed");
    // Its name in addresses never stands for another provider.
    let mut again = wanted(&two, "Again");
    again["id"] = json!(id);
    let refused = world
        .asks(Method::POST, "/v1/providers", None, Some(again))
        .await;
    assert_eq!((refused.status.as_u16(), refused.code()), (409, "stale"));
}

#[tokio::test]
async fn a_provider_that_is_changed_while_it_is_asked_lets_nobody_in() {
    let (one, two) = (Provider::start().await, Provider::start().await);
    let world = world(&one, &[&two]).await;
    let id = world.add(wanted(&two, "Second")).await;
    let mut member = Browser::of(&world.server, 1, "member@example.org").await;
    assert_eq!(member.link(&two, &id, "77").await.status, 200);
    next_second().await;
    let mut browser = Browser::new(&world.server, 2);
    let address = browser.leave(&id).await;
    let body = json!({"state": state(&address), "code": two.authorize(&address, "77")});
    // The provider takes its time with the token, and meanwhile its rules change.
    two.plan(|plan| {
        _ = plan
            .manners
            .insert("/token", Manner::Late(Duration::from_secs(2)))
    });
    let asked = two.asked("/token");
    let finish = async {
        let answer = browser.come_back(&id, body).await;
        refused(&answer, "changed meanwhile");
    };
    let change = async {
        while two.asked("/token") == asked {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let rule = json!({"required": [{"claim": "groups", "values": ["staff"]}]});
        world.change(&id, rule).await;
    };
    tokio::join!(finish, change);
}

#[tokio::test]
async fn p06_an_issuer_reaches_no_internal_network_however_it_is_written() {
    let one = Provider::start().await;
    let inside = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = inside.local_addr().unwrap().port();
    let world = world(&one, &[]).await;
    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "169.254.169.254",
        "10.0.0.1",
        "id.localhost",
        "localhost.",
    ] {
        let issuer = format!("https://{host}:{port}");
        let check = json!({"issuer": issuer});
        let answer = world
            .asks(Method::POST, "/v1/providers/check", None, Some(check))
            .await;
        let known = ["internal_address", "invalid_provider"].contains(&answer.code());
        assert!(
            answer.status == 422 && known,
            "{host}: {} {}",
            answer.status,
            answer.body
        );
        let mut body = wanted(&one, "Inside");
        body["issuer"] = json!(issuer);
        let answer = world
            .asks(Method::POST, "/v1/providers", None, Some(body))
            .await;
        assert_eq!(answer.status, 422, "{host}: {}", answer.body);
    }
    // What only the operator may say is not understood.
    for (field, value) in [
        ("internal", json!(true)),
        ("authorities", json!("/etc/passwd")),
        ("client_secret_file", json!("/etc/passwd")),
    ] {
        let mut body = wanted(&one, "More");
        body[field] = value;
        let refused = world
            .asks(Method::POST, "/v1/providers", None, Some(body))
            .await;
        assert_eq!(refused.status, 400, "{field}");
    }
    // Names of this machine that lead inside where it knows them, and are none of those that the operator named.
    let named = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    for named in [named.trim(), "ip6-localhost", "ip6-loopback"] {
        let check = json!({"issuer": format!("https://{named}:{port}")});
        let answer = world
            .asks(Method::POST, "/v1/providers/check", None, Some(check))
            .await;
        let failure = answer.body["failure"].as_str().unwrap_or_default();
        assert!(
            ["internal", "unreachable"].contains(&failure),
            "{}",
            answer.body
        );
    }
    let asked = tokio::time::timeout(Duration::from_millis(300), inside.accept()).await;
    assert!(asked.is_err(), "somebody connected");
}

#[tokio::test]
async fn a_check_tells_what_there_is_and_takes_no_more_than_a_little() {
    let (one, two) = (Provider::start().await, Provider::start().await);
    let world = world(&one, &[&two]).await;
    let check = async || {
        let body = json!({"issuer": two.issuer()});
        let answer = world.asks(Method::POST, "/v1/providers/check", None, Some(body));
        let answer = answer.await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body
    };
    let found = check().await;
    assert_eq!(
        found["found"]["authorization_endpoint"],
        format!("{}/authorize", two.issuer()),
        "{found}"
    );
    let other = json!({"issuer": "https://evil.example.org"});
    for (manner, failure) in [
        (Manner::Endless(Some(1 << 30)), "too_large"),
        (Manner::Endless(None), "too_large"),
        (Manner::Leads("https://127.0.0.1/".to_owned()), "redirect"),
        (Manner::Says(200, json!([])), "no_discovery"),
        (Manner::Says(500, json!({})), "no_discovery"),
    ] {
        two.plan(|plan| _ = plan.manners.insert("/.well-known", manner.clone()));
        let answer = check().await;
        assert_eq!(answer["failure"], failure, "{manner:?}");
        assert_eq!(answer["found"], Value::Null);
    }
    // A gigabyte was said, and a little of it taken: what fits into the buffers on the way.
    assert!(two.sent() < 16 << 20, "{}", two.sent());
    two.behave();
    let Value::Object(over) = other else {
        unreachable!()
    };
    two.plan(|plan| plan.metadata = over);
    assert_eq!(check().await["failure"], "other_issuer");
    let Value::Object(over) = json!({"code_challenge_methods_supported": ["plain"]}) else {
        unreachable!()
    };
    two.plan(|plan| plan.metadata = over);
    assert_eq!(check().await["failure"], "no_challenge");
    let nobody = json!({"issuer": "https://localhost:1"});
    let answer = world
        .asks(Method::POST, "/v1/providers/check", None, Some(nobody))
        .await;
    assert_eq!(answer.body["failure"], "unreachable");
}

#[tokio::test]
async fn only_an_administrator_in_person_changes_providers_and_the_secret_is_told_to_nobody() {
    let (one, two) = (Provider::start().await, Provider::start().await);
    let world = world(&one, &[&two]).await;
    let server = &world.server;
    let canary = "canary-secret-of-a-provider";
    let mut body = wanted(&two, "Second");
    body["client_secret"] = json!(canary);
    let made = world
        .asks(Method::POST, "/v1/providers", None, Some(body.clone()))
        .await;
    assert_eq!(made.status, 201, "{}", made.body);
    let id = text(&made.body, "id");
    let path = format!("/v1/providers/{id}");
    let tag = made.headers["etag"].to_str().unwrap().to_owned();
    // A state that was changed meanwhile is not written over.
    let rename = json!({"name": "Firm"});
    let renamed = world
        .asks(Method::PATCH, &path, Some(&tag), Some(rename.clone()))
        .await;
    assert_eq!(renamed.status, 200, "{}", renamed.body);
    for (method, change) in [(Method::PATCH, Some(rename)), (Method::DELETE, None)] {
        let stale = world.asks(method, &path, Some(&tag), change).await;
        assert_eq!((stale.status.as_u16(), stale.code()), (412, "changed"));
    }
    // Neither a member, nor a guest of a page, nor a key, whatever it is for.
    let member = server.sign_in("member@example.org").await;
    let key = json!({"name": "Key", "scopes": ["organisation:read", "organisation:write", "members:write"], "expires_in_days": 1});
    let key = world
        .asks(Method::POST, "/v1/api-keys", None, Some(key))
        .await;
    let key = text(&key.body, "key");
    let other = json!({"name": "Key", "scopes": ["rooms:read"], "expires_in_days": 1});
    let other = world
        .asks(Method::POST, "/v1/api-keys", None, Some(other))
        .await;
    let other = text(&other.body, "key");
    let changes = [
        (Method::POST, "/v1/providers", Some(body)),
        (
            Method::POST,
            "/v1/providers/check",
            Some(json!({"issuer": two.issuer()})),
        ),
        (Method::PATCH, &path, Some(json!({"name": "Mine"}))),
        (Method::DELETE, &path, None),
    ];
    for (method, path, body) in changes {
        for token in [&member.token, &key, &other] {
            let answer = server
                .call(method.clone(), path, Some(token), body.clone())
                .await;
            assert_eq!(
                (answer.status.as_u16(), answer.code()),
                (403, "not_allowed"),
                "{method} {path}"
            );
        }
        let answer = server.call(method, path, None, body).await;
        assert_eq!(answer.status, 401);
    }
    // Reading is for those who may read the organisation.
    for (token, status) in [(&key, 200), (&other, 403), (&member.token, 403)] {
        let read = server
            .call(Method::GET, "/v1/providers", Some(token), None)
            .await;
        assert_eq!(read.status, status);
        assert!(!read.body.to_string().contains(canary));
    }
    let shown = world.asks(Method::GET, &path, None, None).await;
    assert!(!shown.body.to_string().contains(canary) && !made.body.to_string().contains(canary));
    let trail = world
        .asks(Method::GET, "/api/organisation/audit", None, None)
        .await;
    let trail = trail.body.to_string();
    assert!(trail.contains("\"manage_providers\"") && !trail.contains(canary));
    // Nor does it lie open on the disk.
    for entry in std::fs::read_dir(server.data.path()).unwrap() {
        let file = entry.unwrap().path();
        if file.is_file() {
            let bytes = std::fs::read(&file).unwrap();
            let found = bytes
                .windows(canary.len())
                .any(|part| part == canary.as_bytes());
            assert!(!found, "{}", file.display());
        }
    }
}
