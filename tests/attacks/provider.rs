//! A provider that the tests make: it speaks OpenID Connect and what Facebook speaks, well or as badly as a test wants.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER};
use ring::digest::{SHA256, digest};
use ring::hmac;
use ring::signature::{Ed25519KeyPair, KeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

pub(crate) const CLIENT: &str = "conclave-at-the-provider";
pub(crate) const SECRET: &str = "shared-with-the-provider-and-nobody-else";

/// What it answers at one of its addresses.
#[derive(Clone, Debug, Default)]
pub(crate) enum Manner {
    /// As it should.
    #[default]
    Good,
    /// This, with that status.
    Says(u16, Value),
    /// Go there instead.
    Leads(String),
    /// A body without an end, said to be of this length or of none.
    Endless(Option<u64>),
    /// As it should, after a while.
    Late(Duration),
    /// A byte now and then.
    Trickles,
    /// Nothing at all.
    Silent,
}

/// How it behaves.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    /// Laid over its metadata; null takes away.
    pub(crate) metadata: Map<String, Value>,
    /// Laid over the claims of ID tokens; null takes away.
    pub(crate) claims: Map<String, Value>,
    /// Laid over the head of ID tokens.
    pub(crate) head: Map<String, Value>,
    /// The key that signs, and the key that it shows.
    pub(crate) signs: u8,
    pub(crate) shows: u8,
    /// Its manners at `/.well-known`, `/keys`, `/token` and `/v23.0/me`.
    pub(crate) manners: HashMap<&'static str, Manner>,
    /// Takes codes more than once, and with any verifier.
    pub(crate) careless: bool,
}

/// One code that was given out.
struct Given {
    subject: String,
    query: HashMap<String, String>,
}

#[derive(Default)]
struct Known {
    plan: Plan,
    codes: HashMap<String, Given>,
    next: u32,
    /// Requests, by path.
    asked: Vec<String>,
    /// Bytes of endless bodies that went out.
    sent: u64,
}

/// A running provider.
#[derive(Clone)]
pub(crate) struct Provider {
    pub(crate) port: u16,
    known: Arc<Mutex<Known>>,
    folder: Arc<TempDir>,
}

