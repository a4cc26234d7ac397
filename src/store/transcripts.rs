//! What was said in a room, where its hosts keep it: final cues, sealed, under their numbers. It goes with its session, or when it
//! has been kept for long enough, and what is over can be read by nobody from that moment on.

use std::sync::Arc;
use std::time::Duration;

use conclave_policy::actions::{DeleteTranscript, KeepTranscript, ReadTranscript};
use conclave_policy::permit::Permit;

use crate::clock::{Clock, Timestamp};
use crate::ids::{OrgId, ParticipantId, RoomId, SessionId};
use crate::secret::Secret;
use crate::store::chat::{millis, signed, unsigned};
use crate::store::database::Store;
use crate::store::datakeys::Scope;
use crate::store::error::StoreError;
use crate::store::row;
use crate::store::seal::{Column, SealingKeys};
use crate::store::sql::{Connection, query, query_scalar};
use crate::store::writer::{Change, Written};

const TEXT: Column = Column {
    table: "transcript_cues",
    name: "text",
    scope: Scope::Room,
};
const NAME: Column = Column {
    table: "transcript_cues",
    name: "name",
    scope: Scope::Room,
};

/// Cues of one session and language; a file holds no more.
pub const MOST_CUES: i64 = 28_800;
/// Transcripts that are listed.
const MOST_LISTED: i64 = 100;
/// Languages of one transcript that are listed.
const MOST_LANGUAGES: i64 = 32;
/// Cues that are wiped in one go: the writer has others to write.
const WIPED_AT_ONCE: i64 = 500;
/// How often it is looked what is over, and in which turns of that the settings of rooms with kept ones are asked.
const KEEPING: Duration = Duration::from_secs(5);
const KEPT_ARE_ASKED: u64 = 12;
const KEPT_ROOMS: i64 = if cfg!(test) { 4 } else { 1000 };

/// A cue to be stored.
#[derive(Clone, Debug)]
pub struct NewCue {
    /// The organisation.
    pub org: OrgId,
    /// The session.
    pub session: SessionId,
    /// Its number in the session.
    pub number: u64,
    /// The language of the text.
    pub language: String,
    /// Whether these are the words that were spoken.
    pub original: bool,
    /// How the speaker was called.
    pub name: Secret<String>,
    /// When it was spoken.
    pub began: Timestamp,
    /// Up to when.
    pub ended: Timestamp,
    /// What was said.
    pub text: Secret<String>,
    /// How long the transcript is kept after the session, as the settings are now.
    pub keep: Option<Duration>,
}

/// A transcript, without what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Of which session.
    pub session: SessionId,
    /// When its first cue was spoken.
    pub started: Timestamp,
    /// When its last was; none while the session runs.
    pub ended: Option<Timestamp>,
    /// The languages that it can be read in beside the original.
    pub languages: Vec<String>,
    /// How many cues were spoken.
    pub cues: u64,
}

/// A cue as it is read back.
#[derive(Clone, Debug)]
pub struct KeptCue {
    /// Its number in the session.
    pub number: u64,
    /// Who spoke.
    pub participant: ParticipantId,
    /// How they were called.
    pub name: Secret<String>,
    /// When it was spoken.
    pub began: Timestamp,
    /// Up to when.
    pub ended: Timestamp,
    /// What was said.
    pub text: Secret<String>,
}

impl Store {
    /// Keeps a cue of the speaker of the permit.
    pub fn keep_cue(&self, permit: &Permit<KeepTranscript>, cue: NewCue) -> Written<()> {
        self.write(Keep {
            room: permit.room(),
            speaker: permit.action().participant,
            cue,
            keys: self.keys().clone(),
        })
    }

    /// The session is over: what was kept of it is wiped from now on, or kept for a while.
    pub fn end_transcript(
        &self,
        (org, room, session): (OrgId, RoomId, SessionId),
        now: Timestamp,
        keep: Option<Duration>,
    ) -> Written<()> {
        self.write(End {
            of: (org, room, session),
            now,
            keep,
        })
    }

