//! The audit trail for people: what was decided in a room, for its owner and hosts, and anywhere in the organisation, for its
//! administrators. The trail holds ids; names are added here where their owners are still known.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::Json;
use conclave_policy::actions::{ActionKind, ReadAudit, ReadOrganisationAudit};
use conclave_policy::facts::Facts;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::api::caller::Reader;
use crate::api::problem::Problem;
use crate::api::rooms::{look_at, refused, role_outside};
use crate::api::router::Api;
use crate::auth::principal::Principal;
use crate::bounded::Text;
use crate::clock::Timestamp;
use crate::guard::NO_ROOM;
use crate::ids::{ActorId, OrgId, RoomId};
use crate::store::audit::Verdict;
use crate::store::trail::{AuditFilter, AuditRow, file_of};

/// Rows of one answer, unless the caller wants fewer.
const PAGE: u32 = 100;
/// Rows of one answer at most.
const MOST: u32 = 200;

/// Which rows are wanted. What is not named may be anything.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// `next` of the page before.
    before: Option<u64>,
    #[param(value_type = Option<String>, pattern = "^[a-z2-7]{26}$")]
    actor: Option<ActorId>,
    #[param(value_type = Option<String>, max_length = 64)]
    action: Option<Text<64>>,
    #[param(inline)]
    verdict: Option<VerdictName>,
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// Not before; milliseconds since the epoch, as `at`.
    from: Option<i64>,
    /// Before.
    to: Option<i64>,
    /// Only for the organisation's trail.
    #[param(value_type = Option<String>, pattern = "^[a-z2-7]{26}$")]
    room: Option<RoomId>,
}

#[derive(Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = AuditVerdict)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, rename = "AuditVerdict"))]
enum VerdictName {
    Permitted,
    Denied,
    Noted,
}

/// Some rows of the trail, the newest first.
#[derive(Serialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub(super) struct AuditPage {
    rows: Vec<AuditRowView>,
    /// Give this as `before` for the rows before these; none if there are no more. A page may be empty and not the last.
    #[cfg_attr(test, ts(type = "number | null"))]
    next: Option<u64>,
}

/// One row of the trail.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditRow)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
struct AuditRowView {
    #[cfg_attr(test, ts(type = "number"))]
    seq: u64,
    #[cfg_attr(test, ts(type = "number"))]
    #[schema(value_type = i64)]
    at: Timestamp,
    /// The action as the rules name it, or what happened without a question, such as `rules_swapped`.
    action: String,
    verdict: VerdictName,
    rule: Option<AuditRule>,
    #[cfg_attr(test, ts(type = "number"))]
    policy_version: u64,
    actor: Option<AuditParty>,
    subject: Option<AuditParty>,
    room: Option<AuditRoom>,
    detail: Option<String>,
    #[cfg_attr(test, ts(type = "number"))]
    count: u64,
}

/// The rule that decided.
#[derive(Serialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
struct AuditRule {
    #[cfg_attr(test, ts(type = "\"server\" | \"organisation\""))]
    file: &'static str,
    line: u16,
}

/// Someone or something in the trail, with a name while it is known.
#[derive(Serialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
struct AuditParty {
    id: String,
    name: Option<String>,
}

/// A room in the trail.
#[derive(Serialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
struct AuditRoom {
    #[cfg_attr(test, ts(type = "string"))]
    #[schema(value_type = String)]
    id: RoomId,
    title: Option<String>,
}

