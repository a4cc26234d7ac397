//! What a recogniser says that nobody said: the guards against it, in the order in which they act. Two of the eight stand
//! elsewhere by construction: a pass gets no context but its own speaker's words (`talker`), and a change of language needs
//! two windows (`tongue`). Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

use crate::agree::{Word, fold};
use crate::shown;
use crate::sound::Sound;

/// What a recogniser made of one window.
#[derive(Clone, Default)]
pub struct Heard {
    /// The words, in order.
    pub words: Vec<Word>,
    /// The language of the words.
    pub language: String,
    /// The language that it detected and how sure it is, if it was asked to.
    pub detected: Option<(String, f32)>,
    /// How likely it finds that nobody spoke.
    pub no_speech: f32,
    /// The mean logarithm of its tokens' probabilities.
    pub logprob: f32,
}

/// Which guard refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// There is too little speech, or it is too faint, to begin with.
    TooLittle,
    /// It holds its pitch as tones and music do, and no voice.
    Steady,
    /// The recogniser itself doubts that anybody spoke.
    NoSpeech,
    /// It goes in circles.
    Repeats,
    /// More words than anyone says in the time.
    TooFast,
    /// What recognisers say to silence.
    Filler,
}

const LEAST_VOICED_MS: i64 = 250;
const LEAST_LOUDNESS: f32 = -52.0;
const NO_SPEECH: f32 = 0.6;
const DOUBTFUL: f32 = -1.0;
/// zlib makes speech about half as long; circles a good deal shorter.
const RATIO: f32 = 2.4;
/// How often a part of up to four words may come back to back.
const COPIES: usize = 3;
const WORDS_A_SECOND: i64 = 8;
/// The same for languages without spaces, whose words are single signs.
const SIGNS_A_SECOND: i64 = 16;
/// Words that begin this long after the last speech were made up. Recognisers' times are that rough.
const AFTER_MS: i64 = 500;
const FILLER_MS: i64 = 1500;
const FILLER_SURE: f32 = 0.6;
/// A description of a sound has no more words than this; song is no speech however long it is.
const TAG_WORDS: usize = 12;

/// Of every language at once: fillers come in languages that nobody spoke.
const FILLERS: &[&str] = &[
    "you",
    "bye",
    "bye bye",
    "thank you",
    "thanks",
    "thank you very much",
    "thank you so much",
    "thanks for watching",
    "thank you for watching",
    "thank you for listening",
    "thank you for your attention",
    "please subscribe",
    "please subscribe to my channel",
    "like and subscribe",
    "see you next time",
    "see you in the next video",
    "to be continued",
    "subtitles by the amara org community",
    "subtitles by amara org",
    "transcribed by",
    "transcription by castingwords",
    "copyright",
    "all rights reserved",
    "music",
    "applause",
    "gracias",
    "gracias por ver el video",
    "gracias por ver",
    "muchas gracias",
    "subtitulos realizados por la comunidad de amara org",
    "suscribete",
    "suscribete al canal",
    "merci",
    "merci d avoir regarde",
    "merci d avoir regarde cette video",
    "abonnez vous",
    "sous titres realises par la communaute d amara org",
    "sous titrage st 501",
    "sous titrage societe radio canada",
    "danke",
    "vielen dank",
    "vielen dank furs zuschauen",
    "untertitel der amara org community",
    "untertitelung des zdf 2020",
    "untertitel im auftrag des zdf fur funk 2017",
    "copyright wdr 2021",
    "bis zum nachsten mal",
    "obrigado",
    "obrigado por assistir",
    "legendas pela comunidade amara org",
    "grazie",
    "grazie a tutti",
    "grazie per la visione",
    "sottotitoli e revisione a cura di qtss",
    "sottotitoli creati dalla comunita amara org",
    "gracies",
    "gracies per veure el video",
    "ondertitels ingediend door de amara org gemeenschap",
    "bedankt voor het kijken",
    "dziekuje",
    "dziekuje za uwage",
    "napisy stworzone przez spolecznosc amara org",
    "tack for att ni tittade",
    "tak fordi du sa med",
    "altyazi m k",
    "izlediginiz icin tesekkur ederim",
    "спасибо за просмотр",
    "продолжение следует",
    "субтитры сделал dimatorzok",
    "субтитры создавал dimatorzok",
    "редактор субтитров а семкин корректор а егорова",
    "дякую за перегляд",
    "ご視聴ありがとうございました",
    "最後までご視聴ありがとうございました",
    "チャンネル登録お願いします",
    "字幕由amara org社区提供",
    "謝謝觀看",
    "谢谢观看",
    "感谢观看",
    "谢谢大家",
    "请不吝点赞订阅转发打赏支持明镜与点点栏目",
    "시청해주셔서감사합니다",
    "구독과좋아요부탁드립니다",
    "mbc뉴스이덕영입니다",
    "شكرا للمشاهدة",
    "ترجمة نانسي قنقر",
    "اشتركوا في القناة",
    "תודה שצפיתם",
    "cam on cac ban da theo doi",
    "hay subscribe cho kenh ghien mi go de khong bo lo nhung video hap dan",
    "dekujeme za pozornost",
    "titulky vytvoril johnyx",
];

