//! A small directory in a folder of its own: one operator, one provider that also validates, holders with a device.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use callbook::authority::{self, Actor, Authority, Entrant, NewToken, Receipt, Rejection, Settings, Submission, View};
use callbook::charter::Policy;
use callbook::client::holder::{Change, Device, Directory, RecordDraft, Signed, opening};
use callbook::client::ve::ValidationToken;
use callbook::clock::FakeClock;
use callbook::ledger::{Ledger, OpenError};
use callbook::log::event::Role;
use callbook::log::key::{Algorithm, SigningKey};
use callbook::log::random::Seeded;
use callbook::log::record::Prefix;
use callbook::log::state::State;
use callbook::number::Number;
use callbook::registry::possession::Proof;
use callbook::registry::standing::ProviderStatus;
use callbook::seal::Lock;
use callbook::signer::Place;
use callbook::zone::{ApplyError, Change as Shown, NumberData, StaticZone};

/// When everything begins: 2027-01-15.
pub(super) const START_MS: u64 = 1_800_000_000_000;
const DAY_S: u64 = 86_400;
/// Where a signer in a process of its own listens; a file `socket` beside it says that there is one.
pub(super) const SOCKET: &str = "signer.sock";

/// What a name server would show, by number.
#[derive(Default)]
pub(super) struct Board {
    shown: Mutex<BTreeMap<Number, NumberData>>,
    serial: Mutex<u32>,
    fixed: Mutex<Option<Arc<StaticZone>>>,
}

impl Board {
    pub(super) fn take(&self, data: NumberData) {
        self.shown.lock().unwrap().insert(data.number, data);
    }

    pub(super) fn shows(&self, number: Number) -> Option<NumberData> {
        self.shown.lock().unwrap().get(&number).cloned()
    }

    pub(super) fn len(&self) -> usize {
        self.shown.lock().unwrap().len()
    }

    pub(super) fn serial(&self) -> u32 {
        *self.serial.lock().unwrap()
    }
}

impl View for Board {
    fn apply(&self, changes: &[Shown], serial: u32) -> Result<(), ApplyError> {
        *self.serial.lock().unwrap() = serial;
        let mut shown = self.shown.lock().unwrap();
        for change in changes {
            match change {
                Shown::Put(data) => drop(shown.insert(data.number, data.clone())),
                Shown::Remove(number) => drop(shown.remove(number)),
            }
        }
        Ok(())
    }

    fn cut_over(&self, number: Number) -> Option<String> {
        let fixed = self.fixed.lock().unwrap();
        callbook::zone::numbers::cut_over(fixed.as_deref()?, number).map(|cut| cut.to_text())
    }

    fn replace_fixed(&self, fixed: Arc<StaticZone>, serial: u32) -> Result<(), ApplyError> {
        *self.fixed.lock().unwrap() = Some(fixed);
        self.apply(&[], serial)
    }
}

/// A directory that is open.
pub(super) struct Desk {
    pub(super) authority: Authority,
    pub(super) board: Arc<Board>,
    pub(super) clock: Arc<FakeClock>,
    pub(super) actor: Actor,
}

/// The era that a directory in this folder is in: a file says so, as `log.era` does.
pub(super) fn era_in(dir: &Path) -> u64 {
    std::fs::read_to_string(dir.join("era")).map_or(0, |era| era.parse().unwrap())
}

pub(super) fn settings(dir: &Path) -> Settings {
    Settings {
        apex: "e164.example.".into(),
        host: "dir.example".into(),
        era: era_in(dir),
        epoch_ms: 0,
        heartbeat_s: 60,
        keys: dir.join("keys"),
        data: dir.join("data"),
        lock: Lock::default(),
        signer: match dir.join("socket").exists() {
            true => Place::Socket(dir.join(SOCKET)),
            false => Place::Here(dir.join("keys")),
        },
        witnesses: Some(dir.join("witnesses.toml")).filter(|path| path.exists()).unwrap_or_default(),
    }
}

