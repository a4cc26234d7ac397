//! What a room keeps of what is said in it, where its hosts want that: final cues, and nothing else.

use std::time::Duration;

use conclave_policy::actions::KeepTranscript;
use conclave_policy::permit::Permit;

use super::{RoomActor, Waited};
use crate::rooms::captions::CueView;
use crate::secret::Secret;
use crate::store::transcripts::NewCue;

/// How often it is tried to end a transcript with its session.
const ENDINGS: usize = 30;

impl RoomActor {
    /// Stores a final cue. Nobody waits for it; what the database does not take is lost, and the log says so.
    pub(super) fn store_cue(&mut self, permit: &Permit<KeepTranscript>, view: &CueView) {
        let charter = self.room.charter();
        let cue = NewCue {
            org: charter.org,
            session: charter.session,
            number: view.cue,
            language: view.language.clone(),
            original: view.original,
            name: Secret::new(view.name.clone()),
            began: view.t0,
            ended: view.t1,
            text: Secret::new(view.committed.clone()),
            keep: charter.settings.transcript_retention().duration(),
        };
        let kept = self.means.store.keep_cue(permit, cue);
        self.kept = true;
        self.waits.push(Box::pin(async move {
            if kept.await.is_err() {
                tracing::warn!("a caption is missing in a transcript");
            }
            Waited::Noted
        }));
    }

    /// The session is over: what was kept goes with it, or stays for as long as the settings say.
    pub(super) async fn end_transcript(&mut self) {
        if !self.kept {
            return;
        }
        let charter = self.room.charter();
        let of = (charter.org, charter.room, charter.session);
        let keep = charter.settings.transcript_retention().duration();
        for _ in 0..ENDINGS {
            let now = self.means.clock.now();
            if self.means.store.end_transcript(of, now, keep).await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        tracing::error!("the transcript of a session is wiped only when the server starts again");
    }
}
