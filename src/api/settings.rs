//! The settings of a room, changed one at a time from outside of it.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Json;
use conclave_policy::actions::{ActionKind, ChangeSetting};
use conclave_policy::facts::Facts;
use conclave_policy::levels::Levels;
use conclave_policy::roles::Role;
use conclave_policy::settings::SettingKey;
use serde::{Deserialize, Serialize};

use crate::api::body::Strict;
use crate::api::caller::{Changer, Reader};
use crate::api::problem::Problem;
use crate::api::rooms::{durable, read, standing};
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
    let (room, role, facts) = read(&api, &principal, &id).await?;
    let settings = SettingKey::ALL
        .iter()
        .map(|key| view(&api, role, facts, &room.levels, *key));
    Ok(Json(SettingList {
        settings: settings.collect(),
    }))
}

/// `PATCH /api/rooms/{id}/settings`: durable first, then told to the meeting if there is one.
pub(super) async fn change(
    State(api): State<Arc<Api>>,
    Changer(principal): Changer,
    Path(id): Path<String>,
    Strict(body): Strict<Changed>,
) -> Result<Json<SettingView>, Problem> {
    let (key, value) = known(body.key.as_str(), body.value.as_str())?;
    let (room, role, facts) = standing(&api, &principal, &id).await?;
    let levels = api.state.store.levels(principal.org, room).await?.levels;
    let (permit, audit) = api.state.guard.ask(
        principal.org,
        principal.actor(),
        role,
        room,
        &facts.with(levels.held(key)),
        ChangeSetting { key, value },
    );
    let permit = durable(&api, permit, audit, Problem::NotFound).await?;
    let stored = api
        .state
        .store
        .change_settings(principal.org, vec![permit])
        .await?;
    let view = view(&api, role, facts, &stored.levels, key);
    api.state.rooms.settings_changed(room, stored).await;
    Ok(Json(view))
}

/// A setting and a value that exist.
pub(super) fn known(key: &str, value: &str) -> Result<(SettingKey, &'static str), Problem> {
    let key: SettingKey = key.parse().map_err(|_| Problem::InvalidValue)?;
    let value = key.parse_value(value).map_err(|_| Problem::InvalidValue)?;
    Ok((key, value))
}

/// A setting as someone sees it who is not in the room.
fn view(api: &Api, role: Role, facts: Facts, levels: &Levels, key: SettingKey) -> SettingView {
    let facts = facts.with(levels.held(key)).with(key.who_may_relax());
    let rules = api.state.guard.snapshot();
    let may_change = rules.allows(ActionKind::ChangeSetting, role, &facts);
    SettingView::of(levels, key, may_change)
}
