//! Evidence of misbehaviour as a file: what a log signed and cannot deny, put together so that anybody can check it alone.
//!
//! ```text
//! callbook/misbehaviour/v1
//! kind checkpoints|states|names|unsigned
//! log VKEY                          the key of the log that it is about
//! vrf BASE64 · era ORIGIN*          not with kind checkpoints
//! …                                 the parts of the kind, each a word and base64 of the bytes as they were received
//! ```
//!
//! Text, one LF a line, parsed strictly: what is read writes back to the same bytes. That a file parses says nothing yet:
//! [`Misbehaviour::check`] says whether it holds.

use std::fmt::Write as _;

use crate::log::bytes::{Malformed, array_from_base64, from_base64, from_decimal, to_base64};
use crate::log::checkpoint::{Checkpoint, INT_DIGITS_MAX, is_log_name};
use crate::log::event::Event;
use crate::log::label::Label;
use crate::log::merkle;
use crate::log::note::{LineType, Note, VerifierKey};
use crate::log::proof::Proof;
use crate::log::proved::{self, Proved};
use crate::log::state::State;
use crate::log::succession;
use crate::log::trust::TrustList;
use crate::log::{Hash, vrf};
use crate::number::Number;

/// The first line.
const HEADER: &str = "callbook/misbehaviour/v1";
/// The longest file: 256 events of a kilobyte, two proofs with the largest record, and base64 around them.
pub const LEN_MAX: usize = 1024 * 1024;
/// Lines of one word at most: events of one answer, records of some zones.
const LINES_MAX: usize = 512;

/// Evidence about one log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misbehaviour {
    /// The key that signs the log's checkpoints; its name is the log's.
    pub log: VerifierKey,
    /// The key that places numbers; None in evidence that is only about checkpoints.
    pub vrf: Option<[u8; 32]>,
    /// Origins of earlier eras.
    pub eras: Vec<String>,
    /// What it did.
    pub what: What,
}

/// What a log did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// It signed two checkpoints that cannot both be true.
    Checkpoints {
        /// Both notes, that of the smaller size first.
        notes: [String; 2],
        /// If the sizes differ: what the larger one has at the smaller size, and the proof of that.
        forked: Option<Forked>,
    },
    /// It signed two States of one version of one number, or one of an earlier version later.
    States {
        /// The number's label.
        label: Label,
        /// Both proofs, that of the earlier epoch first.
        proofs: Box<[String; 2]>,
    },
    /// DNS signed another State of a version than the log did.
    Names {
        /// The number.
        number: Number,
        /// When the records were fetched, Unix seconds: their signatures are judged as of then.
        seen_s: u64,
        /// The proof.
        proof: String,
        /// The records with their signatures, as they were fetched.
        records: Vec<SignedRecord>,
    },
    /// It signed a State that does not follow from an earlier one by the events that were shown for it.
    Unsigned {
        /// The number's label.
        label: Label,
        /// The proof of the earlier State, and that of the later one.
        proofs: Box<[String; 2]>,
        /// The events that were shown, oldest first.
        events: Vec<Vec<u8>>,
    },
}

/// Where the larger of two checkpoints stands at the size of the smaller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forked {
    /// The root that the larger one has there.
    pub root: Hash,
    /// The consistency proof from there to the larger one (RFC 6962 2.1.2).
    pub since: Vec<Hash>,
}

/// A resource record of class IN, or an RRSIG over some.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SignedRecord {
    /// Its owner, as text with the final dot.
    pub owner: String,
    /// Its type.
    pub rr_type: u16,
    /// Its RDATA in canonical form (RFC 4034 6.2).
    pub rdata: Vec<u8>,
}

/// What holds of evidence that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    /// Two checkpoints: the smaller and the larger one.
    Checkpoints(Box<[Checkpoint; 2]>),
    /// Two States, that of the earlier epoch first, each with its epoch and when that was sealed (Unix milliseconds).
    States(Box<[(State, u64, u64); 2]>),
    /// What the proof shows; the records are still to be checked against it.
    Names(Box<Proved>),
    /// The earlier and the later State, and the rule that the first event breaks.
    Unsigned(Box<[(State, u64, u64); 2]>, Malformed),
}

