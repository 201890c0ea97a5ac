//! A proof for a caller: what the map of the newest epoch says of one number, and that this epoch is in the log.
//!
//! Text form: C2SP `tlog-proof@v1`. Its `extra` is `u8 1 ‖ lp16(epoch leaf) ‖ pi[80] ‖ u8 result ‖ body ‖ u8 depth ‖ bitmap
//! ‖ siblings`; a set bit of the bitmap (most significant first, from depth 1 down) is a sibling that is zero and left out.

use crate::log::bytes::{Malformed, Reader, array_from_base64, from_base64, from_decimal, put_lp16, to_base64};
use crate::log::checkpoint::INT_DIGITS_MAX;
use crate::log::epoch::EpochLeaf;
use crate::log::event::Event;
use crate::log::label::Label;
use crate::log::map::{Leaf, Path};
use crate::log::record::RECORD_LEN_MAX;
use crate::log::state::{STATE_LEN, State};
use crate::log::vrf;
use crate::log::{Hash, ZERO};

/// The first line of the text form.
const HEADER: &str = "c2sp.org/tlog-proof@v1";
/// The version of `extra`.
const EXTRA_VERSION: u8 = 1;
/// The longest text that is read: the largest record in base64, and four times what everything else takes.
pub const PROOF_LEN_MAX: usize = RECORD_LEN_MAX * 4 / 3 + 64 * 1024;

/// What stands at the end of the number's way through the map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing: the number was never registered in this era.
    Empty,
    /// The leaf of another number: this one was never registered in this era.
    Other(Leaf),
    /// The number's own State.
    Present(Box<Present>),
}

/// A number that is in the map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Present {
    /// Its State.
    pub state: State,
    /// The newest event that fixed control key and commitment, both epochs 0; None exactly if the number was released.
    pub event: Option<Event>,
    /// What opens the commitment; None unless the State is active and not over at the epoch's time.
    pub opened: Option<Opened>,
}

/// What opens a commitment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// 32 random bytes, made by the holder's device.
    pub opening: [u8; 32],
    /// R, the text (TRUST.md 2).
    pub record: Vec<u8>,
}

/// What a proof says beside inclusion and checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extra {
    /// The leaf of the epoch.
    pub leaf: EpochLeaf,
    /// The VRF proof that the label is the number's.
    pub pi: vrf::Proof,
    /// What the map says.
    pub found: Found,
    /// The hashes beside the way through the map, from depth 1 down; [`ZERO`]: nothing there. At most 255.
    pub siblings: Vec<Hash>,
}

impl Extra {
    /// Reads exactly one `extra`; checks forms, not signatures and hashes.
    pub fn parse(raw: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(raw, "extra");
        Malformed::unless(r.u8()? == EXTRA_VERSION, "extra", "version")?;
        let leaf = std::str::from_utf8(r.lp16()?).map_err(|_| Malformed::new("epoch", "form"))?;
        let leaf = EpochLeaf::parse(leaf)?;
        let pi = r.array()?;
        let found = match r.u8()? {
            0 => Found::Empty,
            1 => Found::Other((Label(r.array()?), r.array()?)),
            2 => Found::Present(Box::new(Present::take(&mut r)?)),
            _ => return Err(Malformed::new("extra", "result")),
        };
        let siblings = take_siblings(&mut r)?;
        r.end()?;
        Ok(Self { leaf, pi, found, siblings })
    }

    /// The bytes.
    ///
    /// # Panics
    /// With more than 255 siblings: labels that agree in so many bits do not come out of a VRF.
    pub fn write(&self) -> Vec<u8> {
        let mut out = vec![EXTRA_VERSION];
        put_lp16(&mut out, self.leaf.write().as_bytes());
        out.extend_from_slice(&self.pi);
        match &self.found {
            Found::Empty => out.push(0),
            Found::Other((label, state)) => {
                out.push(1);
                out.extend_from_slice(label.as_bytes());
                out.extend_from_slice(state);
            }
            Found::Present(present) => {
                out.push(2);
                present.put(&mut out);
            }
        }
        put_siblings(&mut out, &self.siblings);
        out
    }

