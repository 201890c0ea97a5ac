//! A domain name in wire form on the stack: labels, suffixes, the canonical order and the successor that denials need.

use std::cmp::Ordering;
use std::fmt::{self, Write};

/// The longest name in octets, the root label included (RFC 1035 2.3.4).
pub const NAME_OCTETS_MAX: usize = 255;
/// The longest label in octets (RFC 1035 2.3.4).
pub const LABEL_OCTETS_MAX: usize = 63;

/// A lower-case, uncompressed, absolute name. Case that must be kept (the question's) is kept by whoever holds the bytes.
#[derive(Clone, Copy)]
pub struct Name {
    len: u8,
    /// The root not counted: at most 127.
    labels: u8,
    bytes: [u8; NAME_OCTETS_MAX],
}

/// Why a text is not a domain name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// An empty label, as in `a..b`.
    #[error("a domain name has no empty labels: remove the doubled dot")]
    EmptyLabel,
    /// More than 63 octets between two dots.
    #[error("a label of a domain name has at most 63 octets")]
    LabelTooLong,
    /// More than 255 octets in all.
    #[error("a domain name has at most 255 octets")]
    TooLong,
    /// A backslash that starts no valid escape.
    #[error("a backslash in a domain name is followed by one character or by three digits up to 255")]
    Escape,
}

impl Name {
    /// The root.
    pub const fn root() -> Self {
        Self { len: 1, labels: 0, bytes: [0; NAME_OCTETS_MAX] }
    }

    /// Reads an uncompressed name off the front of `wire` and lower-cases it; also says how many octets it took.
    ///
    /// `None`: truncated, too long, or a compression pointer (which no question needs).
    pub fn scan(wire: &[u8]) -> Option<(Self, usize)> {
        let (mut at, mut labels) = (0usize, 0u8);
        loop {
            let len = usize::from(*wire.get(at)?);
            if len > LABEL_OCTETS_MAX {
                return None;
            }
            at += 1 + len;
            if at > NAME_OCTETS_MAX || (at == NAME_OCTETS_MAX && len > 0) {
                return None;
            }
            if len == 0 {
                break;
            }
            labels += 1; // a label takes two octets at least, so there is no overflow
        }
        let mut name = Self { len: at as u8, labels, bytes: [0; NAME_OCTETS_MAX] };
        let into = name.bytes.get_mut(..at)?;
        into.copy_from_slice(wire.get(..at)?);
        into.make_ascii_lowercase(); // length octets are below 64 and no letters
        Some((name, at))
    }

    /// A name that fills `wire` exactly.
    pub fn from_wire(wire: &[u8]) -> Option<Self> {
        Self::scan(wire).filter(|(_, used)| *used == wire.len()).map(|(name, _)| name)
    }

    /// Reads presentation form (RFC 1035 5.1: `\X` and `\DDD`); a final dot changes nothing, every name is absolute.
    pub fn from_text(text: &str) -> Result<Self, NameError> {
        let mut wire = Vec::with_capacity(text.len() + 2);
        let mut label: Vec<u8> = Vec::new();
        let mut bytes = if text == "." { "" } else { text }.bytes();
        let mut ended = true;
        while let Some(byte) = bytes.next() {
            ended = byte == b'.';
            match byte {
                b'.' => push_label(&mut wire, &mut label)?,
                b'\\' => label.push(unescape(&mut bytes)?),
                other => label.push(other),
            }
        }
        if !ended {
            push_label(&mut wire, &mut label)?;
        }
        wire.push(0);
        Self::from_wire(&wire).ok_or(NameError::TooLong)
    }

