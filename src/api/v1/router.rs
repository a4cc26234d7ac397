//! The routes of the control API and their description (OpenAPI 3.1), made from the same lines: what is not described is not routed.

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::{IntoResponse, Json};
use axum::routing::{any, get, options};
use serde_json::{Value, json};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::problem::Problem;
use crate::api::router::{Api, guarded};
use crate::api::v1::gate::gate;
use crate::api::v1::problem::{Details, MEDIA_TYPE, Refused};
use crate::api::v1::{
    again, apikeys, embedding, join, members, providers, rooms, session, settings, trail, webhooks,
};

/// Where the description is.
const DESCRIPTION: &str = "/v1/openapi.json";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Conclave",
        version = "1",
        description = "The control API of a Conclave server: rooms, meetings, members and keys, for programs. Unknown or doubled parameters are refused. Times are milliseconds since the epoch."
    ),
    components(schemas(Details))
)]
struct Description;

/// All routes under `/v1`.
pub(in crate::api) fn routes(api: Arc<Api>) -> Router<Arc<Api>> {
    let (routes, _) = described().split_for_parts();
    let (exchange, _) = open_to_pages().split_for_parts();
    let document = document();
    let behind_the_gate = routes
        .route("/v1/{*rest}", any(async || Refused(Problem::NotFound)))
        .method_not_allowed_fallback(async || Refused(Problem::BadMethod))
        .layer(from_fn_with_state(api, gate));
    let open = join::PATHS
        .iter()
        .fold(exchange, |open, path| {
            open.route(path, options(join::may_exchange))
        })
        .route(
            DESCRIPTION,
            get(async move || Json(document.clone()).into_response()),
        )
        .method_not_allowed_fallback(async || Refused(Problem::BadMethod));
    open.merge(behind_the_gate).layer(map_response(guarded))
}

/// What pages of others reach, without a key and without a session.
fn open_to_pages() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::default()
        .routes(routes!(join::join))
        .routes(routes!(join::renew))
}

/// The whole description.
fn document() -> Value {
    let mut whole = described().split_for_parts().1;
    whole.merge(open_to_pages().split_for_parts().1);
    completed(serde_json::to_value(&whole).unwrap_or_default())
}

/// Every endpoint behind the gate, with its description.
fn described() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(rooms::list_rooms, rooms::create_room))
        .routes(routes!(
            rooms::get_room,
            rooms::change_room,
            rooms::end_room
        ))
        .routes(routes!(
            settings::get_room_settings,
            settings::change_room_setting
        ))
        .routes(routes!(
            settings::get_room_password,
            settings::renew_room_password
        ))
        .routes(routes!(session::get_session))
        .routes(routes!(session::list_waiting))
        .routes(routes!(session::list_bars))
        .routes(routes!(session::control))
        .routes(routes!(trail::list_guest_links, trail::create_guest_link))
        .routes(routes!(trail::revoke_guest_link))
        .routes(routes!(trail::read_room_audit))
        .routes(routes!(trail::read_audit))
        .routes(routes!(settings::get_organisation))
        .routes(routes!(settings::change_organisation_setting))
        .routes(routes!(settings::change_organisation_options))
        .routes(routes!(members::list_members))
        .routes(routes!(
            members::get_member,
            members::change_member,
            members::end_member
        ))
        .routes(routes!(members::end_sessions))
        .routes(routes!(members::create_invitation))
        .routes(routes!(
            providers::list_providers,
            providers::create_provider
        ))
        .routes(routes!(
            providers::get_provider,
            providers::change_provider,
            providers::remove_provider
        ))
        .routes(routes!(providers::check_issuer))
        .routes(routes!(apikeys::list_api_keys, apikeys::create_api_key))
        .routes(routes!(apikeys::revoke_api_key))
        .routes(routes!(webhooks::list_webhooks, webhooks::create_webhook))
        .routes(routes!(
            webhooks::get_webhook,
            webhooks::change_webhook,
            webhooks::delete_webhook
        ))
        .routes(routes!(webhooks::rotate_secret))
        .routes(routes!(webhooks::test_webhook))
        .routes(routes!(webhooks::list_deliveries))
        .routes(routes!(webhooks::replay))
        .routes(routes!(join::create_join_token))
        .routes(routes!(embedding::get_origins, embedding::set_origins))
}

/// What holds for every endpoint: how to come, how a request that changes something is named, and what it may be refused with.
fn completed(mut document: Value) -> Value {
    if let Some(root) = document.as_object_mut() {
        root.insert("security".into(), json!([{"key": []}, {"session": []}]));
    }
    if let Some(components) = document
        .get_mut("components")
        .and_then(Value::as_object_mut)
    {
        let schemes = json!({
            "key": {"type": "http", "scheme": "bearer", "description": "An API key: `Bearer ck_…`."},
            "session": {"type": "apiKey", "in": "cookie", "name": "__Host-conclave",
                "description": "A page of the app: its session, with a proof in the header `DPoP`."},
        });
        components.insert("securitySchemes".into(), schemes);
    }
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    for item in paths.into_iter().flat_map(serde_json::Map::values_mut) {
        let operations = item.as_object_mut();
        for (method, operation) in operations.into_iter().flatten() {
            let Some(operation) = operation.as_object_mut() else {
                continue;
            };
            let body = operation.contains_key("requestBody");
            let gated = !operation.contains_key("security");
            // A state that does not suit (409) meets whoever looks into a meeting, too.
            let mut statuses = vec![400, 401, 403, 404, 409, 429, 503];
            if body || method == "post" {
                statuses.extend([413, 415, 422]);
            }
            if ["patch", "put", "delete"].contains(&method.as_str()) {
                statuses.push(412);
            }
            if method == "post" && gated {
                let key = json!({"name": again::HEADER, "in": "header", "required": false,
                    "description": "A name for this request: sent again with the same name it is done once and answered alike.",
                    "schema": {"type": "string", "minLength": 1, "maxLength": 64, "pattern": "^[!-~]+$"}});
                let parameters = operation.entry("parameters").or_insert_with(|| json!([]));
                if let Some(parameters) = parameters.as_array_mut() {
                    parameters.push(key);
                }
            }
            let responses = operation
                .get_mut("responses")
                .and_then(Value::as_object_mut);
            let Some(responses) = responses else { continue };
            for status in &statuses {
                let schema = json!({"$ref": "#/components/schemas/Problem"});
                let problem = json!({"description": "Why it was not done.",
                    "content": {MEDIA_TYPE: {"schema": schema}}});
                responses.entry(status.to_string()).or_insert(problem);
            }
        }
    }
    document
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `UPDATE_SNAPSHOT=1` writes it anew.
    #[test]
    fn the_description_is_the_one_that_is_checked_in() {
        let text = format!("{}\n", serde_json::to_string_pretty(&document()).unwrap());
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.json");
        if std::env::var_os("UPDATE_SNAPSHOT").is_some() {
            std::fs::write(path, &text).unwrap();
        }
        assert_eq!(std::fs::read_to_string(path).unwrap(), text);
    }
}