    /// The way through the map for the number at `label`.
    pub fn path(&self, label: &Label) -> Path {
        let end = match &self.found {
            Found::Empty => None,
            Found::Other(leaf) => Some(*leaf),
            Found::Present(present) => Some((*label, present.state.hash())),
        };
        Path { siblings: self.siblings.clone(), end }
    }
}

impl Present {
    fn take(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let state = State::parse(r.take(STATE_LEN)?)?;
        let event = match r.lp16()? {
            [] => None,
            raw => Some(Event::parse(raw)?),
        };
        let opened = match r.u8()? {
            0 => None,
            1 => Some(Opened { opening: r.array()?, record: r.lp16()?.to_vec() }),
            _ => return Err(Malformed::new("extra", "disclosed")),
        };
        Ok(Self { state, event, opened })
    }

    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.state.write());
        put_lp16(out, &self.event.as_ref().map(Event::write).unwrap_or_default());
        match &self.opened {
            None => out.push(0),
            Some(opened) => {
                out.push(1);
                out.extend_from_slice(&opened.opening);
                put_lp16(out, &opened.record);
            }
        }
    }
}

fn take_siblings(r: &mut Reader<'_>) -> Result<Vec<Hash>, Malformed> {
    let depth = usize::from(r.u8()?);
    let bitmap = r.take(depth.div_ceil(8))?;
    let left_out = |i: usize| bitmap[i / 8] >> (7 - i % 8) & 1 == 1;
    let spare = (depth..bitmap.len() * 8).any(left_out);
    Malformed::unless(!spare, "extra", "bitmap")?;
    let mut siblings = Vec::with_capacity(depth);
    for i in 0..depth {
        let sibling = if left_out(i) { ZERO } else { r.array()? };
        Malformed::unless(left_out(i) || sibling != ZERO, "extra", "bitmap")?;
        siblings.push(sibling);
    }
    Ok(siblings)
}

fn put_siblings(out: &mut Vec<u8>, siblings: &[Hash]) {
    out.push(u8::try_from(siblings.len()).expect("labels of a VRF do not agree in 255 bits"));
    let bit = |(j, sibling): (usize, &Hash)| u8::from(*sibling == ZERO) << (7 - j);
    out.extend(siblings.chunks(8).map(|eight| eight.iter().enumerate().map(bit).sum::<u8>()));
    siblings.iter().filter(|sibling| **sibling != ZERO).for_each(|sibling| out.extend_from_slice(sibling));
}

/// A proof: what the map says, where its epoch stands in the log, and the signed checkpoint of that log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// What the map says.
    pub extra: Extra,
    /// The index of the epoch's leaf.
    pub index: u64,
    /// The inclusion proof of that leaf (RFC 6962 2.1.1), topmost hash last.
    pub path: Vec<Hash>,
    /// The checkpoint as a signed note, with all its signature lines.
    pub checkpoint: String,
}

impl Proof {
    /// Reads the text form; checks forms, not signatures and hashes.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let bad = Malformed::new("proof", "form");
        Malformed::unless(text.len() <= PROOF_LEN_MAX, "proof", "longer than any proof")?;
        let (head, checkpoint) = text.split_once("\n\n").ok_or(bad)?;
        let mut lines = head.split('\n');
        Malformed::unless(lines.next() == Some(HEADER), "proof", "form")?;
        let extra = lines.next().and_then(|line| line.strip_prefix("extra ")).ok_or(bad)?;
        let extra = from_base64(extra).ok_or(Malformed::new("proof", "base64"))?;
        let index = lines.next().and_then(|line| line.strip_prefix("index ")).ok_or(bad)?;
        let index = from_decimal(index, INT_DIGITS_MAX).ok_or(bad)?;
        let path = lines.map(|line| array_from_base64(line).ok_or(Malformed::new("proof", "base64")));
        let path = path.collect::<Result<_, _>>()?;
        Malformed::unless(!checkpoint.is_empty(), "proof", "form")?;
        Ok(Self { extra: Extra::parse(&extra)?, index, path, checkpoint: checkpoint.to_owned() })
    }

    /// The text form.
    pub fn write(&self) -> String {
        let mut text = format!("{HEADER}\nextra {}\nindex {}\n", to_base64(&self.extra.write()), self.index);
        for hash in &self.path {
            text.push_str(&to_base64(hash));
            text.push('\n');
        }
        text + "\n" + &self.checkpoint
    }
}
