//! Members: who has an account, what they may do, and invitations. A key never touches an account that administers, nor makes one; and it
//! learns nothing of how people are reached and how they sign in.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Json;
use conclave_policy::control::{AccountDeed, ManageAdmin, ManageMember, ReadMembers};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::api::again::there;
use crate::api::invitations;
use crate::api::organisation::{ask, look};
use crate::api::problem::Problem;
use crate::api::router::Api;
use crate::api::v1::caller::{Asking, At, By, Given, IfMatch, here};
use crate::api::v1::page::{Wanted, cursor};
use crate::api::v1::problem::Refused;
use crate::api::v1::tag::{Tagged, matches};
use crate::auth::principal::Principal;
use crate::bounded::Text;
use crate::clock::Timestamp;
use crate::ids::AccountId;
use crate::store::members::{LeftAlone, Managing, MemberRights};
use crate::store::pages::{After, Member};

/// Accounts that one request searches: their names are sealed, and each is opened to be looked at.
const LOOKED_AT: u32 = 500;

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

/// A member in the list.
#[derive(Serialize, ToSchema)]
#[schema(as = MemberLine)]
pub(super) struct MemberLine {
    #[serde(flatten)]
    member: MemberView,
    /// For administrators in person; null for a key.
    ways: Option<WaysView>,
}

/// How a member is reached and how they sign in.
#[derive(Serialize, ToSchema)]
#[schema(as = MemberWays)]
pub(super) struct WaysView {
    /// Null where a provider made the account, which gives it neither an address nor a password.
    email: Option<String>,
    /// Whether a password opens the account.
    password: bool,
    /// How many passkeys do.
    passkeys: u32,
    /// The providers with which an identity is linked.
    providers: Vec<String>,
    /// When they signed in last, milliseconds since the epoch; null where they have not since they made the account.
    #[schema(value_type = Option<i64>)]
    signed_in: Option<Timestamp>,
}

/// Some members, the newest first.
#[derive(Serialize, ToSchema)]
pub(super) struct MemberPage {
    members: Vec<MemberLine>,
    /// The `cursor` of the next page; null on the last. A page of a search may have fewer lines than were wanted, or none, and yet not be
    /// the last.
    next: Option<String>,
}

/// Letters of what is sought.
const MOST_SOUGHT: usize = 64;

/// Which members are wanted.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct WantedMembers {
    /// Only those in whose name this stands, or, for administrators in person, in whose address; capital letters aside.
    #[param(value_type = Option<String>, max_length = 64)]
    q: Option<Text<256>>,
    /// `next` of the page before.
    #[param(value_type = Option<String>, max_length = 64)]
    cursor: Option<Text<64>>,
    /// Lines of the page.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
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
#[utoipa::path(get, path = "/v1/members", operation_id = "listMembers", tag = "members", params(WantedMembers),
    responses((status = 200, description = "Some members, the newest first.", body = MemberPage)))]
pub(super) async fn list_members(
    State(api): State<Arc<Api>>,
    Asking(principal, wanted): Asking<WantedMembers>,
) -> Result<Json<MemberPage>, Refused> {
    let page = Wanted {
        cursor: wanted.cursor,
        limit: wanted.limit,
    };
    let (after, limit) = page.read()?;
    let _seen = look(&api, &principal, ReadMembers)?;
    let letters = wanted.q.as_ref().map(|q| q.as_str().chars().count());
    if letters.is_some_and(|letters| letters > MOST_SOUGHT) {
        return Err(Problem::BadRequest.into());
    }
    let sought = wanted.q.map(|q| q.as_str().trim().to_lowercase());
    let sought = sought.filter(|sought| !sought.is_empty());
    let (found, next) = some(&api, &principal, after, limit, sought.as_deref()).await?;
    let mut members = Vec::with_capacity(found.len());
    for member in &found {
        members.push(MemberLine {
            ways: ways(&api, &principal, member).await?,
            member: view(member),
        });
    }
    Ok(Json(MemberPage { members, next }))
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

/// Changes what a member may do. No key touches an administrator or makes one; people give a right when they were there within ten minutes.
#[utoipa::path(patch, path = "/v1/members/{member}", operation_id = "changeMember", tag = "members", request_body = MemberChange,
    params(("member" = String, Path, description = "The account."), ("If-Match" = Option<String>, Header, description = "The state that is to be changed."),
        ("Conclave-Again" = Option<String>, Header, description = "What `/api/again` gave, when a right is given in person and the sign-in is more than ten minutes ago; else `confirm_first`.")),
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
    let makes_admin = rights.admin && !member.is_admin;
    let gives = makes_admin || rights.may_create_rooms && !member.may_create_rooms;
    if makes_admin || gives && principal.account().is_some() {
        there(&api, &principal, &headers)?;
    }
    let deed = AccountDeed::Change;
    let permit = manage(&api, &principal, &member, rights.admin, deed).await?;
    let store = &api.state.store;
    let changed = store.change_member(&permit, principal.org, rights).await?;
    changed.map_err(left_alone)?;
    let member = store.member(principal.org, member.id).await?;
    Ok(Tagged(view(&member.ok_or(Problem::NotFound)?)))
}

