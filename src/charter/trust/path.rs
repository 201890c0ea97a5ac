//! Names of targets, and the patterns by which a role may sign them.

/// Bytes of a name: it becomes a path below a folder and a URL.
const PATH_BYTES_MAX: usize = 200;

/// Whether a target can have this name: segments of `[A-Za-z0-9._-]` between single slashes, none of which leads elsewhere.
pub fn is_target_path(path: &str) -> bool {
    is_path(path, |c| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-'))
}

/// Whether a delegation can be limited by this pattern: a name in which `*` stands for any characters of a segment, `?` for one.
pub fn is_pattern(pattern: &str) -> bool {
    is_path(pattern, |c| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-' | b'*' | b'?'))
}

fn is_path(path: &str, allowed: impl Fn(u8) -> bool) -> bool {
    let segment = |text: &str| !matches!(text, "" | "." | "..") && text.bytes().all(&allowed);
    path.len() <= PATH_BYTES_MAX && path.split('/').all(segment)
}

/// Whether the pattern covers the name; a wildcard never covers a slash (TUF specification 4.5, `PATHPATTERN`).
pub fn matches(pattern: &str, path: &str) -> bool {
    let (patterns, segments) = (pattern.split('/'), path.split('/'));
    patterns.clone().count() == segments.clone().count()
        && patterns.zip(segments).all(|(pattern, segment)| covers(pattern.as_bytes(), segment.as_bytes()))
}

/// One segment. Goes back to the last star alone, so that it takes the product of both lengths at most.
fn covers(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == b'?' || *c == text[t] => (p, t) = (p + 1, t + 1),
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    (p, t) = (at + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_nowhere_else() {
        for good in ["charter.md", "providers/acme.json", "brake/a_b-c.json", "..a"] {
            assert!(is_target_path(good), "{good}");
        }
        for bad in ["", "/a", "a/", "a//b", "../a", "a/./b", "a b", "a%2fb", "é", "a\\b", "a*"] {
            assert!(!is_target_path(bad), "{bad}");
        }
        assert!(!is_target_path(&"a".repeat(201)) && is_pattern("providers/*") && !is_pattern("providers/[a-z]"));
    }

    #[test]
    fn a_star_stays_in_its_segment() {
        for (pattern, path, yes) in [
            ("providers/*", "providers/acme.json", true),
            ("providers/*", "providers/a/b", false),
            ("providers/*", "brake/acme.json", false),
            ("*", "charter.md", true),
            ("*", "providers/acme.json", false),
            ("a*b?c", "axxbxbyc", true),
            ("a*b?c", "abc", false),
            ("**", "x", true),
            ("?", "", false),
        ] {
            assert_eq!(matches(pattern, path), yes, "{pattern} {path}");
        }
    }
}
