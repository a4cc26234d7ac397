//! Starts everything in order, and stops it in order: no new connections, rooms told and ended, answers finished,
//! audit rows written, media stopped, database closed.

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use conclave_policy::permit::PolicyVersion;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry as Metrics;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, watch};

use crate::api;
use crate::api::router::ApiState;
use crate::api::whip::{self, Streams};
use crate::auth::limits::{Rate, Rates};
use crate::auth::oauth::provider::Providers;
use crate::auth::passkeys::Passkeys;
use crate::auth::request::Origins;
use crate::auth::session::Auth;
use crate::captioner::Captioner;
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::gateway::counters::Counters;
use crate::gateway::upgrade::{self, Gateway};
use crate::guard::{Guard, NO_ROOM};
use crate::mail::postman::Postman;
use crate::media::allowed::Allowed;
use crate::media::turn::Turn;
use crate::rooms::actor::Means;
use crate::rooms::comeback::Run;
use crate::rooms::registry::Registry;
use crate::secret::{RandomSource, SystemRandom};
use crate::server::heads::{self, Heads};
use crate::server::listener::{self, Crowd, Door};
use crate::server::policy::{Examined, Question};
use crate::server::rules::{self, RulesMetrics, Watcher};
use crate::server::storage::{self, Alone};
use crate::server::{captions, certificate, emergency, web};
use crate::store::database::Store;
use crate::store::heads::HeadKey;
use crate::store::trail::AuditFilter;
use crate::store::verify::AuditReport;
use crate::telemetry;
use crate::udp::plane::{MediaError, MediaPlane, MediaSettings, MediaThread, StreamSettings};
use crate::webhooks::courier::Courier;

/// How many addresses the limits remember at a time.
const REMEMBERED: usize = 65_536;

/// How many ports are tried where any will do.
const PORTS_TRIED: u32 = 16;

/// How long the last words to clients may take when the server stops.
const GOODBYES: Duration = Duration::from_secs(5);
/// How often it looks whether they are out.
const STEP: Duration = Duration::from_millis(20);