    /// Ends the transcripts of sessions that were running when the server was killed. To be called before any session runs.
    pub fn end_lost_transcripts(&self) -> Written<()> {
        self.write(EndLost)
    }

    /// Lets a transcript end now.
    pub fn delete_transcript(&self, permit: &Permit<DeleteTranscript>, org: OrgId) -> Written<()> {
        let of = (org, permit.room(), permit.action().session);
        self.was_taken_away();
        self.write(Delete { of })
    }

    /// The transcripts of the room, the latest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn transcripts(
        &self,
        permit: &Permit<ReadTranscript>,
        org: OrgId,
        now: Timestamp,
    ) -> Result<Vec<Listed>, StoreError> {
        let room = permit.room();
        let found = query(
            "SELECT t.session_id, t.started, t.latest, t.until, (SELECT COUNT(*) FROM transcript_cues c WHERE c.org_id = t.org_id \
             AND c.room_id = t.room_id AND c.session_id = t.session_id AND c.original = 1) AS cues FROM transcripts t \
             WHERE t.org_id = $1 AND t.room_id = $2 AND (t.until IS NULL OR t.until > $3) ORDER BY t.started DESC LIMIT $4",
        )
        .bind(org.as_bytes().as_slice())
        .bind(room.as_bytes().as_slice())
        .bind(now.as_millis())
        .bind(MOST_LISTED)
        .fetch_all(self.reads())
        .await?;
        let mut listed = Vec::with_capacity(found.len());
        for found in &found {
            let session: SessionId = row::id(found, "session_id")?;
            let over = row::time_or_none(found, "until")?.is_some();
            let latest = row::time(found, "latest")?;
            listed.push(Listed {
                session,
                started: row::time(found, "started")?,
                ended: over.then_some(latest),
                languages: self.transcript_languages(org, room, session).await?,
                cues: unsigned(found.try_get("cues")?)?,
            });
        }
        Ok(listed)
    }

    async fn transcript_languages(
        &self,
        org: OrgId,
        room: RoomId,
        session: SessionId,
    ) -> Result<Vec<String>, StoreError> {
        let found: Vec<String> = query_scalar(
            "SELECT DISTINCT language FROM transcript_cues WHERE org_id = $1 AND room_id = $2 AND session_id = $3 \
             AND original = 0 ORDER BY language LIMIT $4",
        )
        .bind(org.as_bytes().as_slice())
        .bind(room.as_bytes().as_slice())
        .bind(session.as_bytes().as_slice())
        .bind(MOST_LANGUAGES)
        .fetch_all(self.reads())
        .await?;
        Ok(found)
    }

    /// The cues of a transcript in their order: the words that were spoken, or what they are in a language, with the original
    /// where there is no translation. `Missing` when there is no such transcript.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn read_transcript(
        &self,
        permit: &Permit<ReadTranscript>,
        org: OrgId,
        language: Option<&str>,
        now: Timestamp,
    ) -> Result<Vec<KeptCue>, StoreError> {
        let room = permit.room();
        let session = permit.action().session.ok_or(StoreError::Missing)?;
        let stands = query(
            "SELECT 1 FROM transcripts WHERE org_id = $1 AND room_id = $2 AND session_id = $3 AND (until IS NULL OR until > $4)",
        )
        .bind(org.as_bytes().as_slice())
        .bind(room.as_bytes().as_slice())
        .bind(session.as_bytes().as_slice())
        .bind(now.as_millis())
        .fetch_optional(self.reads())
        .await?;
        stands.ok_or(StoreError::Missing)?;
        let found = query(
            "SELECT number, language, original, participant_id, began, ended, name, text FROM transcript_cues c \
             WHERE org_id = $1 AND room_id = $2 AND session_id = $3 AND ($4 IS NOT NULL AND language = $4 OR original = 1 AND NOT EXISTS \
             (SELECT 1 FROM transcript_cues o WHERE o.org_id = c.org_id AND o.room_id = c.room_id AND o.session_id = c.session_id \
             AND o.number = c.number AND $4 IS NOT NULL AND o.language = $4)) ORDER BY began, number LIMIT $5",
        )
        .bind(org.as_bytes().as_slice())
        .bind(room.as_bytes().as_slice())
        .bind(session.as_bytes().as_slice())
        .bind(language)
        .bind(MOST_CUES)
        .fetch_all(self.reads())
        .await?;
        let (on, keys) = (self.reads(), self.keys());
        let mut cues = Vec::with_capacity(found.len());
        for found in &found {
            let number = unsigned(found.try_get("number")?)?;
            let language: String = found.try_get("language")?;
            let sealed = key(org, room, session, number);
            let at = sealed_row(&sealed, &language);
            cues.push(KeptCue {
                number,
                participant: row::id(found, "participant_id")?,
                name: row::sealed_text(on, found, keys, NAME, &at).await?,
                began: row::time(found, "began")?,
                ended: row::time(found, "ended")?,
                text: row::sealed_text(on, found, keys, TEXT, &at).await?,
            });
        }
        Ok(cues)
    }

    /// Wipes the transcripts whose time is over, some cues at a time.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn wipe_transcripts(&self, now: Timestamp) -> Result<(), StoreError> {
        let over = "SELECT 1 FROM transcripts WHERE until <= $1 LIMIT 1";
        while self.is_any(over, now).await? && self.write(Wipe { now }).await? {
            self.was_taken_away();
        }
        Ok(())
    }

    /// Wipes what is over, for ever.
    pub async fn keep_transcripts(&self, clock: Arc<dyn Clock>) {
        for turn in 0_u64.. {
            // What fails is tried again with the next turn; the store has told the log why.
            if turn % KEPT_ARE_ASKED == 0 {
                let _asked = self.ask_kept_transcripts(clock.now()).await;
            }
            let _wiped = self.wipe_transcripts(clock.now()).await;
            tokio::time::sleep(KEEPING).await;
        }
    }

    /// Ends kept transcripts of rooms that are gone, or whose settings keep none any more.
    async fn ask_kept_transcripts(&self, now: Timestamp) -> Result<(), StoreError> {
        let mut after = None;
        while let Some(last) = self.ask_some_kept(after, now).await? {
            after = Some(last);
        }
        Ok(())
    }

    /// Some of them, in their order; the last of these, if there may be more.
    async fn ask_some_kept(
        &self,
        after: Option<(OrgId, RoomId)>,
        now: Timestamp,
    ) -> Result<Option<(OrgId, RoomId)>, StoreError> {
        let (after_org, after_room) = after.map_or((Vec::new(), Vec::new()), |(org, room)| {
            (org.as_bytes().to_vec(), room.as_bytes().to_vec())
        });
        let found = query(
            "SELECT DISTINCT org_id, room_id FROM transcripts WHERE until > $1 AND (org_id, room_id) > ($2, $3) \
             ORDER BY org_id, room_id LIMIT $4",
        )
        .bind(now.as_millis())
        .bind(after_org)
        .bind(after_room)
        .bind(KEPT_ROOMS)
        .fetch_all(self.reads())
        .await?;
        let mut last = None;
        for found in &found {
            let (org, room): (OrgId, RoomId) =
                (row::id(found, "org_id")?, row::id(found, "room_id")?);
            last = Some((org, room));
            let stands = self.room(org, room).await?;
            let keep = stands.and_then(|room| room.settings.transcript_retention().duration());
            if keep.is_none() {
                self.write(Forget { org, room, now }).await?;
            }
        }
        let full = usize::try_from(KEPT_ROOMS).is_ok_and(|most| found.len() >= most);
        Ok(last.filter(|_| full))
    }
}

