//! A receiver of webhooks: a real HTTPS server that keeps what it got.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// One request that the receiver got.
#[derive(Clone, Debug)]
pub(crate) struct Got {
    pub(crate) path: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
    pub(crate) answered: u16,
}

/// A receiver with a certificate of its own authority.
pub(crate) struct Receiver {
    pub(crate) port: u16,
    pub(crate) authority: std::path::PathBuf,
    got: Arc<Mutex<Vec<Got>>>,
    /// What is answered.
    answer: Arc<AtomicU16>,
}

impl Receiver {
    pub(crate) async fn start(folder: &std::path::Path) -> Self {
        let signed = rcgen::generate_simple_self_signed(vec![
            "localhost".to_owned(),
            "127.0.0.1".to_owned(),
        ])
        .unwrap();
        let authority = folder.join("receiver.pem");
        std::fs::write(&authority, signed.cert.pem()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let key = rustls::pki_types::PrivateKeyDer::try_from(signed.signing_key.serialize_der());
        let tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![signed.cert.der().clone()], key.unwrap())
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let got = Arc::new(Mutex::new(Vec::new()));
        let answer = Arc::new(AtomicU16::new(204));
        let (all, say) = (got.clone(), answer.clone());
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (acceptor, all, say) = (acceptor.clone(), all.clone(), say.clone());
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    let Some(mut got) = read(&mut stream).await else {
                        return;
                    };
                    got.answered = say.load(Ordering::SeqCst);
                    let more = if got.answered == 302 {
                        "location: https://127.0.0.1:1/\r\n"
                    } else {
                        ""
                    };
                    let head = format!(
                        "HTTP/1.1 {} x\r\n{more}content-length: 0\r\n\r\n",
                        got.answered
                    );
                    all.lock().unwrap().push(got);
                    let _ = stream.write_all(head.as_bytes()).await;
                    let _ = stream.shutdown().await;
                });
            }
        });
        Self {
            port,
            authority,
            got,
            answer,
        }
    }

    /// What a server is told so that it sends there, and tries again soon.
    pub(crate) fn variables(&self) -> Vec<(&'static str, String)> {
        let authority = self.authority.display().to_string();
        vec![
            ("CONCLAVE_WEBHOOKS__AUTHORITIES", authority),
            ("CONCLAVE_WEBHOOKS__INTERNAL", "[\"localhost\"]".to_owned()),
            ("CONCLAVE_WEBHOOKS__FIRST_WAIT_MS", "50".to_owned()),
            ("CONCLAVE_WEBHOOKS__ATTEMPTS", "4".to_owned()),
        ]
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.port)
    }

    pub(crate) fn say(&self, status: u16) {
        self.answer.store(status, Ordering::SeqCst);
    }

    pub(crate) fn all(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }

    /// Those that were taken, each once, in the order in which they first were.
    pub(crate) fn taken(&self) -> Vec<(String, Value)> {
        let mut seen = Vec::new();
        for got in self.all().into_iter().filter(|got| got.answered < 300) {
            let id = got.headers["webhook-id"].clone();
            if !seen.iter().any(|(known, _)| *known == id) {
                seen.push((id, serde_json::from_str(&got.body).unwrap()));
            }
        }
        seen
    }

    pub(crate) async fn until(&self, what: &str, enough: impl Fn(&Self) -> bool) {
        for _ in 0..600 {
            if enough(self) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{what}: {:#?}", self.all());
    }
}

async fn read(stream: &mut (impl AsyncReadExt + Unpin)) -> Option<Got> {
    let mut bytes = Vec::new();
    let head = loop {
        let mut some = [0; 4096];
        let count = stream.read(&mut some).await.ok()?;
        if count == 0 {
            return None;
        }
        bytes.extend_from_slice(&some[..count]);
        if let Some(at) = bytes.windows(4).position(|end| end == b"\r\n\r\n") {
            break at;
        }
    };
    let text = String::from_utf8(bytes[..head].to_vec()).ok()?;
    let mut lines = text.split("\r\n");
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length: usize = headers.get("content-length")?.parse().ok()?;
    let mut body = bytes[head + 4..].to_vec();
    while body.len() < length {
        let mut some = [0; 4096];
        let count = stream.read(&mut some).await.ok()?;
        body.extend_from_slice(&some[..count]);
    }
    Some(Got {
        path,
        headers,
        body: String::from_utf8(body).ok()?,
        answered: 0,
    })
}