/// Runs the server until it is told to stop.
pub async fn serve(config: Config, say: fn(&str)) -> anyhow::Result<()> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let random: Arc<dyn RandomSource> = Arc::new(SystemRandom);
    let _alone = Alone::on(&config.data)?;
    let store = storage::open(&config, clock.as_ref(), random.clone()).await?;
    let tls = certificate::server_config(&config.tls, &config.data)?;
    let (listener, media, media_thread) = listen(&config, &random).await?;
    let address = listener.local_addr()?;
    let metrics_listener = TcpListener::bind(config.metrics)
        .await
        .with_context(|| format!("`metrics`: {} cannot be used", config.metrics))?;
    let metrics_address = metrics_listener.local_addr()?;

    // Before any session runs: whatever chat runs by the books was left behind when the server was killed.
    store.end_lost_chats().await?;
    store.end_lost_transcripts().await?;
    let loaded = rules::load(config.policy.rules.as_deref(), PolicyVersion(1))
        .context("`policy.rules` cannot be used")?;
    let text = loaded.text().map(str::to_owned);
    let guard = Arc::new(Guard::with(loaded.snapshot, store.clone(), clock.clone()));
    // From here on the trail says which rules its version numbers speak of.
    guard
        .note(
            store.org(),
            "rules_loaded",
            None,
            None,
            NO_ROOM,
            Some(loaded.which),
        )
        .await?;
    let heads = Heads::start(
        store.clone(),
        clock.clone(),
        random.as_ref(),
        &config.data,
        config.audit.heads.clone(),
    );
    let heads = Arc::new(heads.await?);
    let courier = Courier::new(
        store.clone(),
        clock.clone(),
        random.clone(),
        config.webhooks.clone(),
    );
    let courier = Arc::new(courier?);
    let providers = Providers::new(&config.providers)?;
    let lifetimes = config.sessions.lifetimes();
    let auth = Auth::start_with(store.clone(), clock.clone(), random.clone(), lifetimes).await?;
    let passkeys = Passkeys::new(&config.passkeys, &origins(&config, address))?;
    let mut auth = auth
        .with_providers(providers)
        .with_own_providers(config.sign_in.clone())?
        .with_passkeys(passkeys);
    let origin = first_origin(&config, address);
    let host = origin.trim_start_matches("https://").to_owned();
    let postman = Postman::new(&config.mail, store.clone(), clock.clone(), host)
        .context("`mail` cannot be used")?;
    if postman.is_some() {
        auth = auth.with_mail(origin);
    }
    let auth = Arc::new(auth);
    let turn = relay(&config)?;
    let captioner = Captioner::start(
        captions::settings(&config.captions),
        clock.clone(),
        random.as_ref(),
    );
    let counted = captioner.clone();
    let packets = media.clone();
    let means = Means {
        guard: guard.clone(),
        media: media.clone(),
        turn,
        captioner,
        store: store.clone(),
        auth: auth.clone(),
        clock: clock.clone(),
        run: Run::begin(random.as_ref()),
        random,
    };
    let rooms = Arc::new(Registry::new(Arc::new(means)));
    let (chat_clock, transcript_clock) = (clock.clone(), clock.clone());
    let outbox_clock = clock.clone();
    let (stop, stopping) = watch::channel(false);
    let counters = Arc::new(Counters::default());
    let open = counters.connections.clone();
    let failed = Counter::default();
    let mut metrics = Metrics::with_prefix("conclave");
    counters.register(&mut metrics);
    let sessions = Gauge::default();
    counted.register(&mut metrics);
    metrics.register("rooms", "Running sessions of rooms", sessions.clone());
    metrics.register(
        "handshakes_failed",
        "Connections that came to nothing",
        failed.clone(),
    );
    courier.register(&mut metrics);
    let rules_metrics = RulesMetrics::default();
    rules_metrics.register(&mut metrics);
    heads.register(&mut metrics);
    let watcher = Watcher::new(
        config.policy.rules.clone(),
        text,
        guard.clone(),
        rooms.clone(),
        store.clone(),
        rules_metrics,
    );
    let watcher = tokio::spawn(watcher.watch(stopping.clone()));
    let parts = Parts {
        config: &config,
        address,
        auth: &auth,
        guard: &guard,
        store: &store,
        rooms: &rooms,
        stopping: &stopping,
    };
    let limits = &config.limits;
    let door = Door {
        tls,
        routes: parts.routes(counters),
        proxies: config.proxies.clone(),
        places: Arc::new(Semaphore::new(limits.connections)),
        crowd: Crowd::new(limits.connections_per_address),
        requests: Mutex::new(Rates::new(
            rate(limits.requests_per_second, limits.requests_burst),
            REMEMBERED,
        )),
        clock,
        failed,
        media: media.stream_door(),
    };

    let serving = tokio::spawn(listener::serve(listener, Arc::new(door), stopping.clone()));
    let operator = Operator {
        metrics,
        media,
        rooms: rooms.clone(),
        sessions,
    };
    let operator = tokio::spawn(operator.serve(metrics_listener, stopping));
    let keeper = tokio::spawn({
        let guard = guard.clone();
        async move { guard.keep().await }
    });
    let chats = tokio::spawn({
        let (store, clock) = (store.clone(), chat_clock);
        async move { store.keep_chats(clock).await }
    });
    let transcripts = tokio::spawn({
        let (store, clock) = (store.clone(), transcript_clock);
        async move { store.keep_transcripts(clock).await }
    });
    let outbox = tokio::spawn({
        let (store, clock, kept) = (store.clone(), outbox_clock, config.webhooks.kept());
        async move { store.keep_outbox(clock, kept).await }
    });
    let courier = tokio::spawn(async move { courier.keep().await });
    let postman = postman.map(|postman| tokio::spawn(postman.work()));
    let rotation = tokio::spawn(storage::keep_keys(store.clone(), config.data.clone()));
    let switch = tokio::spawn(emergency::keep(
        auth.clone(),
        guard.clone(),
        store.org(),
        config.data.clone(),
    ));
    let signer = tokio::spawn({
        let heads = heads.clone();
        async move { heads.keep().await }
    });
    announce(&config, (address, metrics_address), &auth, say).await?;

    let broken = tokio::select! {
        asked = wait_for_signal() => {
            asked?;
            false
        }
        () = packets.ended() => {
            tracing::error!("a thread of packets has ended; the server stops, to be started anew");
            true
        }
    };
    tracing::info!("stopping");
    rooms.drain().await;
    let ended = SystemClock.now();
    stop.send_replace(true);
    goodbyes(&open).await;
    serving.await.context("the listener failed")?;
    operator.await.context("the metrics listener failed")??;
    keeper.abort();
    chats.abort();
    transcripts.abort();
    outbox.abort();
    courier.abort();
    rotation.abort();
    if let Some(postman) = postman {
        postman.abort();
    }
    switch.abort();
    // What ended just now is wiped now; if there is too much of it, the rest when the server starts again.
    let _wiped = tokio::time::timeout(GOODBYES, store.wipe_chats(ended)).await;
    let _wiped = tokio::time::timeout(GOODBYES, store.wipe_transcripts(ended)).await;
    signer.abort();
    watcher.await.context("the watch over the rules failed")?;
    guard.flush().await;
    heads.sign().await;
    tokio::task::spawn_blocking(move || media_thread.stop())
        .await
        .context("the media thread failed")?;
    store.close().await;
    tracing::info!("stopped");
    ensure!(!broken, "a thread of packets ended");
    Ok(())
}