/// The first guard: whether there is anything to recognise.
///
/// # Errors
/// There is not.
pub fn before(sound: &Sound) -> Result<(), Guard> {
    if sound.voiced_ms() < LEAST_VOICED_MS || sound.loudness() <= LEAST_LOUDNESS {
        return Err(Guard::TooLittle);
    }
    if sound.steady() {
        return Err(Guard::Steady);
    }
    Ok(())
}

/// The guards after a pass over `sound`. What is left of the words may be none.
///
/// # Errors
/// Nothing of it was said.
pub fn after(heard: &Heard, sound: &Sound) -> Result<Vec<Word>, Guard> {
    if heard.no_speech > NO_SPEECH && heard.logprob < DOUBTFUL {
        return Err(Guard::NoSpeech);
    }
    // First, or what stands beside them would be judged together with them.
    let mut words = without_tags(&heard.words);
    circle(&mut words);
    if compression(&words) > RATIO {
        return Err(Guard::Repeats);
    }
    let voice_ends = sound.voice_ends_ms();
    words.retain(|word| word.t0_ms <= voice_ends.saturating_add(AFTER_MS));
    let spaced = words.iter().filter(|word| !word.glued).count();
    let signs = words.len() - spaced;
    let voiced = sound.voiced_ms();
    if too_many(spaced, voiced, WORDS_A_SECOND) || too_many(signs, voiced, SIGNS_A_SECOND) {
        return Err(Guard::TooFast);
    }
    let sure = mean(&words);
    if (voiced < FILLER_MS || sure < FILLER_SURE) && filler(&words) {
        return Err(Guard::Filler);
    }
    Ok(words)
}

/// Cuts at the second copy of what comes more than three times back to back.
fn circle(words: &mut Vec<Word>) {
    let folded: Vec<_> = words.iter().map(|word| fold(&word.text)).collect();
    for length in 1..=4_usize {
        for at in 0..folded.len() {
            let rest = folded.get(at..).unwrap_or_default();
            let Some(part) = rest.get(..length) else {
                break;
            };
            let copies = rest.chunks_exact(length).take_while(|next| *next == part);
            if copies.count() > COPIES {
                words.truncate(at + length);
                return;
            }
        }
    }
}

fn compression(words: &[Word]) -> f32 {
    let text: String = words
        .iter()
        .flat_map(|word| [word.text.as_str(), " "])
        .collect();
    let packed = miniz_oxide::deflate::compress_to_vec_zlib(text.as_bytes(), 6);
    text.len() as f32 / packed.len().max(1) as f32
}

fn too_many(words: usize, voiced_ms: i64, a_second: i64) -> bool {
    let words = i64::try_from(words).unwrap_or(i64::MAX);
    // Two words' grace: the first may be cut short.
    words.saturating_sub(2).saturating_mul(1000) > voiced_ms.saturating_mul(a_second)
}

fn mean(words: &[Word]) -> f32 {
    words.iter().map(|word| word.sure).sum::<f32>() / words.len().max(1) as f32
}

fn filler(words: &[Word]) -> bool {
    let text: Vec<_> = words.iter().map(|word| word.text.as_str()).collect();
    let said = plain(&text.join(" "));
    FOLDED.contains(&said.replace(' ', ""))
}

/// The fillers as [`plain`] leaves them, without spaces: languages differ in where they put those.
static FOLDED: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let folded = FILLERS.iter().map(|filler| plain(filler).replace(' ', ""));
    folded.collect()
});

