//! Reads Rust source as tokens: which paths it names, which items it defines, which lints it silences. Comments and
//! strings are no such tokens, so what they say does not count; what a macro is given does.

use std::iter;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A path as the code names it, `super` and `self` resolved, and the line it stands on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Named {
    /// The names in it.
    pub(crate) path: Vec<String>,
    /// Counted from one.
    pub(crate) line: usize,
}

impl Named {
    /// Whether the path has these names in a row.
    pub(crate) fn mentions(&self, what: &str) -> bool {
        let what: Vec<_> = what.split("::").collect();
        self.path
            .windows(what.len())
            .any(|window| window.iter().zip(&what).all(|(a, b)| a == b))
    }
}

/// Every path and lone name in the file that stands at `path`.
pub(crate) fn names(path: &str, tokens: TokenStream) -> Vec<Named> {
    let inside = path.split_once("src/").map_or("", |(_, inside)| inside);
    let mut module = vec!["crate".to_owned()];
    for step in inside.trim_end_matches(".rs").split('/') {
        if !matches!(step, "" | "mod" | "lib" | "main") {
            module.push(step.to_owned());
        }
    }
    let mut found = Vec::new();
    walk(tokens, &module, &[], &mut found);
    found
}

/// Collects paths from tokens that stand in `module`, each continued from `prefix` (the part of a `use` before a brace).
fn walk(tokens: TokenStream, module: &[String], prefix: &[String], found: &mut Vec<Named>) {
    let tokens: Vec<_> = tokens.into_iter().collect();
    let mut at = 0;
    let mut after_mod = false;
    let mut new_module = None;
    while at < tokens.len() {
        match &tokens[at] {
            TokenTree::Ident(first) if *first == "mod" => after_mod = true,
            TokenTree::Ident(first) if after_mod => {
                after_mod = false;
                new_module = Some(first.to_string());
            }
            TokenTree::Ident(first) => {
                let line = first.span().start().line;
                let mut path = prefix.to_vec();
                path.push(first.to_string());
                while let [TokenTree::Punct(a), TokenTree::Punct(b), next, ..] = &tokens[at + 1..]
                    && (a.as_char(), b.as_char()) == (':', ':')
                {
                    match next {
                        TokenTree::Ident(next) => path.push(next.to_string()),
                        TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                            walk(group.stream(), module, &path, found);
                        }
                        _ => break,
                    }
                    at += 3;
                }
                found.push(Named {
                    path: resolve(module, path),
                    line,
                });
            }
            TokenTree::Group(group) => match new_module.take() {
                Some(name) if group.delimiter() == Delimiter::Brace => {
                    let inner: Vec<_> = module.iter().cloned().chain(iter::once(name)).collect();
                    walk(group.stream(), &inner, &[], found);
                }
                _ => walk(group.stream(), module, prefix, found),
            },
            TokenTree::Punct(mark) if mark.as_char() == ';' => new_module = None,
            _ => {}
        }
        at += 1;
    }
}

/// The path from the top of the crate, if it is written from where it stands.
fn resolve(module: &[String], path: Vec<String>) -> Vec<String> {
    let here = path
        .first()
        .is_some_and(|first| first == "self" || first == "super");
    if !here {
        return path;
    }
    let mut resolved = module.to_vec();
    for step in path {
        match step.as_str() {
            "self" => {}
            "super" => {
                resolved.pop();
            }
            _ => resolved.push(step),
        }
    }
    resolved
}

/// The tokens without `#[cfg(test)] mod … { … }`.
pub(crate) fn without_tests(tokens: TokenStream) -> TokenStream {
    let tokens: Vec<_> = tokens.into_iter().collect();
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if let [
            TokenTree::Punct(mark),
            TokenTree::Group(attribute),
            TokenTree::Ident(word),
            TokenTree::Ident(_),
            TokenTree::Group(_),
            ..,
        ] = &tokens[at..]
            && mark.as_char() == '#'
            && *word == "mod"
            && attribute.stream().to_string().replace(' ', "") == "cfg(test)"
        {
            at += 5;
            continue;
        }
        kept.push(tokens[at].clone());
        at += 1;
    }
    kept.into_iter().collect()
}

/// Lines with an attribute that allows a lint.
pub(crate) fn silenced(tokens: TokenStream) -> Vec<usize> {
    let mut lines = Vec::new();
    let mut hash = false;
    for token in tokens {
        let was_hash = hash;
        hash = match &token {
            TokenTree::Punct(mark) if mark.as_char() == '#' => true,
            TokenTree::Punct(mark) if mark.as_char() == '!' => was_hash,
            _ => false,
        };
        if let TokenTree::Group(group) = token {
            if was_hash && group.delimiter() == Delimiter::Bracket {
                lines.extend(allows(group.stream()));
            }
            lines.extend(silenced(group.stream()));
        }
    }
    lines
}

/// Lines on which `allow(…)` stands within one attribute.
fn allows(attribute: TokenStream) -> Vec<usize> {
    let tokens: Vec<_> = attribute.into_iter().collect();
    let mut lines = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        match (token, tokens.get(at + 1)) {
            (TokenTree::Ident(word), Some(TokenTree::Group(_))) if *word == "allow" => {
                lines.push(word.span().start().line)
            }
            (TokenTree::Group(group), _) => lines.extend(allows(group.stream())),
            _ => {}
        }
    }
    lines
}

/// Lines at the top level of a file that define a type, a trait or a function.
pub(crate) fn definitions(tokens: TokenStream) -> Vec<usize> {
    without_tests(tokens)
        .into_iter()
        .filter_map(|token| match token {
            TokenTree::Ident(word) => Some(word),
            _ => None,
        })
        .filter(|word| {
            [
                "struct", "enum", "union", "trait", "impl", "fn", "type", "const", "static",
            ]
            .iter()
            .any(|kind| word == kind)
        })
        .map(|word| word.span().start().line)
        .collect()
}

/// The lines on which `unsafe` stands.
pub(crate) fn unsafes(tokens: TokenStream) -> Vec<usize> {
    let mut lines = Vec::new();
    for token in tokens {
        match token {
            TokenTree::Group(group) => lines.extend(unsafes(group.stream())),
            TokenTree::Ident(word) if word == "unsafe" => lines.push(word.span().start().line),
            _ => {}
        }
    }
    lines
}