/// Reads the whole audit trail of a data folder, and holds it against the signed heads inside and outside.
pub async fn verify_audit(config: &Config, outside: Option<&Path>) -> anyhow::Result<AuditReport> {
    let store = storage::look(config).await?;
    let outside = outside.or(config.audit.heads.as_deref());
    let report = heads::verify(&store, &config.data, outside).await;
    store.close().await;
    report
}

/// Writes the audit trail of a data folder as lines of JSON.
pub async fn export_audit(
    config: &Config,
    filter: &AuditFilter,
    out: &mut (dyn Write + Send),
) -> anyhow::Result<u64> {
    let store = storage::look(config).await?;
    let exported = heads::export(&store, filter, out).await;
    store.close().await;
    exported
}

/// With what the signed heads of a data folder are checked.
pub fn audit_key(config: &Config) -> anyhow::Result<String> {
    let key = HeadKey::load(&config.data).context("the audit key cannot be used")?;
    let key = key.context("there is no audit key yet: the server makes one when it starts")?;
    Ok(key.public().to_string())
}

/// Why the server would allow or deny something, with the settings of a room of this data folder if one is named.
pub async fn explain(config: &Config, question: &Question) -> anyhow::Result<String> {
    let rules = Examined::load(config.policy.rules.as_deref())?;
    if question.room.is_none() {
        return rules.explain(question, None).await;
    }
    let store = storage::look(config).await?;
    let explained = rules.explain(question, Some(&store)).await;
    store.close().await;
    explained
}

/// Binds HTTPS and media. Where any port will do, media may find the one that HTTPS got taken: then both try another.
async fn listen(
    config: &Config,
    random: &Arc<dyn RandomSource>,
) -> anyhow::Result<(TcpListener, MediaPlane, MediaThread)> {
    let any = config.listen.port() == 0;
    let mut tries = if any { PORTS_TRIED } else { 1 };
    loop {
        tries = tries.saturating_sub(1);
        let listener = TcpListener::bind(config.listen)
            .await
            .with_context(|| format!("`listen`: {} cannot be used", config.listen))?;
        let settings = media_settings(config, listener.local_addr()?);
        match MediaPlane::start(settings, random.clone()) {
            Ok((media, thread)) => return Ok((listener, media, thread)),
            Err(MediaError::Bind(..)) if tries > 0 => {}
            Err(error) => return Err(error).context("`media.listen` cannot be used"),
        }
    }
}

fn media_settings(config: &Config, address: SocketAddr) -> MediaSettings {
    // With port 0 the operator (or a test) wants any port: then media takes the one that HTTPS got.
    let bind = config.media.listen.iter().map(|bind| match bind.port() {
        0 => SocketAddr::new(bind.ip(), address.port()),
        _ => *bind,
    });
    MediaSettings {
        bind: bind.collect(),
        announce: config
            .media
            .announce
            .iter()
            .map(|ip| SocketAddr::new(*ip, 0))
            .collect(),
        streams: StreamSettings {
            listen: config.media.tcp.clone(),
            shared: config.media.share_https.then_some(address),
        },
        limits: Default::default(),
        segmentation: config.media.segmentation,
        codecs: Allowed {
            video: config.media.video_codecs.clone(),
            audio: config.media.audio_codecs.clone(),
        },
        shards: config.media.shards,
        spread: 0,
    }
}

/// The page that links lead to.
fn first_origin(config: &Config, address: SocketAddr) -> String {
    let first = config.origins.first().cloned();
    first.unwrap_or_else(|| format!("https://localhost:{}", address.port()))
}

/// The pages that may act.
fn origins(config: &Config, address: SocketAddr) -> Vec<String> {
    if !config.origins.is_empty() {
        return config.origins();
    }
    // Names under which a person at this machine may open the page.
    ["localhost", "127.0.0.1", "[::1]"]
        .iter()
        .map(|host| format!("https://{host}:{}", address.port()))
        .collect()
}

fn relay(config: &Config) -> anyhow::Result<Option<Turn>> {
    let secret = config.turn.secret().context("`turn` cannot be used")?;
    let lifetime = Duration::from_secs(config.turn.seconds.into());
    Ok(secret.map(|secret| Turn::new(config.turn.urls.clone(), &secret, lifetime)))
}

