//! An event: one change of one number, signed by those who may make it.

use crate::log::bytes::{Malformed, Reader, put_lp16};
use crate::log::key::{Algorithm, PublicKey, SigningKey};
use crate::log::label::Label;
use crate::log::record::is_provider_id;
use crate::log::state::{STATE_LEN, State};
use crate::log::{Hash, sha256};

const TAG: &[u8; 18] = b"callbook/event/v1\0";
const TBS_TAG: &[u8; 22] = b"callbook/event-tbs/v1\0";

/// What an event does. Who may do it when is the law's business, not the format's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// A number comes in.
    Create = 1,
    /// The record, the keys or the lock change.
    Update = 2,
    /// Another provider takes over.
    Transfer = 3,
    /// A recovery, or a provider's release, is asked for.
    Request = 4,
    /// A recovery takes effect.
    Complete = 5,
    /// The holder stops a pending recovery or release.
    Veto = 6,
    /// The operator or the holder withholds the record.
    Suspend = 7,
    /// Who suspended takes it back.
    Resume = 8,
    /// The number is given back.
    Release = 9,
    /// `not_after` moves on.
    Renew = 10,
    /// The holder objects to a claim by fresh validation.
    Object = 11,
    /// The number goes over into a new era.
    Carry = 12,
}

impl Kind {
    /// Every kind, by its number.
    pub const ALL: [Self; 12] = [
        Self::Create,
        Self::Update,
        Self::Transfer,
        Self::Request,
        Self::Complete,
        Self::Veto,
        Self::Suspend,
        Self::Resume,
        Self::Release,
        Self::Renew,
        Self::Object,
        Self::Carry,
    ];

    /// The kind of that number.
    pub fn from_u8(n: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == n)
    }

    /// The word for it in feeds and reports.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Transfer => "transfer",
            Self::Request => "request",
            Self::Complete => "complete",
            Self::Veto => "veto",
            Self::Suspend => "suspend",
            Self::Resume => "resume",
            Self::Release => "release",
            Self::Renew => "renew",
            Self::Object => "object",
            Self::Carry => "carry",
        }
    }

    /// Whether it sets commitment and control key anew: such an event proves that the holder agreed.
    pub const fn sets_record(self) -> bool {
        matches!(self, Self::Create | Self::Update | Self::Transfer | Self::Complete)
    }
}

/// The way an event takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Door {
    /// The ordinary way; in kinds Request and Complete: recovery with the same provider.
    Main = 0,
    /// Recovery with a transfer code.
    Code = 2,
    /// Recovery by fresh validation.
    Validation = 3,
    /// The holder alone; or a provider's release and its notice.
    Direct = 9,
}

impl Door {
    /// The door of that number.
    pub const fn from_u8(n: u8) -> Option<Self> {
        match n {
            0 => Some(Self::Main),
            2 => Some(Self::Code),
            3 => Some(Self::Validation),
            9 => Some(Self::Direct),
            _ => None,
        }
    }
}

/// As what a key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Role {
    /// The number's current control key.
    Control = 1,
    /// A provider's statement key.
    Provider = 2,
    /// The control key that this event sets or asks for.
    NewControl = 3,
    /// A member of the operator's staff; always two different ones.
    Operator = 4,
    /// The number's recovery key.
    Recovery = 5,
    /// The sequencer.
    Sequencer = 6,
}

impl Role {
    /// The role of that number.
    pub const fn from_u8(n: u8) -> Option<Self> {
        match n {
            1 => Some(Self::Control),
            2 => Some(Self::Provider),
            3 => Some(Self::NewControl),
            4 => Some(Self::Operator),
            5 => Some(Self::Recovery),
            6 => Some(Self::Sequencer),
            _ => None,
        }
    }
}

/// One signature over [`Event::tbs`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// As what the key signs.
    pub role: Role,
    /// The key.
    pub key: PublicKey,
    /// Ed25519: R ‖ s; ES256: r ‖ s with low s.
    pub bytes: [u8; 64],
}

/// One change of one number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What it does.
    pub kind: Kind,
    /// Which way it takes.
    pub door: Door,
    /// The number's place in the map.
    pub label: Label,
    /// [`State::hash`] of the State before; zero if there was none.
    pub prev: Hash,
    /// The State after. Its epochs are 0 in what is submitted and signed, and filled in by the sequencer.
    pub state: State,
    /// The id of the provider that signs; empty if none does.
    pub provider: String,
    /// [`evidence::hash`](crate::log::evidence::hash), or the gov leaf hash of an order.
    pub evidence: Hash,
    /// Unix seconds after which it may no longer enter an epoch; at most 24 h after signing.
    pub valid_until: u64,
    /// In ascending order of role, algorithm and key.
    pub signatures: Vec<Signature>,
}

