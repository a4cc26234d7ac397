//! Identifiers: 128 bits each, written as 26 lower-case letters and digits. Nothing here makes one;
//! the randomness is the server's.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Letters of RFC 4648 base32, in lower case.
const ALPHABET: [u8; 32] = *b"abcdefghijklmnopqrstuvwxyz234567";
/// 128 bits in groups of five.
const TEXT: usize = 26;

/// The text is not an identifier in its one canonical form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an identifier")]
pub struct InvalidId;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[cfg_attr(feature = "ts", derive(ts_rs::TS), ts(type = "string"))]
        pub struct $name([u8; 16]);

        impl $name {
            /// The identifier of these 16 bytes.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// Its 16 bytes, as they are stored.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl From<[u8; 16]> for $name {
            fn from(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write(self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write(self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                read(text).map(Self).ok_or(InvalidId)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(Text).map(Self)
            }
        }
    )*};
}

ids! {
    /// An organisation: every row and every running thing belongs to one.
    OrgId;
    /// A durable room.
    RoomId;
    /// One live run of a room.
    SessionId;
    /// A signed-in account.
    AccountId;
    /// Someone without an account, for as long as their token lives.
    GuestId;
    /// One person's presence in a session.
    ParticipantId;
    /// One wait at the door.
    KnockId;
    /// Whoever acts: an account, a guest or a stream.
    ActorId;
    /// Someone thrown out of a room for good.
    BarId;
    /// A link that lets one guest come to the door by a name that a host gave it.
    LinkId;
    /// A browser that a guest came with, as far as its cookie tells.
    DeviceId;
    /// A network that a connection comes from: a keyed hash, never the address.
    NetworkId;
    /// A token that lets one outside stream into a room, or one out of it.
    StreamTokenId;
    /// An identity elsewhere that stands for an account here.
    IdentityId;
    /// A provider that an organisation has of its own.
    ProviderId;
    /// A passkey of an account.
    PasskeyId;
    /// A place outside that is told what happens here.
    WebhookId;
    /// One thing that happened, as other programs are told of it.
    NewsId;
    /// A key by which a program calls the control API.
    ApiKeyId;
    /// A token by which a user of another product comes to the door of a room.
    JoinTokenId;
    /// A picture that someone shows: made from its content and from whose it is, and not to be guessed.
    PictureId;
}

impl From<AccountId> for ActorId {
    fn from(id: AccountId) -> Self {
        Self(id.0)
    }
}

impl From<GuestId> for ActorId {
    fn from(id: GuestId) -> Self {
        Self(id.0)
    }
}

impl From<ApiKeyId> for ActorId {
    fn from(id: ApiKeyId) -> Self {
        Self(id.0)
    }
}

impl From<StreamTokenId> for ActorId {
    fn from(id: StreamTokenId) -> Self {
        Self(id.0)
    }
}

/// The letter groups of the identifier: 25 of five bits and one of three, which is filled up with zeros.
fn groups(bytes: [u8; 16]) -> impl Iterator<Item = u8> {
    let bits = u128::from_be_bytes(bytes);
    (0..TEXT).map(move |at| {
        let group = if at + 1 < TEXT {
            bits >> (123 - 5 * at)
        } else {
            bits << 2
        };
        (group & 31) as u8
    })
}

fn write(bytes: [u8; 16], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut text = [0; TEXT];
    for (letter, group) in text.iter_mut().zip(groups(bytes)) {
        *letter = ALPHABET
            .get(usize::from(group))
            .copied()
            .unwrap_or_default();
    }
    f.write_str(str::from_utf8(&text).unwrap_or_default())
}

fn read(text: &str) -> Option<[u8; 16]> {
    if text.len() != TEXT {
        return None;
    }
    let mut bits: u128 = 0;
    for (at, letter) in text.bytes().enumerate() {
        let group = match letter {
            b'a'..=b'z' => letter - b'a',
            b'2'..=b'7' => letter - b'2' + 26,
            _ => return None,
        };
        if at + 1 < TEXT {
            bits = bits << 5 | u128::from(group);
        } else if group & 3 == 0 {
            bits = bits << 3 | u128::from(group >> 2);
        } else {
            return None;
        }
    }
    Some(bits.to_be_bytes())
}

struct Text;

impl serde::de::Visitor<'_> for Text {
    type Value = [u8; 16];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an identifier of 26 letters and digits")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<[u8; 16], E> {
        read(text).ok_or_else(|| E::custom(InvalidId))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_text_is_26_small_letters_and_digits() {
        assert_eq!(RoomId::from_bytes([0; 16]).to_string(), "a".repeat(26));
        assert_eq!(
            RoomId::from_bytes([255; 16]).to_string(),
            format!("{}4", "7".repeat(25))
        );
    }

    #[test]
    fn only_the_canonical_text_is_read() {
        let good = "a".repeat(26);
        assert!(good.parse::<RoomId>().is_ok());
        for bad in [
            String::new(),
            "a".repeat(25),
            "a".repeat(27),
            "A".repeat(26),
            format!("{}b", "a".repeat(25)),
            format!("{}1", "a".repeat(25)),
            format!("{}=", "a".repeat(25)),
            format!(" {}", "a".repeat(25)),
            "ä".repeat(13),
        ] {
            assert_eq!(bad.parse::<RoomId>(), Err(InvalidId), "{bad}");
            assert!(serde_json::from_value::<RoomId>(bad.into()).is_err());
        }
        assert!(serde_json::from_str::<RoomId>("[0]").is_err());
    }

    #[test]
    fn an_actor_is_the_account_or_guest_it_was_made_from() {
        let bytes = [9; 16];
        assert_eq!(
            ActorId::from(AccountId::from_bytes(bytes)).as_bytes(),
            &bytes
        );
        assert_eq!(
            ActorId::from(GuestId::from_bytes(bytes)).to_string(),
            GuestId::from_bytes(bytes).to_string()
        );
    }

    proptest! {
        #[test]
        fn every_identifier_survives_its_text(bytes: [u8; 16]) {
            let id = ParticipantId::from_bytes(bytes);
            prop_assert_eq!(id.to_string().parse::<ParticipantId>(), Ok(id));
            prop_assert_eq!(format!("{id:?}"), id.to_string());
            let json = serde_json::to_string(&id).unwrap();
            prop_assert_eq!(serde_json::from_str::<ParticipantId>(&json).unwrap(), id);
        }

        #[test]
        fn the_text_is_that_of_the_standard(bytes: [u8; 16]) {
            let standard = data_encoding::BASE32_NOPAD.encode(&bytes).to_lowercase();
            prop_assert_eq!(OrgId::from_bytes(bytes).to_string(), standard);
        }

        #[test]
        fn a_text_that_is_read_is_the_only_one_of_its_identifier(text in "[a-z2-7]{26}") {
            if let Ok(id) = text.parse::<KnockId>() {
                prop_assert_eq!(id.to_string(), text);
            } else {
                // The last letter carries three bits; of 32 letters, four of every five do not leave the rest empty.
                prop_assert!(!"aeimquy4".contains(&text[25..]));
            }
        }
    }
}