    /// The wire form, root label included.
    pub fn as_wire(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// The labels from the left, the root not among them.
    pub fn labels(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = self.as_wire();
        std::iter::from_fn(move || {
            let (&len, tail) = rest.split_first()?;
            let (label, tail) = tail.split_at_checked(usize::from(len))?;
            rest = tail;
            (len > 0).then_some(label)
        })
    }

    /// How many labels, the root not counted: the Labels field of an RRSIG for a name without `*` (RFC 4034 3.1.3).
    pub fn label_count(&self) -> u8 {
        self.labels
    }

    /// Whether this is the root.
    pub fn is_root(&self) -> bool {
        self.len == 1
    }

    /// The name without its first label; the root's parent is the root.
    pub fn parent(&self) -> Self {
        let first = self.as_wire().first().map_or(0, |len| usize::from(*len) + 1);
        self.as_wire().get(first..).and_then(Self::from_wire).unwrap_or(Self::root())
    }

    /// The offset at which `apex` begins in this name, if it is at or below `apex`.
    pub fn offset_of(&self, apex: &Name) -> Option<usize> {
        let offset = self.as_wire().len().checked_sub(apex.as_wire().len())?;
        let (mut at, wire) = (0usize, self.as_wire());
        while at < offset {
            at += 1 + usize::from(*wire.get(at)?);
        }
        (at == offset && wire.get(offset..)? == apex.as_wire()).then_some(offset)
    }

    /// This name with the suffix `from` replaced by `to` (RFC 6672 2.2); `None` if that is too long, or not at or below `from`.
    pub fn moved(&self, from: &Name, to: &Name) -> Option<Self> {
        let kept = self.as_wire().get(..self.offset_of(from)?)?;
        let mut name = Self { labels: self.labels - from.labels + to.labels, ..Self::root() };
        let to = to.as_wire();
        let total = kept.len() + to.len();
        let (head, tail) = name.bytes.get_mut(..total)?.split_at_mut_checked(kept.len())?;
        head.copy_from_slice(kept);
        tail.copy_from_slice(to);
        name.len = total as u8; // at most 255, or there would be no room
        Some(name)
    }

    /// This name with `label` in front; `None` if that is too long or the label is not one.
    pub fn prepend(&self, label: &[u8]) -> Option<Self> {
        if label.is_empty() || label.len() > LABEL_OCTETS_MAX {
            return None;
        }
        let mut name = Self::root();
        let total = label.len() + 1 + self.as_wire().len();
        let (head, tail) = name.bytes.get_mut(..total)?.split_at_mut(label.len() + 1);
        tail.copy_from_slice(self.as_wire());
        let (len, text) = head.split_first_mut()?;
        *len = label.len() as u8;
        text.copy_from_slice(label);
        text.make_ascii_lowercase();
        (name.len, name.labels) = (total as u8, self.labels + 1);
        Some(name)
    }

    /// The next possible name after this one and before every other name below it: `\000.NAME`, or where that is too
    /// long the successor of RFC 4471 3.1.2.
    pub fn successor(&self) -> Self {
        self.prepend(&[0]).unwrap_or_else(|| self.sibling_successor())
    }

    /// The next possible name that is neither this one nor below it: first label + `\000` (RFC 9824 3.4), or where that
    /// is too long the last octet that can grow grows (RFC 4471 3.1.2, steps 2 to 4).
    pub fn sibling_successor(&self) -> Self {
        let mut name = *self;
        while !name.is_root() {
            let (mut label, mut len, parent) = ([0u8; LABEL_OCTETS_MAX + 1], 0, name.parent());
            for (into, byte) in label.iter_mut().zip(name.labels().next().unwrap_or_default()) {
                *into = *byte;
                len += 1;
            }
            if let Some(next) = label.get(..len + 1).and_then(|longer| parent.prepend(longer)) {
                return next;
            }
            for keep in (1..=len).rev() {
                let Some(last) = label.get_mut(keep - 1) else { break };
                // Upper case does not occur in canonical names: after '@' comes '['.
                match *last {
                    0xff => continue,
                    b'@' => *last = b'[',
                    _ => *last += 1,
                }
                if let Some(next) = label.get(..keep).and_then(|grown| parent.prepend(grown)) {
                    return next;
                }
            }
            name = parent;
        }
        name
    }

    /// The canonical order of RFC 4034 6.1: by labels from the right.
    pub fn canonical_cmp(&self, other: &Name) -> Ordering {
        canonical_order(self.as_wire(), other.as_wire())
    }

    /// Octets whose plain order is the canonical order of names: for sorting many without taking them apart each time.
    pub fn canonical_key(&self) -> Box<[u8]> {
        let mut key = Vec::with_capacity(self.as_wire().len() + 2);
        canonical_key(self.as_wire(), &mut key);
        key.into_boxed_slice()
    }

    /// Presentation form with a final dot, odd octets as `\DDD`.
    pub fn to_text(&self) -> String {
        if self.is_root() {
            return ".".to_owned();
        }
        let mut text = String::with_capacity(self.as_wire().len());
        for label in self.labels() {
            for &byte in label {
                match byte {
                    b'.' | b'\\' | b'"' | b';' | b'@' | b'$' | b'(' | b')' => {
                        text.push('\\');
                        text.push(byte.into());
                    }
                    0x21..=0x7e => text.push(byte.into()),
                    _ => {
                        let _ = write!(text, "\\{byte:03}"); // writing to a String cannot fail
                    }
                }
            }
            text.push('.');
        }
        text
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.as_wire() == other.as_wire()
    }
}

impl Eq for Name {}

/// Shows that a name is there, never which one: an ENUM name is somebody's phone number.
impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Name(… {} labels)", self.label_count())
    }
}

