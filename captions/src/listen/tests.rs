//! Decoders against other people's, and a listener against packets that are lost, late, doubled and junk.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn tone(samples: usize) -> Vec<f32> {
    let sample = |at: usize| {
        let time = at as f32 / RATE as f32;
        let pitch = 200.0 + 150.0 * (time * 3.0).sin();
        0.3 * (std::f32::consts::TAU * pitch * time).sin() + 0.1 * (9000.0 * time).sin()
    };
    (0..samples).map(sample).collect()
}

fn packet(sequence: u64, ticks: u32, payload: Vec<u8>) -> Packet {
    Packet {
        sequence,
        timestamp: u32::try_from(sequence)
            .unwrap()
            .wrapping_mul(ticks)
            .wrapping_sub(5000),
        at_ms: i64::try_from(sequence).unwrap() * 20,
        payload,
    }
}

proptest! {
    #[test]
    fn whatever_comes_time_goes_on_and_sound_is_sound(
        codec in 0..4_u8,
        packets in vec((0..200_u64, any::<u32>(), -10_000..10_000_i64, vec(any::<u8>(), 0..200)), 0..60)
    ) {
        let codec = [Codec::Opus, Codec::G722, Codec::Pcmu, Codec::Pcma][usize::from(codec)];
        let mut listener = Listener::new(codec);
        let mut frames = Vec::new();
        for (sequence, timestamp, at_ms, payload) in packets {
            listener.hear(Packet { sequence, timestamp, at_ms, payload }, &mut frames);
            prop_assert!(listener.waiting.len() <= REORDER && listener.rest.len() < FRAME);
        }
        listener.pause(&mut frames);
        prop_assert!(frames.windows(2).all(|pair| pair[0].at_ms <= pair[1].at_ms));
        prop_assert!(frames.iter().flat_map(|frame| frame.samples).all(|s| (-1.0..=1.0).contains(&s)));
    }

    #[test]
    fn order_and_doubles_do_not_matter_and_gaps_keep_the_time(
        swaps in vec(0..48_usize, 0..12), lost in vec(5..45_u64, 0..6)
    ) {
        let payload = |at: u64| vec![u8::try_from(at).unwrap() | 0x80; 160];
        let mut order: Vec<u64> = (0..50).collect();
        for at in swaps {
            order.swap(at, at + 1);
        }
        let play = |order: &[u64]| {
            let mut listener = Listener::new(Codec::Pcmu);
            let mut frames = Vec::new();
            for at in order {
                listener.hear(packet(*at, 160, payload(*at)), &mut frames);
                listener.hear(packet(*at, 160, payload(*at)), &mut frames);
            }
            listener.pause(&mut frames);
            frames
        };
        let straight: Vec<u64> = (0..50).collect();
        // The first to come is where the time begins: what is before it is late.
        let first = order[0];
        let expected = play(&straight[usize::try_from(first).unwrap()..]);
        let swapped = play(&order);
        if order.iter().enumerate().all(|(at, number)| number.abs_diff(at as u64) <= 3) {
            prop_assert_eq!(expected.len(), swapped.len());
        }
        let holes: Vec<u64> = straight.iter().copied().filter(|at| !lost.contains(at)).collect();
        let holed = play(&holes);
        let whole = play(&straight);
        prop_assert_eq!(holed.len(), whole.len());
        prop_assert!(holed.iter().zip(&whole).all(|(a, b)| a.at_ms.abs_diff(b.at_ms) <= 1));
    }
}

#[test]
fn a_pause_of_the_codec_is_silence_of_the_same_length() {
    let mut listener = Listener::new(Codec::Pcma);
    let mut frames = Vec::new();
    listener.hear(packet(0, 160, vec![0x55; 160]), &mut frames);
    let mut late = packet(1, 160, vec![0x55; 160]);
    late.timestamp = late.timestamp.wrapping_add(8000 / 2);
    late.at_ms += 500;
    listener.hear(late, &mut frames);
    listener.pause(&mut frames);
    let long = frames.len() * FRAME / 16;
    assert!((540..560).contains(&long), "{long} ms");
    let last = frames.last().unwrap();
    assert!((500..=545).contains(&last.at_ms), "{}", last.at_ms);
}

#[test]
fn after_a_long_pause_the_time_is_that_of_the_packet() {
    let mut listener = Listener::new(Codec::Pcma);
    let mut frames = Vec::new();
    listener.hear(packet(0, 160, vec![0x55; 160]), &mut frames);
    let mut late = packet(1, 160, vec![0x55; 160]);
    late.timestamp = late.timestamp.wrapping_add(8000 * 60);
    late.at_ms += 60_000;
    listener.hear(late, &mut frames);
    listener.pause(&mut frames);
    assert!(frames.len() * FRAME <= LONGEST_PAUSE + 4 * FRAME);
    assert!(frames.last().unwrap().at_ms >= 60_000);
}

