//! `seal.row`: sealing a value for its row and opening it again, with its owner's key in memory, as for a line of chat; against
//! AES-256-GCM alone over the same bytes with the same key.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use conclave::clock::{Clock, SystemClock};
use conclave::secret::SystemRandom;
use conclave::store::database::Store;
use conclave::store::seal::SealingKeys;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use crate::measure::{figure, median};

/// A line of chat.
const BYTES: usize = 120;
const TIMES: u32 = 20_000;
const ROUNDS: usize = 15;

pub(crate) async fn run() {
    let folder = tempfile::tempdir().unwrap();
    let keys = SealingKeys::load_or_create(folder.path(), Arc::new(SystemRandom)).unwrap();
    let store = Store::open(folder.path(), keys, SystemClock.now())
        .await
        .unwrap();
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let begun = SystemClock.instant();
        store.seal_often(vec![7; BYTES], TIMES).await.unwrap();
        ours.push(each(begun));
        let begun = SystemClock.instant();
        alone();
        bare.push(each(begun));
    }
    store.close().await;
    let (ours, bare) = (median(&ours), median(&bare));
    // Both ways are in it; a row is sealed once and opened often.
    figure("seal.row", ours / 2.0, "ns", Some(ours / bare));
}

fn each(begun: Instant) -> f64 {
    begun.elapsed().as_nanos() as f64 / f64::from(TIMES)
}

fn alone() {
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[9; 32]).unwrap());
    for number in 0..TIMES {
        let mut nonce = [0; 12];
        nonce[..4].copy_from_slice(&number.to_be_bytes());
        let mut body = vec![7; BYTES];
        let at = || Nonce::assume_unique_for_key(nonce);
        key.seal_in_place_append_tag(at(), Aad::empty(), &mut body)
            .unwrap();
        black_box(key.open_in_place(at(), Aad::empty(), &mut body).unwrap());
    }
}