pub(super) fn statement_key() -> SigningKey {
    SigningKey::from_bytes(Algorithm::Ed25519, &[21; 32]).unwrap()
}

pub(super) fn token_key() -> SigningKey {
    SigningKey::from_bytes(Algorithm::Ed25519, &[22; 32]).unwrap()
}

pub(super) fn acme() -> Entrant {
    Entrant {
        id: "acme".into(),
        name: "Acme".into(),
        status: ProviderStatus::Accredited,
        statement_keys: vec![statement_key().public().clone()],
        validation_keys: vec![token_key().public().clone()],
    }
}

/// The n-th number of the sandbox.
pub(super) fn number(n: u64) -> Number {
    Number::from_u64(999_000_000_000 + n).unwrap()
}

/// The device of the n-th holder: the same in every process.
pub(super) fn device(n: u64) -> Device {
    let mut seed = [7; 32];
    seed[..8].copy_from_slice(&n.to_be_bytes());
    Device::generate(Algorithm::Ed25519, &Seeded::new(seed)).unwrap()
}

/// Waits until an authority that was dropped has let go of its ledger: what its writer did last may end after its answer.
pub(super) fn let_go(dir: &Path) {
    for _ in 0..2000 {
        match Ledger::open(&dir.join("data")) {
            Ok(_) => return,
            Err(OpenError::InUse { .. }) => std::thread::sleep(std::time::Duration::from_millis(5)),
            Err(other) => panic!("{other}"),
        }
    }
    panic!("the ledger stays in use");
}

impl Desk {
    /// Makes a directory with one provider.
    pub(super) fn new(dir: &Path) -> Self {
        let operator_token = authority::init(&settings(dir), START_MS, &Seeded::new([5; 32])).unwrap();
        let desk = Self::open(dir, START_MS).unwrap();
        assert!(desk.authority.authenticate(&operator_token).is_some());
        desk.authority.add_provider(&Actor::operator(), acme()).unwrap();
        desk
    }

    /// Opens a directory that is there.
    pub(super) fn open(dir: &Path, now_ms: u64) -> Result<Self, authority::OpenError> {
        let (clock, board) = (Arc::new(FakeClock::at(now_ms)), Arc::new(Board::default()));
        let authority = Authority::open(settings(dir), Policy::embedded(), clock.clone(), |data| board.take(data))?;
        authority.show_in(board.clone());
        let wish = NewToken {
            provider: Some("acme".into()),
            scopes: Vec::new(),
            test: true,
            expires_in_d: 90,
            certificate: None,
        };
        let actor = match authority.add_token(&Actor::operator(), wish) {
            Ok(issued) => authority.authenticate(&issued.token).unwrap(),
            Err(_) => Actor { party: authority::Party::Provider("acme".into()), ..Actor::operator() },
        };
        Ok(Self { authority, board, clock, actor })
    }

    pub(super) fn now_s(&self) -> u64 {
        callbook::clock::Clock::now_s(&*self.clock)
    }

    pub(super) fn directory(&self) -> Directory {
        Directory::new(self.authority.origin(), &self.authority.vrf_key()).unwrap()
    }

    fn token(&self, n: u64, device: &Device, jti: &str, nonce: &str, days: u64) -> String {
        self.token_by(&token_key(), n, device, jti, nonce, days)
    }

    fn token_by(&self, key: &SigningKey, n: u64, device: &Device, jti: &str, nonce: &str, days: u64) -> String {
        ValidationToken {
            issuer: "acme".into(),
            audience: "e164.example.".into(),
            id: callbook::log::bytes::to_base64url(&callbook::log::sha256(&[jti.as_bytes()])[..16]),
            issued_s: self.now_s(),
            number: number(n),
            provider: "acme".into(),
            methods: vec!["sms".into()],
            validated_s: self.now_s(),
            expires_s: self.now_s() + days * DAY_S,
            control: device.control.public().thumbprint(),
            evidence: [0; 32],
            nonce: Some(nonce.into()),
        }
        .mint(key)
    }