#[test]
fn the_laws_keep_a_tone_and_double_its_rate() {
    for (codec, law) in [
        (Codec::Pcmu, g711::ulaw as fn(u8) -> i16),
        (Codec::Pcma, g711::alaw),
    ] {
        let wanted = tone(16_000);
        // The nearest of all 256 values is what an encoder of the recommendation sends.
        let nearest = |sample: f32| {
            let level = |byte: &u8| (f32::from(law(*byte)) / 32768.0 - sample).abs();
            (0..=255_u8)
                .min_by(|a, b| level(a).total_cmp(&level(b)))
                .unwrap()
        };
        let coded: Vec<u8> = wanted
            .iter()
            .step_by(2)
            .map(|sample| nearest(*sample))
            .collect();
        let mut sound = Vec::new();
        decoder(codec).decode(&coded, &mut sound).unwrap();
        assert_eq!(sound.len(), 16_000);
        // Eight samples later: the filter looks ahead.
        let error: f32 = sound[8..]
            .iter()
            .zip(&wanted)
            .map(|(a, b)| (a - b).powi(2))
            .sum();
        let signal: f32 = wanted.iter().map(|s| s * s).sum();
        assert!(error < signal / 300.0, "{codec:?}: {error} of {signal}");
    }
}

#[cfg(feature = "oracle")]
mod oracle {
    use audio_codec::Decoder as _;
    use audio_codec::Encoder as _;

    use super::*;

    fn integers(sound: &[f32]) -> Vec<i16> {
        sound
            .iter()
            .map(|sample| (sample * 32767.0) as i16)
            .collect()
    }

    fn signal_to_noise(wanted: &[f32], got: &[f32]) -> f32 {
        let error: f32 = wanted.iter().zip(got).map(|(a, b)| (a - b).powi(2)).sum();
        let signal: f32 = wanted.iter().map(|s| s * s).sum();
        10.0 * (signal / error.max(1e-9)).log10()
    }

    #[test]
    fn g722_is_decoded_as_another_decoder_does() {
        let coded = audio_codec::g722::G722Encoder::new().encode(&integers(&tone(32_000)));
        let wanted = audio_codec::g722::G722Decoder::new().decode(&coded);
        let wanted: Vec<_> = wanted.iter().map(|s| f32::from(*s) / 32768.0).collect();
        let mut sound = Vec::new();
        decoder(Codec::G722).decode(&coded, &mut sound).unwrap();
        assert_eq!(sound.len(), wanted.len());
        assert!(
            signal_to_noise(&wanted, &sound) > 80.0,
            "{}",
            signal_to_noise(&wanted, &sound)
        );
        let original = tone(32_000);
        let delayed = (0..60)
            .map(|by| signal_to_noise(&original, &sound[by..]))
            .fold(f32::MIN, f32::max);
        assert!(delayed > 10.0, "{delayed}");
    }

    #[test]
    fn the_laws_are_those_of_another_decoder() {
        let all: Vec<u8> = (0..=255).collect();
        let ulaw = audio_codec::pcmu::PcmuDecoder::new().decode(&all);
        let alaw = audio_codec::pcma::PcmaDecoder::new().decode(&all);
        for byte in all {
            assert_eq!(g711::ulaw(byte), ulaw[usize::from(byte)], "{byte}");
            assert_eq!(g711::alaw(byte), alaw[usize::from(byte)], "{byte}");
        }
    }

    #[test]
    fn opus_is_decoded_as_libopus_does() {
        for (bitrate, mode) in [
            (14_000, ::opus::Application::Voip),
            (32_000, ::opus::Application::Voip),
            (64_000, ::opus::Application::Audio),
        ] {
            let mut encoder = ::opus::Encoder::new(16_000, ::opus::Channels::Mono, mode).unwrap();
            encoder.set_bitrate(::opus::Bitrate::Bits(bitrate)).unwrap();
            let mut theirs = ::opus::Decoder::new(16_000, ::opus::Channels::Mono).unwrap();
            let mut ours = decoder(Codec::Opus);
            let (mut wanted, mut sound) = (Vec::new(), Vec::new());
            for part in tone(48_000).chunks(320) {
                let coded = encoder.encode_vec_float(part, 1275).unwrap();
                let mut buffer = [0.0; 1920];
                let count = theirs.decode_float(&coded, &mut buffer, false).unwrap();
                wanted.extend_from_slice(&buffer[..count]);
                ours.decode(&coded, &mut sound).unwrap();
            }
            assert_eq!(wanted.len(), sound.len());
            let ratio = signal_to_noise(&wanted, &sound);
            assert!(ratio > 60.0, "{bitrate}: {ratio} dB");
        }
    }
}
