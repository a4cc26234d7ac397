//! Whether the time that a sign-in takes tells that there is such an account. Tests only.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use crate::auth::error::AuthError;
use crate::auth::guesses::GuessSettings;
use crate::auth::limits::Rate;
use crate::auth::session::{Attempted, Auth, AuthSettings};
use crate::clock::{Clock, ManualClock, SystemClock};
use crate::secret::{Secret, SystemRandom};
use crate::store::accounts::{Make, NewAccount};
use crate::store::database::tests::store;
use crate::store::passkeys::NewPasskey;

/// Of each kind; `make proof` asks for 2,000.
const SAMPLES: usize = 60;
/// Beyond this a difference is taken for one (as in "dude, is my code constant time?", 2017): chance alone goes there once in
/// a hundred thousand times.
const MOST: f64 = 4.5;
/// What the machine did meanwhile and not the sign-in: the slowest of each kind are left out.
const KEPT: f64 = 0.9;

fn samples() -> usize {
    let wanted = std::env::var("STORY_LOGIN_SAMPLES").ok();
    wanted.map_or(SAMPLES, |wanted| wanted.parse().unwrap())
}

/// Welch's t of two series.
fn difference(one: &[f64], other: &[f64]) -> f64 {
    let moments = |values: &[f64]| {
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let spread = values
            .iter()
            .map(|value| (value - mean).powi(2))
            .sum::<f64>();
        (mean, spread / (count - 1.0) / count)
    };
    let ((one, one_error), (other, other_error)) = (moments(one), moments(other));
    (one - other) / (one_error + other_error).sqrt()
}

fn kept(mut times: Vec<f64>) -> Vec<f64> {
    times.sort_by(f64::total_cmp);
    times.truncate((times.len() as f64 * KEPT) as usize);
    times
}

async fn world() -> (tempfile::TempDir, Auth) {
    let (folder, store) = store().await;
    let free = Rate::new(1_000_000, Duration::from_nanos(1));
    let settings = AuthSettings {
        hashes_at_once: 1,
        guesses: GuessSettings {
            sign_in_network: free,
            sign_in_account_network: free,
            sign_in_account: free,
            ..GuessSettings::default()
        },
        ..AuthSettings::default()
    };
    let clock = Arc::new(ManualClock::new());
    let auth = Auth::start_with(
        store.clone(),
        clock.clone(),
        Arc::new(SystemRandom),
        settings,
    );
    let auth = auth.await.unwrap();
    let password = crate::auth::password::Password::parse("correct horse battery").unwrap();
    for number in 0..8_u8 {
        let account = NewAccount {
            id: [number; 16].into(),
            email: Secret::new(format!("member{number}@example.org")),
            name: Secret::new("Member".to_owned()),
            password: auth.hasher.hash(password.clone()).await.unwrap(),
            may_create_rooms: false,
            is_admin: false,
            created: clock.now(),
        };
        let made = store.write_for_test(Make(store.org(), account, store.keys().clone()));
        made.await.unwrap();
        // Every other one asks for a second factor: that must not show before the password is right.
        if number % 2 == 0 {
            let passkey = NewPasskey {
                id: [number; 16].into(),
                account: [number; 16].into(),
                index: [number; 32],
                name: "The blue one",
                credential: b"public key",
                made: clock.now(),
            };
            store.add_passkey(store.org(), passkey).await.unwrap();
        }
    }
    (folder, auth)
}

async fn time(auth: &Auth, email: &str) -> f64 {
    let password = Secret::new("wrong horse battery".to_owned());
    let attempted = Attempted {
        email,
        password: &password,
        device: None,
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        key: None,
    };
    let begun = SystemClock.instant();
    let answer = auth.sign_in(attempted).await;
    let took = begun.elapsed().as_secs_f64();
    assert_eq!(answer.err(), Some(AuthError::Refused));
    took
}

#[expect(clippy::print_stdout, reason = "a figure")]
#[tokio::test]
async fn the_time_of_a_sign_in_does_not_tell_whether_there_is_an_account() {
    let (_folder, auth) = world().await;
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for round in 0..samples() + 4 {
        let there = format!("member{}@example.org", round % 8);
        let nobody = format!("nobody{}@example.org", round % 8);
        // Whichever comes first now comes second the next time.
        let (one, other) = if round % 2 == 0 {
            let one = time(&auth, &there).await;
            (one, time(&auth, &nobody).await)
        } else {
            let other = time(&auth, &nobody).await;
            (time(&auth, &there).await, other)
        };
        // The first ones warm what they need.
        if round >= 4 {
            known.push(one);
            unknown.push(other);
        }
    }
    let (known, unknown) = (kept(known), kept(unknown));
    let t = difference(&known, &unknown);
    println!("figure login.timing.t {t:.2} t");
    assert!(t.abs() < MOST, "known and unknown accounts differ: t = {t}");
}

#[test]
fn a_difference_is_found_where_there_is_one() {
    let noise = |number: usize| (number * 7919 % 101) as f64 / 10.0;
    let one: Vec<f64> = (0..500).map(noise).collect();
    let same: Vec<f64> = (250..750).map(noise).collect();
    let slower: Vec<f64> = one.iter().map(|value| value + 2.0).collect();
    assert!(difference(&one, &same).abs() < MOST);
    assert!(difference(&one, &slower).abs() > MOST);
}