    /// A registration of the n-th number; `jti` names its validation.
    pub(super) fn registration(&self, n: u64, jti: &str) -> Submission {
        self.registration_of(n, jti, device(n), |change| change)
    }

    /// The same for a number that this provider's customer gave back: its versions go on.
    pub(super) fn registration_after_release(&self, n: u64, jti: &str) -> Submission {
        self.registration_after_release_by(n, jti, device(n))
    }

    /// The same by somebody else with a device of its own.
    pub(super) fn registration_after_release_by(&self, n: u64, jti: &str, device: Device) -> Submission {
        let prepared = self.authority.prepare_blocking(&self.actor, number(n)).unwrap();
        let released = prepared.sponsored.expect("its last provider is told").state;
        self.registration_of(n, jti, device, |change| change.after_release(&released))
    }

    /// A registration of the n-th number that publishes the keys of another's device.
    pub(super) fn registration_with_keys_of(&self, n: u64, other: u64) -> Submission {
        let keys = device(other).keys;
        self.registration_of(n, "borrowed", Device { keys, ..device(n) }, |change| change)
    }

    fn registration_of(&self, n: u64, jti: &str, device: Device, follows: impl FnOnce(Change) -> Change) -> Submission {
        let prepared = self.authority.prepare_blocking(&self.actor, number(n)).unwrap();
        let directory = self.directory();
        let label = directory.label(number(n), &prepared.proof).unwrap();
        let record = RecordDraft::new(number(n), "acme").sip("sip:alice@acme.example").unwrap();
        let record = record.device(&device).build().unwrap();
        let token = self.token(n, &device, jti, &prepared.nonce, 80);
        let not_after_s = self.now_s() + 80 * DAY_S;
        let opening = opening(&Seeded::new([n as u8; 32])).unwrap();
        let mut signed = follows(Change::create(label, &record, opening, device.control.public(), not_after_s))
            .evidence(&[&token])
            .unwrap()
            .valid_until(self.now_s() + 3600)
            .sign(&directory, &[(Role::NewControl, &device.control)])
            .unwrap();
        signed.prove(&directory, &device.keys, &prepared.ephemeral).unwrap();
        signed.cosign(&directory, &statement_key());
        submission(n, signed, vec![token])
    }

    /// An update of the n-th number to another address.
    pub(super) fn update(&self, n: u64, uri: &str) -> Submission {
        let prepared = self.authority.prepare_blocking(&self.actor, number(n)).unwrap();
        let before = prepared.sponsored.expect("registered by this provider").state;
        let (directory, device) = (self.directory(), device(n));
        let record = RecordDraft::new(number(n), "acme").sip(uri).unwrap().device(&device).build().unwrap();
        let mut signed = Change::update(prepared.label, &before, &record, opening(&Seeded::new([99; 32])).unwrap())
            .valid_until(self.now_s() + 3600)
            .sign(&directory, &[(Role::Control, &device.control)])
            .unwrap();
        signed.cosign(&directory, &statement_key());
        submission(n, signed, Vec::new())
    }

    /// A renewal of the n-th number with a validation by that key.
    pub(super) fn renewal_by(&self, n: u64, by: &SigningKey) -> Submission {
        let prepared = self.authority.prepare_blocking(&self.actor, number(n)).unwrap();
        let before = prepared.sponsored.expect("registered by this provider").state;
        let token = self.token_by(by, n, &device(n), &format!("again {n}"), &prepared.nonce, 85);
        let mut signed = Change::renew(prepared.label, &before, "acme", self.now_s() + 85 * DAY_S)
            .evidence(&[&token])
            .unwrap()
            .valid_until(self.now_s() + 3600)
            .sign(&self.directory(), &[])
            .unwrap();
        signed.cosign(&self.directory(), &statement_key());
        submission(n, signed, vec![token])
    }

