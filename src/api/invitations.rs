//! Invitations to have an account: made by administrators, accepted once.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{Json, Response};
use conclave_policy::actions::{ActionKind, InviteAccount};
use conclave_policy::facts::Facts;
use serde::{Deserialize, Serialize};

use crate::api::again::there;
use crate::api::body::Strict;
use crate::api::caller::{Changer, Newcomer};
use crate::api::problem::Problem;
use crate::api::rooms::{durable, role_outside};
use crate::api::router::Api;
use crate::api::sessions::{begin, owned};
use crate::auth::error::AuthError;
use crate::auth::name::DisplayName;
use crate::auth::principal::Principal;
use crate::bounded::Text;
use crate::clock::Timestamp;
use crate::guard::NO_ROOM;
use crate::secret::Secret;

/// What kind of account is invited. Only an owner's link, which the server prints, makes an administrator.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Member,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewInvitation {
    #[serde(rename = "kind")]
    _kind: Kind,
    may_create_rooms: bool,
    /// Whom it is meant for, as a note to the one who invites.
    #[serde(default)]
    name: Option<Text<1024>>,
}

/// An invitation: the secret stands behind `#`, so that no server on the way reads it.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub(super) struct InvitationView {
    pub(super) path: String,
    #[cfg_attr(test, ts(type = "number"))]
    pub(super) expires: Timestamp,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Acceptance {
    token: Secret<Text<128>>,
    email: Text<254>,
    name: Text<1024>,
    password: Secret<Text<1024>>,
}

/// `POST /api/invitations`: with the right to create rooms only by whoever was there lately, as every right is given.
pub(super) async fn create(
    State(api): State<Arc<Api>>,
    Changer(principal): Changer,
    headers: HeaderMap,
    Strict(body): Strict<NewInvitation>,
) -> Result<Json<InvitationView>, Problem> {
    if body.may_create_rooms {
        there(&api, &principal, &headers)?;
    }
    let made = make(&api, &principal, body.may_create_rooms, body.name).await;
    made.map(Json)
}

/// Makes one for a member.
pub(super) async fn make(
    api: &Api,
    principal: &Principal,
    may_create_rooms: bool,
    name: Option<Text<1024>>,
) -> Result<InvitationView, Problem> {
    let name = name
        .map(|name| DisplayName::parse(name.as_str()))
        .transpose();
    let name = name.map_err(Problem::InvalidName)?;
    let (org, actor) = (principal.org, principal.actor());
    let facts = Facts::new().with(principal.org_admin());
    let facts = principal.scoped(facts, ActionKind::InviteAccount);
    let role = role_outside(principal, None);
    let (permit, audit) = api
        .state
        .guard
        .ask(org, actor, role, NO_ROOM, &facts, InviteAccount);
    let permit = durable(api, permit, audit, Problem::NotAllowed).await?;
    let (secret, expires) = api
        .state
        .auth
        .create_invitation(permit, org, name, may_create_rooms)
        .await?;
    Ok(InvitationView {
        path: format!("/invitation#{}", secret.expose()),
        expires,
    })
}

/// `POST /api/invitations/accept`: makes the account and signs in to it.
pub(super) async fn accept(
    State(api): State<Arc<Api>>,
    newcomer: Newcomer,
    Strict(body): Strict<Acceptance>,
) -> Result<Response, Problem> {
    let (token, password) = (owned(&body.token), owned(&body.password));
    let accepted = api
        .state
        .auth
        .accept_invitation(
            &token,
            body.email.as_str(),
            body.name.as_str(),
            &password,
            (newcomer.address, newcomer.key),
        )
        .await;
    match accepted {
        Ok(signed_in) => begin(&api, newcomer.caller, signed_in, &newcomer.seen).await,
        Err(error) => {
            api.turned_away(newcomer.address, "accept_invitation", error);
            Err(match error {
                AuthError::Refused => Problem::InvitationRefused,
                other => other.into(),
            })
        }
    }
}
