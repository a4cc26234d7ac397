//! A client of the WebSocket that does exactly what a story tells it, well-behaved or not.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use socket2::{Domain, Type};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::server::Server;

/// How long a story waits for anything.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// One WebSocket.
pub(crate) struct Socket {
    stream: WebSocketStream<TlsStream<TcpStream>>,
    held: VecDeque<Value>,
    next: u32,
    /// Every text frame as it came in.
    pub(crate) frames: Vec<String>,
}

/// A TLS connection that trusts the server's certificate and nothing else.
pub(crate) async fn tls(server: &Server) -> TlsStream<TcpStream> {
    let tcp = TcpStream::connect(("127.0.0.1", server.port))
        .await
        .unwrap();
    over(server, tcp).await
}

/// The same over a connection on which little is on its way: what its client does not read soon waits in the server.
async fn narrow_tls(server: &Server) -> TlsStream<TcpStream> {
    let socket = socket2::Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_tcp_mss(536).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], server.port));
    socket.connect(&address.into()).unwrap();
    socket.set_nonblocking(true).unwrap();
    over(server, TcpStream::from_std(socket.into()).unwrap()).await
}

async fn over(server: &Server, tcp: TcpStream) -> TlsStream<TcpStream> {
    let pem = server.data.path().join("tls-certificate.pem");
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(pem).unwrap())
        .unwrap();
    let config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    // As browsers do: a request never waits for the acknowledgement of what was sent before it.
    tcp.set_nodelay(true).unwrap();
    TlsConnector::from(Arc::new(config))
        .connect("localhost".try_into().unwrap(), tcp)
        .await
        .unwrap()
}

impl Socket {
    /// Opens a WebSocket with a bearer token and, or, further headers.
    pub(crate) async fn open(
        server: &Server,
        token: Option<&str>,
        headers: Option<&[(&'static str, &str)]>,
    ) -> Result<Self, Error> {
        let mut request = format!("wss://localhost:{}/ws", server.port).into_client_request()?;
        let fields = request.headers_mut();
        fields.insert("sec-websocket-protocol", "conclave.v1".parse().unwrap());
        if let Some(token) = token {
            fields.insert("authorization", format!("Bearer {token}").parse().unwrap());
        }
        for (name, value) in headers.unwrap_or_default() {
            fields.insert(*name, value.parse().unwrap());
        }
        Self::begin(request, tls(server).await).await
    }

    /// Opens a WebSocket that gives way slowly.
    pub(crate) async fn open_narrow(server: &Server, token: &str) -> Self {
        let mut request = format!("wss://localhost:{}/ws", server.port)
            .into_client_request()
            .unwrap();
        let fields = request.headers_mut();
        fields.insert("sec-websocket-protocol", "conclave.v1".parse().unwrap());
        fields.insert("authorization", format!("Bearer {token}").parse().unwrap());
        Self::begin(request, narrow_tls(server).await)
            .await
            .unwrap()
    }

    async fn begin(request: Request, stream: TlsStream<TcpStream>) -> Result<Self, Error> {
        let (stream, _) = tokio_tungstenite::client_async(request, stream).await?;
        Ok(Self {
            stream,
            held: VecDeque::new(),
            next: 1,
            frames: Vec::new(),
        })
    }

    /// Sends a request; the number that its answer will carry.
    pub(crate) async fn send(&mut self, request: Value) -> u32 {
        let id = self.next;
        self.next += 1;
        self.raw(json!({"id": id, "request": request}).to_string())
            .await;
        id
    }

    /// Sends any text.
    pub(crate) async fn raw(&mut self, text: String) {
        let _closed = self.stream.send(Message::Text(text.into())).await;
    }

    /// Sends any frame.
    pub(crate) async fn frame(&mut self, message: Message) -> Result<(), Error> {
        self.stream.send(message).await
    }

    /// The next message, or nothing when the socket has closed.
    pub(crate) async fn read(&mut self) -> Option<Value> {
        if let Some(value) = self.held.pop_front() {
            return Some(value);
        }
        self.fresh().await
    }

    async fn fresh(&mut self) -> Option<Value> {
        // The server's pings are no answer: they must not make a story wait for ever.
        tokio::time::timeout(SOON, self.text_frame())
            .await
            .expect("nothing came in time")
    }

    /// The next message whenever it comes, or nothing when the socket has closed.
    pub(crate) async fn text_frame(&mut self) -> Option<Value> {
        loop {
            match self.stream.next().await? {
                Ok(Message::Text(text)) => {
                    self.frames.push(text.to_string());
                    return Some(serde_json::from_str(&text).unwrap());
                }
                Ok(Message::Close(_)) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    async fn find(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        if let Some(place) = self.held.iter().position(&wanted) {
            return self.held.remove(place).unwrap();
        }
        loop {
            let value = self
                .fresh()
                .await
                .unwrap_or_else(|| panic!("closed; before that {:?}", self.held));
            if wanted(&value) {
                return value;
            }
            assert!(value["type"] != "closed", "closed by the server: {value}");
            self.held.push_back(value);
        }
    }

    /// The next message of this type; others are kept for later.
    pub(crate) async fn next(&mut self, kind: &str) -> Value {
        self.find(|value| value["type"] == kind).await
    }

    /// The next event of this type.
    pub(crate) async fn event(&mut self, kind: &str) -> Value {
        self.find(|value| value["type"] == "event" && value["event"]["type"] == kind)
            .await["event"]
            .clone()
    }

    /// The code with which the server closes.
    pub(crate) async fn closed(&mut self) -> String {
        loop {
            let value = self
                .fresh()
                .await
                .unwrap_or_else(|| panic!("closed without a code; before that {:?}", self.held));
            if value["type"] == "closed" {
                return value["code"].as_str().unwrap().to_owned();
            }
            self.held.push_back(value);
        }
    }

    /// Asks for something and gives the answer.
    pub(crate) async fn ask(&mut self, request: Value) -> Value {
        let id = self.send(request).await;
        self.find(|value| value["type"] == "reply" && value["id"] == id)
            .await
    }

    /// Asks for something that must be done.
    pub(crate) async fn ok(&mut self, request: Value) -> Value {
        let reply = self.ask(request.clone()).await;
        assert!(reply.get("ok").is_some(), "{request}: {reply}");
        reply["ok"].clone()
    }

    /// Asks for something that must be refused; the code.
    pub(crate) async fn refused(&mut self, request: Value) -> String {
        let reply = self.ask(request.clone()).await;
        reply["error"]["code"]
            .as_str()
            .unwrap_or_else(|| panic!("{request} was not refused: {reply}"))
            .to_owned()
    }

    /// Reads on until nothing has come for a while, and forgets it all.
    pub(crate) async fn hush(&mut self, time: Duration) {
        self.held.clear();
        while let Ok(Some(_)) = tokio::time::timeout(time, self.text_frame()).await {}
    }

    /// Whether nothing at all comes for a while.
    pub(crate) async fn silent(&mut self, time: Duration) -> bool {
        self.held.is_empty() && tokio::time::timeout(time, self.fresh()).await.is_err()
    }

    /// Drops the connection without a goodbye.
    pub(crate) fn vanish(self) {
        drop(self);
    }
}