type Of = (OrgId, RoomId, SessionId);

/// What a sealed column is bound to.
fn key(org: OrgId, room: RoomId, session: SessionId, number: u64) -> [[u8; 16]; 4] {
    [
        *org.as_bytes(),
        *room.as_bytes(),
        *session.as_bytes(),
        u128::from(number).to_be_bytes(),
    ]
}

fn sealed_row<'a>(key: &'a [[u8; 16]; 4], language: &'a str) -> [&'a [u8]; 5] {
    let [org, room, session, number] = key;
    [org, room, session, number, language.as_bytes()]
}

struct Keep {
    room: RoomId,
    speaker: ParticipantId,
    cue: NewCue,
    keys: Arc<SealingKeys>,
}

impl Change for Keep {
    type Out = ();

    async fn apply(self, on: &mut Connection<'_>) -> Result<(), StoreError> {
        let Self {
            room,
            speaker,
            cue,
            keys,
        } = self;
        query(
            "INSERT INTO transcripts (org_id, room_id, session_id, started, latest, keep) VALUES ($1, $2, $3, $4, $5, $6) \
             ON CONFLICT (org_id, room_id, session_id) DO UPDATE SET latest = excluded.latest, keep = excluded.keep",
        )
        .bind(cue.org.as_bytes().as_slice())
        .bind(room.as_bytes().as_slice())
        .bind(cue.session.as_bytes().as_slice())
        .bind(cue.began.as_millis())
        .bind(cue.ended.as_millis())
        .bind(millis(cue.keep))
        .execute(&mut *on)
        .await?;
        let sealed = key(cue.org, room, cue.session, cue.number);
        let at = sealed_row(&sealed, &cue.language);
        query(
            "INSERT INTO transcript_cues (org_id, room_id, session_id, number, language, original, participant_id, began, ended, \
             name, text) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING",
        )
        .bind(cue.org.as_bytes().as_slice())
        .bind(room.as_bytes().as_slice())
        .bind(cue.session.as_bytes().as_slice())
        .bind(signed(cue.number))
        .bind(cue.language.as_str())
        .bind(i64::from(cue.original))
        .bind(speaker.as_bytes().as_slice())
        .bind(cue.began.as_millis())
        .bind(cue.ended.as_millis())
        .bind(keys.seal(&mut *on, NAME, &at, cue.name.expose().as_bytes()).await?)
        .bind(keys.seal(&mut *on, TEXT, &at, cue.text.expose().as_bytes()).await?)
        .execute(on)
        .await?;
        Ok(())
    }
}

