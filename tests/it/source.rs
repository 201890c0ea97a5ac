//! Reads Rust source well enough to say which paths a file names: comments and strings blanked, then words and marks.

use std::fs;
use std::path::{Path, PathBuf};

/// A word or mark of a source file and the line it stands on (from 1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) line: usize,
}

/// A path as the compiler sees it: `crate`, `super` and `self` resolved to `crate::room::…`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) segments: Vec<String>,
    pub(crate) line: usize,
}

impl Named {
    /// The room that the path leads into, if it stays in this crate: `Some("")` is the crate's root.
    pub(crate) fn room(&self) -> Option<&str> {
        match self.segments.split_first() {
            Some((first, rest)) if first == "crate" => Some(rest.first().map_or("", String::as_str)),
            _ => None,
        }
    }

    /// The crate from outside that the path leads into, or a local name.
    pub(crate) fn outside(&self) -> Option<&str> {
        self.segments.first().map(String::as_str).filter(|first| *first != "crate")
    }

    /// Whether the path ends in these segments.
    pub(crate) fn ends_with(&self, tail: &str) -> bool {
        let tail: Vec<&str> = tail.split("::").collect();
        self.segments.len() >= tail.len() && self.segments.iter().rev().zip(tail.iter().rev()).all(|(a, b)| a == b)
    }

    /// Whether the path starts with these segments.
    pub(crate) fn starts_with(&self, head: &str) -> bool {
        let head: Vec<&str> = head.split("::").collect();
        self.segments.len() >= head.len() && self.segments.iter().zip(&head).all(|(a, b)| a == b)
    }
}

