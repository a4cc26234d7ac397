//! What other programs are told of a room: who waits, came, went and was thrown out, by comparing what is with what was told last. It is
//! queued in the order in which it happened, stored before it is sent, and tried again while the database is away.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Duration;

use conclave_policy::roles::Role;
use serde::Serialize;

use super::{RoomActor, Waited};
use crate::ids::{AccountId, KnockId, ParticipantId, RoomId, SessionId};
use crate::rooms::person::Applicant;
use crate::rooms::view::LeaveReason;
use crate::store::news::{News, NewsKind};

/// News that wait for the database. What comes on top while it is away is lost, and the log says so.
const MOST_PENDING: usize = 2_000;
/// How soon it is tried again.
const AGAIN: Duration = Duration::from_secs(1);
/// How often it is tried in a row.
const TRIES: u32 = 60;

/// What is told and was told.
#[derive(Default)]
pub(super) struct Outside {
    /// Something happened since it was looked last.
    pub(super) stirred: bool,
    started: bool,
    people: BTreeMap<ParticipantId, Known>,
    waiting: BTreeMap<KnockId, (ParticipantId, Known)>,
    pending: Vec<News>,
    /// How many of them are being stored.
    storing: usize,
    failed: u32,
}

/// Someone as they were told of last.
struct Known {
    name: String,
    account: Option<AccountId>,
    role: Role,
}

/// What is told of a session.
#[derive(Serialize)]
struct SessionData<'a> {
    room_id: RoomId,
    session_id: SessionId,
    #[serde(skip_serializing_if = "Option::is_none")]
    participant: Option<ParticipantData<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

/// What is told of someone. The identifier is the one that they have in the session, also while they wait.
#[derive(Serialize)]
struct ParticipantData<'a> {
    id: ParticipantId,
    name: &'a str,
    account_id: Option<AccountId>,
    role: Role,
}

impl Known {
    fn of(who: &Applicant, role: Role) -> Self {
        Self {
            name: who.name.clone(),
            account: who.account,
            role,
        }
    }
}

impl RoomActor {
    /// Finds what happened since it was looked last, and has it stored.
    pub(super) fn tell_outside(&mut self) {
        if std::mem::take(&mut self.outside.stirred) {
            self.find_news();
        }
        self.store_news();
    }

    fn find_news(&mut self) {
        let mut said = Vec::new();
        let people = std::mem::take(&mut self.outside.people);
        let mut waiting = std::mem::take(&mut self.outside.waiting);
        let mut still = BTreeMap::new();
        for (id, known) in people {
            match self.room.person(id) {
                Some(person) => {
                    let role = person.role;
                    if role != known.role {
                        let known = Known { role, ..known };
                        self.report(
                            &mut said,
                            NewsKind::ParticipantRoleChanged,
                            Some((id, &known)),
                            None,
                        );
                        still.insert(id, known);
                    } else {
                        still.insert(id, known);
                    }
                }
                None => {
                    let (kind, reason) = match self.gone.get(&id) {
                        Some(LeaveReason::Removed) => (NewsKind::ParticipantRemoved, "removed"),
                        Some(LeaveReason::SentBack) => (NewsKind::ParticipantRemoved, "sent_back"),
                        Some(LeaveReason::TimedOut) => (NewsKind::ParticipantLeft, "timed_out"),
                        _ if self.room.ended() => (NewsKind::ParticipantLeft, "ended"),
                        _ => (NewsKind::ParticipantLeft, "left"),
                    };
                    self.report(&mut said, kind, Some((id, &known)), Some(reason));
                }
            }
        }
        // Those who waited: they wait still, are in, or went.
        let gone: Vec<KnockId> = waiting
            .keys()
            .copied()
            .filter(|knock| self.room.lobby().get(*knock).is_none())
            .collect();
        for knock in gone {
            let Some((becomes, known)) = waiting.remove(&knock) else {
                continue;
            };
            let kind = if self.room.person(becomes).is_some() {
                NewsKind::ParticipantAdmitted
            } else {
                NewsKind::ParticipantTurnedAway
            };
            self.report(&mut said, kind, Some((becomes, &known)), None);
        }
        for person in self.room.people() {
            if let Entry::Vacant(place) = still.entry(person.id) {
                if !self.outside.started {
                    self.outside.started = true;
                    self.report(&mut said, NewsKind::RoomStarted, None, None);
                }
                let known = Known::of(&person.who, person.role);
                self.report(
                    &mut said,
                    NewsKind::ParticipantJoined,
                    Some((person.id, &known)),
                    None,
                );
                place.insert(known);
            }
        }
        if self.room.lobby().len() != waiting.len() {
            for knock in self.room.lobby().in_order() {
                if let Entry::Vacant(place) = waiting.entry(knock.id) {
                    let known = Known::of(&knock.who, knock.role);
                    let who = Some((knock.becomes, &known));
                    self.report(&mut said, NewsKind::ParticipantWaiting, who, None);
                    place.insert((knock.becomes, known));
                }
            }
        }
        if self.room.ended() && std::mem::take(&mut self.outside.started) {
            self.report(&mut said, NewsKind::RoomEnded, None, None);
            let stays = self.room.charter().settings.transcript_retention();
            if self.kept && stays.duration().is_some() {
                self.report(&mut said, NewsKind::TranscriptKept, None, None);
            }
        }
        self.outside.people = still;
        self.outside.waiting = waiting;
        let free = MOST_PENDING.saturating_sub(self.outside.pending.len());
        if said.len() > free {
            tracing::error!("news of a room are lost: the database takes none");
            said.truncate(free);
        }
        self.outside.pending.append(&mut said);
    }

    fn report(
        &self,
        said: &mut Vec<News>,
        kind: NewsKind,
        who: Option<(ParticipantId, &Known)>,
        reason: Option<&'static str>,
    ) {
        if !self.means.store.wants(kind) {
            return;
        }
        let charter = self.room.charter();
        let data = SessionData {
            room_id: charter.room,
            session_id: charter.session,
            participant: who.map(|(id, known)| ParticipantData {
                id,
                name: &known.name,
                account_id: known.account,
                role: known.role,
            }),
            reason,
        };
        said.extend(News::new(
            kind,
            Some(charter.room),
            self.means.clock.now(),
            &data,
        ));
    }

    /// One write at a time: what happened later is never stored before the earlier.
    fn store_news(&mut self) {
        if self.outside.pending.is_empty() || self.outside.storing > 0 {
            return;
        }
        self.outside.storing = self.outside.pending.len();
        let org = self.room.charter().org;
        let stored = self.means.store.tell(org, self.outside.pending.clone());
        self.waits.push(Box::pin(async move {
            let stored = stored.await.is_ok();
            if !stored {
                tokio::time::sleep(AGAIN).await;
            }
            Waited::Told { stored }
        }));
    }

    pub(super) fn on_told(&mut self, stored: bool) {
        let storing = std::mem::take(&mut self.outside.storing);
        self.outside.failed = if stored {
            0
        } else {
            self.outside.failed.saturating_add(1)
        };
        if stored || self.outside.failed >= TRIES {
            let done = self
                .outside
                .pending
                .drain(..storing.min(self.outside.pending.len()));
            drop(done);
        }
        if !stored && self.outside.failed >= TRIES {
            tracing::error!("news of a room are lost: the database takes none");
            self.outside.failed = 0;
        }
        self.store_news();
    }
}
