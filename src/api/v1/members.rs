//! Members: who has an account, what they may do, and invitations. A key never touches an account that administers, nor makes one.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Json;
use conclave_policy::control::{ManageAdmin, ManageMember, ReadMembers};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::again::there;
use crate::api::body::Strict;
use crate::api::caller::Changer;
use crate::api::invitations;
use crate::api::organisation::{ask, look};
use crate::api::problem::Problem;
use crate::api::router::Api;
use crate::api::v1::caller::{Asking, At, By, Given, IfMatch};
use crate::api::v1::page::{Wanted, cursor};
use crate::api::v1::problem::Refused;
use crate::api::v1::tag::{Tagged, matches};
use crate::auth::principal::Principal;
use crate::bounded::Text;
use crate::clock::Timestamp;
use crate::ids::AccountId;
use crate::store::members::{LeftAlone, Managing, MemberRights};
use crate::store::pages::Member;

/// Someone who has an account.
#[derive(Serialize, ToSchema)]
#[schema(as = Member)]
pub(super) struct MemberView {
    #[schema(value_type = String, pattern = "^[a-z2-7]{26}$")]
    id: AccountId,
    name: String,
    /// Whether they administer the organisation.
    admin: bool,
    /// Whether they do so when they come by a provider whose claims say so, which is not changed here.
    admin_by_provider: bool,
    may_create_rooms: bool,
    /// Milliseconds since the epoch.
    #[schema(value_type = i64)]
    created: Timestamp,
}

/// Some members, the newest first.
#[derive(Serialize, ToSchema)]
pub(super) struct MemberPage {
    members: Vec<MemberView>,
    /// The `cursor` of the next page; null on the last.
    next: Option<String>,
}

/// What a member may do from now on; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MemberChange {
    #[serde(default)]
    admin: Option<bool>,
    #[serde(default)]
    may_create_rooms: Option<bool>,
}

/// An invitation to have an account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewInvitation {
    may_create_rooms: bool,
    /// Whom it is meant for.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 64)]
    name: Option<Text<1024>>,
}

/// An invitation that was just made.
#[derive(Serialize, ToSchema)]
pub(super) struct InvitationMade {
    /// The path of the page that takes it; the secret behind `#` is not shown again.
    path: String,
    #[schema(value_type = i64)]
    expires: Timestamp,
}

/// Everyone who has an account.
#[utoipa::path(get, path = "/v1/members", operation_id = "listMembers", tag = "members", params(Wanted),
    responses((status = 200, description = "Some members, the newest first.", body = MemberPage)))]
pub(super) async fn list_members(
    State(api): State<Arc<Api>>,
    Asking(principal, wanted): Asking<Wanted>,
) -> Result<Json<MemberPage>, Refused> {
    let (after, limit) = wanted.read()?;
    let _seen = look(&api, &principal, ReadMembers)?;
    let store = &api.state.store;
    let mut found = store
        .members_after(principal.org, after, limit.saturating_add(1))
        .await?;
    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let last = found.last().filter(|_| more);
    let next = last.map(|member| cursor((member.created, *member.id.as_bytes())));
    Ok(Json(MemberPage {
        members: found.iter().map(view).collect(),
        next,
    }))
}

/// One member.
#[utoipa::path(get, path = "/v1/members/{member}", operation_id = "getMember", tag = "members",
    params(("member" = String, Path, description = "The account.")),
    responses((status = 200, description = "The member.", body = MemberView, headers(("ETag" = String)))))]
pub(super) async fn get_member(
    State(api): State<Arc<Api>>,
    By(principal): By,
    At(id): At<String>,
) -> Result<Tagged<MemberView>, Refused> {
    let member = found(&api, &principal, &id).await?;
    Ok(Tagged(view(&member)))
}

/// Changes what a member may do. No key touches an administrator or makes one; people make one when they were there within ten minutes.
#[utoipa::path(patch, path = "/v1/members/{member}", operation_id = "changeMember", tag = "members", request_body = MemberChange,
    params(("member" = String, Path, description = "The account."), ("If-Match" = Option<String>, Header, description = "The state that is to be changed."),
        ("Conclave-Again" = Option<String>, Header, description = "What `/api/again` gave, when an administrator is to be made and the sign-in is more than ten minutes ago; else `confirm_first`.")),
    responses((status = 200, description = "The member as they are now.", body = MemberView, headers(("ETag" = String)))))]
