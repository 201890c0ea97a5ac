//! The chain of trust from the anchor to an answer: which zone signed it, whether that zone's keys are believed, and what
//! the answer is therefore worth (RFC 4035 5).
//!
//! ```text
//! anchor -> DNSKEY of its zone -> answers of that zone
//!                              -> DS at a cut -> DNSKEY of the child -> answers of the child      (secure)
//!                              -> proof that there is no DS at the cut                            (insecure)
//! ```
//!
//! Nothing above the anchor is ever asked for: the directory may stand on its own.

use std::collections::HashMap;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use hickory_proto::rr::Name;
use tokio::sync::OnceCell;

use crate::client::anchor::Anchor;
use crate::client::denial::{self, Absence, Nsec};
use crate::client::exchange::{self, Transport, asked};
use crate::client::explain::{Step, Trust};
use crate::client::lookup::LookupError;
use crate::client::message::{self, Message, Rr, rr};
use crate::client::nsec3::{self, Nsec3};
use crate::client::signature::{Dnskey, Ds, Flaw, Proof, Rrset, Work, ZoneKeys, is_supported};
use crate::clock;
use crate::log::misbehaviour::SignedRecord;

/// Questions spent on one look-up: six for the number, and for each of at most 15 digits one for a DS and one for keys.
const QUESTIONS_MAX: u32 = 48;
/// Referrals followed for one question: country, block, and one to spare.
const REFERRALS_MAX: usize = 3;
/// Addresses tried for a delegated zone.
const GLUE_MAX: usize = 4;

/// What an answer says, and what it is worth.
#[derive(Clone, Debug)]
pub(crate) struct Judged {
    /// The RDATA asked for, canonical: empty if there is none, or if the answer is bogus.
    pub(crate) rdatas: Vec<Vec<u8>>,
    /// What is proved to be absent, if that was proved.
    pub(crate) absence: Option<Absence>,
    pub(crate) trust: Trust,
    /// Unix seconds at which the first signature that it rests on expires; `u64::MAX` if it rests on none.
    pub(crate) expires_s: u64,
    /// In words, what the trust rests on.
    pub(crate) why: String,
}

impl Judged {
    fn insecure(rdatas: Vec<Vec<u8>>, why: String) -> Self {
        Self { rdatas, absence: None, trust: Trust::Insecure(why.clone()), expires_s: u64::MAX, why }
    }

    fn bogus(why: String) -> Self {
        Self { rdatas: vec![], absence: None, trust: Trust::Bogus(why.clone()), expires_s: u64::MAX, why }
    }
}

/// One look-up in progress: what was asked and learnt so far.
pub(crate) struct Chain {
    anchor: Anchor,
    servers: Vec<SocketAddr>,
    referral_port: u16,
    wait_ms: u64,
    now_s: u64,
    work: Work,
    questions: AtomicU32,
    /// Servers of delegated zones, learnt from referrals.
    delegated: Mutex<HashMap<Name, Vec<SocketAddr>>>,
    zones: Mutex<HashMap<Name, Arc<OnceCell<Zone>>>>,
    cuts: Mutex<HashMap<Name, Arc<OnceCell<Cut>>>>,
    steps: Mutex<Vec<Step>>,
    /// Keys, delegations and `_keys` records as they came, with their signatures.
    signed: Mutex<Vec<SignedRecord>>,
}

/// Whether a zone's keys are believed.
#[derive(Clone, Debug)]
enum Zone {
    Secure(Arc<ZoneKeys>),
    Insecure(String),
    Bogus(String),
}

/// What is known about a delegation at a name.
#[derive(Clone, Debug)]
enum Cut {
    Secure {
        ds: Vec<Ds>,
        expires_s: u64,
    },
    Insecure(String),
    /// No delegation here, but there may be one further down.
    None,
    /// Not even the name is there.
    NoName,
    Bogus(String),
}

type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, LookupError>> + Send + 'a>>;

impl Chain {
    /// A look-up at `servers` (tried in turn), starting from `anchor`, at the time `now_s`.
    pub(crate) fn new(anchor: Anchor, servers: Vec<SocketAddr>, referral_port: u16, wait_ms: u64, now_s: u64) -> Self {
        Self {
            anchor,
            servers,
            referral_port,
            wait_ms,
            now_s,
            work: Work::default(),
            questions: AtomicU32::new(0),
            delegated: Mutex::default(),
            zones: Mutex::default(),
            cuts: Mutex::default(),
            steps: Mutex::default(),
            signed: Mutex::default(),
        }
    }

