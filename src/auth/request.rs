//! What a request says about itself: the session it carries, the page it comes from, the address it came over.
//!
//! A session travels in a cookie for pages and in `Authorization` for programs, never in a URL. Origins are checked before
//! any work on every request that changes something and on the WebSocket upgrade.

use std::any::Any;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, header};
use thiserror::Error;

use crate::secret::Secret;

/// `__Host-`: only over TLS, only from this host, for all paths; no other host can set it (RFC 6265bis, section 4.1.3.2).
const SESSION: &str = "__Host-conclave";
/// What renews the session, once.
const RENEWAL: &str = "__Host-conclave-renewal";
/// Shows that this browser has signed in to an account before. It proves nothing but that.
const DEVICE: &str = "__Host-conclave-device";
/// Browsers keep a cookie for 400 days at most.
const GUEST_DEVICE: &str = "__Host-conclave-guest";
/// Someone is on the way to a provider and back. It comes along when a link of another site leads here, as the way back does.
const AWAY: &str = "__Host-conclave-away";
const DEVICE_SECONDS: u64 = 400 * 24 * 60 * 60;

/// The client's address, as the server trusts it: put into each request by whoever accepted the connection.
#[derive(Clone, Copy, Debug)]
pub struct ClientAddr(pub IpAddr);

/// Whatever a connection occupies for as long as it is open; given back when the last copy is dropped.
#[derive(Clone)]
pub struct Held {
    _places: Arc<dyn Any + Send + Sync>,
}

impl Held {
    /// Keeps these places.
    pub fn new(places: impl Any + Send + Sync) -> Self {
        Self {
            _places: Arc::new(places),
        }
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Held")
    }
}

/// A session token as it came in.
#[derive(Clone, Debug)]
pub enum Carried {
    /// From a page.
    Cookie(Secret<String>),
    /// From a program.
    Bearer(Secret<String>),
    /// From a program that proves that it is its own (RFC 9449).
    Bound(Secret<String>),
}

impl Carried {
    /// The token itself.
    pub fn text(&self) -> &str {
        match self {
            Self::Cookie(token) | Self::Bearer(token) | Self::Bound(token) => token.expose(),
        }
    }

    /// Whether it came in `Authorization`, which no browser sends of its own accord.
    pub const fn is_bearer(&self) -> bool {
        matches!(self, Self::Bearer(_) | Self::Bound(_))
    }
}

/// The session that a request carries. With more than one, or one that cannot be read, it carries none.
pub fn token(headers: &HeaderMap) -> Option<Carried> {
    let cookie = cookie(headers, SESSION).ok()?;
    match (cookie, headers.contains_key(header::AUTHORIZATION)) {
        (cookie, false) => cookie.map(Carried::Cookie),
        (None, true) => authorization(headers),
        (Some(_), true) => None,
    }
}

/// What a request carries in `Authorization`, whatever its cookies.
pub fn authorization(headers: &HeaderMap) -> Option<Carried> {
    let mut bearers = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (bearers.next(), bearers.next()) else {
        return None;
    };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    let token = Secret::new(token.to_owned());
    match scheme.to_ascii_lowercase().as_str() {
        "bearer" => Some(Carried::Bearer(token)),
        "dpop" => Some(Carried::Bound(token)),
        _ => None,
    }
}

/// What shows that this browser has signed in before.
pub fn device(headers: &HeaderMap) -> Option<Secret<String>> {
    cookie(headers, DEVICE).ok().flatten()
}

/// What shows that a guest has come with this browser before.
pub fn guest_device(headers: &HeaderMap) -> Option<Secret<String>> {
    cookie(headers, GUEST_DEVICE).ok().flatten()
}

/// The `Set-Cookie` that makes a guest's browser known again.
pub fn guest_device_cookie(device: &Secret<String>) -> Secret<String> {
    set(GUEST_DEVICE, device.expose(), DEVICE_SECONDS)
}

/// The `Set-Cookie` that hands a session to a page.
pub fn session_cookie(token: &Secret<String>, lifetime: Duration) -> Secret<String> {
    set(SESSION, token.expose(), lifetime.as_secs())
}

/// The `Set-Cookie` that takes a session from a page.
pub fn no_session_cookie() -> Secret<String> {
    set(SESSION, "", 0)
}

/// What renews the session of a page.
pub fn renewal(headers: &HeaderMap) -> Option<Secret<String>> {
    cookie(headers, RENEWAL).ok().flatten()
}

/// The `Set-Cookie` that hands it over.
pub fn renewal_cookie(renewal: &Secret<String>, lifetime: Duration) -> Secret<String> {
    set(RENEWAL, renewal.expose(), lifetime.as_secs())
}

/// The `Set-Cookie` that takes it from a page.
pub fn no_renewal_cookie() -> Secret<String> {
    set(RENEWAL, "", 0)
}