pub(super) async fn change_member(
    State(api): State<Arc<Api>>,
    By(principal): By,
    At(id): At<String>,
    IfMatch(named): IfMatch,
    headers: HeaderMap,
    Given(body): Given<MemberChange>,
) -> Result<Tagged<MemberView>, Refused> {
    let _turn = api.v1.conditional.lock().await;
    let member = found(&api, &principal, &id).await?;
    matches(named.as_deref(), &view(&member))?;
    let rights = MemberRights {
        admin: body.admin.unwrap_or(member.is_admin),
        may_create_rooms: body.may_create_rooms.unwrap_or(member.may_create_rooms),
    };
    if rights.admin && !member.is_admin {
        there(&api, &principal, &headers)?;
    }
    let permit = manage(&api, &principal, &member, rights.admin, false).await?;
    let store = &api.state.store;
    let changed = store.change_member(&permit, principal.org, rights).await?;
    changed.map_err(left_alone)?;
    let member = store.member(principal.org, member.id).await?;
    Ok(Tagged(view(&member.ok_or(Problem::NotFound)?)))
}

/// Ends an account, and every session of it.
#[utoipa::path(delete, path = "/v1/members/{member}", operation_id = "endMember", tag = "members",
    params(("member" = String, Path, description = "The account."), ("If-Match" = Option<String>, Header, description = "The state that is to be ended.")),
    responses((status = 204, description = "It has ended.")))]
pub(super) async fn end_member(
    State(api): State<Arc<Api>>,
    By(principal): By,
    At(id): At<String>,
    IfMatch(named): IfMatch,
) -> Result<StatusCode, Refused> {
    let _turn = api.v1.conditional.lock().await;
    let member = found(&api, &principal, &id).await?;
    matches(named.as_deref(), &view(&member))?;
    let permit = manage(&api, &principal, &member, false, true).await?;
    let now = api.state.clock.now();
    let ended = api.state.store.end_member(&permit, principal.org, now);
    ended.await?.map_err(left_alone)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Invites someone to have an account.
#[utoipa::path(post, path = "/v1/invitations", operation_id = "createInvitation", tag = "members", request_body = NewInvitation,
    responses((status = 201, description = "The invitation.", body = InvitationMade)))]
pub(super) async fn create_invitation(
    State(api): State<Arc<Api>>,
    By(principal): By,
    Given(body): Given<NewInvitation>,
) -> Result<(StatusCode, Json<InvitationMade>), Refused> {
    let body = invitations::NewInvitation::member(body.may_create_rooms, body.name);
    let made = invitations::create(State(api), Changer(principal), Strict(body)).await?;
    let made = InvitationMade {
        path: made.0.path,
        expires: made.0.expires,
    };
    Ok((StatusCode::CREATED, Json(made)))
}

/// A member, for whoever may see who has an account.
async fn found(api: &Api, principal: &Principal, id: &str) -> Result<Member, Refused> {
    let _seen = look(api, principal, ReadMembers)?;
    let id: AccountId = id.parse().map_err(|_| Problem::NotFound)?;
    let found = api.state.store.member(principal.org, id).await?;
    Ok(found.ok_or(Problem::NotFound)?)
}

/// Asks to change or end an account. One that administers, or is to, is a matter of people.
async fn manage(
    api: &Api,
    principal: &Principal,
    member: &Member,
    admin: bool,
    end: bool,
) -> Result<Managing, Refused> {
    let account = member.id;
    if admin || member.is_admin || member.admin_by_provider {
        let permit = ask(api, principal, ManageAdmin { account, end }).await?;
        Ok(Managing::Admin(permit))
    } else {
        let permit = ask(api, principal, ManageMember { account, end }).await?;
        Ok(Managing::Member(permit))
    }
}

fn left_alone(why: LeftAlone) -> Refused {
    Refused(match why {
        LeftAlone::LastAdmin => Problem::LastAdmin,
        LeftAlone::Administers => Problem::Stale,
    })
}

fn view(member: &Member) -> MemberView {
    MemberView {
        id: member.id,
        name: member.name.expose().clone(),
        admin: member.is_admin,
        admin_by_provider: member.admin_by_provider,
        may_create_rooms: member.may_create_rooms,
        created: member.created,
    }
}