impl Misbehaviour {
    /// Reads a file; checks its form alone.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        Malformed::unless(text.len() <= LEN_MAX, "evidence", "longer than any evidence")?;
        let mut lines = Lines(text.strip_suffix('\n').ok_or(bad())?.split('\n').peekable());
        Malformed::unless(lines.0.next() == Some(HEADER), "evidence", "not evidence of misbehaviour")?;
        let kind = lines.one("kind")?;
        let log = VerifierKey::parse(lines.one("log")?)?;
        let of_map = kind != "checkpoints";
        let vrf = if of_map { Some(lines.array("vrf")?) } else { None };
        let eras: Vec<String> = lines.all("era")?.into_iter().map(str::to_owned).collect();
        Malformed::unless(eras.iter().all(|era| is_log_name(era)) && (of_map || eras.is_empty()), "evidence", "form")?;
        let what = match kind {
            "checkpoints" => What::Checkpoints {
                notes: [lines.text("note")?, lines.text("note")?],
                forked: match lines.all("root")?[..] {
                    [] => None,
                    [root] => Some(Forked {
                        root: array_from_base64(root).ok_or(bad())?,
                        since: lines
                            .all("hash")?
                            .into_iter()
                            .map(|h| array_from_base64(h).ok_or(bad()))
                            .collect::<Result<_, _>>()?,
                    }),
                    _ => return Err(bad()),
                },
            },
            "states" => What::States {
                label: Label(lines.array("label")?),
                proofs: Box::new([lines.text("proof")?, lines.text("proof")?]),
            },
            "names" => What::Names {
                number: number(lines.one("number")?)?,
                seen_s: from_decimal(lines.one("seen")?, INT_DIGITS_MAX).ok_or(bad())?,
                proof: lines.text("proof")?,
                records: lines.all("rr")?.into_iter().map(SignedRecord::parse).collect::<Result<_, _>>()?,
            },
            "unsigned" => What::Unsigned {
                label: Label(lines.array("label")?),
                proofs: Box::new([lines.text("proof")?, lines.text("proof")?]),
                events: lines
                    .all("event")?
                    .into_iter()
                    .map(|e| from_base64(e).ok_or(bad()))
                    .collect::<Result<_, _>>()?,
            },
            _ => return Err(Malformed::new("evidence", "of a kind that is not known here")),
        };
        Malformed::unless(lines.0.next().is_none(), "evidence", "form")?;
        Ok(Self { log, vrf, eras, what })
    }

    /// The file.
    pub fn write(&self) -> String {
        let mut out = format!("{HEADER}\nkind {}\nlog {}\n", self.kind(), self.log);
        // Writing into a String cannot fail.
        let mut put = |word: &str, bytes: &[u8]| _ = writeln!(out, "{word} {}", to_base64(bytes));
        self.vrf.iter().for_each(|vrf| put("vrf", vrf));
        self.eras.iter().for_each(|era| _ = writeln!(out, "era {era}"));
        let mut put = |word: &str, bytes: &[u8]| _ = writeln!(out, "{word} {}", to_base64(bytes));
        match &self.what {
            What::Checkpoints { notes, forked } => {
                notes.iter().for_each(|note| put("note", note.as_bytes()));
                if let Some(Forked { root, since }) = forked {
                    put("root", root);
                    since.iter().for_each(|hash| put("hash", hash));
                }
            }
            What::States { label, proofs } => {
                put("label", label.as_bytes());
                proofs.iter().for_each(|proof| put("proof", proof.as_bytes()));
            }
            What::Names { number, seen_s, proof, records } => {
                let _ = write!(out, "number {number}\nseen {seen_s}\nproof {}\n", to_base64(proof.as_bytes()));
                for SignedRecord { owner, rr_type, rdata } in records {
                    let _ = writeln!(out, "rr {owner} {rr_type} {}", to_base64(rdata));
                }
            }
            What::Unsigned { label, proofs, events } => {
                put("label", label.as_bytes());
                proofs.iter().for_each(|proof| put("proof", proof.as_bytes()));
                events.iter().for_each(|event| put("event", event));
            }
        }
        out
    }

    /// The word for what it is about.
    pub const fn kind(&self) -> &'static str {
        match self.what {
            What::Checkpoints { .. } => "checkpoints",
            What::States { .. } => "states",
            What::Names { .. } => "names",
            What::Unsigned { .. } => "unsigned",
        }
    }

    /// Checks that everything in it was signed by that log and cannot all be true. Of [`What::Names`] the proof alone is checked here: the
    /// records need DNSSEC.
    ///
    /// # Errors
    /// Why it proves nothing.
    pub fn check(&self) -> Result<Held, Malformed> {
        let must = |ok, why| Malformed::unless(ok, "evidence", why);
        match &self.what {
            What::Checkpoints { notes, forked } => {
                let [small, large] = [self.signed(&notes[0])?, self.signed(&notes[1])?];
                must(small.origin == self.log.name() && large.origin == small.origin, "checkpoints of another log")?;
                match forked {
                    None => must(
                        small.size == large.size && small.root != large.root,
                        "the checkpoints do not contradict each other",
                    )?,
                    Some(Forked { root, since }) => {
                        must(
                            0 < small.size && small.size < large.size && *root != small.root,
                            "the checkpoints do not contradict each other",
                        )?;
                        merkle::check_consistency((small.size, root), (large.size, &large.root), since)?;
                    }
                }
                Ok(Held::Checkpoints(Box::new([small, large])))
            }
            What::States { label, proofs } => {
                let states = [self.committed(&proofs[0], label)?, self.committed(&proofs[1], label)?];
                let [(old, old_epoch, _), (new, new_epoch, _)] = &states;
                must(old_epoch <= new_epoch, "proofs in the wrong order")?;
                let two = old.version == new.version && old != new;
                must(two || new.version < old.version, "the States do not contradict each other")?;
                Ok(Held::States(Box::new(states)))
            }
            What::Names { number, proof, .. } => {
                let proof = Proof::parse(proof)?;
                let trust = self.trust()?;
                let proved = proved::check(&proof, *number, &trust, proof.extra.leaf.time_ms, None)?;
                Ok(Held::Names(Box::new(proved)))
            }
            What::Unsigned { label, proofs, events } => {
                let states = [self.committed(&proofs[0], label)?, self.committed(&proofs[1], label)?];
                let [(old, old_epoch, _), (new, new_epoch, _)] = &states;
                must(old_epoch < new_epoch && old.version < new.version, "proofs in the wrong order")?;
                let broken = self.broken(label, old, new, events);
                let broken = broken.ok_or(Malformed::new("evidence", "the events lead from one State to the other"))?;
                Ok(Held::Unsigned(Box::new(states), broken))
            }
        }
    }

    /// The first rule that the events break on the way from `old` to `new`; None if they lead there.
    fn broken(&self, label: &Label, old: &State, new: &State, events: &[Vec<u8>]) -> Option<Malformed> {
        let at = succession::Where { origin: self.log.name(), eras: &self.eras, label };
        let mut before = old.clone();
        for raw in events {
            let event = match Event::parse(raw) {
                Ok(event) => event,
                Err(why) => return Some(why),
            };
            if let Err(why) = succession::check(&event, Some(&before), at) {
                return Some(why);
            }
            before = event.state;
        }
        (before != *new).then_some(Malformed::new("event", "none that was shown makes this State"))
    }

    /// What a note says that this log signed.
    fn signed(&self, note: &str) -> Result<Checkpoint, Malformed> {
        let opened = Note::open(note, std::slice::from_ref(&self.log))?;
        let signed = self.log.line_type() == LineType::Signature && opened.signed_by(0).is_some();
        Malformed::unless(signed, "evidence", "a checkpoint that this log did not sign")?;
        Checkpoint::parse(&opened.text)
    }

    /// The State that the log committed to, by a proof.
    fn committed(&self, proof: &str, label: &Label) -> Result<(State, u64, u64), Malformed> {
        proved::committed(&Proof::parse(proof)?, label, &self.trust()?)
    }

    fn trust(&self) -> Result<TrustList, Malformed> {
        let vrf = self.vrf.ok_or(bad())?;
        Ok(TrustList {
            origin: self.log.name().to_owned(),
            log: self.log.clone(),
            witnesses: Vec::new(),
            quorum: 0,
            auditors: Vec::new(),
            vrf: vrf::PublicKey::new(&vrf)?,
            eras: self.eras.clone(),
        })
    }
}