    /// The records of `rr_type` at `name`, judged.
    pub(crate) async fn resolve(&self, name: &Name, rr_type: u16) -> Result<Judged, LookupError> {
        let asked = self.fetch(name, rr_type).await?;
        let judged = match Rrset::of(&asked.answer.answer, name, rr_type) {
            Some(rrset) => self.judge_data(rrset, &asked.answer.authority).await?,
            None => self.judge_absence(&asked.answer, name, rr_type).await?,
        };
        self.note(name, rr_type, &asked, &judged);
        Ok(judged)
    }

    /// The steps so far: the chain from the anchor down first, then the answers.
    pub(crate) fn steps(&self) -> Vec<Step> {
        let mut steps = lock(&self.steps).clone();
        steps.sort_by_key(Step::rank);
        steps
    }

    /// What an answer rests on, for whoever has to prove it to others: each record once.
    pub(crate) fn signed(&self) -> Vec<SignedRecord> {
        let mut signed = lock(&self.signed).clone();
        signed.sort_unstable();
        signed.dedup();
        signed
    }

    fn keep_signed(&self, answer: &Message, rr_type: u16) {
        if matches!(rr_type, rr::DNSKEY | rr::DS | rr::TXT) {
            let kept = answer.answer.iter().filter(|rr| rr.rr_type == rr_type || rr.rr_type == rr::RRSIG);
            lock(&self.signed).extend(kept.map(|rr| SignedRecord {
                owner: rr.owner.to_ascii(),
                rr_type: rr.rr_type,
                rdata: rr.rdata.clone(),
            }));
        }
    }

    async fn judge_data(&self, rrset: Rrset, authority: &[Rr]) -> Result<Judged, LookupError> {
        let Some(signer) = self.signer(&rrset, &rrset.owner, rrset.rr_type) else {
            return self.judge_unsigned(&rrset.owner, rrset.rr_type, rrset.rdatas).await;
        };
        let keys = match self.zone(signer).await? {
            Zone::Secure(keys) => keys,
            Zone::Insecure(why) => return Ok(Judged::insecure(rrset.rdatas, why)),
            Zone::Bogus(why) => return Ok(Judged::bogus(why)),
        };
        let proof = match rrset.verify(&keys, self.now_s, &self.work) {
            Ok(proof) => proof,
            Err(flaw) => return Ok(Judged::bogus(flaw.to_string())),
        };
        if let Some(wildcard) = &proof.wildcard
            && !self.wildcard_allowed(&rrset.owner, wildcard, &keys, authority)
        {
            let flaw = Flaw::NotDenied("a wildcard answers for a name that may exist itself");
            return Ok(Judged::bogus(flaw.to_string()));
        }
        let expires_s = proof.expires_s.min(keys.expires_s);
        let why = signed_by(&proof, &keys.zone);
        Ok(Judged { rdatas: rrset.rdatas, absence: None, trust: Trust::Secure, expires_s, why })
    }

    async fn judge_absence(&self, answer: &Message, name: &Name, rr_type: u16) -> Result<Judged, LookupError> {
        let is_alias = |rr: &Rr| match rr.rr_type {
            rr::CNAME => rr.owner == *name,
            rr::DNAME => rr.owner != *name && rr.owner.zone_of(name),
            _ => false,
        };
        if answer.answer.iter().any(is_alias) {
            return Err(LookupError::Alias { asked: asked(name, rr_type) });
        }
        let mut denials = Rrset::all(&answer.authority, rr::NSEC);
        denials.extend(Rrset::all(&answer.authority, rr::NSEC3));
        let Some(signer) = denials.iter().find_map(|rrset| self.signer(rrset, name, rr_type)) else {
            return self.judge_unsigned(name, rr_type, vec![]).await;
        };
        let keys = match self.zone(signer).await? {
            Zone::Secure(keys) => keys,
            Zone::Insecure(why) => return Ok(Judged::insecure(vec![], why)),
            Zone::Bogus(why) => return Ok(Judged::bogus(why)),
        };
        let believed = self.believed(&denials, &keys);
        let absence = match &believed {
            Err(flaw) => return Ok(Judged::bogus(flaw.to_string())),
            Ok(Denials { nsecs, nsec3s, .. }) if nsec3s.is_empty() => denial::prove(name, rr_type, &keys.zone, nsecs),
            Ok(Denials { nsec3s, .. }) => nsec3::prove(name, rr_type, &keys.zone, nsec3s),
        };
        let (absence, proof) = match (absence, believed) {
            (Ok(absence), Ok(denials)) => (absence, denials.proof),
            (Err(flaw), _) | (_, Err(flaw)) => return Ok(Judged::bogus(flaw.to_string())),
        };
        if absence == Absence::InsecureCut && rr_type != rr::DS {
            return Ok(Judged::insecure(vec![], "the zone allows unsigned delegations here (opt-out)".into()));
        }
        let why = format!("{}; {}", in_words(absence), signed_by(&proof, &keys.zone));
        let expires_s = proof.expires_s.min(keys.expires_s);
        Ok(Judged { rdatas: vec![], absence: Some(absence), trust: Trust::Secure, expires_s, why })
    }

