//! What clients report of their connections, kept for a moment, and shown to hosts beside the media plane's own view.

use std::time::Duration;

use conclave_policy::actions::SeeStats;
use tokio::sync::oneshot;

use super::RoomActor;
use crate::ids::ParticipantId;
use crate::rooms::outbound::Done;
use crate::rooms::quality::{self, QualityReport, QualityView};
use crate::rooms::refusal::ErrorCode;

/// Clients report every five seconds; one that does so faster is refused.
const PACE: Duration = Duration::from_secs(2);
/// What is older says nothing about now.
const FRESH: Duration = Duration::from_secs(20);

impl RoomActor {
    pub(super) fn on_report(&mut self, by: ParticipantId, id: u32, report: QualityReport) {
        let now = self.means.clock.now();
        let Some(seat) = self.seats.get_mut(&by) else {
            return;
        };
        let too_soon = matches!(&seat.report, Some((at, _)) if now.since(*at) < PACE);
        let outcome = if too_soon {
            Err(ErrorCode::RateLimited)
        } else {
            let report = report.about(|other| seat.projection.shows(other));
            seat.report = Some((now, report));
            Ok(Done::Done {})
        };
        self.answer(by, id, outcome);
    }

    /// For hosts; looked at often and without a row, like those who wait. Refusals count.
    pub(super) async fn on_quality(&mut self, by: ParticipantId, id: u32) {
        let outcome = match self.look(by, SeeStats {}) {
            Ok(_) => Ok(Done::Quality {
                participants: self.quality().await,
            }),
            Err(code) => Err(code),
        };
        self.answer(by, id, outcome);
    }

    /// The same for someone whom the API has let look.
    pub(super) async fn tell_quality(&mut self, reply: oneshot::Sender<Vec<QualityView>>) {
        let _unheard = reply.send(self.quality().await);
    }

    async fn quality(&mut self) -> Vec<QualityView> {
        let server = self.means.media.quality(self.room.charter().room).await;
        let now = self.means.clock.now();
        quality::lines(&self.room, server, |participant| {
            let (at, report) = self.seats.get(&participant)?.report.as_ref()?;
            (now.since(*at) < FRESH).then(|| (*at, report.clone()))
        })
    }
}