struct End {
    of: Of,
    now: Timestamp,
    keep: Option<Duration>,
}

impl Change for End {
    type Out = ();

    async fn apply(self, on: &mut Connection<'_>) -> Result<(), StoreError> {
        let until = self.keep.map_or(self.now, |keep| self.now.after(keep));
        run(
            on,
            "UPDATE transcripts SET until = $4 WHERE org_id = $1 AND room_id = $2 AND session_id = $3",
            self.of,
            until.as_millis(),
        )
        .await?;
        Ok(())
    }
}

struct EndLost;

impl Change for EndLost {
    type Out = ();

    async fn apply(self, on: &mut Connection<'_>) -> Result<(), StoreError> {
        query("UPDATE transcripts SET until = latest + keep WHERE until IS NULL")
            .execute(on)
            .await?;
        Ok(())
    }
}

struct Delete {
    of: Of,
}

impl Change for Delete {
    type Out = ();

    async fn apply(self, on: &mut Connection<'_>) -> Result<(), StoreError> {
        let (org, room, session) = self.of;
        // At once and entirely: a session that still runs begins a new one with its next cue.
        for statement in [
            "DELETE FROM transcript_cues WHERE org_id = $1 AND room_id = $2 AND session_id = $3",
            "DELETE FROM transcripts WHERE org_id = $1 AND room_id = $2 AND session_id = $3",
        ] {
            let deleted = query(statement)
                .bind(org.as_bytes().as_slice())
                .bind(room.as_bytes().as_slice())
                .bind(session.as_bytes().as_slice())
                .execute(&mut *on)
                .await?;
            if statement.contains("FROM transcripts ") && deleted.rows_affected() == 0 {
                return Err(StoreError::Missing);
            }
        }
        Ok(())
    }
}

struct Forget {
    org: OrgId,
    room: RoomId,
    now: Timestamp,
}

impl Change for Forget {
    type Out = ();