    /// An answer without usable signatures: fine below an insecure delegation, else somebody took them away.
    async fn judge_unsigned(&self, name: &Name, rr_type: u16, rdatas: Vec<Vec<u8>>) -> Result<Judged, LookupError> {
        let lowest = if rr_type == rr::DS { name.base_name() } else { name.clone() };
        for labels in self.anchor.zone().num_labels() + 1..=lowest.num_labels() {
            match self.cut(lowest.trim_to(usize::from(labels))).await? {
                Cut::Insecure(why) => return Ok(Judged::insecure(rdatas, why)),
                Cut::Bogus(why) => return Ok(Judged::bogus(why)),
                Cut::NoName => break,
                Cut::Secure { .. } | Cut::None => {}
            }
        }
        Ok(Judged::bogus(Flaw::Unsigned.to_string()))
    }

    /// The zone that claims to have signed `rrset`, if it can be the one that answers for `name`: at or above it, at or
    /// below the anchor; a DS stands in the parent's zone.
    fn signer(&self, rrset: &Rrset, name: &Name, rr_type: u16) -> Option<Name> {
        let mut signers = rrset.signatures.iter().map(|rrsig| rrsig.signer.to_lowercase());
        signers.find(|signer| {
            signer.zone_of(name) && self.anchor.zone().zone_of(signer) && !(rr_type == rr::DS && signer == name)
        })
    }

    fn wildcard_allowed(&self, name: &Name, wildcard: &Name, keys: &ZoneKeys, authority: &[Rr]) -> bool {
        let mut denials = Rrset::all(authority, rr::NSEC);
        denials.extend(Rrset::all(authority, rr::NSEC3));
        self.believed(&denials, keys).is_ok_and(|Denials { nsecs, nsec3s, .. }| {
            denial::allows_wildcard(name, &keys.zone, &nsecs) || nsec3::allows_wildcard(name, wildcard, &nsec3s)
        })
    }

    /// The NSEC and NSEC3 records with a good signature by `keys`; the flaw of the first if there is none.
    fn believed(&self, denials: &[Rrset], keys: &ZoneKeys) -> Result<Denials, Flaw> {
        let (mut nsecs, mut nsec3s, mut first, mut flaw) = (vec![], vec![], None::<Proof>, None);
        for rrset in denials {
            let proof = match rrset.verify(keys, self.now_s, &self.work) {
                Ok(proof) => proof,
                Err(found) => {
                    flaw.get_or_insert(found);
                    continue;
                }
            };
            for rdata in &rrset.rdatas {
                match rrset.rr_type {
                    rr::NSEC => nsecs.extend(Nsec::read(&rrset.owner, rdata)),
                    _ => nsec3s.extend(Nsec3::read(&rrset.owner, &keys.zone, rdata)),
                }
            }
            first.get_or_insert_with(|| proof.clone()).expires_s =
                first.as_ref().map_or(proof.expires_s, |first| first.expires_s.min(proof.expires_s));
        }
        match first {
            Some(proof) => Ok(Denials { nsecs, nsec3s, proof }),
            None => Err(flaw.unwrap_or(Flaw::Unsigned)),
        }
    }

