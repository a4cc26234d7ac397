//! What was kept of what was said: listed, read as files, and deleted, by the owner and hosts of a room.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderName, StatusCode};
use axum::response::Json;
use conclave_captions::files::{self, Entry};
use conclave_policy::actions::{DeleteTranscript, ReadTranscript};
use serde::Serialize;

use crate::api::caller::{Changer, Reader};
use crate::api::problem::Problem;
use crate::api::rooms::{ask, look_at};
use crate::api::router::Api;
use crate::clock::Timestamp;
use crate::ids::SessionId;
use crate::store::transcripts::KeptCue;

/// What names the words as they were spoken.
const ORIGINAL: &str = "original";

/// A transcript, without what is in it.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub(super) struct TranscriptView {
    /// Its name in addresses.
    #[cfg_attr(test, ts(type = "string"))]
    id: SessionId,
    /// When its first words were spoken.
    #[cfg_attr(test, ts(type = "number"))]
    started: Timestamp,
    /// When its last words were; null while the session runs.
    #[cfg_attr(test, ts(type = "number | null"))]
    ended: Option<Timestamp>,
    /// What it can be read in beside the original.
    languages: Vec<String>,
    /// How many cues were spoken.
    #[cfg_attr(test, ts(type = "number"))]
    cues: u64,
}

/// The transcripts of a room.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub(super) struct TranscriptList {
    transcripts: Vec<TranscriptView>,
}

/// A kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Vtt,
    Srt,
    Txt,
    Json,
}

/// `GET /api/rooms/{id}/transcripts`.
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    Reader(principal): Reader,
    Path(id): Path<String>,
) -> Result<Json<TranscriptList>, Problem> {
    let permit = look_at(&api, &principal, &id, ReadTranscript { session: None }).await?;
    let now = api.state.clock.now();
    let found = api
        .state
        .store
        .transcripts(&permit, principal.org, now)
        .await?;
    let transcripts = found.into_iter().map(|found| TranscriptView {
        id: found.session,
        started: found.started,
        ended: found.ended,
        languages: found.languages,
        cues: found.cues,
    });
    Ok(Json(TranscriptList {
        transcripts: transcripts.collect(),
    }))
}

/// `GET /api/rooms/{id}/transcripts/{transcript}/{file}`: a row in the audit trail, for it is what people said.
pub(super) async fn read(
    State(api): State<Arc<Api>>,
    Reader(principal): Reader,
    Path((id, transcript, file)): Path<(String, String, String)>,
) -> Result<([(HeaderName, String); 2], String), Problem> {
    let session: SessionId = transcript.parse().map_err(|_| Problem::NotFound)?;
    let (language, format) = parse(&file).ok_or(Problem::NotFound)?;
    let read = ReadTranscript {
        session: Some(session),
    };
    let permit = ask(&api, &principal, &id, read).await?;
    let wanted = (language != ORIGINAL).then_some(language);
    let now = api.state.clock.now();
    let cues = api
        .state
        .store
        .read_transcript(&permit, principal.org, wanted, now)
        .await?;
    let entries = entries(&cues);
    let text = match format {
        Format::Vtt => files::vtt(&files::lay_out(&entries)),
        Format::Srt => files::srt(&files::lay_out(&entries)),
        Format::Txt => files::txt(&entries),
        Format::Json => files::json(language, &entries),
    };
    let kind = match format {
        Format::Vtt => "text/vtt; charset=utf-8",
        Format::Srt => "application/x-subrip; charset=utf-8",
        Format::Txt => "text/plain; charset=utf-8",
        Format::Json => "application/json",
    };
    let name = format!("attachment; filename=\"{file}\"");
    let headers = [(CONTENT_TYPE, kind.to_owned()), (CONTENT_DISPOSITION, name)];
    Ok((headers, text))
}

/// `DELETE /api/rooms/{id}/transcripts/{transcript}`.
pub(super) async fn delete(
    State(api): State<Arc<Api>>,
    Changer(principal): Changer,
    Path((id, transcript)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let session: SessionId = transcript.parse().map_err(|_| Problem::NotFound)?;
    let permit = ask(&api, &principal, &id, DeleteTranscript { session }).await?;
    api.state
        .store
        .delete_transcript(&permit, principal.org)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The language and the kind of a file by its name, of which nothing but letters, digits and dashes may be.
fn parse(file: &str) -> Option<(&str, Format)> {
    let (language, ending) = file.rsplit_once('.')?;
    let format = match ending {
        "vtt" => Format::Vtt,
        "srt" => Format::Srt,
        "txt" => Format::Txt,
        "json" => Format::Json,
        _ => return None,
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let sound = (2..=16).contains(&language.len()) && language.bytes().all(plain);
    sound.then_some((language, format))
}

/// What was said, with times from its beginning on.
fn entries(cues: &[KeptCue]) -> Vec<Entry> {
    let start = cues.iter().map(|cue| cue.began.as_millis()).min();
    let since = |at: Timestamp| {
        let passed = at.as_millis().saturating_sub(start.unwrap_or_default());
        u64::try_from(passed).unwrap_or(0)
    };
    let entries = cues.iter().filter_map(|cue| {
        Entry::new(
            &format!("cue-{}", cue.number),
            cue.name.expose(),
            since(cue.began),
            since(cue.ended),
            cue.text.expose(),
        )
    });
    entries.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_by_a_language_and_a_kind_and_by_nothing_else() {
        assert_eq!(parse("original.vtt"), Some(("original", Format::Vtt)));
        assert_eq!(parse("pt-BR.srt"), Some(("pt-BR", Format::Srt)));
        for name in [
            "",
            "es",
            ".vtt",
            "es.exe",
            "../es.vtt",
            "e\"s.vtt",
            "e s.txt",
            "a.b.json",
        ] {
            assert_eq!(parse(name), None, "{name}");
        }
    }
}
