//! Another program is told that what was said is kept, when it is, and not when it goes with the session.

use std::time::Duration;

use serde_json::{Value, json};

use super::common::server::Server;
use super::receiver::Receiver;
use super::{NINE, Stage, last_words, testdata, turn};

#[tokio::test(flavor = "multi_thread")]
async fn a_program_is_told_of_a_transcript_that_stays_and_of_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(folder.path()).await;
    let model = testdata("meeting-tiny-q5_0.bin");
    let mut variables = receiver.variables();
    variables.extend([
        ("CONCLAVE_CAPTIONS__MODEL", model.display().to_string()),
        ("CONCLAVE_CAPTIONS__LANGUAGE", "en".to_owned()),
        ("CONCLAVE_CAPTIONS__TRANSLATOR", "none".to_owned()),
        ("CONCLAVE_CAPTIONS__HINTS", "false".to_owned()),
        ("CONCLAVE_CAPTIONS__WITHOUT_SANDBOX", "true".to_owned()),
    ]);
    let variables: Vec<_> = variables
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let server = Server::start_set(&variables).await;
    let mut stage = Stage::set(server).await;
    let hook = json!({
        "name": "Archive", "url": receiver.url("/"), "events": ["room.ended", "transcript.kept"],
    });
    let token = stage.owner.token.clone();
    let made = stage
        .server
        .call(
            reqwest::Method::POST,
            "/v1/webhooks",
            Some(&token),
            Some(hook),
        )
        .await;
    assert_eq!(made.status, 201, "{}", made.body);
    keep_words(&mut stage).await;
    end(&mut stage).await;
    let told = |receiver: &Receiver| -> Vec<Value> {
        let taken = receiver.taken().into_iter();
        taken.map(|(_, body)| body).collect()
    };
    receiver
        .until("the first end", |receiver| told(receiver).len() == 1)
        .await;

    stage
        .server
        .set(
            &stage.owner,
            &stage.room,
            "transcript_retention",
            "thirty_days",
        )
        .await;
    stage.come_again().await;
    keep_words(&mut stage).await;
    end(&mut stage).await;
    receiver
        .until("the second end and what is kept", |receiver| {
            told(receiver).len() >= 3
        })
        .await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let told = told(&receiver);
    let kinds: Vec<_> = told.iter().map(|body| body["type"].clone()).collect();
    assert_eq!(kinds, ["room.ended", "room.ended", "transcript.kept"]);
    assert_eq!(told[1]["data"], told[2]["data"], "of the same session");
    assert_ne!(told[0]["data"]["session_id"], told[2]["data"]["session_id"]);
    assert!(
        !told[2].to_string().contains("nine"),
        "told that, and not what was said"
    );
}

/// A sentence that is written into the transcript.
async fn keep_words(stage: &mut Stage) {
    turn(&mut stage.host, "transcript", "on").await;
    loop {
        let told = stage.inside.event("captions").await;
        if told["transcript"] == true && told["running"] == true {
            break;
        }
    }
    stage.say(NINE).await;
    last_words(&mut stage.host).await;
}

async fn end(stage: &mut Stage) {
    stage.host.send(json!({"type": "end"})).await;
    stage.host.closed().await;
}
