//! The settings of a room, changed one at a time from outside of it.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Json;
use conclave_policy::actions::ChangeSetting;
use conclave_policy::settings::SettingKey;
use serde::{Deserialize, Serialize};

use crate::api::body::Strict;
use crate::api::caller::{Changer, Reader};
use crate::api::problem::Problem;
use crate::api::rooms::{ask, read};
use crate::api::router::Api;
use crate::bounded::Text;
use crate::rooms::view::SettingView;

/// Every setting of a room.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub(super) struct SettingList {
    settings: Vec<SettingView>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Changed {
    key: Text<64>,
    value: Text<64>,
}

/// `GET /api/rooms/{id}/settings`.
pub(super) async fn show(
    State(api): State<Arc<Api>>,
    Reader(principal): Reader,
    Path(id): Path<String>,
) -> Result<Json<SettingList>, Problem> {
    let room = read(&api, &principal, &id).await?;
    Ok(Json(SettingList {
        settings: SettingView::all(&room.settings),
    }))
}

/// `PATCH /api/rooms/{id}/settings`: durable first, then told to the meeting if there is one.
pub(super) async fn change(
    State(api): State<Arc<Api>>,
    Changer(principal): Changer,
    Path(id): Path<String>,
    Strict(body): Strict<Changed>,
) -> Result<Json<SettingView>, Problem> {
    let key: SettingKey = body
        .key
        .as_str()
        .parse()
        .map_err(|_| Problem::InvalidValue)?;
    let value = key
        .parse_value(body.value.as_str())
        .map_err(|_| Problem::InvalidValue)?;
    let permit = ask(&api, &principal, &id, ChangeSetting { key, value }).await?;
    let room = permit.room();
    let ChangeSetting { key, value } = permit.into_action();
    let settings = api
        .state
        .store
        .change_settings(principal.org, room, vec![(key, value)])
        .await?;
    api.state.rooms.settings_changed(room, settings).await;
    Ok(Json(SettingView::of(&settings, key)))
}
