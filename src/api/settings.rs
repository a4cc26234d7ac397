//! The settings of a room, changed one at a time from outside of it.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::Json;
use conclave_policy::actions::{ActionKind, ChangeKind, ChangeSetting};
use conclave_policy::facts::Facts;
use conclave_policy::kind::RoomKind;
use conclave_policy::levels::{LevelError, Levels};
use conclave_policy::presets::{Application, Preset};
use conclave_policy::preview::{self, Line, Moment};
use conclave_policy::roles::Role;
use conclave_policy::settings::{SettingError, SettingKey};
use serde::{Deserialize, Serialize};

use crate::api::body::Strict;
use crate::api::caller::{Changer, Reader};
use crate::api::problem::Problem;
use crate::api::rooms::{durable, read, standing};
use crate::api::router::Api;
use crate::auth::principal::Principal;
use crate::bounded::Text;
use crate::rooms::view::SettingView;

/// Every setting of a room.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub(super) struct SettingList {
    pub(super) settings: Vec<SettingView>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Changed {
    pub(super) key: Text<64>,
    pub(super) value: Text<64>,
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
        .map(|key| view(&api, &principal, role, facts, &room.levels, *key));
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
    let (key, value) = choice(body.key.as_str(), body.value.as_str())?;
    let (room, role, facts) = standing(&api, &principal, &id).await?;
    let facts = principal.scoped(facts, ActionKind::ChangeSetting);
    let levels = api.state.store.levels(principal.org, room).await?.levels;
    let (permit, audit) = api.state.guard.ask(
        principal.org,
        principal.actor(),
        role,
        room,
        &facts.with(levels.held(key)),
        ChangeSetting { key, value },
    );
    let permit = durable(&api, permit, audit, principal.refusal()).await?;
    let stored = api
        .state
        .store
        .change_settings(principal.org, vec![permit], None, api.state.clock.now())
        .await?;
    let view = view(&api, &principal, role, facts, &stored.levels, key);
    api.state.rooms.settings_changed(room, stored).await;
    Ok(Json(view))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Proposed {
    key: Text<64>,
    value: Text<64>,
}

/// Who may do what now, and would then.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub(super) struct Preview {
    lines: Vec<Line>,
}

/// `GET /api/rooms/{id}/settings/preview?key=&value=`: what a change would mean for whom, in a room that is not locked and has a
/// host in it.
pub(super) async fn preview(
    State(api): State<Arc<Api>>,
    Reader(principal): Reader,
    Path(id): Path<String>,
    query: Result<Query<Proposed>, QueryRejection>,
) -> Result<Json<Preview>, Problem> {
    let Query(Proposed { key, value }) = query.map_err(|_| Problem::BadRequest)?;
    let (room, ..) = read(&api, &principal, &id).await?;
    let (key, value) = choice(key.as_str(), value.as_str())?;
    let then = room.levels.setup_with(key, value).map_err(refused)?;
    let rules = api.state.guard.snapshot();
    let lines = preview::preview(&rules, Moment::ordinary(), room.levels.setup(), then);
    Ok(Json(Preview { lines }))
}

/// `GET /api/rooms/{id}/entry`: who can get in, likewise.
pub(super) async fn entry(
    State(api): State<Arc<Api>>,
    Reader(principal): Reader,
    Path(id): Path<String>,
) -> Result<Json<Preview>, Problem> {
    let (room, ..) = read(&api, &principal, &id).await?;
    let rules = api.state.guard.snapshot();
    let lines = preview::entry(&rules, Moment::ordinary(), room.levels.setup());
    Ok(Json(Preview { lines }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Chosen {
    preset: Preset,
}

/// What a preset changed, and what the organisation has locked otherwise.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub(super) struct PresetApplied {
    kind: RoomKind,
    changed: Vec<SettingView>,
    kept: Vec<SettingView>,
}

/// `POST /api/rooms/{id}/preset`: one permit a change, all or none.
pub(super) async fn apply_preset(
    State(api): State<Arc<Api>>,
    Changer(principal): Changer,
    Path(id): Path<String>,
    Strict(body): Strict<Chosen>,
) -> Result<Json<PresetApplied>, Problem> {
    let (room, role, facts) = standing(&api, &principal, &id).await?;
    let levels = api.state.store.levels(principal.org, room).await?.levels;
    let Application {
        changes,
        kind,
        kept,
    } = body.preset.applied_to(&levels);
    let (org, actor) = (principal.org, principal.actor());
    let guard = &api.state.guard;
    // Asked for even when it is the kind already: whoever may not change it learns nothing of the room.
    let kind = kind.unwrap_or(levels.kind());
    let (of_kind, audit) = guard.ask(org, actor, role, room, &facts, ChangeKind { kind });
    let of_kind = durable(&api, of_kind, audit, Problem::NotFound).await?;
    let mut permits = Vec::with_capacity(changes.len());
    for (key, value) in &changes {
        let facts = facts.with(levels.held(*key));
        let change = ChangeSetting { key: *key, value };
        permits.push(guard.ask(org, actor, role, room, &facts, change));
    }
    let mut settings = Vec::with_capacity(permits.len());
    for (permit, audit) in permits {
        settings.push(durable(&api, permit, audit, Problem::NotFound).await?);
    }
    let stored = api
        .state
        .store
        .change_settings(org, settings, Some(of_kind), api.state.clock.now())
        .await?;
    let views = |keys: Vec<SettingKey>| {
        keys.into_iter()
            .map(|key| view(&api, &principal, role, facts, &stored.levels, key))
            .collect()
    };
    let applied = PresetApplied {
        kind: stored.levels.kind(),
        changed: views(changes.into_iter().map(|(key, _)| key).collect()),
        kept: views(kept),
    };
    api.state.rooms.settings_changed(room, stored).await;
    Ok(Json(applied))
}

fn refused(error: LevelError) -> Problem {
    match error {
        LevelError::Locked | LevelError::Fixed => Problem::NotAllowed,
        LevelError::Setting(SettingError::NothingStands) => Problem::Unprotected,
        LevelError::Setting(_) => Problem::InvalidValue,
    }
}

/// A setting and a value that exist.
pub(super) fn known(key: &str, value: &str) -> Result<(SettingKey, &'static str), Problem> {
    let key: SettingKey = key.parse().map_err(|_| Problem::InvalidValue)?;
    let value = key.parse_value(value).map_err(|_| Problem::InvalidValue)?;
    Ok((key, value))
}

/// A setting that exists, and what may be chosen for a room.
fn choice(key: &str, value: &str) -> Result<(SettingKey, &'static str), Problem> {
    let key: SettingKey = key.parse().map_err(|_| Problem::InvalidValue)?;
    let value = key.parse_choice(value);
    Ok((key, value.map_err(|_| Problem::InvalidValue)?))
}

/// A setting as someone sees it who is not in the room.
fn view(
    api: &Api,
    principal: &Principal,
    role: Role,
    facts: Facts,
    levels: &Levels,
    key: SettingKey,
) -> SettingView {
    let facts = principal.scoped(facts, ActionKind::ChangeSetting);
    let facts = facts.with(levels.held(key)).with(key.who_may_relax());
    let rules = api.state.guard.snapshot();
    let may_change = rules.allows(ActionKind::ChangeSetting, role, &facts);
    SettingView::of(levels, key, may_change)
}
