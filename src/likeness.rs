//! Names that look like one another: what a host is warned of before they let a name in. Pure; it warns and never
//! refuses, and the tables are Unicode's own (UTS 39), none is kept here.

use std::collections::BTreeSet;

use serde::Serialize;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::canonical_combining_class;
use unicode_script::{Script, UnicodeScript};
use unicode_security::mixed_script::AugmentedScriptSet;
use unicode_security::skeleton;

/// Why a name deserves a second look.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum NameWarning {
    /// It looks like the name of one who hosts the room.
    ResemblesHost {
        /// The name that it looks like.
        name: String,
    },
    /// Letters of scripts that are not written together, such as Latin and Cyrillic.
    MixedScripts {},
    /// What was typed is not what is shown: it was composed, or its spaces were tidied.
    Normalised {},
}

/// Whether two names could be taken for one another: confusable letters, case, accents, spaces and punctuation aside, in
/// whatever order the words come.
pub fn resembles(a: &str, b: &str) -> bool {
    Likeness::of(a).resembles(&Likeness::of(b))
}

/// What a name should be looked at for, given the names of those who host.
pub fn warnings<'a>(name: &str, hosts: impl IntoIterator<Item = &'a str>) -> Vec<NameWarning> {
    let likeness = Likeness::of(name);
    let mut warnings: Vec<_> = hosts
        .into_iter()
        .filter(|host| likeness.resembles(&Likeness::of(host)))
        .map(|host| NameWarning::ResemblesHost {
            name: host.to_owned(),
        })
        .collect();
    if mixes_scripts(name) {
        warnings.push(NameWarning::MixedScripts {});
    }
    warnings
}

/// The looks of a name, worked out once where it is compared with many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Likeness([Looks; 2]);

/// The looks of each word of a name, and of all of it as if written together.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Looks {
    joined: String,
    words: BTreeSet<String>,
}

impl Likeness {
    /// Works out the looks of a name.
    pub fn of(name: &str) -> Self {
        // "I" looks like "l" only while it is a capital, and "А" is "A" whatever the case: so both orders.
        Self([
            Looks::of(name, |word| looks(&folded(word))),
            Looks::of(name, |word| looks(&folded(&looks(word)))),
        ])
    }

    /// Whether the other name could be taken for this one.
    pub fn resembles(&self, other: &Self) -> bool {
        self.0
            .iter()
            .any(|one| other.0.iter().any(|looks| one.resembles(looks)))
    }
}

impl Looks {
    fn of(name: &str, look: impl Fn(&str) -> String) -> Self {
        let words: Vec<String> = name
            .split_whitespace()
            .map(look)
            .map(|word| {
                let letters: String = word.chars().filter(|c| c.is_alphanumeric()).collect();
                // A word of nothing but signs keeps them, or two such names would both look like nothing.
                if letters.is_empty() { word } else { letters }
            })
            .collect();
        Self {
            joined: words.concat(),
            words: words.into_iter().collect(),
        }
    }

    fn resembles(&self, other: &Self) -> bool {
        // A full name with something put before, between or behind it is still that name.
        let holds =
            |all: &Self, part: &Self| part.words.len() > 1 && part.words.is_subset(&all.words);
        self.joined == other.joined || holds(self, other) || holds(other, self)
    }
}

/// What is left when accents are taken away and each letter stands for all that look like it.
fn looks(text: &str) -> String {
    let compatible: String = text.nfkd().collect();
    skeleton(&compatible)
        // Signs that make another letter of an Indic one have no class of their own, and stay.
        .filter(|c| canonical_combining_class(*c) == 0)
        .collect()
}

/// The same text in whatever case it was written. By way of capitals, because some small letters share one.
fn folded(text: &str) -> String {
    text.chars()
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        .collect()
}

/// Whether its letters come from scripts that nobody writes together. Chinese, Japanese and Korean go with Latin
/// (UTS 39, "highly restrictive").
fn mixes_scripts(name: &str) -> bool {
    let resolved = |letters: &str| AugmentedScriptSet::for_str(letters);
    let letters: String = name.chars().filter(|c| c.is_alphabetic()).collect();
    if !resolved(&letters).is_empty() {
        return false;
    }
    let others: String = letters
        .chars()
        .filter(|c| c.script() != Script::Latin)
        .collect();
    let others = resolved(&others);
    !(others.hanb || others.jpan || others.kore)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn p03_letters_of_another_script_do_not_hide_a_likeness() {
        for other in [
            "Sp\u{430}ce Reporter", // Cyrillic a
            "SPACE REPORTER",
            "space  reporter",
            "SpaceReporter",
            "Space Rep0rter",
            "Sp\u{e0}ce Rep\u{f6}rter",
            "\u{ff33}\u{ff50}ace Reporter", // full width
            "\u{1d5e6}pace Reporter",       // mathematical
            "Space Reporter.",
            "Space \u{2605} Reporter",
            "Reporter, Space",
            "Space Reporter (host)",
            "Space Reporter 2",
            "Space Re\u{440}orter",  // Cyrillic er
            "Spa\u{0441}e Reporter", // Cyrillic es
            "Space Rep\u{3bf}rter",  // Greek omicron
            "Space Rep\u{f8}rter",
        ] {
            assert!(resembles("Space Reporter", other), "{other}");
        }
        assert!(resembles("Delegate", "DeIegate"));
        assert!(resembles("DELEGATE", "deIegate"));
        assert!(resembles("Delegate", "De1egate"));
        assert!(resembles("modern", "rnodern"));
        assert!(resembles("Strauß", "STRAUSS"));
    }

    #[test]
    fn other_names_are_other_names() {
        for (one, other) in [
            ("Space Reporter", "Space Keeper"),
            ("Space", "Space Keeper"),
            ("Panel", "Panelist"),
            ("山田太郎", "山田花子"),
            ("राम", "रम"),
            ("محمد", "محمود"),
            ("Ana 🎉", "Ena 🎉"),
        ] {
            assert!(!resembles(one, other), "{one} {other}");
        }
    }

    #[test]
    fn p03_scripts_that_nobody_writes_together_are_noticed() {
        for mixed in ["Sp\u{430}ce", "P\u{3b1}nel", "Иван Smith", "A\u{5d0}"] {
            assert!(mixes_scripts(mixed), "{mixed}");
        }
        for whole in [
            "Space Reporter",
            "Łukasz 3rd",
            "Иван",
            "Yamada 太郎",
            "山田 タロウ",
            "김철수 Kim",
            "नरेन्द्र",
            "Ana 🎉",
            "שָׁלוֹם",
        ] {
            assert!(!mixes_scripts(whole), "{whole}");
        }
    }

    #[test]
    fn a_warning_names_the_host_that_it_is_about() {
        assert_eq!(
            warnings("The \u{41e}wner", ["Someone", "The Owner"]),
            [
                NameWarning::ResemblesHost {
                    name: "The Owner".to_owned()
                },
                NameWarning::MixedScripts {}
            ]
        );
        assert_eq!(warnings("Space", ["The Owner"]), []);
    }

    proptest! {
        #[test]
        fn likeness_holds_both_ways_and_of_itself(a in "\\PC{0,40}", b in "\\PC{0,40}") {
            prop_assert!(resembles(&a, &a));
            prop_assert_eq!(resembles(&a, &b), resembles(&b, &a));
        }
    }
}
