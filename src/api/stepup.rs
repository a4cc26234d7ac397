//! Showing, in a session that goes on, the second factor that it began without. Whoever is in a meeting by that session leads there
//! from then on, and needs not come anew.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Json;

use crate::api::again::From;
use crate::api::body::Strict;
use crate::api::caller::Changer;
use crate::api::passkeys::{CeremonyView, Used, refusal};
use crate::api::problem::Problem;
use crate::api::router::Api;
use crate::api::sessions::{Me, owned};

/// `POST /api/session/step-up/start`: begins to show a passkey of the account.
pub(super) async fn start(
    State(api): State<Arc<Api>>,
    Changer(principal): Changer,
) -> Result<Json<CeremonyView>, Problem> {
    let ceremony = api.state.auth.start_step_up(&principal).await;
    Ok(Json(ceremony.map_err(refusal)?.into()))
}

/// `POST /api/session/step-up`: shows it. Durable first, then told to every running room.
pub(super) async fn show(
    State(api): State<Arc<Api>>,
    Changer(mut principal): Changer,
    From(address): From,
    Strict(body): Strict<Used>,
) -> Result<Json<Me>, Problem> {
    let ceremony = owned(&body.ceremony);
    let shown = api
        .state
        .auth
        .step_up(&principal, &ceremony, &body.credential)
        .await;
    shown.map_err(|error| {
        api.turned_away(address, "step_up", error);
        refusal(error)
    })?;
    api.state.rooms.factor_shown(principal.token_id).await;
    principal.came.second_factor = true;
    Ok(Json(Me::of(&api, &principal).await?))
}