impl SignedRecord {
    fn parse(line: &str) -> Result<Self, Malformed> {
        let mut fields = line.split(' ');
        let (Some(owner), Some(rr_type), Some(rdata), None) =
            (fields.next(), fields.next(), fields.next(), fields.next())
        else {
            return Err(bad());
        };
        let rr_type = from_decimal(rr_type, 5).and_then(|n| u16::try_from(n).ok()).ok_or(bad())?;
        let printable = owner.ends_with('.') && owner.bytes().all(|b| b.is_ascii_graphic());
        Malformed::unless(printable, "evidence", "form")?;
        Ok(Self { owner: owner.to_owned(), rr_type, rdata: from_base64(rdata).ok_or(bad())? })
    }
}

const fn bad() -> Malformed {
    Malformed::new("evidence", "form")
}

fn number(text: &str) -> Result<Number, Malformed> {
    let number = Number::parse(text).map_err(|_| bad())?;
    Malformed::unless(number.to_string() == text, "evidence", "form")?;
    Ok(number)
}

/// Lines that each begin with a word.
struct Lines<'a>(std::iter::Peekable<std::str::Split<'a, char>>);

impl<'a> Lines<'a> {
    fn one(&mut self, word: &str) -> Result<&'a str, Malformed> {
        self.0.next().and_then(|line| line.strip_prefix(word)?.strip_prefix(' ')).ok_or(bad())
    }

    /// All that follow with that word.
    fn all(&mut self, word: &str) -> Result<Vec<&'a str>, Malformed> {
        let mut found = Vec::new();
        let rest = |line: &&'a str| line.strip_prefix(word).and_then(|rest| rest.strip_prefix(' '));
        while let Some(rest) = self.0.peek().and_then(rest) {
            Malformed::unless(found.len() < LINES_MAX, "evidence", "longer than any evidence")?;
            found.push(rest);
            self.0.next();
        }
        Ok(found)
    }

    fn array<const N: usize>(&mut self, word: &str) -> Result<[u8; N], Malformed> {
        array_from_base64(self.one(word)?).ok_or(bad())
    }

    fn text(&mut self, word: &str) -> Result<String, Malformed> {
        String::from_utf8(from_base64(self.one(word)?).ok_or(bad())?).map_err(|_| bad())
    }
}

/// What must hold for every text: the body of a fuzz target, replayed by the tests. Says whether it could be read, or which rule its
/// reading breaks.
pub fn read_any(text: &str) -> Result<bool, &'static str> {
    let Ok(evidence) = Misbehaviour::parse(text) else { return Ok(false) };
    if evidence.write() != text {
        return Err("what is read does not write back to the same bytes");
    }
    let _ = evidence.check();
    Ok(true)
}