/// Every file below `folder` with this ending, in a fixed order. Nothing if the folder does not exist.
pub(crate) fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else { return found };
    for entry in entries {
        let path = entry.expect("a readable folder").path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.extension().is_some_and(|e| e == ending) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The project's folder.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file of the project as text.
pub(crate) fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The module path of a file, from its path below `src/`: `zone/table.rs` is `["zone", "table"]`.
pub(crate) fn module(below_src: &Path) -> Vec<String> {
    let mut module: Vec<String> =
        below_src.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if matches!(module.last().map(String::as_str), Some("mod" | "lib" | "main")) {
        module.pop();
    }
    module
}

/// The words and marks of a source, without comments, strings, characters and lifetimes.
pub(crate) fn tokens(source: &str) -> Vec<Token> {
    let chars: Vec<char> = blank(source).chars().collect();
    let (mut found, mut line, mut i) = (Vec::new(), 1, 0);
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    while i < chars.len() {
        let start = i;
        match chars[i] {
            '\n' => line += 1,
            c if c.is_whitespace() => {}
            c if is_word(c) => {
                while i + 1 < chars.len() && is_word(chars[i + 1]) {
                    i += 1;
                }
                found.push(Token { text: chars[start..=i].iter().collect(), line });
            }
            ':' if chars.get(i + 1) == Some(&':') => {
                i += 1;
                found.push(Token { text: "::".into(), line });
            }
            c => found.push(Token { text: c.into(), line }),
        }
        i += 1;
    }
    found
}

/// Every path that a source names, in `use` lines and inline, resolved from the module that the file is.
pub(crate) fn paths(source: &str, module: &[String]) -> Vec<Named> {
    let tokens = tokens(source);
    let text = |i: usize| tokens.get(i).map_or("", |t| t.text.as_str());
    let (mut found, mut here, mut braces) = (Vec::new(), module.to_vec(), Vec::new());
    let mut i = 0;
    while i < tokens.len() {
        match text(i) {
            // An inline module moves `super` and `self`; its closing brace moves them back.
            "mod" if text(i + 2) == "{" => {
                here.push(text(i + 1).into());
                braces.push(true);
                i += 2;
            }
            "{" => braces.push(false),
            "}" => {
                let closes_module = braces.pop() == Some(true);
                here.truncate(here.len() - usize::from(closes_module));
            }
            // `use<'a>` in a return type is no import.
            "use" if text(i + 1) != "<" => {
                let mut leaves = Vec::new();
                i = use_tree(&tokens, i + 1, &[], &mut leaves);
                found.extend(leaves.into_iter().map(|named| resolve(named, &here)));
                continue;
            }
            word if is_name(word) && text(i + 1) == "::" && !follows_path(&tokens, i) => {
                let mut segments = vec![word.to_owned()];
                let line = tokens[i].line;
                while text(i + 1) == "::" && is_name(text(i + 2)) {
                    segments.push(text(i + 2).into());
                    i += 2;
                }
                found.push(resolve(Named { segments, line }, &here));
            }
            _ => {}
        }
        i += 1;
    }
    found
}

/// Reads one tree of a `use` line from token `i`; gives the index after it.
fn use_tree(tokens: &[Token], mut i: usize, before: &[String], leaves: &mut Vec<Named>) -> usize {
    let text = |i: usize| tokens.get(i).map_or(";", |t| t.text.as_str());
    let mut segments = before.to_vec();
    let line = tokens.get(i).map_or(0, |t| t.line);
    loop {
        match text(i) {
            "::" => {}
            "{" => {
                i += 1;
                while !matches!(text(i), "}" | ";") {
                    i = use_tree(tokens, i, &segments, leaves);
                    if text(i) == "," {
                        i += 1;
                    }
                }
                return i + 1;
            }
            "," | "}" | ";" => break,
            "as" => i += 1,
            // `{self, …}` names the module itself.
            "self" if !segments.is_empty() => {}
            word => segments.push(word.into()),
        }
        i += 1;
    }
    if !segments.is_empty() {
        leaves.push(Named { segments, line });
    }
    i
}

fn is_name(word: &str) -> bool {
    word.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Whether token `i` goes on a path that began before it: `Vec::<u8>::new`, `a::b`, but not `::tokio`.
fn follows_path(tokens: &[Token], i: usize) -> bool {
    let before = |n: usize| i.checked_sub(n).map_or("", |i| tokens[i].text.as_str());
    before(1) == "." || (before(1) == "::" && (is_name(before(2)) || before(2) == ">"))
}

fn resolve(named: Named, here: &[String]) -> Named {
    let Named { mut segments, line } = named;
    let mut from = here.to_vec();
    match segments[0].as_str() {
        "self" => {
            segments.remove(0);
        }
        "super" => {
            while segments.first().is_some_and(|s| s == "super") {
                segments.remove(0);
                from.pop();
            }
        }
        _ => return Named { segments, line },
    }
    let segments = ["crate".to_owned()].into_iter().chain(from).chain(segments).collect();
    Named { segments, line }
}

/// The source with comments, strings and characters turned to spaces; lines stay where they are.
fn blank(source: &str) -> String {
    let chars: Vec<char> = source.chars().collect();
    let mut out = String::with_capacity(source.len());
    let mut i = 0;
    while i < chars.len() {
        let end = opaque_end(&chars, i);
        if end == i {
            out.push(chars[i]);
            i += 1;
        } else {
            out.extend(chars[i..end].iter().map(|&c| if c == '\n' { '\n' } else { ' ' }));
            i = end;
        }
    }
    out
}

/// Where a comment, string, character or lifetime that begins at `i` ends; `i` if none begins there.
fn opaque_end(chars: &[char], i: usize) -> usize {
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let in_word = i > 0 && (at(i - 1).is_alphanumeric() || at(i - 1) == '_');
    match (at(i), at(i + 1)) {
        ('/', '/') => (i..chars.len()).find(|&n| at(n) == '\n').unwrap_or(chars.len()),
        ('/', '*') => block_comment_end(chars, i),
        ('"', _) => string_end(chars, i + 1),
        ('b' | 'c', '"') if !in_word => string_end(chars, i + 2),
        ('r', '"' | '#') if !in_word => raw_string_end(chars, i + 1).unwrap_or(i),
        ('b' | 'c', 'r') if !in_word => raw_string_end(chars, i + 2).unwrap_or(i),
        // 'x' and '\n' are characters, 'a is a lifetime: skip its mark and name.
        ('\'', '\\') => (i + 3..chars.len()).find(|&n| at(n) == '\'').map_or(chars.len(), |n| n + 1),
        ('\'', _) if at(i + 2) == '\'' => i + 3,
        ('\'', c) if c.is_alphabetic() || c == '_' => {
            (i + 1..chars.len()).find(|&n| !(at(n).is_alphanumeric() || at(n) == '_')).unwrap_or(chars.len())
        }
        _ => i,
    }
}

fn block_comment_end(chars: &[char], start: usize) -> usize {
    let (mut depth, mut i) = (0, start);
    while i < chars.len() {
        match (chars[i], chars.get(i + 1)) {
            ('/', Some('*')) => {
                depth += 1;
                i += 2;
            }
            ('*', Some('/')) => {
                depth -= 1;
                i += 2;
                if depth == 0 {
                    return i;
                }
            }
            _ => i += 1,
        }
    }
    chars.len()
}

fn string_end(chars: &[char], mut i: usize) -> usize {
    while i < chars.len() {
        match chars[i] {
            '\\' => i += 2,
            '"' => return i + 1,
            _ => i += 1,
        }
    }
    chars.len()
}

/// From the `#`s or the quote after `r`; nothing if it is no raw string (`r#type` is a name).
fn raw_string_end(chars: &[char], from: usize) -> Option<usize> {
    let hashes = chars[from..].iter().take_while(|&&c| c == '#').count();
    if chars.get(from + hashes) != Some(&'"') {
        return None;
    }
    let closing = |i: usize| chars[i] == '"' && (1..=hashes).all(|n| chars.get(i + n) == Some(&'#'));
    let end = (from + hashes + 1..chars.len()).find(|&i| closing(i));
    Some(end.map_or(chars.len(), |i| i + hashes + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(source: &str) -> Vec<String> {
        let module = ["ledger".to_owned(), "writer".to_owned()];
        paths(source, &module).into_iter().map(|p| format!("{} {}", p.line, p.segments.join("::"))).collect()
    }

    #[test]
    fn use_trees_are_unfolded() {
        assert_eq!(
            named("use crate::{\n  a,\n  b::{c as d, self, e::*},\n};\npub(crate) use ::tokio::sync;"),
            ["2 crate::a", "3 crate::b::c", "3 crate::b", "3 crate::b::e::*", "5 tokio::sync"]
        );
    }

    #[test]
    fn inline_paths_and_attributes_count() {
        assert_eq!(
            named(
                "#[tokio::main]\nfn f(x: &crate::log::Hash) -> Vec<u8> { x.y(); Vec::<u8>::new(); ::axum::serve(z) }"
            ),
            ["1 tokio::main", "2 crate::log::Hash", "2 Vec", "2 axum::serve"]
        );
    }

    #[test]
    fn super_is_resolved_through_inline_modules() {
        assert_eq!(
            named("mod tests { use super::*; use super::super::super::zone::X; } use self::own::Y; use super::store;"),
            [
                "1 crate::ledger::writer::*",
                "1 crate::zone::X",
                "1 crate::ledger::writer::own::Y",
                "1 crate::ledger::store"
            ]
        );
    }

    #[test]
    fn words_in_comments_and_strings_do_not_count() {
        let source = "// use crate::a;\n/* use /* nested */ crate::b; */ let q = '\"'; let l: &'a str = \"crate::c::d\\\"\";\n\
                      let r = r#\"crate::e::f \"quoted\" \"#; let b = b\"crate::g\"; use crate::h;";
        assert_eq!(named(source), ["3 crate::h"]);
    }
}
