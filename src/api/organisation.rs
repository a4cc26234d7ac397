//! What an organisation chooses and locks for all of its rooms, and its options. Its administrators alone read and change it.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Json;
use conclave_policy::actions::{
    Action, ActionKind, ChangeOption, ChangeOrgSetting, EndSessions, OrgOption, ReadOrganisation,
};
use conclave_policy::facts::{Factor, Facts, SignInAge};
use conclave_policy::levels::{Levels, OrgChoices, RoomChoices};
use conclave_policy::permit::Permit;
use conclave_policy::settings::SettingKey;
use serde::{Deserialize, Serialize};

use crate::api::body::Strict;
use crate::api::caller::{Changer, Reader};
use crate::api::problem::Problem;
use crate::api::rooms::{durable, refused, role_outside};
use crate::api::router::Api;
use crate::api::settings::known;
use crate::auth::principal::Principal;
use crate::bounded::Text;
use crate::guard::NO_ROOM;
use crate::rooms::view::SettingView;

/// What an organisation says to its rooms.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub(super) struct Organisation {
    pub(super) settings: Vec<SettingView>,
    pub(super) two_person_admission: bool,
    pub(super) require_second_factor: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Chosen {
    pub(super) key: Text<64>,
    pub(super) value: Text<64>,
    pub(super) locked: bool,
}

/// The options of an organisation.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub(super) struct Options {
    pub(super) two_person_admission: bool,
    pub(super) require_second_factor: bool,
}

/// One of them, or several, which are to be set.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wished {
    #[serde(default)]
    pub(super) two_person_admission: Option<bool>,
    #[serde(default)]
    pub(super) require_second_factor: Option<bool>,
}

/// `GET /api/organisation/settings`.
pub(super) async fn show(
    State(api): State<Arc<Api>>,
    Reader(principal): Reader,
) -> Result<Json<Organisation>, Problem> {
    let looked = api.state.guard.look(
        principal.org,
        principal.actor(),
        role_outside(&principal, None),
        NO_ROOM,
        &principal.scoped(facts(&principal), ActionKind::ReadOrganisation),
        ReadOrganisation,
    );
    let _permit = looked.map_err(|denied| refused(&denied, Problem::NotAllowed))?;
    let choices = api.state.store.org_choices(principal.org).await?.choices;
    let levels = alone(&choices);
    let settings = SettingKey::ALL
        .iter()
        .map(|key| view(&api, &principal, &levels, *key));
    Ok(Json(Organisation {
        settings: settings.collect(),
        two_person_admission: choices.two_hosts(),
        require_second_factor: choices.asks_factor(),
    }))
}

/// `PATCH /api/organisation/settings`: durable first, then told to every running room.
pub(super) async fn change(
    State(api): State<Arc<Api>>,
    Changer(principal): Changer,
    Strict(body): Strict<Chosen>,
) -> Result<Json<SettingView>, Problem> {
    let (key, value) = known(body.key.as_str(), body.value.as_str())?;
    let locked = body.locked;
    let permit = ask(&api, &principal, ChangeOrgSetting { key, value, locked }).await?;
    let stored = api
        .state
        .store
        .change_org_setting(principal.org, permit, api.state.clock.now())
        .await?;
    let view = view(&api, &principal, &alone(&stored.choices), key);
    api.state.rooms.organisation_changed(Arc::new(stored)).await;
    Ok(Json(view))
}

/// `PATCH /api/organisation/options`.
pub(super) async fn change_options(
    State(api): State<Arc<Api>>,
    Changer(principal): Changer,
    Strict(body): Strict<Wished>,
) -> Result<Json<Options>, Problem> {
    let wished = [
        (OrgOption::TwoPersonAdmission, body.two_person_admission),
        (OrgOption::RequireSecondFactor, body.require_second_factor),
    ];
    let wished = wished
        .into_iter()
        .filter_map(|(option, on)| on.map(|on| ChangeOption { option, on }));
    // All are asked for before the first is set.
    let mut permits = Vec::new();
    for change in wished {
        permits.push(ask(&api, &principal, change).await?);
    }
    let mut options = None;
    for permit in permits {
        let stored = api
            .state
            .store
            .change_option(principal.org, permit, api.state.clock.now())
            .await?;
        options = Some(Options {
            two_person_admission: stored.choices.two_hosts(),
            require_second_factor: stored.choices.asks_factor(),
        });
        api.state.rooms.organisation_changed(Arc::new(stored)).await;
    }
    options.map(Json).ok_or(Problem::BadRequest)
}

/// `DELETE /api/organisation/sessions`: the emergency switch. Everyone is signed out everywhere, whoever asks too.
pub(super) async fn end_sessions(
    State(api): State<Arc<Api>>,
    Changer(principal): Changer,
) -> Result<StatusCode, Problem> {
    let age = api.state.auth.sign_in_age(&principal);
    let facts = facts(&principal).with(age);
    let asked = ask_with(&api, &principal, &facts, EndSessions).await;
    let permit = asked.map_err(|problem| match (problem, age) {
        (Problem::NotAllowed, SignInAge::Old) => Problem::SignInAgain,
        (problem, _) => problem,
    })?;
    api.state.auth.end_sessions(permit).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn ask<A: Action>(
    api: &Api,
    principal: &Principal,
    action: A,
) -> Result<Permit<A>, Problem> {
    let facts = principal.scoped(facts(principal), action.kind());
    ask_with(api, principal, &facts, action).await
}

async fn ask_with<A: Action>(
    api: &Api,
    principal: &Principal,
    facts: &Facts,
    action: A,
) -> Result<Permit<A>, Problem> {
    let (permit, audit) = api.state.guard.ask(
        principal.org,
        principal.actor(),
        role_outside(principal, None),
        NO_ROOM,
        facts,
        action,
    );
    durable(api, permit, audit, Problem::NotAllowed).await
}

/// Whether something of the organisation may be seen; no row when it may.
pub(super) fn look<A: Action>(
    api: &Api,
    principal: &Principal,
    action: A,
) -> Result<Permit<A>, Problem> {
    let facts = principal.scoped(facts(principal), action.kind());
    let role = role_outside(principal, None);
    let (org, actor) = (principal.org, principal.actor());
    let looked = api
        .state
        .guard
        .look(org, actor, role, NO_ROOM, &facts, action);
    looked.map_err(|denied| refused(&denied, Problem::NotAllowed))
}

fn facts(principal: &Principal) -> Facts {
    Facts::new()
        .with(principal.org_admin())
        .with(principal.second_factor())
        .with(Factor::of(principal.came.second_factor))
}

/// The organisation as a room sees it for which nothing was chosen.
fn alone(choices: &OrgChoices) -> Levels {
    Levels::new(choices.clone(), RoomChoices::default())
}

fn view(api: &Api, principal: &Principal, levels: &Levels, key: SettingKey) -> SettingView {
    let may_change = api.state.guard.snapshot().allows(
        ActionKind::ChangeOrgSetting,
        role_outside(principal, None),
        &principal
            .scoped(facts(principal), ActionKind::ChangeOrgSetting)
            .with(key.who_may_relax()),
    );
    SettingView::of(levels, key, may_change)
}