    /// Whether the keys of `name` are believed; asked once for a look-up.
    fn zone(&self, name: Name) -> Pending<'_, Zone> {
        let cell = Arc::clone(lock(&self.zones).entry(name.clone()).or_default());
        Box::pin(async move {
            let zone = cell.get_or_try_init(|| async {
                if name == *self.anchor.zone() {
                    if !self.anchor.is_supported() {
                        return Ok(Zone::Insecure("the algorithms of the trust anchor are not known here".into()));
                    }
                    return self.zone_keys(&name, |key| self.anchor.holds(key), u64::MAX, Flaw::NoAnchoredKey).await;
                }
                match self.cut(name.clone()).await? {
                    Cut::Secure { ds, expires_s } => {
                        let covered = |key: &Dnskey| ds.iter().any(|ds| ds.covers(&name, key));
                        self.zone_keys(&name, covered, expires_s, Flaw::NoDelegatedKey).await
                    }
                    Cut::Insecure(why) => Ok(Zone::Insecure(why)),
                    Cut::Bogus(why) => Ok(Zone::Bogus(why)),
                    Cut::None | Cut::NoName => {
                        Ok(Zone::Bogus(format!("it is signed by {}, which is no zone", name.to_ascii())))
                    }
                }
            });
            zone.await.cloned()
        })
    }

    /// Fetches the DNSKEY set of a zone; it must be signed by a key that `is_entry` knows (RFC 4035 5.2).
    async fn zone_keys(
        &self,
        name: &Name,
        is_entry: impl Fn(&Dnskey) -> bool,
        expires_s: u64,
        no_entry: fn(String) -> Flaw,
    ) -> Result<Zone, LookupError> {
        let asked = self.fetch(name, rr::DNSKEY).await?;
        let checked = match Rrset::of(&asked.answer.answer, name, rr::DNSKEY) {
            None => Err(no_entry(name.to_ascii())),
            Some(rrset) => {
                let keys: Vec<Dnskey> = rrset.rdatas.iter().filter_map(|rdata| Dnskey::read(rdata)).collect();
                let entries: Vec<Dnskey> =
                    keys.iter().filter(|key| is_supported(key.algorithm) && is_entry(key)).cloned().collect();
                let entry = ZoneKeys { zone: name.clone(), keys: entries, expires_s };
                match entry.keys.is_empty() {
                    true => Err(no_entry(name.to_ascii())),
                    false => rrset.verify(&entry, self.now_s, &self.work).map(|proof| (rrset, keys, proof)),
                }
            }
        };
        let (judged, zone) = match checked {
            Err(flaw) => {
                let why = format!("the keys of {} are not believed: {flaw}", name.to_ascii());
                (Judged::bogus(flaw.to_string()), Zone::Bogus(why))
            }
            Ok((rrset, keys, proof)) => {
                let expires_s = expires_s.min(proof.expires_s);
                let by = if name == self.anchor.zone() { "the trust anchor" } else { "the DS records of the parent" };
                let why = format!("key {} fits {by} and signed them all", proof.tag);
                let judged = Judged { rdatas: rrset.rdatas, absence: None, trust: Trust::Secure, expires_s, why };
                (judged, Zone::Secure(Arc::new(ZoneKeys { zone: name.clone(), keys, expires_s })))
            }
        };
        self.note(name, rr::DNSKEY, &asked, &judged);
        Ok(zone)
    }

    /// What kind of delegation there is at `name`, which lies below the anchor; asked once for a look-up.
    fn cut(&self, name: Name) -> Pending<'_, Cut> {
        let cell = Arc::clone(lock(&self.cuts).entry(name.clone()).or_default());
        Box::pin(async move {
            let cut = cell.get_or_try_init(|| async {
                let judged = self.resolve(&name, rr::DS).await?;
                let ds: Vec<Ds> = judged.rdatas.iter().filter_map(|rdata| Ds::read(rdata)).collect();
                Ok(match (judged.trust, judged.absence) {
                    (Trust::Unconfirmed(why) | Trust::Bogus(why), _) => {
                        Cut::Bogus(format!("the delegation of {} is not proved: {why}", name.to_ascii()))
                    }
                    (Trust::Insecure(why), _) => Cut::Insecure(why),
                    (Trust::Secure, None) if ds.iter().any(Ds::is_supported) => {
                        let ds = ds.into_iter().filter(Ds::is_supported).collect();
                        Cut::Secure { ds, expires_s: judged.expires_s }
                    }
                    (Trust::Secure, None) => {
                        Cut::Insecure(format!("{} is signed with algorithms not known here", name.to_ascii()))
                    }
                    (Trust::Secure, Some(Absence::InsecureCut)) => {
                        Cut::Insecure(format!("{} is delegated without DS: it is not signed", name.to_ascii()))
                    }
                    (Trust::Secure, Some(Absence::NoData)) => Cut::None,
                    (Trust::Secure, Some(Absence::NoName)) => Cut::NoName,
                })
            });
            cut.await.cloned()
        })
    }

    /// Asks for `name`, following referrals to zones below the anchor.
    async fn fetch(&self, name: &Name, rr_type: u16) -> Result<Asked, LookupError> {
        let mut zone = self.anchor.zone().clone();
        for _ in 0..=REFERRALS_MAX {
            let servers = self.servers_for(&mut zone, name, rr_type);
            let asked = self.ask_in_turn(&servers, name, rr_type).await?;
            let Some(cut) = referral(&asked.answer, &zone, name) else { return Ok(asked) };
            if rr_type == rr::DS && cut == *name {
                return Ok(asked); // the parent's own side: what it says there is judged
            }
            let addresses = self.glue(&asked.answer, &cut);
            if addresses.is_empty() {
                return Err(LookupError::Delegated { zone: cut.to_ascii() });
            }
            lock(&self.delegated).insert(cut, addresses);
        }
        Err(LookupError::Delegated { zone: zone.to_ascii() })
    }

    /// The servers of the deepest zone known for `name` (for a DS: of the one above it); `zone` becomes that zone.
    fn servers_for(&self, zone: &mut Name, name: &Name, rr_type: u16) -> Vec<SocketAddr> {
        let delegated = lock(&self.delegated);
        let fits = |cut: &&Name| cut.zone_of(name) && !(rr_type == rr::DS && *cut == name);
        match delegated.keys().filter(fits).max_by_key(|cut| cut.num_labels()) {
            Some(cut) => {
                *zone = cut.clone();
                delegated.get(cut).cloned().unwrap_or_default()
            }
            None => self.servers.clone(),
        }
    }

    async fn ask_in_turn(&self, servers: &[SocketAddr], name: &Name, rr_type: u16) -> Result<Asked, LookupError> {
        let mut last = LookupError::NoServer;
        for &server in servers {
            if self.questions.fetch_add(1, Ordering::Relaxed) >= QUESTIONS_MAX {
                return Err(LookupError::TooManyQuestions { asked: asked(name, rr_type) });
            }
            match exchange::ask(server, name, rr_type, self.wait_ms).await {
                Ok((answer, transport)) if matches!(answer.rcode, message::NOERROR | message::NXDOMAIN) => {
                    self.keep_signed(&answer, rr_type);
                    return Ok(Asked { answer, server, transport });
                }
                Ok((answer, _)) => last = LookupError::refused(server, asked(name, rr_type), &answer),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn glue(&self, answer: &Message, cut: &Name) -> Vec<SocketAddr> {
        let is_ns = |rr: &&Rr| rr.rr_type == rr::NS && rr.owner == *cut;
        let mut targets = Vec::new();
        for ns in answer.authority.iter().filter(is_ns) {
            targets.push(ns.rdata.as_slice());
        }
        let of_target = |rr: &&Rr| {
            let mut owner = Vec::new();
            message::name_bytes(&mut owner, &rr.owner, message::Case::Lower);
            targets.contains(&owner.as_slice())
        };
        let address = |rr: &Rr| match (rr.rr_type, <[u8; 4]>::try_from(&*rr.rdata), <[u8; 16]>::try_from(&*rr.rdata)) {
            (rr::A, Ok(v4), _) => Some(IpAddr::from(v4)),
            (rr::AAAA, _, Ok(v6)) => Some(IpAddr::from(v6)),
            _ => None,
        };
        let addresses = answer.additional.iter().filter(of_target).filter_map(address);
        addresses.map(|ip| SocketAddr::new(ip, self.referral_port)).take(GLUE_MAX).collect()
    }

    fn note(&self, name: &Name, rr_type: u16, asked: &Asked, judged: &Judged) {
        let step = Step::new(name, rr_type, asked.server, asked.transport, judged);
        lock(&self.steps).push(step);
    }
}

/// A question that was answered.
struct Asked {
    answer: Message,
    server: SocketAddr,
    transport: Transport,
}

/// Denials with a good signature; `proof` is the first one, with the earliest expiry of all.
struct Denials {
    nsecs: Vec<Nsec>,
    nsec3s: Vec<Nsec3>,
    proof: Proof,
}

/// The cut that an answer refers to: below `zone`, at or above `name`.
fn referral(answer: &Message, zone: &Name, name: &Name) -> Option<Name> {
    if answer.authoritative || !answer.answer.is_empty() || answer.authority.iter().any(|rr| rr.rr_type == rr::SOA) {
        return None;
    }
    let is_cut =
        |rr: &&Rr| rr.rr_type == rr::NS && rr.owner.zone_of(name) && zone.zone_of(&rr.owner) && rr.owner != *zone;
    answer.authority.iter().find(is_cut).map(|rr| rr.owner.to_lowercase())
}

fn signed_by(proof: &Proof, zone: &Name) -> String {
    format!("signed by key {} of {} until {}", proof.tag, zone.to_ascii(), clock::rfc3339(proof.expires_s))
}

fn in_words(absence: Absence) -> &'static str {
    match absence {
        Absence::NoData => "proved that there is no such record",
        Absence::NoName => "proved that there is no such name",
        Absence::InsecureCut => "proved that the zone below is not signed",
    }
}

/// A poisoned lock only means that another task panicked; what it guards is still whole (single inserts).
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