    /// A renewal of the n-th number for 80 days from now; `jti` names its validation.
    pub(super) fn renewal(&self, n: u64, jti: &str) -> Submission {
        let prepared = self.authority.prepare_blocking(&self.actor, number(n)).unwrap();
        let before = prepared.sponsored.expect("registered by this provider").state;
        let token = self.token(n, &device(n), jti, &prepared.nonce, 80);
        let change =
            Change::renew(prepared.label, &before, "acme", self.now_s() + 80 * DAY_S).evidence(&[&token]).unwrap();
        let mut signed = change.valid_until(self.now_s() + 3600).sign(&self.directory(), &[]).unwrap();
        signed.cosign(&self.directory(), &statement_key());
        submission(n, signed, vec![token])
    }

    /// The provider's notice that it will release the n-th number.
    pub(super) fn notice(&self, n: u64) -> Submission {
        let prepared = self.authority.prepare_blocking(&self.actor, number(n)).unwrap();
        let before = prepared.sponsored.expect("registered by this provider").state;
        let change = Change::release_notice(prepared.label, &before, "acme").valid_until(self.now_s() + 3600);
        let mut signed = change.sign(&self.directory(), &[]).unwrap();
        signed.cosign(&self.directory(), &statement_key());
        submission(n, signed, Vec::new())
    }

    /// The provider's release of the n-th number, after its notice.
    pub(super) fn release_after_notice(&self, n: u64) -> Submission {
        let prepared = self.authority.prepare_blocking(&self.actor, number(n)).unwrap();
        let before = prepared.sponsored.expect("registered by this provider").state;
        let change = Change::release_after_notice(prepared.label, &before, "acme").valid_until(self.now_s() + 3600);
        let mut signed = change.sign(&self.directory(), &[]).unwrap();
        signed.cosign(&self.directory(), &statement_key());
        submission(n, signed, Vec::new())
    }

    /// What the holder of the n-th number signs alone.
    pub(super) fn holder(
        &self,
        n: u64,
        change: impl FnOnce(callbook::log::label::Label, &State) -> Change,
    ) -> Submission {
        let prepared = self.authority.prepare_blocking(&self.actor, number(n)).unwrap();
        let before = prepared.sponsored.expect("registered by this provider").state;
        let device = device(n);
        let signed = change(prepared.label, &before)
            .valid_until(self.now_s() + 3600)
            .sign(&self.directory(), &[(Role::Control, &device.control)])
            .unwrap();
        submission(n, signed, Vec::new())
    }

    pub(super) fn submit(&self, submission: &Submission) -> Result<Receipt, Rejection> {
        self.authority.submit_blocking(&self.actor, submission, None)
    }

    /// Registers the n-th number and publishes it.
    pub(super) fn register(&self, n: u64) -> Receipt {
        let receipt = self.submit(&self.registration(n, &format!("jti {n}"))).unwrap();
        self.authority.turn().unwrap();
        receipt
    }
}

fn submission(n: u64, signed: Signed, validation: Vec<String>) -> Submission {
    let proof = |p: callbook::client::holder::Proved| Proof { prefix: p.prefix, spki: p.spki, proof: p.proof };
    let (record, opening) = signed.record.unzip();
    Submission {
        number: number(n),
        event: signed.event.write(),
        record,
        opening,
        possession: signed.possession.into_iter().map(proof).collect(),
        validation,
        nonce: None,
        code: None,
    }
}

/// The SIP address that is shown for a number, if any is.
pub(super) fn address(shown: &NumberData) -> String {
    let naptr = shown.rrs.iter().find(|rr| rr.prefix == Prefix::Naptr).expect("a NAPTR record");
    String::from_utf8_lossy(&naptr.rdata).into_owned()
}