impl Provider {
    pub(crate) async fn start() -> Self {
        let made =
            rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()])
                .unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), made.cert.pem()).unwrap();
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key.into())
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let this = Self {
            port: listener.local_addr().unwrap().port(),
            known: Arc::default(),
            folder: Arc::new(folder),
        };
        let (serving, acceptor) = (this.clone(), TlsAcceptor::from(Arc::new(tls)));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (serving, acceptor) = (serving.clone(), acceptor.clone());
                tokio::spawn(async move { serving.serve(stream, acceptor).await });
            }
        });
        this
    }

    /// The file of the certificate that vouches for it.
    pub(crate) fn authority(&self) -> std::path::PathBuf {
        self.folder.path().join("ca.pem")
    }

    pub(crate) fn issuer(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    /// What stands in the settings of the server, with more laid over it.
    pub(crate) fn settings(&self, id: &str, more: &str) -> String {
        format!(
            "{{ id = \"{id}\", kind = \"openid\", name = \"{id}\", issuer = \"{}\", client_id = \"{CLIENT}\", \
             client_secret = \"{SECRET}\", internal = true, authorities = \"{}\"{more} }}",
            self.issuer(),
            self.folder.path().join("ca.pem").display(),
        )
    }

    /// The same in the part of Facebook.
    pub(crate) fn as_facebook(&self, id: &str) -> String {
        self.settings(id, "")
            .replace("kind = \"openid\"", "kind = \"facebook\"")
    }

    /// Behaves otherwise from now on.
    pub(crate) fn plan(&self, change: impl FnOnce(&mut Plan)) {
        change(&mut self.known().plan);
    }

    /// Behaves well again.
    pub(crate) fn behave(&self) {
        self.known().plan = Plan::default();
    }

    /// How often an address was asked.
    pub(crate) fn asked(&self, path: &str) -> usize {
        self.known()
            .asked
            .iter()
            .filter(|asked| *asked == path)
            .count()
    }

    /// Bytes of endless bodies that anyone took.
    pub(crate) fn sent(&self) -> u64 {
        self.known().sent
    }

    /// Someone signs in there, at the address that the server gave; gives the code.
    pub(crate) fn authorize(&self, address: &str, subject: &str) -> String {
        let (page, query) = address.split_once('?').unwrap();
        let here = format!("{}/authorize", self.issuer());
        let facebook = format!("{}/v23.0/dialog/oauth", self.issuer());
        assert!(page == here || page == facebook, "{page}");
        let query = pairs(query);
        assert_eq!(query["response_type"], "code");
        assert_eq!(query["client_id"], CLIENT);
        // Every way there is a way with S256.
        assert_eq!(query["code_challenge_method"], "S256");
        assert_eq!(query["code_challenge"].len(), 43);
        let mut known = self.known();
        known.next += 1;
        let code = format!("code-{}-{subject}", known.next);
        let given = Given {
            subject: subject.to_owned(),
            query,
        };
        known.codes.insert(code.clone(), given);
        code
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap()
    }

    async fn serve(&self, stream: TcpStream, acceptor: TlsAcceptor) -> Option<()> {
        let mut stream = acceptor.accept(stream).await.ok()?;
        let mut read = Vec::new();
        let end = loop {
            let mut chunk = [0; 4096];
            let count = stream
                .read(&mut chunk)
                .await
                .ok()
                .filter(|count| *count > 0)?;
            read.extend_from_slice(&chunk[..count]);
            if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
        };
        let head = String::from_utf8(read[..end].to_vec()).unwrap();
        let field = |name: &str| {
            let lines = head.lines().filter_map(|line| line.split_once(':'));
            lines
                .filter(|(field, _)| field.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.trim().to_owned())
                .next()
        };
        let length: usize = field("content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = read[end..].to_vec();
        while body.len() < length {
            let mut chunk = [0; 4096];
            let count = stream
                .read(&mut chunk)
                .await
                .ok()
                .filter(|count| *count > 0)?;
            body.extend_from_slice(&chunk[..count]);
        }
        let target = head.split(' ').nth(1).unwrap().to_owned();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let place = if path.starts_with("/.well-known") {
            "/.well-known"
        } else {
            path
        };
        let place = if place == "/v23.0/oauth/access_token" {
            "/token"
        } else {
            place
        };
        let manner = {
            let mut known = self.known();
            known.asked.push(place.to_owned());
            known.plan.manners.get(place).cloned().unwrap_or_default()
        };
        let answer = match manner {
            Manner::Good => self.answer(
                place,
                query,
                &String::from_utf8_lossy(&body),
                field("authorization"),
            ),
            Manner::Late(while_) => {
                tokio::time::sleep(while_).await;
                let body = String::from_utf8_lossy(&body);
                self.answer(place, query, &body, field("authorization"))
            }
            Manner::Says(status, body) => (status, body),
            Manner::Leads(to) => {
                let head =
                    format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n");
                return stream.write_all(head.as_bytes()).await.ok();
            }
            Manner::Endless(length) => {
                let length = length.map_or(String::new(), |length| {
                    format!("content-length: {length}\r\n")
                });
                let head =
                    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{length}\r\n");
                stream.write_all(head.as_bytes()).await.ok()?;
                loop {
                    stream.write_all(&[b' '; 16 * 1024]).await.ok()?;
                    self.known().sent += 16 * 1024;
                }
            }
            Manner::Trickles => {
                let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n";
                stream.write_all(head.as_bytes()).await.ok()?;
                loop {
                    stream.write_all(b" ").await.ok()?;
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            }
            Manner::Silent => return std::future::pending().await,
        };
        let body = answer.1.to_string();
        let head = format!(
            "HTTP/1.1 {} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            answer.0,
            body.len()
        );
        stream.write_all(head.as_bytes()).await.ok()?;
        stream.shutdown().await.ok()
    }

    fn answer(
        &self,
        path: &str,
        query: &str,
        body: &str,
        authorization: Option<String>,
    ) -> (u16, Value) {
        match path {
            "/.well-known" => (200, self.metadata()),
            "/keys" => (200, json!({"keys": [shown(self.known().plan.shows)]})),
            "/token" => self.token(body, authorization),
            "/v23.0/me" => graph(query, authorization),
            _ => (404, json!({})),
        }
    }

    fn metadata(&self) -> Value {
        let issuer = self.issuer();
        let metadata = json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{issuer}/token"),
            "jwks_uri": format!("{issuer}/keys"),
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["EdDSA"],
            "code_challenge_methods_supported": ["S256"],
        });
        laid(metadata, &self.known().plan.metadata)
    }

    fn token(&self, body: &str, authorization: Option<String>) -> (u16, Value) {
        let form = pairs(body);
        let basic = format!(
            "Basic {}",
            BASE64.encode(format!("{CLIENT}:{SECRET}").as_bytes())
        );
        let known_client = authorization.as_deref() == Some(&basic)
            || form
                .get("client_secret")
                .is_some_and(|secret| secret == SECRET);
        let mut known = self.known();
        let careless = known.plan.careless;
        let Some(given) = known.codes.get(&form["code"]) else {
            return (400, json!({"error": "invalid_grant"}));
        };
        let verifier = form.get("code_verifier").cloned().unwrap_or_default();
        let challenge = BASE64URL_NOPAD.encode(digest(&SHA256, verifier.as_bytes()).as_ref());
        let right = challenge == given.query["code_challenge"]
            && form["redirect_uri"] == given.query["redirect_uri"];
        if !known_client || !(right || careless) {
            return (400, json!({"error": "invalid_grant"}));
        }
        let subject = given.subject.clone();
        let nonce = given.query.get("nonce").cloned();
        if !careless {
            known.codes.remove(&form["code"]);
        }
        let now = seconds();
        let claims = json!({
            "iss": self.issuer(), "sub": subject, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": nonce,
            "name": "Someone Elsewhere", "email": "member@example.org", "email_verified": true,
        });
        let claims = laid(claims, &known.plan.claims);
        let head = laid(
            json!({"alg": "EdDSA", "kid": format!("key-{}", known.plan.signs)}),
            &known.plan.head,
        );
        let token = signed(&head, &claims, known.plan.signs);
        let token = if nonce.is_some() { Some(token) } else { None };
        let answer = json!({"access_token": format!("at-{subject}"), "token_type": "Bearer", "id_token": token});
        (200, laid(answer, &Map::new()))
    }
}

