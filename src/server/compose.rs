//! Starts everything in order, and stops it in order: no new connections, rooms told and ended, answers finished,
//! audit rows written, media stopped, database closed.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use prometheus_client::registry::Registry as Metrics;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, watch};

use crate::api;
use crate::auth::limits::{Network, Rate, Rates};
use crate::auth::request::Origins;
use crate::auth::session::Auth;
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::gateway::counters::Counters;
use crate::gateway::upgrade::{self, Gateway};
use crate::guard::Guard;
use crate::rooms::actor::Means;
use crate::rooms::registry::Registry;
use crate::secret::{RandomSource, SystemRandom};
use crate::server::listener::{self, Crowd, Door};
use crate::server::{certificate, web};
use crate::store::audit::AuditReport;
use crate::store::database::Store;
use crate::store::seal::SealingKeys;
use crate::telemetry;
use crate::udp::plane::{MediaPlane, MediaSettings};

/// How many addresses the limits remember at a time.
const REMEMBERED: usize = 65_536;

/// Runs the server until it is told to stop.
pub async fn serve(config: Config, say: fn(&str)) -> anyhow::Result<()> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let random: Arc<dyn RandomSource> = Arc::new(SystemRandom);
    let store = open(&config, clock.as_ref(), random.as_ref()).await?;
    let tls = certificate::server_config(&config.tls, &config.data)?;
    let listener = TcpListener::bind(config.listen).await.with_context(|| format!("`listen`: {} cannot be used", config.listen))?;
    let address = listener.local_addr()?;
    let media = media_settings(&config, address);
    let (media, media_thread) = MediaPlane::start(media, random.clone()).context("`media.listen` cannot be used")?;

    let guard = Arc::new(Guard::new(store.clone(), clock.clone())?);
    let auth = Arc::new(Auth::start(store.clone(), clock.clone(), random.clone()).await?);
    let means = Means { guard: guard.clone(), media: media.clone(), store: store.clone(), auth: auth.clone(), clock: clock.clone(), random };
    let rooms = Arc::new(Registry::new(Arc::new(means)));
    let (stop, stopping) = watch::channel(false);
    let counters = Arc::new(Counters::default());
    let mut metrics = Metrics::with_prefix("conclave");
    counters.register(&mut metrics);
    let door = Arc::new(door(&config, address, tls, &auth, &guard, &store, &rooms, &counters, &stopping, &mut metrics)?);

    let serving = tokio::spawn(listener::serve(listener, door, stopping.clone()));
    let operator = tokio::spawn(serve_metrics(config.metrics, metrics, media.clone(), stopping));
    announce(&config, address, &auth, say).await?;

    wait_for_signal().await?;
    tracing::info!("stopping");
    rooms.drain().await;
    stop.send_replace(true);
    serving.await.context("the listener failed")?;
    operator.await.context("the metrics listener failed")??;
    guard.flush().await;
    media_thread.stop();
    store.close().await;
    tracing::info!("stopped");
    Ok(())
}

/// Reads the whole audit trail of a data folder.
pub async fn verify_audit(config: &Config) -> anyhow::Result<AuditReport> {
    let store = open(config, &SystemClock, &SystemRandom).await?;
    let report = store.verify_audit(store.org()).await?;
    store.close().await;
    Ok(report)
}

async fn open(config: &Config, clock: &dyn Clock, random: &dyn RandomSource) -> anyhow::Result<Store> {
    std::fs::create_dir_all(&config.data).with_context(|| format!("`data`: `{}` cannot be made", config.data.display()))?;
    let keys = SealingKeys::load_or_create(&config.data, random).context("the sealing keys cannot be used")?;
    Store::open(&config.data, Arc::new(keys), clock.now()).await.context("the database cannot be opened")
}
