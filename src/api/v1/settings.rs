//! The settings and the password of a room, and what the organisation chooses for all of them. The same deeds as the app's own.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Json;
use conclave_policy::levels::Level;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::body::Strict;
use crate::api::caller::{Changer, Reader};
use crate::api::router::Api;
use crate::api::v1::caller::{At, By, Given, IfMatch};
use crate::api::v1::problem::Refused;
use crate::api::v1::tag::{Tagged, matches};
use crate::api::{organisation, rooms, settings};
use crate::auth::principal::Principal;
use crate::bounded::Text;
use crate::rooms::view::SettingView;

/// A setting as it stands.
#[derive(Serialize, ToSchema)]
pub(super) struct Setting {
    key: String,
    value: String,
    /// All values, the strictest first.
    values: Vec<String>,
    /// Who may relax it: `host`, `admin` or `fixed`.
    relax: String,
    /// Where the value comes from: `default`, `organisation` or `room`.
    #[schema(value_type = String)]
    level: Level,
    /// Whether the organisation lets no room choose.
    locked: bool,
    may_change: bool,
}

/// Every setting of a room.
#[derive(Serialize, ToSchema)]
pub(super) struct Settings {
    settings: Vec<Setting>,
}

/// What the organisation has chosen for its rooms.
#[derive(Serialize, ToSchema)]
pub(super) struct Organisation {
    settings: Vec<Setting>,
    /// Whether two hosts must agree before someone comes in.
    two_person_admission: bool,
    /// Whether who leads a room or administers the organisation must have shown a second factor.
    require_second_factor: bool,
}

/// A choice for a room; `inherit` drops the room's own.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Choice {
    #[schema(value_type = String, max_length = 64)]
    key: Text<64>,
    #[schema(value_type = String, max_length = 64)]
    value: Text<64>,
}

/// A choice for all rooms.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OrganisationChoice {
    #[schema(value_type = String, max_length = 64)]
    key: Text<64>,
    #[schema(value_type = String, max_length = 64)]
    value: Text<64>,
    /// Whether rooms have no word in it.
    locked: bool,
}

/// The options of the organisation.
#[derive(Serialize, ToSchema)]
pub(super) struct OrganisationOptions {
    two_person_admission: bool,
    require_second_factor: bool,
}

/// Options that are to be set; those left out stay as they are.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OrganisationOptionsChange {
    #[serde(default)]
    two_person_admission: Option<bool>,
    /// Only by an administrator who has shown a second factor in this session; by no API key.
    #[serde(default)]
    require_second_factor: Option<bool>,
}

/// The password that a room asks for; null if it asks for none.
#[derive(Serialize, ToSchema)]
pub(super) struct RoomPassword {
    password: Option<String>,
    /// How often it was changed.
    revision: u64,
}

/// A wish for a new password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Renewal {
    /// The revision that the caller saw.
    #[serde(default)]
    revision: Option<u64>,
}

/// The settings of a room.
#[utoipa::path(get, path = "/v1/rooms/{room}/settings", operation_id = "getRoomSettings", tag = "rooms",
    params(("room" = String, Path, description = "The room.")),
    responses((status = 200, description = "Every setting.", body = Settings, headers(("ETag" = String)))))]
pub(super) async fn get_room_settings(
    State(api): State<Arc<Api>>,
    By(principal): By,
    At(id): At<String>,
) -> Result<Tagged<Settings>, Refused> {
    Ok(Tagged(of_room(api, principal, id).await?))
}

/// Changes one setting of a room, and tells the meeting if there is one.
#[utoipa::path(patch, path = "/v1/rooms/{room}/settings", operation_id = "changeRoomSetting", tag = "rooms", request_body = Choice,
    params(("room" = String, Path, description = "The room."), ("If-Match" = Option<String>, Header, description = "The state that is to be changed.")),
    responses((status = 200, description = "The setting as it is now.", body = Setting)))]
pub(super) async fn change_room_setting(
    State(api): State<Arc<Api>>,
    By(principal): By,
    At(id): At<String>,
    IfMatch(named): IfMatch,
    Given(body): Given<Choice>,
) -> Result<Json<Setting>, Refused> {
    let _turn = api.v1.conditional.lock().await;
    if named.is_some() {
        let now = of_room(api.clone(), principal.clone(), id.clone()).await?;
        matches(named.as_deref(), &now)?;
    }
    let body = Strict(settings::Changed {
        key: body.key,
        value: body.value,
    });
    let changed = settings::change(State(api.clone()), Changer(principal), Path(id), body);
    let Json(view) = changed.await?;
    Ok(Json(view.into()))
}

/// The password of a room.
#[utoipa::path(get, path = "/v1/rooms/{room}/password", operation_id = "getRoomPassword", tag = "rooms",
    params(("room" = String, Path, description = "The room.")),
    responses((status = 200, description = "The password.", body = RoomPassword)))]