impl Event {
    /// Reads exactly one event; checks its form and its State, not its signatures.
    pub fn parse(raw: &[u8]) -> Result<Self, Malformed> {
        let bad = |why| Malformed::new("event", why);
        let mut r = Reader::new(raw, "event");
        r.tag(TAG)?;
        let kind = Kind::from_u8(r.u8()?).ok_or(bad("kind"))?;
        let door = Door::from_u8(r.u8()?).ok_or(bad("door"))?;
        let (label, prev) = (Label(r.array()?), r.array()?);
        let state = State::parse(r.take(STATE_LEN)?)?;
        let provider = std::str::from_utf8(r.lp16()?).ok().filter(|id| id.is_empty() || is_provider_id(id));
        let provider = provider.ok_or(bad("provider"))?.to_owned();
        let (evidence, valid_until) = (r.array()?, r.u64()?);
        let mut signatures: Vec<Signature> = Vec::new();
        for _ in 0..r.u8()? {
            let role = Role::from_u8(r.u8()?).ok_or(bad("role"))?;
            let algorithm = Algorithm::from_u8(r.u8()?).ok_or(bad("algorithm"))?;
            let key = PublicKey::new(algorithm, r.lp16()?)?;
            signatures.push(Signature { role, key, bytes: r.array()? });
        }
        r.end()?;
        let ordered = signatures
            .is_sorted_by(|a, b| (a.role, &a.key) < (b.role, &b.key) && (a.role != b.role || a.role == Role::Operator));
        Malformed::unless(ordered, "event", "signatures out of order or twice")?;
        Ok(Self { kind, door, label, prev, state, provider, evidence, valid_until, signatures })
    }

    /// The event's bytes.
    ///
    /// # Panics
    /// With more than 255 signatures; the law allows five.
    pub fn write(&self) -> Vec<u8> {
        let mut out = TAG.to_vec();
        self.put_body(&mut out, &self.state);
        out.push(u8::try_from(self.signatures.len()).expect("the law allows five signatures"));
        for signature in &self.signatures {
            out.extend_from_slice(&[signature.role as u8, signature.key.algorithm() as u8]);
            put_lp16(&mut out, signature.key.bytes());
            out.extend_from_slice(&signature.bytes);
        }
        out
    }

    /// What is signed: `"callbook/event-tbs/v1\0" ‖ lp16(origin of the map log) ‖ kind … valid_until`, both epochs 0.
    ///
    /// # Panics
    /// If the origin is longer than 65535 bytes.
    pub fn tbs(&self, origin: &str) -> Vec<u8> {
        let mut out = TBS_TAG.to_vec();
        put_lp16(&mut out, origin.as_bytes());
        self.put_body(&mut out, &self.state.as_signed());
        out
    }

    /// The event as it was submitted and as a proof shows it: both epochs 0.
    #[must_use]
    pub fn as_submitted(&self) -> Self {
        Self { state: self.state.as_signed(), ..self.clone() }
    }

    /// SHA-256 of the event as submitted: its name in receipts.
    pub fn hash(&self) -> Hash {
        sha256(&[&self.as_submitted().write()])
    }

    /// Whether every signature is good for the log of that origin. Without signatures it is.
    pub fn signatures_verify(&self, origin: &str) -> bool {
        let tbs = self.tbs(origin);
        self.signatures.iter().all(|signature| signature.key.verify(&tbs, &signature.bytes))
    }

    /// Signs as `role` and puts the signature in its place; an earlier one of the same role and key is replaced.
    pub fn sign(&mut self, origin: &str, role: Role, key: &SigningKey) {
        let signature = Signature { role, key: key.public().clone(), bytes: key.sign(&self.tbs(origin)) };
        self.signatures.retain(|s| (s.role, &s.key) != (role, &signature.key));
        let at = self.signatures.partition_point(|s| (s.role, &s.key) < (role, &signature.key));
        self.signatures.insert(at, signature);
    }

    /// Whether the key from which a change by code or by claim took the number takes it back: a TRANSFER through door 3.
    pub fn takes_back(&self) -> bool {
        self.kind == Kind::Transfer && self.door == Door::Validation
    }

    /// The first signature of that role.
    pub fn signature(&self, role: Role) -> Option<&Signature> {
        self.signatures.iter().find(|signature| signature.role == role)
    }

    fn put_body(&self, out: &mut Vec<u8>, state: &State) {
        out.extend_from_slice(&[self.kind as u8, self.door as u8]);
        out.extend_from_slice(self.label.as_bytes());
        out.extend_from_slice(&self.prev);
        out.extend_from_slice(&state.write());
        put_lp16(out, self.provider.as_bytes());
        out.extend_from_slice(&self.evidence);
        out.extend_from_slice(&self.valid_until.to_be_bytes());
    }
}