    async fn apply(self, on: &mut Connection<'_>) -> Result<(), StoreError> {
        query(
            "UPDATE transcripts SET until = $3 WHERE org_id = $1 AND room_id = $2 AND until > $3",
        )
        .bind(self.org.as_bytes().as_slice())
        .bind(self.room.as_bytes().as_slice())
        .bind(self.now.as_millis())
        .execute(on)
        .await?;
        Ok(())
    }
}

struct Wipe {
    now: Timestamp,
}

impl Change for Wipe {
    type Out = bool;

    async fn apply(self, on: &mut Connection<'_>) -> Result<bool, StoreError> {
        let found = query(
            "SELECT org_id, room_id, session_id FROM transcripts WHERE until <= $1 ORDER BY until LIMIT 1",
        )
        .bind(self.now.as_millis())
        .fetch_optional(&mut *on)
        .await?;
        let Some(found) = found else {
            return Ok(false);
        };
        let of: Of = (
            row::id(&found, "org_id")?,
            row::id(&found, "room_id")?,
            row::id(&found, "session_id")?,
        );
        let wiped = run(
            on,
            "DELETE FROM transcript_cues WHERE org_id = $1 AND room_id = $2 AND session_id = $3 \
             AND (number, language) IN (SELECT number, language FROM transcript_cues WHERE org_id = $1 AND room_id = $2 AND session_id = $3 LIMIT $4)",
            of,
            WIPED_AT_ONCE,
        )
        .await?;
        if i64::try_from(wiped).is_ok_and(|wiped| wiped < WIPED_AT_ONCE) {
            run(
                on,
                "DELETE FROM transcripts WHERE org_id = $1 AND room_id = $2 AND session_id = $3 AND until <= $4",
                of,
                self.now.as_millis(),
            )
            .await?;
        }
        Ok(true)
    }
}

/// Runs a statement about one transcript, with one number more.
async fn run(
    on: &mut Connection<'_>,
    statement: &'static str,
    (org, room, session): Of,
    number: i64,
) -> Result<u64, StoreError> {
    let done = query(statement)
        .bind(org.as_bytes().as_slice())
        .bind(room.as_bytes().as_slice())
        .bind(session.as_bytes().as_slice())
        .bind(number)
        .execute(on)
        .await?;
    Ok(done.rows_affected())
}

#[cfg(test)]
mod tests {
    use conclave_policy::actions::Action;
    use conclave_policy::engine::Snapshot;
    use conclave_policy::facts::{Consent, Facts, SecondFactor, Standing};
    use conclave_policy::permit::PolicyVersion;
    use conclave_policy::roles::Role;
    use conclave_policy::settings::{Captions, Transcript};

    use super::*;
    use crate::ids::{AccountId, ActorId};
    use crate::store::chat::tests::NOW;
    use crate::store::database::tests::store;
    use crate::store::rooms::tests::room_of;

    const SESSION: SessionId = SessionId::from_bytes([3; 16]);

    fn permit<A: Action>(room: RoomId, role: Role, action: A) -> Permit<A> {
        let rules = Snapshot::built_in(PolicyVersion(1)).unwrap();
        let actor: ActorId = AccountId::from_bytes([1; 16]).into();
        let facts = Facts::new()
            .with(SecondFactor::Proved)
            .with(Standing::Admitted)
            .with(Captions::On)
            .with(Transcript::On)
            .with(Consent::Given);
        rules.decide(actor, role, room, &facts, action).unwrap()
    }

    async fn keep(store: &Store, room: RoomId, number: u64, language: &str, text: &str) {
        let participant = ParticipantId::from_bytes([9; 16]);
        let permit = permit(room, Role::Captioner, KeepTranscript { participant });
        let at = i64::try_from(number).unwrap() * 1000;
        let cue = NewCue {
            org: store.org(),
            session: SESSION,
            number,
            language: language.into(),
            original: language == "en",
            name: Secret::new("Alpha".into()),
            began: Timestamp::from_millis(at),
            ended: Timestamp::from_millis(at + 500),
            text: Secret::new(text.into()),
            keep: None,
        };
        store.keep_cue(&permit, cue).await.unwrap();
    }