/// Graph's `me`: whoever the token was made for, if the proof is the app's.
fn graph(query: &str, authorization: Option<String>) -> (u16, Value) {
    let query = pairs(query);
    let token = authorization
        .as_deref()
        .and_then(|bearer| bearer.strip_prefix("Bearer "))
        .unwrap_or_default()
        .to_owned();
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let proof = HEXLOWER.encode(hmac::sign(&key, token.as_bytes()).as_ref());
    let subject = token.strip_prefix("at-").map(str::to_owned);
    match subject.filter(|_| query["appsecret_proof"] == proof && query["fields"] == "id,name") {
        Some(id) => (200, json!({"id": id, "name": "Someone There"})),
        None => (
            400,
            json!({"error": {"message": "Invalid appsecret_proof"}}),
        ),
    }
}

fn key(which: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[which; 32]).unwrap()
}

fn shown(which: u8) -> Value {
    let public = BASE64URL_NOPAD.encode(key(which).public_key().as_ref());
    json!({"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": format!("key-{which}"), "x": public})
}

fn signed(head: &Value, claims: &Value, which: u8) -> String {
    let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let text = format!("{}.{}", part(head), part(claims));
    let signature = match head["alg"].as_str().unwrap() {
        "none" => Vec::new(),
        "HS256" => {
            let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
            hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
        }
        _ => key(which).sign(text.as_bytes()).as_ref().to_vec(),
    };
    format!("{text}.{}", BASE64URL_NOPAD.encode(&signature))
}

/// A value with others laid over it; null takes away.
fn laid(value: Value, over: &Map<String, Value>) -> Value {
    let Value::Object(mut value) = value else {
        unreachable!()
    };
    value.extend(over.clone());
    value.retain(|_, value| !value.is_null());
    Value::Object(value)
}

/// The time, for tokens.
#[expect(
    clippy::disallowed_methods,
    reason = "a provider goes by the clock of its own machine"
)]
fn seconds() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap().as_secs()
}

/// The pairs of a query or a form.
pub(crate) fn pairs(text: &str) -> HashMap<String, String> {
    let url = reqwest::Url::parse(&format!("https://x/?{text}")).unwrap();
    url.query_pairs().into_owned().collect()
}
