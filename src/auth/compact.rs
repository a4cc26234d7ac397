//! How the claims of a session are written: bytes at fixed places. It is checked on every request, and reading JSON would be
//! most of that work. Everything else that tokens say, which is read seldom, is JSON.

use crate::auth::proof::Thumbprint;
use crate::auth::token::{Claims, TokenId};
use crate::ids::{AccountId, IdentityId, OrgId};

/// The first byte. JSON begins with `{`.
const FORM: u8 = 1;
const WITH_KEY: u8 = 1;
const WITH_IDENTITY: u8 = 2;
const WITH_FACTOR: u8 = 4;
const BYTES: usize = 2 + 16 + 16 + 8 + 8 + 8 + 8 + 4 + 16 + 32 + 16;

/// A session's claims; other kinds have no such form.
pub(super) fn written(claims: &Claims) -> Option<Vec<u8>> {
    let Claims::Session {
        org,
        sub,
        epoch,
        jkt,
        iat,
        exp,
        end,
        turn,
        jti,
        by,
        factor,
    } = claims
    else {
        return None;
    };
    let flag = |on: bool, bit: u8| if on { bit } else { 0 };
    let flags = flag(jkt.is_some(), WITH_KEY)
        | flag(by.is_some(), WITH_IDENTITY)
        | flag(*factor, WITH_FACTOR);
    let mut bytes = Vec::with_capacity(BYTES);
    bytes.extend_from_slice(&[FORM, flags]);
    bytes.extend_from_slice(org.as_bytes());
    bytes.extend_from_slice(sub.as_bytes());
    for number in [epoch, iat, exp, end] {
        bytes.extend_from_slice(&number.to_be_bytes());
    }
    bytes.extend_from_slice(&turn.to_be_bytes());
    bytes.extend_from_slice(jti.as_bytes());
    bytes.extend_from_slice(&jkt.map_or([0; 32], |key| *key.as_bytes()));
    bytes.extend_from_slice(&by.map_or([0; 16], |id| *id.as_bytes()));
    Some(bytes)
}

/// The claims of a session in exactly this form.
pub(super) fn read(bytes: &[u8]) -> Option<Claims> {
    if bytes.len() != BYTES {
        return None;
    }
    let mut rest = bytes;
    let [form, flags] = take(&mut rest)?;
    if form != FORM || flags & !(WITH_KEY | WITH_IDENTITY | WITH_FACTOR) != 0 {
        return None;
    }
    let (org, sub) = (take(&mut rest)?, take(&mut rest)?);
    let mut number = || take(&mut rest).map(i64::from_be_bytes);
    let (epoch, iat, exp, end) = (number()?, number()?, number()?, number()?);
    let turn = u32::from_be_bytes(take(&mut rest)?);
    let jti: [u8; 16] = take(&mut rest)?;
    let (jkt, by): ([u8; 32], [u8; 16]) = (take(&mut rest)?, take(&mut rest)?);
    Some(Claims::Session {
        org: OrgId::from_bytes(org),
        sub: AccountId::from_bytes(sub),
        epoch,
        jkt: (flags & WITH_KEY != 0).then(|| Thumbprint::from_bytes(jkt)),
        iat,
        exp,
        end,
        turn,
        jti: TokenId::from(jti),
        by: (flags & WITH_IDENTITY != 0).then(|| IdentityId::from_bytes(by)),
        factor: flags & WITH_FACTOR != 0,
    })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, left) = rest.split_first_chunk::<N>()?;
    *rest = left;
    Some(*taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(jkt: Option<Thumbprint>, by: Option<IdentityId>, factor: bool) -> Claims {
        Claims::Session {
            org: OrgId::from_bytes([1; 16]),
            sub: AccountId::from_bytes([2; 16]),
            epoch: i64::MAX,
            jkt,
            iat: -1,
            exp: 2,
            end: 3,
            turn: u32::MAX,
            jti: TokenId::from([4; 16]),
            by,
            factor,
        }
    }

    #[test]
    fn what_is_written_is_read_and_nothing_else_is() {
        let (key, by) = (
            Thumbprint::from_bytes([5; 32]),
            IdentityId::from_bytes([6; 16]),
        );
        for claims in [
            claims(None, None, false),
            claims(Some(key), None, true),
            claims(None, Some(by), false),
            claims(Some(key), Some(by), true),
        ] {
            let bytes = written(&claims).unwrap();
            assert_eq!(bytes.len(), BYTES);
            assert_eq!(read(&bytes), Some(claims));
            assert_eq!(read(&bytes[1..]), None);
            let longer = [bytes.as_slice(), &[0]].concat();
            assert_eq!(read(&longer), None);
            for (place, other) in [(0, b'{'), (1, 8)] {
                let mut wrong = bytes.clone();
                wrong[place] = other;
                assert_eq!(read(&wrong), None);
            }
        }
    }
}