/// The canonical order of two lower-case names in wire form (RFC 4034 6.1), without allocation.
pub fn canonical_order(a: &[u8], b: &[u8]) -> Ordering {
    labels_from_the_right(a).cmp(labels_from_the_right(b))
}

/// Appends octets whose plain order is the canonical order of lower-case names in wire form.
pub fn canonical_key(wire: &[u8], key: &mut Vec<u8>) {
    for label in labels_from_the_right(wire) {
        for &byte in label {
            // A label ends with 0, so 0 and 1 in it are written as 1 1 and 1 2.
            match byte {
                0 | 1 => key.extend_from_slice(&[1, byte + 1]),
                other => key.push(other),
            }
        }
        key.push(0);
    }
}

fn labels_from_the_right(wire: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (mut starts, mut labels, mut at) = ([0u8; NAME_OCTETS_MAX / 2 + 1], 0usize, 0usize);
    while let (Some(octets @ 1..), Some(start)) = (wire.get(at), starts.get_mut(labels)) {
        *start = at as u8; // a name has at most 255 octets
        labels += 1;
        at += 1 + usize::from(*octets);
    }
    starts.into_iter().take(labels).rev().filter_map(move |start| {
        let (octets, label) = wire.get(usize::from(start)..)?.split_first()?;
        label.get(..usize::from(*octets))
    })
}