/// `GET /api/rooms/{id}/audit`, for the owner and the hosts of the room.
pub(super) async fn of_room(
    State(api): State<Arc<Api>>,
    Reader(principal): Reader,
    Path(id): Path<String>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Json<AuditPage>, Problem> {
    let Query(wanted) = wanted.map_err(|_| Problem::BadRequest)?;
    let page = room_page(&api, &principal, &id, wanted).await?;
    Ok(Json(page))
}

/// Rows of a room's trail.
pub(super) async fn room_page(
    api: &Api,
    principal: &Principal,
    id: &str,
    wanted: Wanted,
) -> Result<AuditPage, Problem> {
    let permit = look_at(api, principal, id, ReadAudit).await?;
    if wanted.room.is_some() {
        return Err(Problem::BadRequest);
    }
    let mut filter = wanted.filter();
    filter.room = Some(permit.room());
    page(api, principal.org, &filter, &wanted).await
}

/// `GET /api/organisation/audit`, for administrators.
pub(super) async fn of_organisation(
    State(api): State<Arc<Api>>,
    Reader(principal): Reader,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Json<AuditPage>, Problem> {
    let Query(wanted) = wanted.map_err(|_| Problem::BadRequest)?;
    let page = organisation_page(&api, &principal, wanted).await?;
    Ok(Json(page))
}

/// Rows of the organisation's trail.
pub(super) async fn organisation_page(
    api: &Api,
    principal: &Principal,
    wanted: Wanted,
) -> Result<AuditPage, Problem> {
    administers(api, principal)?;
    page(api, principal.org, &wanted.filter(), &wanted).await
}

fn administers(api: &Api, principal: &Principal) -> Result<(), Problem> {
    let facts = Facts::new().with(principal.org_admin());
    let facts = principal.scoped(facts, ActionKind::ReadOrganisationAudit);
    let looked = api.state.guard.look(
        principal.org,
        principal.actor(),
        role_outside(principal, None),
        NO_ROOM,
        &facts,
        ReadOrganisationAudit,
    );
    looked
        .map(|_| ())
        .map_err(|denied| refused(&denied, Problem::NotAllowed))
}

async fn page(
    api: &Api,
    org: OrgId,
    filter: &AuditFilter,
    wanted: &Wanted,
) -> Result<AuditPage, Problem> {
    let limit = wanted.limit.unwrap_or(PAGE).clamp(1, MOST);
    // Larger ones than the database numbers rows with are nobody's `next`.
    if wanted.before.is_some_and(|row| i64::try_from(row).is_err()) {
        return Err(Problem::BadRequest);
    }
    let found = api
        .state
        .store
        .audit_before(org, filter, wanted.before, limit)
        .await?;
    let names = Names::of(api, org, &found.rows).await?;
    Ok(AuditPage {
        rows: found.rows.into_iter().map(|row| names.view(row)).collect(),
        next: found.next,
    })
}

impl Wanted {
    /// Whether as many rows are wanted as a page can have; the app takes fewer when it asks for more.
    pub(super) fn fits(&self) -> bool {
        self.limit.is_none_or(|limit| (1..=MOST).contains(&limit))
    }

    fn filter(&self) -> AuditFilter {
        AuditFilter {
            room: self.room,
            actor: self.actor.map(|actor| *actor.as_bytes()),
            action: self
                .action
                .as_ref()
                .map(|action| action.as_str().to_owned()),
            verdict: self.verdict.map(Verdict::from),
            from: self.from.map(Timestamp::from_millis),
            to: self.to.map(Timestamp::from_millis),
        }
    }
}

impl From<VerdictName> for Verdict {
    fn from(name: VerdictName) -> Self {
        match name {
            VerdictName::Permitted => Self::Permitted,
            VerdictName::Denied => Self::Denied,
            VerdictName::Noted => Self::Noted,
        }
    }
}

impl From<Verdict> for VerdictName {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Permitted => Self::Permitted,
            Verdict::Denied => Self::Denied,
            Verdict::Noted => Self::Noted,
        }
    }
}

/// The names behind the ids of a page.
#[derive(Default)]
struct Names {
    parties: BTreeMap<[u8; 16], String>,
    rooms: BTreeMap<RoomId, String>,
}

impl Names {
    /// Accounts, keys and rooms from the store; guests, participants and those who wait from running sessions, while they last.
    async fn of(api: &Api, org: OrgId, rows: &[AuditRow]) -> Result<Self, Problem> {
        let ids: BTreeSet<[u8; 16]> = rows
            .iter()
            .flat_map(|row| [row.actor, row.subject])
            .flatten()
            .collect();
        let rooms: BTreeSet<RoomId> = rows.iter().filter_map(|row| row.room).collect();
        let mut names = Self::default();
        for room in rooms {
            if let Some(title) = api.state.store.room_title(org, room).await? {
                names.rooms.insert(room, title.expose().clone());
            }
            names.parties.extend(api.state.rooms.names(room).await);
        }
        for id in ids {
            if let Some(name) = api.state.store.account_name(org, id.into()).await? {
                names.parties.insert(id, name.expose().clone());
            }
        }
        let programs = rows.iter().filter_map(|row| row.actor);
        if programs
            .into_iter()
            .any(|id| !names.parties.contains_key(&id))
        {
            for key in api.state.store.api_keys(org).await? {
                let name = key.name.expose().clone();
                names.parties.entry(*key.id.as_bytes()).or_insert(name);
            }
        }
        Ok(names)
    }

    fn view(&self, row: AuditRow) -> AuditRowView {
        AuditRowView {
            seq: row.seq,
            at: row.at,
            action: row.action,
            verdict: row.verdict.into(),
            rule: row.rule.map(|rule| AuditRule {
                file: file_of(rule),
                line: rule.line(),
            }),
            policy_version: row.policy_version,
            actor: row.actor.map(|id| self.party(id)),
            subject: row.subject.map(|id| self.party(id)),
            room: row.room.map(|id| AuditRoom {
                id,
                title: self.rooms.get(&id).cloned(),
            }),
            detail: row.detail,
            count: row.count,
        }
    }

    fn party(&self, id: [u8; 16]) -> AuditParty {
        AuditParty {
            id: ActorId::from_bytes(id).to_string(),
            name: self.parties.get(&id).cloned(),
        }
    }
}
