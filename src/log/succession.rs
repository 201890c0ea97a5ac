//! Whether a State follows from the one before by an event, as far as anybody can see who has only these: the holder's device, a watcher.
//!
//! Here is the part of the law that needs no register, no clock and no charter: the chain of versions, which fields a kind may change, which
//! roles sign through which door, and that the keys of the number are those of its States. Whether a provider or a member of the staff was
//! one, and whether a wait was over, auditors check.

use crate::log::bytes::Malformed;
use crate::log::event::{Door, Event, Kind, Role};
use crate::log::key::Thumbprint;
use crate::log::label::Label;
use crate::log::state::{Flags, State, Status};
use crate::log::{ZERO, pending};

/// The log that an event was signed for.
#[derive(Clone, Copy, Debug)]
pub struct Where<'a> {
    /// The origin of the map log.
    pub origin: &'a str,
    /// Origins of earlier eras: there the number had another label.
    pub eras: &'a [String],
    /// The number's label in this era.
    pub label: &'a Label,
}

/// Checks one event with the epochs that the sequencer set. `before` is the State before; None: it is not known, unless the event is of
/// version 1.
///
/// # Errors
/// The first rule that is broken: then this State does not follow from that one.
pub fn check(event: &Event, before: Option<&State>, at: Where<'_>) -> Result<(), Malformed> {
    let must = |ok, why| Malformed::unless(ok, "event", why);
    event.state.check()?;
    must(
        before.is_some() || event.state.version > 1 || event.kind == Kind::Create,
        "the first one is no registration",
    )?;
    if let Some(before) = before {
        follows(event, before)?;
        changes_only_what_it_may(event, before)?;
    }
    must(roles_fit(event, before), "door or signatures")?;
    must(keys_fit(event, before), "signed by a key that is not the number's")?;
    let here = || event.label == *at.label && event.signatures_verify(at.origin);
    let in_an_earlier_era = || at.eras.iter().any(|era| event.signatures_verify(era));
    must(here() || in_an_earlier_era(), "bad signature")
}

/// Versions, hashes and epochs.
fn follows(event: &Event, before: &State) -> Result<(), Malformed> {
    let (new, must) = (&event.state, |ok, why| Malformed::unless(ok, "event", why));
    must(before.version.checked_add(1) == Some(new.version), "version")?;
    must(new.prev == before.hash() && event.prev == new.prev, "prev")?;
    must(event.kind == Kind::Carry || new.since_epoch > before.since_epoch, "since_epoch")?;
    let key_epoch = match event.kind {
        Kind::Carry => 0,
        _ if before.control == new.control => before.key_epoch,
        _ => new.since_epoch,
    };
    must(new.key_epoch == key_epoch, "key_epoch")
}

/// The fields of a State beside version, prev and epochs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Field {
    Flags,
    NotAfter,
    Control,
    Recovery,
    Pending,
    Commitment,
}

fn changes_only_what_it_may(event: &Event, old: &State) -> Result<(), Malformed> {
    use Field::{Commitment, Control, NotAfter, Pending, Recovery};
    let (new, must) = (&event.state, |ok, why| Malformed::unless(ok, "event", why));
    let (before, may): (&[Status], &[Field]) = match event.kind {
        Kind::Create => (&[Status::Released], &[Field::Flags, NotAfter, Control, Recovery, Pending, Commitment]),
        Kind::Update => (&[Status::Active], &[Field::Flags, Control, Recovery, Pending, Commitment]),
        Kind::Transfer if event.takes_back() => {
            (LIVE, &[Field::Flags, NotAfter, Control, Recovery, Pending, Commitment])
        }
        Kind::Transfer => (&[Status::Active], &[Commitment]),
        // A request in the place of a void one that was objected to takes the objection away.
        Kind::Request if event.door == Door::Validation => (LIVE, &[Pending, Field::Flags]),
        Kind::Request => (&[Status::Active], &[Pending, Field::Flags]),
        Kind::Complete => (LIVE, &[Field::Flags, NotAfter, Control, Recovery, Pending, Commitment]),
        Kind::Veto => (LIVE, &[Field::Flags, Pending]),
        Kind::Suspend => (LIVE, &[Field::Flags]),
        Kind::Resume => (&[Status::Suspended], &[Field::Flags]),
        Kind::Release => (LIVE, &[Field::Flags, Control, Recovery, Pending, Commitment]),
        Kind::Renew => (LIVE, &[NotAfter]),
        Kind::Object => (LIVE, &[Field::Flags]),
        Kind::Carry => (LIVE, &[]),
    };
    must(before.contains(&old.status), "status before")?;
    let fields = [
        (Field::Flags, new.flags == old.flags),
        (NotAfter, new.not_after == old.not_after),
        (Control, new.control == old.control),
        (Recovery, new.recovery == old.recovery),
        (Pending, new.pending == old.pending),
        (Commitment, new.commitment == old.commitment),
    ];
    must(fields.iter().all(|(field, same)| *same || may.contains(field)), "changes more than its kind may")?;
    let status = match event.kind {
        Kind::Create => Status::Active,
        Kind::Release => Status::Released,
        _ if new.flags.intersects(Flags::SUSPENSIONS) => Status::Suspended,
        _ => Status::Active,
    };
    must(new.status == status, "status after")?;
    must(flags_fit(event, old), "flags")?;
    must(pending_fits(event, old), "pending")?;
    must(event.kind != Kind::Renew || new.not_after > old.not_after, "not_after does not rise")
}

