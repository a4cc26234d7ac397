//! What of a growing text is certain. Two hypotheses in a row that begin with the same words settle those
//! (LocalAgreement-2, arXiv 2307.14743); what is settled is never taken back. Pure.

/// A word as a recogniser heard it.
#[derive(Clone, PartialEq)]
pub struct Word {
    /// As it is shown.
    pub text: String,
    /// Whether it follows the word before it without a space.
    pub glued: bool,
    /// The meeting's time of its begin and end.
    pub t0_ms: i64,
    /// See `t0_ms`.
    pub t1_ms: i64,
    /// How sure the recogniser is, 0 to 1.
    pub sure: f32,
    /// Whether a sentence ends with it.
    pub ends: bool,
}

/// A word that begins this much before the last settled one ends is heard again, not new.
const AGAIN_MS: i64 = 100;
/// The most words of a window that are compared. More than anyone says in 30 s.
const MOST: usize = 250;

/// The settled and the open words of one phrase.
#[derive(Default)]
pub struct Agreement {
    /// Settled words whose sound is still in the window.
    heard: Vec<Word>,
    /// The open words of the last hypothesis.
    open: Vec<Word>,
    /// Where the last settled word ends.
    end_ms: Option<i64>,
}

impl Agreement {
    /// Takes the words of the whole window. Returns those that are settled now; the rest of the hypothesis is
    /// [`Agreement::open`].
    pub fn hear(&mut self, mut words: Vec<Word>) -> Vec<Word> {
        words.truncate(MOST);
        let mut new = self.unheard(words);
        let same = self.open.iter().zip(&new);
        let settled = same
            .take_while(|(a, b)| fold(&a.text) == fold(&b.text))
            .count();
        self.open = new.split_off(settled);
        self.settle(&new);
        new
    }

    /// Takes the words of the finished window: all of them are settled.
    pub fn finish(&mut self, mut words: Vec<Word>) -> Vec<Word> {
        words.truncate(MOST);
        let new = self.unheard(words);
        self.open.clear();
        self.settle(&new);
        new
    }

    /// There will be no hypothesis of the finished window: what the last one said is settled as it is.
    pub fn give_up(&mut self) -> Vec<Word> {
        let new = std::mem::take(&mut self.open);
        self.settle(&new);
        new
    }

    /// What the last hypothesis says after the settled words.
    #[must_use]
    pub fn open(&self) -> &[Word] {
        &self.open
    }

    /// Where the sound may be cut: after the last settled sentence or, if `any`, after the last settled word.
    #[must_use]
    pub fn cut_at(&self, any: bool) -> Option<i64> {
        let mut settled = self.heard.iter().rev();
        settled.find(|word| any || word.ends).map(|word| word.t1_ms)
    }

    /// The sound before `at_ms` is gone from the window; returns the settled words in it.
    pub fn forget_before(&mut self, at_ms: i64) -> Vec<Word> {
        let gone = self.heard.iter().rposition(|word| word.t1_ms <= at_ms);
        self.heard
            .drain(..gone.map_or(0, |last| last + 1))
            .collect()
    }

    fn settle(&mut self, new: &[Word]) {
        if let Some(last) = new.last() {
            self.end_ms = Some(self.end_ms.map_or(last.t1_ms, |end| end.max(last.t1_ms)));
            self.heard.extend_from_slice(new);
            let over = self.heard.len().saturating_sub(MOST);
            self.heard.drain(..over);
        }
    }

    /// The words of a window that are not settled yet: those after the part of it that is likest to the settled words.
    /// Times decide among equals, since small models put words at wrong times more often than they miss words.
    fn unheard(&self, mut words: Vec<Word>) -> Vec<Word> {
        let by_time = |word: &&Word| {
            self.end_ms
                .is_some_and(|end| word.t0_ms < end.saturating_sub(AGAIN_MS))
        };
        let early = words.iter().take_while(by_time).count();
        if self.heard.is_empty() {
            return words.split_off(early);
        }
        let heard: Vec<_> = self.heard.iter().map(|word| fold(&word.text)).collect();
        // The edit distance of the settled words to every beginning of the window.
        let mut costs: Vec<usize> = (0..=heard.len()).collect();
        let mut ends = vec![heard.len()];
        for word in &words {
            let word = fold(&word.text);
            let mut next = Vec::with_capacity(costs.len());
            let mut left = costs.first().copied().unwrap_or(0) + 1;
            next.push(left);
            for (pair, settled) in costs.windows(2).zip(&heard) {
                let [diagonal, above] = pair else { continue };
                let replaced = diagonal + usize::from(*settled != word);
                left = replaced.min(above + 1).min(left + 1);
                next.push(left);
            }
            ends.push(left);
            costs = next;
        }
        let best = ends
            .iter()
            .enumerate()
            .min_by_key(|(at, cost)| (**cost, at.abs_diff(early)));
        words.split_off(best.map_or(0, |(at, _)| at))
    }
}