/// Lower case, no accents, one space for everything that is neither letter nor digit.
fn plain(text: &str) -> String {
    let letters = text.nfd().filter(|c| !is_combining_mark(*c));
    let spaced: String = letters
        .flat_map(char::to_lowercase)
        .map(|c| if c.is_alphanumeric() { c } else { ' ' })
        .nfc()
        .collect();
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Removes descriptions of sounds, `[music]`, `(laughs)`, `*sighs*`, `♪ la ♪`, and what is not shown: control characters
/// and those that turn the direction of the text around them. A sign that nothing closes is only a sign.
fn without_tags(words: &[Word]) -> Vec<Word> {
    let signs: Vec<(usize, char)> = words
        .iter()
        .enumerate()
        .flat_map(|(at, word)| word.text.chars().map(move |c| (at, c)))
        .collect();
    let mut kept: BTreeMap<usize, String> = BTreeMap::new();
    // What nothing closes is looked for once.
    let mut unclosed = BTreeSet::new();
    let mut at = 0;
    while let Some((word, c)) = signs.get(at).copied() {
        at += 1;
        let Some((close, most)) = closing(c) else {
            if !shown::blank(c) && !hidden(c) {
                kept.entry(word).or_default().push(c);
            }
            continue;
        };
        if unclosed.contains(&close) {
            continue;
        }
        let rest = signs.get(at..).unwrap_or_default();
        match rest.iter().position(|(_, other)| *other == close) {
            Some(end) if rest.get(end).is_some_and(|(last, _)| last - word < most) => at += end + 1,
            Some(_) => {}
            None => {
                unclosed.insert(close);
            }
        }
    }
    let words = words.iter().enumerate().filter_map(|(at, word)| {
        let text = kept.remove(&at)?;
        text.chars().any(char::is_alphanumeric).then(|| Word {
            text,
            ..word.clone()
        })
    });
    words.collect()
}

/// What ends a description that begins with `c`, and within how many words.
fn closing(c: char) -> Option<(char, usize)> {
    match c {
        '[' => Some((']', TAG_WORDS)),
        '【' => Some(('】', TAG_WORDS)),
        '(' => Some((')', TAG_WORDS)),
        '（' => Some(('）', TAG_WORDS)),
        '*' => Some((c, TAG_WORDS)),
        '♪' | '♫' => Some((c, usize::MAX)),
        _ => None,
    }
}

/// Not shown, or half a character.
fn hidden(c: char) -> bool {
    shown::unseen(c) || c == '\u{fffd}'
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listen::{FRAME, Frame};

    /// `voiced_ms` of speech, then a second without.
    fn sound(voiced_ms: usize, level: f32) -> Sound {
        let mut sound = Sound::default();
        let frames = voiced_ms / 16;
        for at in 0..frames + 62 {
            let voiced = at < frames;
            let samples = [if voiced { level } else { 0.0 }; FRAME];
            let at_ms = 16 * i64::try_from(at).unwrap();
            sound.push(&Frame { at_ms, samples }, voiced);
        }
        sound
    }

    fn heard(text: &str, sure: f32) -> Heard {
        let words = text.split_whitespace().enumerate();
        let words = words.map(|(at, text)| Word {
            text: text.into(),
            glued: false,
            t0_ms: 20 * i64::try_from(at).unwrap(),
            t1_ms: 20 * i64::try_from(at).unwrap() + 20,
            sure,
            ends: false,
        });
        Heard {
            words: words.collect(),
            language: "en".into(),
            logprob: -0.2,
            ..Heard::default()
        }
    }

    fn left(heard: &Heard, voiced_ms: usize) -> Result<String, Guard> {
        let words = after(heard, &sound(voiced_ms, 0.1))?;
        let words: Vec<_> = words.iter().map(|word| word.text.as_str()).collect();
        Ok(words.join(" "))
    }

    #[test]
    fn short_or_faint_sound_is_not_recognised_at_all() {
        assert!(before(&sound(300, 0.1)).is_ok());
        assert_eq!(before(&sound(200, 0.1)), Err(Guard::TooLittle));
        assert_eq!(before(&sound(3000, 0.002)), Err(Guard::TooLittle));
    }

    #[test]
    fn doubt_counts_only_together_with_improbable_words() {
        let mut doubted = heard("let us begin", 0.9);
        doubted.no_speech = 0.9;
        assert!(left(&doubted, 2000).is_ok());
        doubted.logprob = -1.2;
        assert_eq!(left(&doubted, 2000), Err(Guard::NoSpeech));
        doubted.no_speech = 0.5;
        assert!(left(&doubted, 2000).is_ok());
    }

    #[test]
    fn circles_are_cut_at_their_second_round() {
        let said = |text: &str| left(&heard(text, 0.9), 9000);
        assert_eq!(said("so no no no no no"), Ok("so no".into()));
        assert_eq!(
            said("it is not It is, not it is not it is not it is"),
            Ok("it is not".into())
        );
        assert_eq!(said("no no no we do"), Ok("no no no we do".into()));
        let long = "we are going to do this and that again ".repeat(8);
        assert_eq!(said(&long), Err(Guard::Repeats));
    }

    #[test]
    fn more_words_than_the_time_holds_are_dropped() {
        let text = "one two three four five six seven eight nine ten eleven twelve";
        assert!(left(&heard(text, 0.9), 1500).is_ok());
        assert_eq!(left(&heard(text, 0.9), 900), Err(Guard::TooFast));
    }

    #[test]
    fn words_after_the_last_speech_are_dropped() {
        let mut late = heard("we agree completely", 0.9);
        late.words[2].t0_ms = 1600;
        assert_eq!(left(&late, 1000), Ok("we agree".into()));
    }

    #[test]
    fn fillers_of_any_language_fall_when_short_or_unsure() {
        assert_eq!(
            left(&heard("Thanks for watching!", 0.9), 1000),
            Err(Guard::Filler)
        );
        assert_eq!(
            left(
                &heard("Sous-titres réalisés par la communauté d'Amara.org", 0.5),
                9000
            ),
            Err(Guard::Filler)
        );
        assert_eq!(
            left(&heard("ご視聴ありがとうございました。", 0.9), 1000),
            Err(Guard::Filler)
        );
        assert_eq!(
            left(&heard("시청해 주셔서 감사합니다.", 0.9), 1000),
            Err(Guard::Filler)
        );
        assert!(left(&heard("Thanks for watching!", 0.9), 2000).is_ok());
        assert!(left(&heard("thank you everyone", 0.9), 1000).is_ok());
    }

    #[test]
    fn descriptions_of_sounds_and_hidden_characters_go() {
        let said = |text: &str| left(&heard(text, 0.9), 9000);
        assert_eq!(
            said("[Music] hello (laughs out loud) there *sighs* ♪ la la ♪ all"),
            Ok("hello there all".into())
        );
        assert_eq!(said("a\u{202e}b\u{7}c - --> fine"), Ok("abc fine".into()));
        assert_eq!(said("[BLANK_AUDIO]"), Ok(String::new()));
    }

    #[test]
    fn joiners_stay_where_live_text_needs_them() {
        let said = |text: &str| left(&heard(text, 0.9), 9000);
        assert_eq!(
            said("می\u{200c}خواهم क्\u{200d}ष a\u{200b}b\u{e0041}"),
            Ok("می\u{200c}خواهم क्\u{200d}ष ab".into())
        );
    }

    #[test]
    fn a_bracket_that_nothing_closes_takes_no_words_with_it() {
        let said = |text: &str| left(&heard(text, 0.9), 9000);
        assert_eq!(
            said("we (as ever agree [ fully * today ♪ and"),
            Ok("we as ever agree fully today and".into())
        );
        assert_eq!(said("one ) two ] three"), Ok("one two three".into()));
        let long = "(so we go on and on with what has to be said about all this today)";
        assert_eq!(said(long).map(|said| said.split(' ').count()), Ok(16));
        assert_eq!(said("[a] b (c) d [e"), Ok("b d e".into()));
    }

    #[test]
    fn a_filler_beside_a_description_falls_too() {
        assert_eq!(
            left(&heard("[Music] Thanks for watching! (applause)", 0.9), 1000),
            Err(Guard::Filler)
        );
        let circle = "♪ la la ♪ [laughs] [laughs] [laughs] [laughs] [laughs]";
        assert_eq!(left(&heard(circle, 0.9), 9000), Ok(String::new()));
    }
}