/// A cheap hash of a lower-case wire name, the same on every node: it spreads signature slots over the day (DNS.md 4) and
/// protects nothing. By words, since the multiplications of one octet after the other took a twentieth of an answer.
pub fn spread(wire: &[u8]) -> u64 {
    let mix = |hash: u64, word: u64| {
        let product = (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        product ^ product >> 29
    };
    let (words, rest) = wire.as_chunks::<8>();
    let hash = words.iter().fold(wire.len() as u64, |hash, word| mix(hash, u64::from_le_bytes(*word)));
    let mut last = [0u8; 8];
    last.iter_mut().zip(rest).for_each(|(into, octet)| *into = *octet);
    mix(mix(hash, u64::from_le_bytes(last)), 0)
}

fn push_label(wire: &mut Vec<u8>, label: &mut Vec<u8>) -> Result<(), NameError> {
    match label.len() {
        0 => return Err(NameError::EmptyLabel),
        1..=LABEL_OCTETS_MAX => wire.push(label.len() as u8),
        _ => return Err(NameError::LabelTooLong),
    }
    wire.append(label);
    Ok(())
}

fn unescape(bytes: &mut std::str::Bytes<'_>) -> Result<u8, NameError> {
    let first = bytes.next().ok_or(NameError::Escape)?;
    if !first.is_ascii_digit() {
        return Ok(first);
    }
    let mut value = u32::from(first - b'0');
    for _ in 0..2 {
        let digit = bytes.next().filter(u8::is_ascii_digit).ok_or(NameError::Escape)?;
        value = value * 10 + u32::from(digit - b'0');
    }
    u8::try_from(value).map_err(|_| NameError::Escape)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name(text: &str) -> Name {
        Name::from_text(text).unwrap()
    }

    #[test]
    fn text_and_wire_lead_to_each_other() {
        for text in [".", "e164.example.", "3.2.1.e164.example.", "a\\.b.example.", "\\000.example.", "_id.1.example."]
        {
            assert_eq!(name(text).to_text(), text);
        }
        assert_eq!(name("E164.Example").to_text(), "e164.example.");
        for (text, why) in [
            ("a..b", NameError::EmptyLabel),
            (".a", NameError::EmptyLabel),
            ("a\\", NameError::Escape),
            ("a\\256", NameError::Escape),
            (&"x".repeat(64), NameError::LabelTooLong),
            (&"abcdefg.".repeat(32), NameError::TooLong),
        ] {
            assert_eq!(Name::from_text(text).err(), Some(why), "{text}");
        }
    }

    #[test]
    fn suffixes_are_whole_labels() {
        let apex = name("e164.example.");
        assert_eq!(name("4.3.e164.example.").offset_of(&apex), Some(4));
        assert_eq!(apex.offset_of(&apex), Some(0));
        assert_eq!(name("xe164.example.").offset_of(&apex), None);
        assert_eq!(name("example.").offset_of(&apex), None);
        assert_eq!(name("4.3.e164.example.").parent(), name("3.e164.example."));
    }

    #[test]
    fn canonical_order_is_that_of_rfc_4034() {
        let order = ["example.", "a.example.", "yljkjljk.a.example.", "z.a.example.", "zabc.a.example.", "z.example."];
        for pair in order.windows(2) {
            assert_eq!(name(pair[0]).canonical_cmp(&name(pair[1])), Ordering::Less, "{pair:?}");
        }
        assert_eq!(name("\\001.z.example.").canonical_cmp(&name("*.z.example.")), Ordering::Less);
    }

    #[test]
    fn successors_of_ordinary_and_of_longest_names() {
        assert_eq!(name("5.e164.example.").successor(), name("\\000.5.e164.example."));
        assert_eq!(name("5.e164.example.").sibling_successor(), name("5\\000.e164.example."));
        let long = |last: &str| name(&format!("{last}.{}", ["x".repeat(63), "y".repeat(63), "z".repeat(63)].join(".")));
        let full = long(&"a".repeat(61));
        assert_eq!(full.as_wire().len(), 255);
        assert_eq!(full.successor(), long(&format!("{}b", "a".repeat(60))));
        assert_eq!(long(&"a".repeat(60)).successor(), long(&format!("{}\\000", "a".repeat(60))));
        assert_eq!(long(&format!("{}@", "a".repeat(60))).successor(), long(&format!("{}[", "a".repeat(60))));
        assert_eq!(long(&format!("{}\\255", "a".repeat(60))).successor(), long(&format!("{}b", "a".repeat(59))));
        let ff = "\\255".repeat(61);
        assert_eq!(long(&ff).successor().label_count(), 3);
    }

    proptest! {
        #[test]
        fn scan_never_panics_and_keeps_what_it_read(wire in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Some((name, used)) = Name::scan(&wire) {
                prop_assert_eq!(name.as_wire(), wire[..used].to_ascii_lowercase());
                prop_assert_eq!(Name::from_text(&name.to_text()), Ok(name));
            }
        }

        #[test]
        fn the_key_sorts_like_the_name(a in proptest::collection::vec(0u8..4, 0..4), b in proptest::collection::vec(0u8..4, 0..4)) {
            let name = |labels: &[u8]| labels.iter().try_fold(Name::root(), |n, l| n.prepend(&vec![*l; 1 + usize::from(*l % 2)])).unwrap();
            let (a, b) = (name(&a), name(&b));
            prop_assert_eq!(a.canonical_key().cmp(&b.canonical_key()), a.canonical_cmp(&b));
        }

        #[test]
        fn nothing_lies_between_a_name_and_its_successor(labels in proptest::collection::vec("[a-z0-9]{1,63}", 1..6)) {
            if let Ok(name) = Name::from_text(&labels.join(".")) {
                prop_assert_eq!(name.canonical_cmp(&name.successor()), Ordering::Less);
                prop_assert_eq!(name.successor().canonical_cmp(&name.sibling_successor()), if name.as_wire().len() > 253 { Ordering::Equal } else { Ordering::Less });
            }
        }
    }
}