fn rate(per_second: u32, burst: u32) -> Rate {
    Rate::new(
        burst,
        Duration::from_secs(1)
            .checked_div(per_second)
            .unwrap_or(Duration::from_secs(1)),
    )
}

/// What the parts share while they are put together.
struct Parts<'a> {
    config: &'a Config,
    address: SocketAddr,
    auth: &'a Arc<Auth>,
    guard: &'a Arc<Guard>,
    store: &'a Store,
    rooms: &'a Arc<Registry>,
    stopping: &'a watch::Receiver<bool>,
}

impl Parts<'_> {
    fn routes(&self, counters: Arc<Counters>) -> Router {
        let limits = &self.config.limits;
        let origins = Origins::new(origins(self.config, self.address));
        let gateway = Gateway {
            auth: self.auth.clone(),
            rooms: self.rooms.clone(),
            origins: origins.clone(),
            arrivals: Mutex::new(Rates::new(
                rate(limits.arrivals_per_second, limits.arrivals_burst),
                REMEMBERED,
            )),
            pace: rate(limits.messages_per_second, limits.messages_burst),
            counters,
            stopping: self.stopping.clone(),
            next: Default::default(),
        };
        let streams = Streams::new(
            self.rooms.clone(),
            origins.clone(),
            rate(limits.arrivals_per_second, limits.arrivals_burst),
        );
        let means = self.rooms.means();
        let state = ApiState {
            auth: self.auth.clone(),
            store: self.store.clone(),
            guard: self.guard.clone(),
            rooms: self.rooms.clone(),
            origins,
            clock: means.clock.clone(),
            random: means.random.clone(),
            webhooks: self.config.webhooks.clone(),
            control_pace: rate(limits.control_per_second, limits.control_burst),
        };
        Router::new()
            .merge(upgrade::router(Arc::new(gateway)))
            .merge(api::router::router(state))
            .merge(whip::router(Arc::new(streams)))
            .merge(web::router(self.store.clone()))
            .route("/healthz", get(|| async { "ok\n" }))
            .route(
                "/readyz",
                get(ready).with_state((self.store.clone(), means.media.clone())),
            )
    }
}

async fn ready(State((store, media)): State<(Store, MediaPlane)>) -> (StatusCode, &'static str) {
    let refused = |why| (StatusCode::SERVICE_UNAVAILABLE, why);
    if !media.is_running() {
        refused("a thread of packets has ended\n")
    } else if !store.ready().await {
        refused("the database does not answer\n")
    } else {
        (StatusCode::OK, "ready\n")
    }
}

/// What the operator's listener shows.
struct Operator {
    metrics: Metrics,
    media: MediaPlane,
    rooms: Arc<Registry>,
    sessions: Gauge,
}

impl Operator {
    async fn serve(
        self,
        listener: TcpListener,
        mut stopping: watch::Receiver<bool>,
    ) -> anyhow::Result<()> {
        let operator = Arc::new(self);
        let routes = Router::new().route("/metrics", get(move || samples(operator.clone())));
        let stopped = async move {
            // An error means that the server is gone, which is a reason to stop too.
            let _gone = stopping.wait_for(|stop| *stop).await;
        };
        axum::serve(listener, routes)
            .with_graceful_shutdown(stopped)
            .await
            .context("the metrics listener failed")
    }
}

async fn samples(operator: Arc<Operator>) -> impl IntoResponse {
    let running = operator.rooms.count().await;
    operator
        .sessions
        .set(i64::try_from(running).unwrap_or(i64::MAX));
    let shards: Vec<_> = operator.media.shard_counters().collect();
    let text = telemetry::samples(&operator.metrics, &shards);
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(CONTENT_TYPE, kind)], text)
}

/// Lets the last words to every client go out.
async fn goodbyes(open: &Gauge) {
    let mut waited = Duration::ZERO;
    while open.get() > 0 && waited < GOODBYES {
        tokio::time::sleep(STEP).await;
        waited = waited.saturating_add(STEP);
    }
}

/// Says where the server is, and how the first owner gets in.
async fn announce(
    config: &Config,
    (address, metrics): (SocketAddr, SocketAddr),
    auth: &Auth,
    say: fn(&str),
) -> anyhow::Result<()> {
    let origin = first_origin(config, address);
    say(&format!("metrics: http://{metrics}/metrics"));
    say(&format!("listening: {origin}"));
    if let Some(secret) = auth.first_owner_link().await? {
        say(&format!(
            "owner link: {origin}/invitation#{}",
            secret.expose()
        ));
        say(
            "Open the link once to make the first owner's account. It works for one day and one account.",
        );
    }
    Ok(())
}

async fn wait_for_signal() -> anyhow::Result<()> {
    let (mut terminate, mut interrupt) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