/// A word without what recognisers change from one pass to the next: case and punctuation.
#[must_use]
pub fn fold(word: &str) -> String {
    let kept = word.chars().filter(|c| c.is_alphanumeric());
    let folded: String = kept.flat_map(char::to_lowercase).collect();
    if folded.is_empty() {
        word.to_owned()
    } else {
        folded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str, from_ms: i64) -> Vec<Word> {
        let words = text.split_whitespace().enumerate();
        words
            .map(|(at, text)| {
                let t0_ms = from_ms + 300 * i64::try_from(at).unwrap();
                Word {
                    text: text.into(),
                    glued: false,
                    t0_ms,
                    t1_ms: t0_ms + 280,
                    sure: 0.9,
                    ends: text.ends_with('.'),
                }
            })
            .collect()
    }

    fn said(words: &[Word]) -> String {
        let words: Vec<_> = words.iter().map(|word| word.text.as_str()).collect();
        words.join(" ")
    }

    #[test]
    fn two_hypotheses_settle_what_both_begin_with() {
        let mut agreement = Agreement::default();
        assert_eq!(said(&agreement.hear(words("the meeting bill", 0))), "");
        assert_eq!(said(agreement.open()), "the meeting bill");
        assert_eq!(
            said(&agreement.hear(words("The meeting, will start", 0))),
            "The meeting,"
        );
        assert_eq!(said(agreement.open()), "will start");
        assert_eq!(
            said(&agreement.hear(words("the meeting will start in", 0))),
            "will start"
        );
        assert_eq!(
            said(&agreement.finish(words("the meeting will start in nine minutes", 0))),
            "in nine minutes"
        );
        assert_eq!(said(agreement.open()), "");
    }

    #[test]
    fn a_settled_word_that_is_heard_otherwise_later_stays_and_comes_no_second_time() {
        let mut agreement = Agreement::default();
        agreement.hear(words("frank please mute", 0));
        assert_eq!(
            said(&agreement.hear(words("frank please mute your", 0))),
            "frank please mute"
        );
        let late = agreement.finish(words("hank please unmute your microphone", 0));
        assert_eq!(said(&late), "your microphone");
    }

    #[test]
    fn repeated_words_are_told_apart_by_their_time() {
        let mut agreement = Agreement::default();
        agreement.hear(words("no no", 0));
        assert_eq!(said(&agreement.hear(words("no no", 0))), "no no");
        assert_eq!(said(&agreement.finish(words("no no no no", 0))), "no no");
    }

    #[test]
    fn after_a_trim_only_words_after_it_are_new() {
        let mut agreement = Agreement::default();
        agreement.hear(words("we agree. next", 0));
        assert_eq!(
            said(&agreement.hear(words("we agree. next topic", 0))),
            "we agree. next"
        );
        assert_eq!(agreement.cut_at(false), Some(580));
        agreement.forget_before(580);
        assert_eq!(agreement.cut_at(false), None);
        assert_eq!(agreement.cut_at(true), Some(880));
        assert_eq!(
            said(&agreement.finish(words("next topic please", 600))),
            "topic please"
        );
        let mut trimmed = Agreement::default();
        trimmed.hear(words("we agree.", 0));
        trimmed.hear(words("we agree.", 0));
        trimmed.forget_before(580);
        assert_eq!(said(&trimmed.finish(words("agree. all", 300))), "all");
    }

    #[test]
    fn without_a_last_hypothesis_the_open_words_stand() {
        let mut agreement = Agreement::default();
        agreement.hear(words("the budget is late", 0));
        assert_eq!(said(&agreement.give_up()), "the budget is late");
        assert_eq!(said(&agreement.give_up()), "");
    }
}
