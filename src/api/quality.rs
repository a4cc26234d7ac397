//! How the connections of a running meeting do, for the owner and the hosts of the room.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Json;
use conclave_policy::actions::SeeStats;
use serde::Serialize;

use crate::api::caller::Reader;
use crate::api::problem::Problem;
use crate::api::rooms::look_at;
use crate::api::router::Api;
use crate::rooms::quality::QualityView;

/// Everyone who is in, with what is known of their connection.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub(super) struct RoomQuality {
    /// Whether a meeting runs in the room.
    running: bool,
    participants: Vec<QualityView>,
}

/// `GET /api/rooms/{id}/quality`.
pub(super) async fn show(
    State(api): State<Arc<Api>>,
    Reader(principal): Reader,
    Path(id): Path<String>,
) -> Result<Json<RoomQuality>, Problem> {
    let permit = look_at(&api, &principal, &id, SeeStats {}).await?;
    let found = api.state.rooms.quality(permit.room()).await;
    Ok(Json(RoomQuality {
        running: found.is_some(),
        participants: found.unwrap_or_default(),
    }))
}
