//! From bytes to bounded messages: size, nesting and shape are checked here, and nothing inside checks them again.
//! Never panics, never keeps what it refuses.

use serde::Deserialize;

use crate::gateway::message::{FirstFrame, Request, WaitingRequest};
use crate::rooms::refusal::ErrorCode;
use crate::rooms::request::RoomRequest;

/// The largest frame of all, an offer with its SDP escaped in JSON.
pub const LARGEST: usize = 300 * 1024;

/// The largest frame that is not an offer.
pub const LARGE: usize = 16 * 1024;

/// The largest frame of someone who is not in the room.
pub const SMALL: usize = 4 * 1024;

/// How deep JSON may nest; the deepest message of the protocol needs four.
const DEEPEST: usize = 8;

/// Reads the first frame of a connection.
pub fn first(frame: &str) -> Result<FirstFrame, ErrorCode> {
    read(frame, SMALL)
}

/// Reads a frame of someone who waits.
pub fn waiting(frame: &str) -> Result<Request<WaitingRequest>, ErrorCode> {
    read(frame, SMALL)
}

/// Reads a frame of an admitted participant.
pub fn inside(frame: &str) -> Result<Request<RoomRequest>, ErrorCode> {
    let request: Request<RoomRequest> = read(frame, LARGEST)?;
    match request.request {
        RoomRequest::Offer { .. } => Ok(request),
        _ if frame.len() > LARGE => Err(ErrorCode::TooLarge),
        _ => Ok(request),
    }
}

fn read<'a, T: Deserialize<'a>>(frame: &'a str, largest: usize) -> Result<T, ErrorCode> {
    if frame.len() > largest {
        return Err(ErrorCode::TooLarge);
    }
    if depth(frame) > DEEPEST {
        return Err(ErrorCode::BadMessage);
    }
    serde_json::from_str(frame).map_err(|_| ErrorCode::BadMessage)
}

/// The deepest nesting of brackets outside strings.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest, mut quoted, mut escaped) = (0_usize, 0_usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'{' | b'[' if !quoted => {
                depth = depth.saturating_add(1);
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// Reads arbitrary bytes as a message of every phase; for fuzzing and random-input tests.
#[doc(hidden)]
pub fn fuzz_client_message(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let small = text.len() <= SMALL;
        assert!(
            small || first(text).is_err(),
            "a large first frame was taken"
        );
        assert!(
            small || waiting(text).is_err(),
            "a large waiting frame was taken"
        );
        if let Ok(request) = inside(text) {
            assert!(
                text.len() <= LARGE || matches!(request.request, RoomRequest::Offer { .. }),
                "a large frame was taken"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::gateway::message::FirstRequest;

    const ROOM: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaa";

    #[test]
    fn a_join_is_read() {
        let frame =
            format!(r#"{{"id":1,"request":{{"type":"join","room":"{ROOM}","password":"x"}}}}"#);
        assert!(matches!(
            first(&frame).unwrap().request,
            FirstRequest::Join {
                password: Some(_),
                ..
            }
        ));
    }

    #[test]
    fn unknown_and_doubled_keys_are_refused() {
        for body in [
            format!(r#"{{"id":1,"request":{{"type":"join","room":"{ROOM}","x":1}}}}"#),
            format!(r#"{{"id":1,"request":{{"type":"join","room":"{ROOM}","room":"{ROOM}"}}}}"#),
            format!(r#"{{"id":1,"id":2,"request":{{"type":"join","room":"{ROOM}"}}}}"#),
            format!(r#"{{"id":1,"request":{{"type":"join","type":"resume","room":"{ROOM}"}}}}"#),
            format!(r#"{{"id":1,"from":"x","request":{{"type":"join","room":"{ROOM}"}}}}"#),
            format!(r#"{{"id":1,"request":{{"type":"join","room":"{ROOM}"}}}} x"#),
            format!(r#"{{"id":"1","request":{{"type":"join","room":"{ROOM}"}}}}"#),
            format!(r#"{{"id":1,"request":{{"type":"join","room":["{ROOM}"]}}}}"#),
        ] {
            assert!(matches!(first(&body), Err(ErrorCode::BadMessage)), "{body}");
        }
    }

    #[test]
    fn an_empty_request_takes_no_keys() {
        assert!(inside(r#"{"id":1,"request":{"type":"end"}}"#).is_ok());
        assert!(inside(r#"{"id":1,"request":{"type":"end","x":1}}"#).is_err());
    }

    #[test]
    fn a_waiting_connection_cannot_say_what_an_admitted_one_may() {
        for request in ["stats", "end", "view", "publish", "offer"] {
            let frame = format!(r#"{{"id":1,"request":{{"type":"{request}"}}}}"#);
            assert!(waiting(&frame).is_err());
        }
        assert!(waiting(r#"{"id":1,"request":{"type":"leave"}}"#).is_ok());
    }

    #[test]
    fn deep_nesting_and_large_frames_are_refused() {
        assert!(matches!(
            inside(&"[".repeat(100)),
            Err(ErrorCode::BadMessage)
        ));
        assert!(matches!(
            inside(&" ".repeat(LARGEST + 1)),
            Err(ErrorCode::TooLarge)
        ));
        let long = format!(
            r#"{{"id":1,"request":{{"type":"end"}}}}{}"#,
            " ".repeat(LARGE)
        );
        assert!(matches!(inside(&long), Err(ErrorCode::TooLarge)));
    }

    #[test]
    fn a_bracket_in_a_string_is_no_nesting() {
        assert_eq!(depth(r#"{"a":"[[[[\"[["}"#), 1);
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..2048)) {
            fuzz_client_message(&bytes);
        }

        #[test]
        fn no_mutation_of_a_message_breaks_the_reader(at in 0_usize..60, byte in any::<u8>()) {
            let mut frame = br#"{"id":7,"request":{"type":"lock","locked":true}}"#.to_vec();
            if let Some(place) = frame.get_mut(at) {
                *place = byte;
            }
            fuzz_client_message(&frame);
        }
    }
}