const LIVE: &[Status] = &[Status::Active, Status::Suspended];

fn flags_fit(event: &Event, old: &State) -> bool {
    let flip = event.state.flags.changed(old.flags);
    let only = |may: Flags| flip.without(may) == Flags::NONE;
    match event.kind {
        Kind::Create => event.state.flags.without(Flags::LOCK.with(Flags::PROVIDER_HELD)) == Flags::NONE,
        Kind::Update => only(Flags::LOCK.with(Flags::PROVIDER_HELD).with(Flags::OBJECTED)),
        Kind::Complete => only(Flags::LOCK.with(Flags::PROVIDER_HELD).with(Flags::OBJECTED)),
        Kind::Request | Kind::Veto => only(Flags::OBJECTED) && !event.state.flags.contains(Flags::OBJECTED),
        Kind::Object => flip == Flags::OBJECTED && event.state.flags.contains(Flags::OBJECTED),
        Kind::Suspend | Kind::Resume => {
            let by_operator = event.signature(Role::Operator).is_some();
            let mine = if by_operator { Flags::SUSP_OP } else { Flags::SUSP_HOLDER };
            flip == mine && event.state.flags.contains(mine) == (event.kind == Kind::Suspend)
        }
        Kind::Release => event.state.flags == Flags::NONE,
        Kind::Transfer if event.takes_back() => {
            event.state.flags.without(Flags::LOCK) == old.flags.only(Flags::SUSPENSIONS)
        }
        Kind::Transfer | Kind::Renew | Kind::Carry => flip == Flags::NONE,
    }
}

fn pending_fits(event: &Event, old: &State) -> bool {
    let asked = event.signature(Role::NewControl).map_or(ZERO, |signature| signature.key.thumbprint());
    let claim = || pending::hash(event.door, &asked, &event.provider);
    let now = event.state.pending;
    match event.kind {
        Kind::Request => now == claim(),
        Kind::Complete => now == ZERO && old.pending == claim(),
        Kind::Release if event.signature(Role::Provider).is_some() => now == ZERO && old.pending == claim(),
        Kind::Update => now == ZERO || now == old.pending,
        Kind::Create | Kind::Veto | Kind::Release => now == ZERO,
        Kind::Transfer if event.takes_back() => now == ZERO,
        _ => now == old.pending,
    }
}

/// Which roles sign a kind, door by door (TRUST.md 2). An UPDATE that sets another control key has that one's signature.
fn roles_fit(event: &Event, before: Option<&State>) -> bool {
    use Role::{Control, NewControl, Operator, Provider, Recovery, Sequencer};
    let roles: Vec<Role> = event.signatures.iter().map(|signature| signature.role).collect();
    let allowed: &[&[Role]] = match (event.kind, event.door) {
        (Kind::Create, Door::Main) => &[&[Provider, NewControl]],
        (Kind::Update, Door::Main) => match before.map(|before| before.control != event.state.control) {
            None => &[&[Control, Provider], &[Control, Provider, NewControl]],
            Some(false) => &[&[Control, Provider]],
            Some(true) => &[&[Control, Provider, NewControl]],
        },
        (Kind::Update, Door::Direct) => match before.is_some_and(|before| before.control != event.state.control) {
            true => &[],
            false => &[&[Control]],
        },
        (Kind::Transfer, Door::Main) => &[&[Control, Provider]],
        (Kind::Transfer, Door::Validation) => &[&[Provider, NewControl]],
        (Kind::Request, Door::Main) => &[&[Provider, NewControl], &[Provider, NewControl, Recovery]],
        (Kind::Request, Door::Code | Door::Validation) => &[&[Provider, NewControl]],
        (Kind::Request, Door::Direct) => &[&[Provider]],
        (Kind::Complete, Door::Main | Door::Code) => &[&[Provider, NewControl]],
        (Kind::Complete, Door::Validation) => &[&[Provider, NewControl], &[Provider, NewControl, Operator, Operator]],
        (Kind::Veto | Kind::Suspend | Kind::Resume, Door::Main) => &[&[Operator, Operator]],
        (Kind::Veto | Kind::Suspend | Kind::Resume | Kind::Object, Door::Direct) => &[&[Control]],
        (Kind::Release, Door::Direct) => &[&[Control], &[Provider]],
        (Kind::Release | Kind::Carry, Door::Main) => &[&[Sequencer]],
        (Kind::Renew, Door::Main) => &[&[Provider]],
        _ => &[],
    };
    allowed.contains(&roles.as_slice())
}

/// The keys of the number are those of its States.
fn keys_fit(event: &Event, before: Option<&State>) -> bool {
    event.signatures.iter().all(|signature| {
        let names = |thumbprint: &Thumbprint| signature.key.thumbprint() == *thumbprint;
        match signature.role {
            Role::Control => before.is_none_or(|before| names(&before.control)),
            Role::NewControl => event.kind == Kind::Request || names(&event.state.control),
            Role::Recovery => before.is_none_or(|before| names(&before.recovery)),
            Role::Provider | Role::Operator | Role::Sequencer => true,
        }
    })
}
