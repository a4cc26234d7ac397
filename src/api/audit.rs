//! The audit trail for people: what was decided in a room, for its owner and hosts, and anywhere in the organisation, for its
//! administrators. The trail holds ids; names are added here where their owners are still known.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::Json;
use conclave_policy::actions::{ReadAudit, ReadOrganisationAudit};
use conclave_policy::facts::Facts;
use serde::{Deserialize, Serialize};

use crate::api::caller::Reader;
use crate::api::problem::Problem;
use crate::api::rooms::{look_at, role_outside};
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
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    before: Option<u64>,
    actor: Option<ActorId>,
    action: Option<Text<64>>,
    verdict: Option<VerdictName>,
    limit: Option<u32>,
    /// Not before; milliseconds since the epoch, as `at`.
    from: Option<i64>,
    /// Before.
    to: Option<i64>,
    /// Only for the organisation's trail.
    room: Option<RoomId>,
}

#[derive(Clone, Copy, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, rename = "AuditVerdict"))]
enum VerdictName {
    Permitted,
    Denied,
    Noted,
}

/// Some rows of the trail, the newest first.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub(super) struct AuditPage {
    rows: Vec<AuditRowView>,
    /// Give this as `before` for the rows before these; none if there are no more. A page may be empty and not the last.
    #[cfg_attr(test, ts(type = "number | null"))]
    next: Option<u64>,
}

/// One row of the trail.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
struct AuditRowView {
    #[cfg_attr(test, ts(type = "number"))]
    seq: u64,
    #[cfg_attr(test, ts(type = "number"))]
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
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
struct AuditRule {
    #[cfg_attr(test, ts(type = "\"server\" | \"organisation\""))]
    file: &'static str,
    line: u16,
}

/// Someone or something in the trail, with a name while it is known.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
struct AuditParty {
    id: String,
    name: Option<String>,
}

/// A room in the trail.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
struct AuditRoom {
    #[cfg_attr(test, ts(type = "string"))]
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
    let permit = look_at(&api, &principal, &id, ReadAudit).await?;
    let Query(wanted) = wanted.map_err(|_| Problem::BadRequest)?;
    if wanted.room.is_some() {
        return Err(Problem::BadRequest);
    }
    let mut filter = wanted.filter();
    filter.room = Some(permit.room());
    page(&api, principal.org, &filter, &wanted).await
}

/// `GET /api/organisation/audit`, for administrators.
pub(super) async fn of_organisation(
    State(api): State<Arc<Api>>,
    Reader(principal): Reader,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Json<AuditPage>, Problem> {
    administers(&api, &principal)?;
    let Query(wanted) = wanted.map_err(|_| Problem::BadRequest)?;
    page(&api, principal.org, &wanted.filter(), &wanted).await
}

fn administers(api: &Api, principal: &Principal) -> Result<(), Problem> {
    let facts = Facts::new().with(principal.org_admin());
    let looked = api.state.guard.look(
        principal.org,
        principal.actor(),
        role_outside(principal, None),
        NO_ROOM,
        &facts,
        ReadOrganisationAudit,
    );
    looked.map(|_| ()).map_err(|_| Problem::NotAllowed)
}

async fn page(
    api: &Api,
    org: OrgId,
    filter: &AuditFilter,
    wanted: &Wanted,
) -> Result<Json<AuditPage>, Problem> {
    let limit = wanted.limit.unwrap_or(PAGE).clamp(1, MOST);
    let found = api
        .state
        .store
        .audit_before(org, filter, wanted.before, limit)
        .await?;
    let names = Names::of(api, org, &found.rows).await?;
    Ok(Json(AuditPage {
        rows: found.rows.into_iter().map(|row| names.view(row)).collect(),
        next: found.next,
    }))
}

impl Wanted {
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
    /// Accounts and rooms from the store; guests, participants and those who wait from running sessions, while they last.
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