pub(super) async fn get_room_password(
    State(api): State<Arc<Api>>,
    By(principal): By,
    At(id): At<String>,
) -> Result<Json<RoomPassword>, Refused> {
    let shown = rooms::password(State(api), Reader(principal), Path(id)).await?;
    Ok(Json(shown.0.into()))
}

/// A newly generated password for a room.
#[utoipa::path(post, path = "/v1/rooms/{room}/password", operation_id = "renewRoomPassword", tag = "rooms", request_body = Renewal,
    params(("room" = String, Path, description = "The room.")),
    responses((status = 200, description = "The new password.", body = RoomPassword)))]
pub(super) async fn renew_room_password(
    State(api): State<Arc<Api>>,
    By(principal): By,
    At(id): At<String>,
    Given(body): Given<Renewal>,
) -> Result<Json<RoomPassword>, Refused> {
    let body = Strict(rooms::Renewal {
        revision: body.revision,
    });
    let shown = rooms::new_password(State(api), Changer(principal), Path(id), body).await?;
    Ok(Json(shown.0.into()))
}

/// What the organisation has chosen for its rooms.
#[utoipa::path(get, path = "/v1/organisation", operation_id = "getOrganisation", tag = "organisation",
    responses((status = 200, description = "What it has chosen.", body = Organisation, headers(("ETag" = String)))))]
pub(super) async fn get_organisation(
    State(api): State<Arc<Api>>,
    By(principal): By,
) -> Result<Tagged<Organisation>, Refused> {
    Ok(Tagged(of_organisation(api, principal).await?))
}

/// Chooses or locks a setting for all rooms; every running meeting follows at once.
#[utoipa::path(patch, path = "/v1/organisation/settings", operation_id = "changeOrganisationSetting", tag = "organisation",
    request_body = OrganisationChoice, params(("If-Match" = Option<String>, Header, description = "The state of the organisation that is to be changed.")),
    responses((status = 200, description = "The setting as it is now.", body = Setting)))]
pub(super) async fn change_organisation_setting(
    State(api): State<Arc<Api>>,
    By(principal): By,
    IfMatch(named): IfMatch,
    Given(body): Given<OrganisationChoice>,
) -> Result<Json<Setting>, Refused> {
    let _turn = api.v1.conditional.lock().await;
    if named.is_some() {
        let now = of_organisation(api.clone(), principal.clone()).await?;
        matches(named.as_deref(), &now)?;
    }
    let body = Strict(organisation::Chosen {
        key: body.key,
        value: body.value,
        locked: body.locked,
    });
    let changed = organisation::change(State(api.clone()), Changer(principal), body);
    let Json(view) = changed.await?;
    Ok(Json(view.into()))
}

/// Sets the options of the organisation.
#[utoipa::path(patch, path = "/v1/organisation/options", operation_id = "changeOrganisationOptions", tag = "organisation",
    request_body = OrganisationOptionsChange,
    responses((status = 200, description = "The options as they are now.", body = OrganisationOptions)))]
pub(super) async fn change_organisation_options(
    State(api): State<Arc<Api>>,
    By(principal): By,
    Given(body): Given<OrganisationOptionsChange>,
) -> Result<Json<OrganisationOptions>, Refused> {
    let body = Strict(organisation::Wished {
        two_person_admission: body.two_person_admission,
        require_second_factor: body.require_second_factor,
    });
    let Json(now) = organisation::change_options(State(api), Changer(principal), body).await?;
    Ok(Json(OrganisationOptions {
        two_person_admission: now.two_person_admission,
        require_second_factor: now.require_second_factor,
    }))
}

async fn of_room(api: Arc<Api>, principal: Principal, id: String) -> Result<Settings, Refused> {
    let shown = settings::show(State(api), Reader(principal), Path(id)).await?;
    let settings = shown.0.settings.into_iter().map(Setting::from);
    Ok(Settings {
        settings: settings.collect(),
    })
}

async fn of_organisation(api: Arc<Api>, principal: Principal) -> Result<Organisation, Refused> {
    let Json(shown) = organisation::show(State(api), Reader(principal)).await?;
    Ok(Organisation {
        settings: shown.settings.into_iter().map(Setting::from).collect(),
        two_person_admission: shown.two_person_admission,
        require_second_factor: shown.require_second_factor,
    })
}

impl From<SettingView> for Setting {
    fn from(view: SettingView) -> Self {
        Self {
            key: view.key,
            value: view.value,
            values: view.values,
            relax: view.relax,
            level: view.level,
            locked: view.locked,
            may_change: view.may_change,
        }
    }
}

impl From<rooms::RoomPassword> for RoomPassword {
    fn from(shown: rooms::RoomPassword) -> Self {
        Self {
            password: shown.password,
            revision: shown.revision,
        }
    }
}