/// Ends every session of a member. They may sign in again.
#[utoipa::path(delete, path = "/v1/members/{member}/sessions", operation_id = "endMemberSessions", tag = "members",
    params(("member" = String, Path, description = "The account.")),
    responses((status = 204, description = "They are signed out everywhere.")))]
pub(super) async fn end_sessions(
    State(api): State<Arc<Api>>,
    By(principal): By,
    At(id): At<String>,
) -> Result<StatusCode, Refused> {
    let member = found(&api, &principal, &id).await?;
    let permit = manage(&api, &principal, &member, false, AccountDeed::SignOut).await?;
    let ended = api.state.store.sign_member_out(&permit, principal.org);
    ended.await?.map_err(left_alone)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends an account, and every session of it: its key is destroyed, and nothing that was sealed with it can be read again. People do so when they
/// were there within ten minutes.
#[utoipa::path(delete, path = "/v1/members/{member}", operation_id = "endMember", tag = "members",
    params(("member" = String, Path, description = "The account."), ("If-Match" = Option<String>, Header, description = "The state that is to be ended."),
        ("Conclave-Again" = Option<String>, Header, description = "What `/api/again` gave, when it is done in person and the sign-in is more than ten minutes ago; else `confirm_first`.")),
    responses((status = 204, description = "It has ended.")))]
pub(super) async fn end_member(
    State(api): State<Arc<Api>>,
    By(principal): By,
    At(id): At<String>,
    IfMatch(named): IfMatch,
    headers: HeaderMap,
) -> Result<StatusCode, Refused> {
    let _turn = api.v1.conditional.lock().await;
    let member = found(&api, &principal, &id).await?;
    matches(named.as_deref(), &view(&member))?;
    here(&api, &principal, &headers)?;
    let permit = manage(&api, &principal, &member, false, AccountDeed::End).await?;
    let now = api.state.clock.now();
    let ended = api.state.store.end_member(&permit, principal.org, now);
    ended.await?.map_err(left_alone)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Invites someone to have an account. People give a right with it when they were there within ten minutes.
#[utoipa::path(post, path = "/v1/invitations", operation_id = "createInvitation", tag = "members", request_body = NewInvitation,
    params(("Conclave-Again" = Option<String>, Header, description = "What `/api/again` gave, when a right is given in person and the sign-in is more than ten minutes ago; else `confirm_first`.")),
    responses((status = 201, description = "The invitation.", body = InvitationMade)))]
pub(super) async fn create_invitation(
    State(api): State<Arc<Api>>,
    By(principal): By,
    headers: HeaderMap,
    Given(body): Given<NewInvitation>,
) -> Result<(StatusCode, Json<InvitationMade>), Refused> {
    if body.may_create_rooms {
        here(&api, &principal, &headers)?;
    }
    let made = invitations::make(&api, &principal, body.may_create_rooms, body.name).await?;
    let made = InvitationMade {
        path: made.path,
        expires: made.expires,
    };
    Ok((StatusCode::CREATED, Json(made)))
}

/// Some members, and the cursor of what comes after them. A search looks at a bounded number, and goes on where it ended.
async fn some(
    api: &Api,
    principal: &Principal,
    after: Option<After>,
    limit: u32,
    sought: Option<&str>,
) -> Result<(Vec<Member>, Option<String>), Refused> {
    let looked_at = sought.map_or(limit, |_| LOOKED_AT);
    let (store, org) = (&api.state.store, principal.org);
    let all = store.members_after(org, after, looked_at.saturating_add(1));
    let mut all = all.await?;
    let mut more = all.len() > looked_at as usize;
    all.truncate(looked_at as usize);
    let (mut found, mut last) = (Vec::new(), None);
    for member in all {
        if found.len() == limit as usize {
            more = true;
            break;
        }
        last = Some((member.created, *member.id.as_bytes()));
        if sought.is_none_or(|sought| is_sought(principal, &member, sought)) {
            found.push(member);
        }
    }
    Ok((found, last.filter(|_| more).map(cursor)))
}

/// Whoever does not see an address does not find by it either.
fn is_sought(principal: &Principal, member: &Member, sought: &str) -> bool {
    let name = member.name.expose().to_lowercase();
    let email = member
        .email
        .as_ref()
        .filter(|_| principal.account().is_some());
    name.contains(sought) || email.is_some_and(|email| email.expose().contains(sought))
}

/// How a member is reached and signs in, for administrators in person.
async fn ways(
    api: &Api,
    principal: &Principal,
    member: &Member,
) -> Result<Option<WaysView>, Refused> {
    if principal.account().is_none() {
        return Ok(None);
    }
    let (store, org) = (&api.state.store, principal.org);
    let linked = store.identities(org, member.id).await?;
    Ok(Some(WaysView {
        email: member.email.as_ref().map(|email| email.expose().clone()),
        password: member.email.is_some(),
        passkeys: member.passkeys,
        providers: linked.into_iter().map(|linked| linked.provider).collect(),
        signed_in: store.last_sign_in(org, member.id).await?,
    }))
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
    deed: AccountDeed,
) -> Result<Managing, Refused> {
    let account = member.id;
    if admin || member.is_admin || member.admin_by_provider {
        let permit = ask(api, principal, ManageAdmin { account, deed }).await?;
        Ok(Managing::Admin(permit))
    } else {
        let permit = ask(api, principal, ManageMember { account, deed }).await?;
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