/// The `Set-Cookie` that makes a browser known to an account.
pub fn device_cookie(device: &Secret<String>) -> Secret<String> {
    set(DEVICE, device.expose(), DEVICE_SECONDS)
}

/// What a browser keeps of its way to a provider.
pub fn away(headers: &HeaderMap) -> Option<Secret<String>> {
    cookie(headers, AWAY).ok().flatten()
}

/// The `Set-Cookie` that a browser takes along to a provider.
pub fn away_cookie(token: &Secret<String>, lifetime: Duration) -> Secret<String> {
    lax(AWAY, token.expose(), lifetime.as_secs())
}

/// The `Set-Cookie` that takes it back.
pub fn no_away_cookie() -> Secret<String> {
    lax(AWAY, "", 0)
}

/// The pages of this server, as browsers name them: `https://host` or `https://host:port`.
#[derive(Clone, Debug)]
pub struct Origins(Vec<String>);

/// The request comes from a foreign page, or does not say where it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the request does not come from a page of this server")]
pub struct ForeignOrigin;

/// Where an accepted request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// A page of this server: sessions travel in cookies.
    Page,
    /// A program: no browser, so no cookies, and sessions travel in `Authorization`.
    Program,
}

impl Origins {
    /// Only these.
    pub fn new(origins: impl IntoIterator<Item = String>) -> Self {
        Self(
            origins
                .into_iter()
                .map(|origin| origin.to_ascii_lowercase())
                .collect(),
        )
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether every page of ours is one of this machine: somebody tries the server out.
    pub fn are_local(&self) -> bool {
        let local = |origin: &String| {
            let place = origin.strip_prefix("https://").unwrap_or_default();
            ["localhost", "127.0.0.1", "[::1]"].iter().any(|host| {
                let rest = place.strip_prefix(host);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
            })
        };
        !self.0.is_empty() && self.0.iter().all(local)
    }

    /// Whether an address is this path on one of ours, to the letter.
    pub fn address(&self, address: &str, path: &str) -> bool {
        let origin = address.strip_suffix(path);
        origin.is_some_and(|origin| self.0.iter().any(|own| own == origin))
    }

    /// Whether this origin may act: one of ours, or none at all on a request whose session is in `Authorization`.
    pub fn admit(&self, origin: Option<&HeaderValue>, bearer: bool) -> bool {
        match origin {
            Some(origin) => self.0.iter().any(|own| origin == own.as_str()),
            None => bearer,
        }
    }

    /// A request that changes something: from one of our pages; or, without any `Origin`, with an `Authorization` and
    /// no cookie. Browsers put `Origin` on every such request and never an `Authorization` of their own accord.
    ///
    /// # Errors
    /// When it is neither.
    pub fn check(
        &self,
        headers: &HeaderMap,
        carried: Option<&Carried>,
    ) -> Result<Caller, ForeignOrigin> {
        match (self.caller(headers)?, carried) {
            (Caller::Page, _) => Ok(Caller::Page),
            (Caller::Program, Some(carried)) if carried.is_bearer() => Ok(Caller::Program),
            (Caller::Program, _) => Err(ForeignOrigin),
        }
    }

    /// A request that brings no session yet (a sign-in, a guest, an invitation): from one of our pages; or without any
    /// `Origin` and without any cookie.
    ///
    /// # Errors
    /// When it is neither.
    pub fn check_newcomer(&self, headers: &HeaderMap) -> Result<Caller, ForeignOrigin> {
        self.caller(headers)
    }

    fn caller(&self, headers: &HeaderMap) -> Result<Caller, ForeignOrigin> {
        // Where the browser tells, it must agree; `none` is the address bar, which changes nothing. On a WebSocket
        // browsers differ about what is the same site, and `Origin` alone decides.
        let socket = headers
            .get("sec-fetch-mode")
            .is_some_and(|mode| mode == "websocket");
        if !socket
            && headers
                .get_all("sec-fetch-site")
                .iter()
                .any(|site| site != "same-origin")
        {
            return Err(ForeignOrigin);
        }
        let mut origins = headers.get_all(header::ORIGIN).iter();
        match (origins.next(), origins.next()) {
            (Some(origin), None) if self.admit(Some(origin), false) => Ok(Caller::Page),
            (None, None) if !headers.contains_key(header::COOKIE) => Ok(Caller::Program),
            _ => Err(ForeignOrigin),
        }
    }
}

/// A cookie stands more than once in the request.
struct Ambiguous;

fn set(name: &str, value: &str, seconds: u64) -> Secret<String> {
    Secret::new(format!(
        "{name}={value}; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age={seconds}"
    ))
}

fn lax(name: &str, value: &str, seconds: u64) -> Secret<String> {
    Secret::new(format!(
        "{name}={value}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={seconds}"
    ))
}

fn cookie(headers: &HeaderMap, wanted: &str) -> Result<Option<Secret<String>>, Ambiguous> {
    let mut found = None;
    for line in headers.get_all(header::COOKIE) {
        let Ok(line) = line.to_str() else { continue };
        for pair in line.split(';') {
            let Some((name, value)) = pair.trim_matches(' ').split_once('=') else {
                continue;
            };
            if name != wanted {
                continue;
            }
            if found.is_some() {
                return Err(Ambiguous);
            }
            found = Some(Secret::new(value.to_owned()));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderName;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        headers
    }

    fn carry(pairs: &[(&'static str, &'static str)]) -> Option<String> {
        token(&headers(pairs)).map(|carried| match carried {
            Carried::Cookie(token) => format!("cookie {}", token.expose()),
            Carried::Bearer(token) => format!("bearer {}", token.expose()),
            Carried::Bound(token) => format!("dpop {}", token.expose()),
        })
    }

    #[test]
    fn a_session_comes_in_a_cookie_or_as_bearer() {
        assert_eq!(carry(&[]), None);
        assert_eq!(
            carry(&[("cookie", "a=b; __Host-conclave=t; c=d")]),
            Some("cookie t".to_owned())
        );
        assert_eq!(
            carry(&[("authorization", "Bearer t")]),
            Some("bearer t".to_owned())
        );
        assert_eq!(
            carry(&[(
                "cookie",
                "conclave=t; x__Host-conclave=t; __Host-conclave-device=d"
            )]),
            None
        );
    }

    #[test]
    fn two_sessions_or_an_unreadable_one_are_refused() {
        for pairs in [
            &[("cookie", "__Host-conclave=a; __Host-conclave=b")][..],
            &[
                ("cookie", "__Host-conclave=a"),
                ("cookie", "__Host-conclave=b"),
            ],
            &[
                ("cookie", "__Host-conclave=a"),
                ("authorization", "Bearer b"),
            ],
            &[("authorization", "Bearer a"), ("authorization", "Bearer b")],
            &[("authorization", "Basic YTpi")],
            &[("authorization", "Bearer")],
        ] {
            assert_eq!(carry(pairs), None);
        }
    }

    #[test]
    fn a_session_cookie_is_out_of_reach_of_scripts_and_other_sites() {
        let cookie = session_cookie(&Secret::new("t".to_owned()), Duration::from_secs(60));
        assert_eq!(
            cookie.expose(),
            "__Host-conclave=t; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=60"
        );
        assert!(
            no_session_cookie()
                .expose()
                .starts_with("__Host-conclave=; ")
        );
    }

    #[test]
    fn x07_only_our_pages_and_programs_pass() {
        let origins = Origins::new(["https://meet.example.org".to_owned()]);
        let bearer = Carried::Bearer(Secret::new("t".to_owned()));
        let cookie = Carried::Cookie(Secret::new("t".to_owned()));
        let own = ("origin", "https://meet.example.org");
        let check = |pairs: &[_], carried| origins.check(&headers(pairs), carried);

        assert_eq!(check(&[own], Some(&cookie)), Ok(Caller::Page));
        assert_eq!(
            check(&[own, ("sec-fetch-site", "same-origin")], Some(&cookie)),
            Ok(Caller::Page)
        );
        assert_eq!(check(&[], Some(&bearer)), Ok(Caller::Program));

        for foreign in [
            "null",
            "https://evil.example",
            "http://meet.example.org",
            "https://meet.example.org.evil.example",
            "https://meet.example.org:444",
            "https://meet.example.org/",
            "https://MEET.example.org",
            "",
        ] {
            let foreign = HeaderValue::from_static(foreign);
            let mut headers = HeaderMap::new();
            headers.insert(header::ORIGIN, foreign);
            assert_eq!(origins.check(&headers, Some(&cookie)), Err(ForeignOrigin));
            assert_eq!(origins.check(&headers, Some(&bearer)), Err(ForeignOrigin));
            assert_eq!(origins.check_newcomer(&headers), Err(ForeignOrigin));
        }
        assert_eq!(check(&[], None), Err(ForeignOrigin));
        assert_eq!(check(&[], Some(&cookie)), Err(ForeignOrigin));
        assert_eq!(
            check(&[("cookie", "a=b")], Some(&bearer)),
            Err(ForeignOrigin)
        );
        assert_eq!(check(&[own, own], Some(&cookie)), Err(ForeignOrigin));
        assert_eq!(
            check(&[own, ("sec-fetch-site", "cross-site")], Some(&cookie)),
            Err(ForeignOrigin)
        );
        assert_eq!(
            check(&[("sec-fetch-site", "none")], Some(&bearer)),
            Err(ForeignOrigin)
        );
    }

    #[test]
    fn a_newcomer_without_origin_brings_no_cookie() {
        let origins = Origins::new(["https://meet.example.org".to_owned()]);
        assert_eq!(origins.check_newcomer(&headers(&[])), Ok(Caller::Program));
        assert_eq!(
            origins.check_newcomer(&headers(&[("cookie", "a=b")])),
            Err(ForeignOrigin)
        );
    }
}