    async fn read(store: &Store, room: RoomId, language: Option<&str>) -> Option<Vec<String>> {
        let session = Some(SESSION);
        let permit = permit(room, Role::Owner, ReadTranscript { session });
        let cues = store
            .read_transcript(&permit, store.org(), language, NOW)
            .await;
        let cues = cues.ok()?;
        Some(cues.iter().map(|cue| cue.text.expose().clone()).collect())
    }

    #[tokio::test]
    async fn what_was_said_is_read_back_in_order_and_in_a_language_as_far_as_there_is_one() {
        let (_folder, store) = store().await;
        let (_, room) = room_of(&store, 1, 2).await;
        keep(&store, room, 2, "en", "two").await;
        keep(&store, room, 1, "en", "one").await;
        keep(&store, room, 1, "es", "uno").await;
        assert_eq!(read(&store, room, None).await.unwrap(), ["one", "two"]);
        assert_eq!(
            read(&store, room, Some("es")).await.unwrap(),
            ["uno", "two"]
        );
        let list = permit(room, Role::Host, ReadTranscript { session: None });
        let listed = store.transcripts(&list, store.org(), NOW).await.unwrap();
        assert_eq!((listed[0].cues, &listed[0].ended), (2, &None));
        assert_eq!(listed[0].languages, ["es"]);
    }

    #[tokio::test]
    async fn it_goes_with_its_session_unless_it_is_kept_and_when_it_is_deleted() {
        let (_folder, store) = store().await;
        let (_, room) = room_of(&store, 1, 2).await;
        let (of, month) = ((store.org(), room, SESSION), Duration::from_secs(2_592_000));
        keep(&store, room, 1, "en", "one").await;
        store.end_transcript(of, NOW, None).await.unwrap();
        assert_eq!(read(&store, room, None).await, None, "over is over");
        store.wipe_transcripts(NOW).await.unwrap();

        keep(&store, room, 1, "en", "one").await;
        store.end_transcript(of, NOW, Some(month)).await.unwrap();
        assert_eq!(read(&store, room, None).await.unwrap(), ["one"]);
        // The room keeps none by now.
        store.ask_kept_transcripts(NOW).await.unwrap();
        assert_eq!(read(&store, room, None).await, None);
        store.wipe_transcripts(NOW).await.unwrap();

        keep(&store, room, 1, "en", "one").await;
        let delete = || permit(room, Role::Owner, DeleteTranscript { session: SESSION });
        store
            .delete_transcript(&delete(), store.org())
            .await
            .unwrap();
        let again = store.delete_transcript(&delete(), store.org()).await;
        assert_eq!(again, Err(StoreError::Missing));
        assert_eq!(read(&store, room, None).await, None);
    }

    #[tokio::test]
    async fn every_room_with_a_kept_transcript_is_asked_however_many_there_are() {
        let (_folder, store) = store().await;
        let (month, mut rooms) = (Duration::from_secs(2_592_000), Vec::new());
        for number in 0..KEPT_ROOMS + 2 {
            let byte = u8::try_from(10 + 2 * number).unwrap();
            let (_, room) = room_of(&store, byte, byte + 1).await;
            keep(&store, room, 1, "en", "one").await;
            let of = (store.org(), room, SESSION);
            store.end_transcript(of, NOW, Some(month)).await.unwrap();
            rooms.push(room);
        }
        // None of the rooms keeps any by now.
        store.ask_kept_transcripts(NOW).await.unwrap();
        for room in rooms {
            assert_eq!(read(&store, room, None).await, None);
        }
    }

    #[tokio::test]
    async fn what_a_killed_server_left_behind_is_over() {
        let (_folder, store) = store().await;
        let (_, room) = room_of(&store, 1, 2).await;
        keep(&store, room, 1, "en", "one").await;
        store.end_lost_transcripts().await.unwrap();
        assert_eq!(read(&store, room, None).await, None);
    }
}
