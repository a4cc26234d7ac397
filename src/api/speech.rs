//! The languages of a room and the words that its recogniser is told, as its owner and hosts choose them.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Json;
use conclave_policy::actions::ChangeSpeech;
use serde::{Deserialize, Serialize};

use crate::api::body::Strict;
use crate::api::caller::{Changer, Reader};
use crate::api::problem::Problem;
use crate::api::rooms::{ask, look_at};
use crate::api::router::Api;
use crate::bounded::{Few, Text};
use crate::speech::{Language, MOST_ALLOWED, Speech, Words};
use crate::store::error::StoreError;

/// What may be asked for before it is refused by its own bound.
const FEW: usize = 64;

/// What hosts chose about the speech of a room.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub(super) struct SpeechView {
    /// The only languages into which it is translated; null: whatever the server can.
    languages: Option<Vec<String>>,
    /// The language that is spoken; null: what the operator says, or what is heard.
    spoken: Option<String>,
    /// Words and names that come up.
    words: Vec<String>,
    /// How often it was changed: whoever changes it says which one they saw.
    #[cfg_attr(test, ts(type = "number"))]
    revision: u64,
}

/// All of it anew.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Chosen {
    languages: Option<Few<Text<64>, FEW>>,
    spoken: Option<Text<64>>,
    words: Few<Text<256>, FEW>,
    revision: u64,
}

/// `GET /api/rooms/{id}/speech`.
pub(super) async fn show(
    State(api): State<Arc<Api>>,
    Reader(principal): Reader,
    Path(id): Path<String>,
) -> Result<Json<SpeechView>, Problem> {
    let permit = look_at(&api, &principal, &id, ChangeSpeech).await?;
    let store = &api.state.store;
    let speech = store.speech(principal.org, permit.room()).await?;
    Ok(Json(view(speech)))
}

/// `PUT /api/rooms/{id}/speech`: durable first, then followed by the meeting if there is one.
pub(super) async fn change(
    State(api): State<Arc<Api>>,
    Changer(principal): Changer,
    Path(id): Path<String>,
    Strict(body): Strict<Chosen>,
) -> Result<Json<SpeechView>, Problem> {
    let chosen = chosen(body).ok_or(Problem::InvalidValue)?;
    let permit = ask(&api, &principal, &id, ChangeSpeech).await?;
    let room = permit.room();
    let changed = api.state.store.change_speech(permit, principal.org, chosen);
    let speech = changed.await.map_err(|error| match error {
        StoreError::Conflict => Problem::Stale,
        error => error.into(),
    })?;
    api.state.rooms.speech_changed(room, speech.clone()).await;
    Ok(Json(view(speech)))
}

fn chosen(body: Chosen) -> Option<Speech> {
    let language = |code: &Text<64>| Language::new(code.as_str());
    let allowed: Option<BTreeSet<Language>> = match &body.languages {
        Some(codes) => Some(codes.iter().map(language).collect::<Option<_>>()?),
        None => None,
    };
    if allowed.as_ref().is_some_and(|all| all.len() > MOST_ALLOWED) {
        return None;
    }
    let spoken = match &body.spoken {
        Some(code) => Some(language(code)?),
        None => None,
    };
    let words = body.words.into_vec().into_iter().map(Text::into_string);
    Some(Speech {
        allowed,
        spoken,
        words: Words::new(words)?,
        revision: body.revision,
    })
}

fn view(speech: Speech) -> SpeechView {
    let code = |language: Language| language.as_str().to_owned();
    SpeechView {
        languages: speech
            .allowed
            .map(|all| all.into_iter().map(code).collect()),
        spoken: speech.spoken.map(code),
        words: speech.words.as_slice().to_vec(),
        revision: speech.revision,
    }
}
