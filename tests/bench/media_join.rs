//! `join.cpu` and `join.rate`: the server's share of a join, from the offer to keys: offer read, transport made, answer written,
//! checks answered, DTLS shaken. Against the public-key operations of the handshake alone.

use aws_lc_rs::agreement::{self, EphemeralPrivateKey, UnparsedPublicKey};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    self, ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair,
};

use crate::measure::{figure, median, milliseconds, note};
use crate::media_client::Script;
use crate::media_stage::{Cost, Stage, thread_time};

const ROUNDS: usize = 5;
const JOINS: u32 = 100;
/// What a page asks for: its own sources, and as many slots as it shows.
const SLOTS: usize = 32;

pub(crate) fn run() {
    let (mut costs, mut floors) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let mut stage = Stage::new();
        stage.join(0, Script::default());
        stage.cost = Cost::default();
        for who in 1..=JOINS {
            stage.join(
                who,
                Script {
                    audio_slots: SLOTS,
                    video_slots: SLOTS,
                    ..Script::default()
                },
            );
        }
        costs.push(milliseconds(stage.cost.cpu) / f64::from(JOINS));
        floors.push(bare());
    }
    let (cost, floor) = (median(&costs), median(&floors));
    note(&format!(
        "join: offers with 4 sources and {SLOTS} + {SLOTS} slots, {JOINS} into one room; one signature, one check of a signature \
         and one key agreement alone take {floor:.3} ms"
    ));
    figure("join.cpu", cost, "ms", Some(cost / floor));
    figure("join.rate", 1000.0 / cost, "/s", Some(floor / cost));
}

/// The public-key operations of one handshake, in milliseconds.
fn bare() -> f64 {
    let random = SystemRandom::new();
    let own = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
    let public = own.public_key().as_ref().to_vec();
    let theirs = EphemeralPrivateKey::generate(&agreement::ECDH_P256, &random).unwrap();
    let theirs = theirs.compute_public_key().unwrap();
    let begun = thread_time();
    for _ in 0..JOINS {
        let signed = own.sign(&random, b"transcript").unwrap();
        let key = signature::UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &public);
        key.verify(b"transcript", signed.as_ref()).unwrap();
        let ephemeral = EphemeralPrivateKey::generate(&agreement::ECDH_P256, &random).unwrap();
        let _ = ephemeral.compute_public_key().unwrap();
        let peer = UnparsedPublicKey::new(&agreement::ECDH_P256, theirs.as_ref());
        agreement::agree_ephemeral(ephemeral, peer, (), |_| Ok(())).unwrap();
    }
    milliseconds(thread_time() - begun) / f64::from(JOINS)
}
