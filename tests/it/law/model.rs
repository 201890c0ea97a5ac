//! Random lives against a second, far simpler law: what each number is, who may do what next, and for which reason not.
//!
//! Three providers, four phones, two members of staff and a clock that jumps drive three numbers through both stages of the law
//! and the seal. Before each step the model says whether it will be accepted, or the one code of its refusal; after each epoch
//! it says what everybody must see. At the end of each life a newcomer who can prove the number gets it in bounded time.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use callbook::charter::Policy;
use callbook::log::ZERO;
use callbook::log::event::{Door, Event, Kind, Role};
use callbook::log::key::Thumbprint;
use callbook::log::pending;
use callbook::log::state::{Flags, State, Status};
use callbook::number::Number;
use callbook::registry::bulk::BulkDoor;
use callbook::registry::code::TransferCode;
use callbook::registry::examine::Submission;

use super::directory::*;

const PROVIDERS: [&str; 3] = ["acme", "bell", "core"];
const LINES: [&str; 3] = ["+447700900123", "+447700900124", "+99912345678"];
const PHONES: [u8; 4] = [10, 20, 30, 40];
/// What names the phones' control keys; made once, for it is asked at every step.
static CONTROLS: LazyLock<[Thumbprint; 4]> = LazyLock::new(|| PHONES.map(|seed| ed25519(seed).public().thumbprint()));
/// The charter, with quotas that three numbers can meet.
static POLICY: LazyLock<Policy> = LazyLock::new(|| {
    let quotas =
        [("numbers_max", QUOTAS[0]), ("probation_numbers_max", QUOTAS[2]), ("creates_per_day_max", CREATES_A_DAY)];
    let set = |line: &str| match quotas.iter().find(|(name, _)| line.starts_with(&format!("{name} ="))) {
        Some((name, value)) => {
            let article = line.split_once(", value = ").expect("a parameter").0;
            assert!(article.starts_with(name));
            format!("{article}, value = {value} }}\n")
        }
        None => format!("{line}\n"),
    };
    let text: String = Policy::embedded().source().lines().map(set).collect();
    Policy::parse(&text).expect("within its bounds")
});
/// The newcomer at the end, through the provider that did nothing so far.
const NEWCOMER: u8 = 50;
const RULING: [u8; 32] = [77; 32];
const STEPS: usize = 200;
/// Lives in one run of the test, shared by as many threads as there are cases below.
const LIVES: u64 = 520;
/// A year's registration, its grace, its quarantine, a claim that was objected to, and a bulk door: nothing lasts longer.
const ESCAPE_D: u64 = 365 + 30 + 30 + 60 + 90;
/// How long a bulk door is open.
const BULK_D: u64 = 90;
/// Numbers that each provider may have; the last one is on probation.
const QUOTAS: [u64; 3] = [2, 2, 1];
/// Registrations of one provider in one day: one less than it may have numbers, or it would never be what stops anybody.
const CREATES_A_DAY: u64 = 1;
/// So few lives meet the quotas and the pause below: a mutant of the law that drops one of them does not live long.
const FEW: u64 = 24;

/// What the wandering must have heard: a quota or a pause that is never met shows nothing. The first of these a few lives hear.
const HEARD: [&str; 18] = [
    "quota_numbers",
    "quota_probation",
    "quota_creates",
    "claim_pause",
    "quarantine",
    "request_void",
    "request_too_late",
    "code_wait",
    "claim_wait",
    "recovery_wait",
    "objection_over",
    "grace_over",
    "veto_pause",
    "dispute_desk",
    "notice_running",
    "second_round",
    "contest_stop",
    "undo_over",
];
const HEARD_SOON: usize = 6;

/// A number as the model knows it.
#[derive(Clone, Debug, Default)]
struct Line {
    /// Who has it; None: free or released.
    owner: Option<Owner>,
    released_ms: Option<u64>,
    version: u64,
    code: bool,
    /// Vetoes: when, and of whose request.
    vetoes: Vec<(u64, usize)>,
    /// Changes by code or claim: when, and who had it before.
    changes: Vec<(u64, usize)>,
    revalidated_ms: Option<u64>,
    /// What can be taken back: since when, and by whom.
    taken: Option<(u64, usize)>,
    /// What was accepted and is not sealed.
    waiting: Option<Step>,
}

#[derive(Clone, Debug)]
struct Owner {
    provider: usize,
    phone: usize,
    end_s: u64,
    locked: bool,
    suspended: bool,
    asked: Option<Asked>,
}

impl Owner {
    /// What can be taken back of the change that ends his time: who objected had his contest, and the key that comes back is
    /// not sent away again.
    fn loses(&self, step: &Step, taken: Option<(u64, usize)>, now_ms: u64) -> Option<(u64, usize)> {
        let asked = self.asked.as_ref().expect("it was asked for");
        let back = taken.is_some_and(|(at_ms, phone)| phone == step.phone && asked.at_ms < at_ms + 30 * DAY_MS);
        let heard = asked.objected_ms.is_some() || step.act == Act::Ruling;
        (!heard && !back && self.phone != step.phone).then_some((now_ms, self.phone))
    }
}

#[derive(Clone, Debug)]
struct Asked {
    door: u8,
    provider: usize,
    phone: usize,
    at_ms: u64,
    objected_ms: Option<u64>,
}

/// What holds for all numbers.
#[derive(Clone, Copy, Debug, Default)]
struct World {
    /// The provider that serves nobody any more.
    gone: Option<usize>,
    /// When its bulk door closes; 0 before one was opened.
    closes_ms: u64,
    /// How many numbers each provider has, with those that it is about to get.
    held: [u64; 3],
    /// The day, and how many registrations of each provider were accepted on it.
    day: u64,
    creates: [u64; 3],
}

impl World {
    fn door_is_open(&self, now_ms: u64) -> bool {
        now_ms < self.closes_ms
    }

    fn lets_out(&self, owner: &Owner, now_ms: u64) -> bool {
        self.gone == Some(owner.provider) && self.door_is_open(now_ms)
    }

    /// When a number that nobody renews is free again.
    fn released_ms(&self, owner: &Owner) -> u64 {
        let closes_ms = if self.gone == Some(owner.provider) { self.closes_ms } else { 0 };
        closes_ms.max((owner.end_s + 30 * 86_400) * 1000)
    }

    /// Looks at the clock and at what each provider has.
    fn count(&mut self, lines: &[(Number, Line); 3], now_ms: u64) {
        let providers = lines.iter().filter_map(|(_, line)| line.provider());
        self.held = providers.fold([0; 3], |mut held, provider| {
            held[provider] += 1;
            held
        });
        if self.day != now_ms / DAY_MS {
            (self.day, self.creates) = (now_ms / DAY_MS, [0; 3]);
        }
    }

    /// Whether a provider may get one number more.
    fn room(&self, provider: usize) -> Result<(), &'static str> {
        let why = if provider == 2 { "quota_probation" } else { "quota_numbers" };
        if self.held[provider] < QUOTAS[provider] { Ok(()) } else { Err(why) }
    }

    /// Time goes on, and now and then a provider dies, or two persons open its door, or open it again.
    fn turn(&mut self, dice: &mut Dice, directory: &mut Directory) {
        let (dies, opens) = (dice.roll(150) == 0, dice.roll(10) == 0);
        if self.gone.is_none() && dies {
            self.gone = Some(dice.roll(3) as usize);
        } else if self.gone.is_some() && !self.door_is_open(directory.now_ms) && opens {
            self.closes_ms = directory.now_ms + BULK_D * DAY_MS;
        } else {
            return;
        }
        let id = PROVIDERS[self.gone.expect("it is gone")];
        let door = BulkDoor { opened_ms: directory.now_ms, until_ms: self.closes_ms };
        let doors = Some((id.to_owned(), door)).filter(|_| self.closes_ms > 0);
        directory.register = register_without(id, ["core", "dawn"]).on_probation(["core"]).with_bulk_doors(doors);
    }
}

/// What somebody tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Register,
    Update,
    Lock,
    Renew,
    RenewTwice,
    Suspend,
    Resume,
    Give,
    Notice,
    ReleaseAfterNotice,
    Veto,
    Object,
    Transfer,
    Ask(u8),
    /// Door 3 by one method.
    AskOnce,
    Complete(u8),
    CompleteTwice,
    Ruling,
    TakeBack,
}

const ACTS: [(Act, u64); 26] = [
    (Act::Register, 10),
    (Act::Update, 4),
    (Act::Lock, 2),
    (Act::Renew, 6),
    (Act::RenewTwice, 4),
    (Act::Suspend, 1),
    (Act::Resume, 3),
    (Act::Give, 1),
    (Act::Notice, 1),
    (Act::ReleaseAfterNotice, 2),
    (Act::Veto, 3),
    (Act::Object, 5),
    (Act::Transfer, 4),
    (Act::Ask(0), 5),
    (Act::Ask(2), 5),
    (Act::Ask(3), 7),
    (Act::AskOnce, 5),
    (Act::Complete(0), 6),
    (Act::Complete(2), 6),
    (Act::Complete(3), 6),
    (Act::CompleteTwice, 6),
    (Act::Ruling, 4),
    (Act::TakeBack, 6),
    (Act::Complete(3), 2),
    (Act::Veto, 1),
    (Act::Ask(3), 1),
];

#[derive(Clone, Copy, Debug)]
struct Step {
    act: Act,
    provider: usize,
    phone: usize,
    /// What the event sets `not_after` to, where it does.
    end_s: u64,
    /// Is what is pending void when the event is made?
    void: bool,
}

impl Step {
    /// Does the holder send it alone?
    fn is_holders(&self) -> bool {
        matches!(self.act, Act::Lock | Act::Suspend | Act::Resume | Act::Give | Act::Veto | Act::Object)
    }
}

/// SplitMix64: enough to wander, the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }

    fn act(&mut self) -> Act {
        let mut left = self.roll(ACTS.iter().map(|(_, weight)| weight).sum());
        for (act, weight) in ACTS {
            if left < weight {
                return act;
            }
            left -= weight;
        }
        unreachable!("the weights are the sum")
    }
}

/// The second law. It knows periods by the charter's text, not by its data.
impl Line {
    /// In whose account it is: also before what takes it there is sealed.
    fn provider(&self) -> Option<usize> {
        let takes = |act| {
            matches!(
                act,
                Act::Register | Act::Transfer | Act::TakeBack | Act::Complete(_) | Act::CompleteTwice | Act::Ruling
            )
        };
        let soon = self.waiting.filter(|step| takes(step.act)).map(|step| step.provider);
        soon.or(self.owner.as_ref().map(|owner| owner.provider))
    }

    fn void(&self, owner: &Owner, now_ms: u64) -> bool {
        owner.asked.as_ref().is_some_and(|asked| {
            let life_d = if asked.objected_ms.is_some() { 60 } else { 30 };
            let life_d = if Self::wait_d(owner, asked.door) >= life_d { 2 * life_d } else { life_d };
            now_ms >= asked.at_ms + life_d * DAY_MS
        })
    }

    fn wait_d(owner: &Owner, door: u8) -> u64 {
        match door {
            9 => 7,
            _ if owner.locked => 30,
            2 => 5,
            _ => 7,
        }
    }

    /// The moments at which something begins or ends for this number.
    fn edges(&self) -> Vec<u64> {
        let mut found: Vec<u64> = self.released_ms.iter().map(|at_ms| at_ms + 30 * DAY_MS).collect();
        let past = self.changes.iter().chain(&self.vetoes).map(|(at_ms, _)| at_ms + 30 * DAY_MS);
        found.extend(past.chain(self.taken.map(|(at_ms, _)| at_ms + 30 * DAY_MS)));
        let Some(owner) = &self.owner else { return found };
        found.extend([owner.end_s * 1000, (owner.end_s + 30 * 86_400) * 1000]);
        let Some(asked) = &owner.asked else { return found };
        let wait_d = Self::wait_d(owner, asked.door);
        found.extend([wait_d, 7, 14, 30, 60].map(|days| asked.at_ms + days * DAY_MS));
        found.extend(asked.objected_ms.map(|at_ms| at_ms + 7 * DAY_MS));
        found
    }

    fn contested(&self, owner: &Owner, now_ms: u64) -> bool {
        owner.asked.as_ref().is_some_and(|asked| {
            let again = self.revalidated_ms.is_some_and(|at_ms| at_ms >= asked.at_ms);
            asked.door == 3 && now_ms < asked.at_ms + 14 * DAY_MS && !again
        })
    }

    /// Why not, or nothing.
    fn judge(&self, step: &Step, world: &World, now_ms: u64) -> Result<(), &'static str> {
        let no = |unless: bool, why: &'static str| if unless { Ok(()) } else { Err(why) };
        no(step.is_holders() || world.gone != Some(step.provider), "provider_suspended")?;
        no(step.act != Act::AskOnce || world.door_is_open(now_ms), "two_methods")?;
        let Some(owner) = &self.owner else {
            no(self.waiting.is_none(), "event_pending")?;
            no(self.released_ms.is_none_or(|at_ms| now_ms >= at_ms + 30 * DAY_MS), "quarantine")?;
            no(world.creates[step.provider] < CREATES_A_DAY, "quota_creates")?;
            return world.room(step.provider);
        };
        if step.act == Act::Register {
            return Err("exists");
        }
        let objected = owner.asked.as_ref().is_some_and(|asked| asked.objected_ms.is_some());
        // To end a claim that was objected to makes no State: nothing is looked up for that.
        no(step.act != Act::Veto || !objected, "event_malformed")?;
        let (mine, holds) = (step.provider == owner.provider, step.phone == owner.phone);
        let asked_me = owner.asked.as_ref().is_some_and(|asked| asked.provider == step.provider);
        let party = match step.act {
            Act::Lock | Act::Suspend | Act::Resume | Act::Give | Act::Veto | Act::Object => holds,
            Act::Transfer => mine || holds,
            Act::TakeBack => mine || self.taken.is_some_and(|(_, phone)| phone == step.phone),
            Act::Ask(3) | Act::AskOnce => true,
            Act::Ask(2) => mine || self.code,
            Act::Complete(_) | Act::CompleteTwice | Act::Ruling => mine || asked_me,
            _ => mine,
        };
        no(party, "not_found")?;
        no(self.waiting.is_none(), "event_pending")?;
        match step.act {
            Act::TakeBack => {
                let taken = self.taken.filter(|(_, phone)| *phone == step.phone);
                no(taken.is_some(), "undo_missing")?;
                no(taken.is_some_and(|(at_ms, _)| now_ms < at_ms + 30 * DAY_MS), "undo_over")?;
                if mine { Ok(()) } else { world.room(step.provider) }
            }
            Act::Update | Act::Lock | Act::Transfer => self.judge_change(owner, step, world, now_ms),
            Act::Renew | Act::RenewTwice => {
                no(now_ms < (owner.end_s + 30 * 86_400) * 1000, "grace_over")?;
                no(step.end_s > owner.end_s, "not_raised")
            }
            Act::Suspend => no(!owner.suspended, "not_suspended"),
            Act::Resume => no(owner.suspended, "not_suspended"),
            Act::Give | Act::Register => Ok(()),
            Act::Veto => no(owner.asked.as_ref().is_some_and(|asked| asked.door != 3), "nothing_pending"),
            Act::Object => {
                let claim = owner.asked.as_ref().filter(|asked| asked.door == 3);
                no(claim.is_none_or(|asked| now_ms < asked.at_ms + 7 * DAY_MS), "objection_over")?;
                no(owner.asked.is_some(), "state_rule")?; // the submission makes something up
                no(claim.is_some(), "nothing_pending")?;
                no(claim.is_some_and(|asked| asked.objected_ms.is_none()), "flags")
            }
            Act::Notice => {
                no(!owner.suspended, "suspended")?;
                no(owner.asked.is_none() || self.void(owner, now_ms), "request_pending")
            }
            Act::ReleaseAfterNotice => {
                let notice = owner.asked.as_ref().filter(|asked| asked.door == 9);
                no(notice.is_some(), "notice_missing")?;
                no(!self.void(owner, now_ms), "request_void")?;
                no(notice.is_some_and(|asked| now_ms >= asked.at_ms + 7 * DAY_MS), "notice_running")?;
                no(asked_me, "notice_missing")
            }
            Act::Ask(door) => self.judge_request(owner, step, (door, world), now_ms),
            Act::AskOnce => self.judge_request(owner, step, (3, world), now_ms),
            Act::Complete(door) => self.judge_completion(owner, step, (door, world), now_ms),
            Act::CompleteTwice | Act::Ruling => self.judge_completion(owner, step, (3, world), now_ms),
        }
    }

    fn judge_change(&self, owner: &Owner, step: &Step, world: &World, now_ms: u64) -> Result<(), &'static str> {
        let no = |unless: bool, why: &'static str| if unless { Ok(()) } else { Err(why) };
        let (mine, holds) = (step.provider == owner.provider, step.phone == owner.phone);
        let (lapsed, contested) = (now_ms >= owner.end_s * 1000, self.contested(owner, now_ms));
        no(!owner.suspended, "suspended")?;
        if step.act == Act::Transfer {
            no(holds, "event_signers")?;
            no(!mine, "same_provider")?;
        }
        if step.act == Act::Lock {
            return no(!contested || owner.locked, "contested");
        }
        no(!contested, "contested")?;
        let renewable = now_ms < (owner.end_s + 30 * 86_400) * 1000 && world.lets_out(owner, now_ms);
        no(!lapsed || step.act == Act::Transfer && renewable, "lapsed")?;
        if step.act == Act::Transfer {
            return world.room(step.provider);
        }
        no(holds, "possession_missing")
    }

    fn judge_request(
        &self,
        owner: &Owner,
        step: &Step,
        (door, world): (u8, &World),
        now_ms: u64,
    ) -> Result<(), &'static str> {
        let no = |unless: bool, why: &'static str| if unless { Ok(()) } else { Err(why) };
        let recent = |at_ms: u64| now_ms < at_ms + 30 * DAY_MS;
        let out = door == 3 && world.lets_out(owner, now_ms);
        no(step.act != Act::AskOnce || out, "two_methods")?;
        no(door == 3 || !owner.suspended, "suspended")?;
        no(door != 2 || step.provider != owner.provider, "same_provider")?;
        no(owner.asked.is_none() || self.void(owner, now_ms), "request_pending")?;
        let pauses = |(at_ms, before): &(u64, usize)| recent(*at_ms) && !(door == 3 && *before == step.phone);
        no(door == 0 || out || !self.changes.iter().any(pauses), "claim_pause")?;
        let vetoes: Vec<usize> =
            self.vetoes.iter().filter(|(at_ms, _)| recent(*at_ms)).map(|(_, whose)| *whose).collect();
        no(!vetoes.contains(&step.provider), "veto_pause")?;
        no(door == 3 || vetoes.len() < 2, "dispute_desk")?;
        let lapsed = now_ms >= owner.end_s * 1000;
        let opens_ms = now_ms + Self::wait_d(owner, door) * DAY_MS;
        no(!lapsed || opens_ms < world.released_ms(owner), "request_too_late")
    }

    fn judge_completion(
        &self,
        owner: &Owner,
        step: &Step,
        (door, world): (u8, &World),
        now_ms: u64,
    ) -> Result<(), &'static str> {
        let no = |unless: bool, why: &'static str| if unless { Ok(()) } else { Err(why) };
        let fits = |asked: &&Asked| (asked.door, asked.provider, asked.phone) == (door, step.provider, step.phone);
        let asked = owner.asked.as_ref().filter(fits).ok_or("request_missing")?;
        let leads_here = step.provider == owner.provider;
        no(door == 3 || (door == 0) == leads_here, "request_missing")?;
        no(!self.void(owner, now_ms), "request_void")?;
        let wait = match door {
            0 => "recovery_wait",
            2 => "code_wait",
            _ => "claim_wait",
        };
        no(now_ms >= asked.at_ms + Self::wait_d(owner, door) * DAY_MS, wait)?;
        let room = || if leads_here { Ok(()) } else { world.room(step.provider) };
        let Some(objected_ms) = asked.objected_ms.filter(|_| step.act != Act::Ruling) else { return room() };
        no(now_ms < asked.at_ms + 14 * DAY_MS, "contest_stop")?;
        no(now_ms >= objected_ms + 7 * DAY_MS && step.act == Act::CompleteTwice, "second_round")?;
        no(Self::counts_twice(asked, now_ms), "second_round")?;
        no(self.revalidated_ms.is_none_or(|at_ms| at_ms < asked.at_ms), "contest_even")?;
        room()
    }

    /// Two validations seven days apart, the second now: the first must not be older than the claim.
    fn counts_twice(asked: &Asked, now_ms: u64) -> bool {
        now_ms / 1000 - 7 * 86_400 >= asked.at_ms / 1000
    }

    /// What is remembered from the moment of acceptance on.
    fn accept(&mut self, step: &Step, now_ms: u64) {
        let asked = self.owner.as_ref().and_then(|owner| owner.asked.clone());
        match (step.act, &self.owner, asked) {
            (Act::Veto, _, Some(asked)) if asked.door != 9 => self.vetoes.push((now_ms, asked.provider)),
            (Act::Complete(2 | 3) | Act::CompleteTwice | Act::Ruling, Some(owner), _) => {
                self.changes.push((now_ms, owner.phone));
            }
            (Act::RenewTwice, _, Some(asked)) if asked.objected_ms.is_some() && Self::counts_twice(&asked, now_ms) => {
                self.revalidated_ms = Some(now_ms);
            }
            _ => {}
        }
        let voids = matches!(
            step.act,
            Act::Transfer | Act::TakeBack | Act::Ask(2) | Act::Complete(_) | Act::CompleteTwice | Act::Ruling
        );
        self.code &= !(voids || matches!(step.act, Act::Register | Act::Give | Act::ReleaseAfterNotice));
        self.waiting = Some(*step);
    }

    /// An epoch is sealed at `now_ms`.
    fn seal(&mut self, world: &World, now_ms: u64) {
        let Some(step) = self.waiting.take() else {
            if self.owner.as_ref().is_some_and(|owner| now_ms >= world.released_ms(owner)) {
                self.free(now_ms);
            }
            return;
        };
        if matches!(step.act, Act::Give | Act::ReleaseAfterNotice) {
            return self.free(now_ms);
        }
        self.version += 1;
        let fresh = Owner {
            provider: step.provider,
            phone: step.phone,
            end_s: step.end_s,
            locked: false,
            suspended: self.owner.as_ref().is_some_and(|owner| owner.suspended),
            asked: None,
        };
        let Some(owner) = &mut self.owner else {
            self.owner = Some(fresh);
            return;
        };
        self.taken = match step.act {
            Act::Complete(2 | 3) | Act::CompleteTwice | Act::Ruling => owner.loses(&step, self.taken, now_ms),
            Act::TakeBack => None,
            _ => self.taken,
        };
        match step.act {
            Act::Update | Act::Lock => {
                owner.locked ^= step.act == Act::Lock;
                owner.asked = owner.asked.take().filter(|asked| asked.door == 3 && !step.void);
            }
            Act::Renew | Act::RenewTwice => owner.end_s = step.end_s,
            Act::Suspend | Act::Resume => owner.suspended = step.act == Act::Suspend,
            Act::Veto => owner.asked = None,
            Act::Object => owner.asked.iter_mut().for_each(|asked| asked.objected_ms = Some(now_ms)),
            Act::Transfer => owner.provider = step.provider,
            Act::Notice | Act::Ask(_) | Act::AskOnce => {
                let door = match step.act {
                    Act::Ask(door) => door,
                    Act::AskOnce => 3,
                    _ => 9,
                };
                let Step { provider, phone, .. } = step;
                owner.asked = Some(Asked { door, provider, phone, at_ms: now_ms, objected_ms: None });
            }
            Act::Complete(_) | Act::CompleteTwice | Act::Ruling | Act::TakeBack => self.owner = Some(fresh),
            Act::Register | Act::Give | Act::ReleaseAfterNotice => unreachable!("done above"),
        }
    }

    fn free(&mut self, now_ms: u64) {
        *self = Self { released_ms: Some(now_ms), version: self.version + 1, ..Self::default() };
    }
}

fn door_of(door: u8) -> Door {
    Door::from_u8(door).expect("a door")
}

/// The submission that the step sends; its signatures and tokens are right, whoever it is.
fn build(directory: &mut Directory, line: Number, step: &Step) -> Submission {
    let (provider, phone) = (PROVIDERS[step.provider], Phone::new(PHONES[step.phone]));
    let keep = |state: &mut State, claim: bool| {
        if !claim || step.void {
            state.pending = ZERO;
            state.flags = state.flags.without(Flags::OBJECTED);
        }
    };
    let claim =
        directory.entry(line).and_then(|entry| entry.request.as_ref()).is_some_and(|r| r.door == Door::Validation);
    match step.act {
        Act::Register => register(directory, provider, line, &phone, step.end_s),
        Act::Update => Draft::new(directory, line, Kind::Update, Some(provider))
            .state(|state| keep(state, claim))
            .record(&phone.record(provider, line, "bob"))
            .sign(&[(Role::Control, &phone.control)])
            .done(),
        Act::Lock => Draft::new(directory, line, Kind::Update, None)
            .state(|state| {
                keep(state, claim);
                state.flags = state.flags.changed(Flags::LOCK);
            })
            .sign(&[(Role::Control, &phone.control)])
            .done(),
        Act::Renew | Act::RenewTwice => {
            let held = directory.entry(line).map(|entry| entry.state.control);
            let seed =
                PHONES.iter().zip(&*CONTROLS).find(|(_, control)| Some(**control) == held).expect("its holder").0;
            let control = ed25519(*seed);
            let mut tokens = vec![directory.token(provider, line, &control, 365)];
            if step.act == Act::RenewTwice {
                tokens.insert(0, directory.validated(provider, line, &control, "document", 7 * 86_400, 365));
            }
            let draft = Draft::new(directory, line, Kind::Renew, Some(provider));
            draft.state(|state| state.not_after = step.end_s).tokens(tokens).sign(&[]).done()
        }
        Act::Suspend => holder(directory, line, &phone, Kind::Suspend),
        Act::Resume => holder(directory, line, &phone, Kind::Resume),
        Act::Give => holder(directory, line, &phone, Kind::Release),
        Act::Veto => holder(directory, line, &phone, Kind::Veto),
        Act::Object => holder(directory, line, &phone, Kind::Object),
        Act::Notice => Draft::new(directory, line, Kind::Request, Some(provider))
            .event(|event: &mut Event| event.door = Door::Direct)
            .state(|state| {
                keep(state, claim);
                state.pending = pending::hash(Door::Direct, &ZERO, provider);
            })
            .sign(&[])
            .done(),
        Act::ReleaseAfterNotice => provider_release(directory, provider, line),
        Act::Transfer => transfer(directory, provider, line, &phone),
        Act::TakeBack => take_back(directory, provider, line, &phone),
        Act::Ask(door) => request(directory, provider, line, &phone, door_of(door), None),
        Act::AskOnce => claim_once(directory, provider, line, &phone),
        Act::Complete(door) => complete(directory, provider, line, &phone, door_of(door)),
        Act::CompleteTwice => {
            let first = directory.validated(provider, line, &phone.control, "operator-db", 7 * 86_400, 180);
            let tokens = vec![first, directory.token(provider, line, &phone.control, 365)];
            complete_with(directory, provider, line, &phone, Door::Validation, tokens, None)
        }
        Act::Ruling => {
            let token = directory.token(provider, line, &phone.control, 90);
            complete_with(directory, provider, line, &phone, Door::Validation, vec![token], Some(RULING))
        }
    }
}

/// A registration after two validations, good wherever somebody had the number lately.
fn register(directory: &mut Directory, provider: &str, line: Number, phone: &Phone, end_s: u64) -> Submission {
    let tokens = directory.two_methods(provider, line, &phone.control);
    let nonce = directory.nonce_key.make(provider, &label(line), directory.now_s() + 900);
    let draft = Draft::new(directory, line, Kind::Create, Some(provider))
        .state(|state| {
            (state.status, state.flags, state.pending, state.recovery) = (Status::Active, Flags::NONE, ZERO, ZERO);
            (state.control, state.not_after) = (phone.control.public().thumbprint(), end_s);
        })
        .tokens(tokens)
        .record(&phone.record(provider, line, "alice"))
        .sign(&[(Role::NewControl, &phone.control)]);
    let proofs = phone.proofs(&draft.event, &directory.nonce_key.ephemeral(&nonce));
    draft.proofs(proofs).done()
}

/// What everybody sees is what the model says.
fn agrees(directory: &Directory, number: Number, line: &Line) {
    let Some(entry) = directory.entry(number) else { return assert!(line.owner.is_none() && line.version == 0) };
    let state = &entry.state;
    assert!(state.check().is_ok());
    assert_eq!(state.version, line.version, "a version is used once, and none is left out");
    let Some(owner) = &line.owner else {
        assert_eq!(state.status, Status::Released);
        return assert!(!directory.shows(number) && directory.rows[&number].record.is_none());
    };
    let control = CONTROLS[owner.phone];
    assert_eq!((entry.provider.as_str(), state.control), (PROVIDERS[owner.provider], control), "one owner at a time");
    assert_eq!((state.not_after, state.flags.contains(Flags::LOCK)), (owner.end_s, owner.locked));
    let live = !owner.suspended && directory.now_s() < owner.end_s;
    assert_eq!(directory.shows(number), live, "nothing is shown that may not be");
    let asked = owner.asked.as_ref().map(|asked| (door_of(asked.door), PROVIDERS[asked.provider], asked.at_ms));
    let request = entry.request.as_ref().map(|r| (r.door, r.provider.as_str(), r.time_ms));
    assert_eq!(request, asked);
    if let (Some(void_ms), Some(request)) = (entry.void_ms(&directory.terms), &entry.request) {
        assert!(void_ms <= request.time_ms + 60 * DAY_MS, "nothing that is pending stays for ever");
    }
}

/// Whoever can prove that the number is his gets it, whatever state it is in, in bounded time: nobody else does anything.
fn a_newcomer_gets_it(mut directory: Directory, number: Number) {
    let phone = Phone::new(NEWCOMER);
    let mine = |directory: &Directory| {
        let entry = directory.entry(number);
        entry.is_some_and(|entry| entry.state.control == phone.control.public().thumbprint() && directory.shows(number))
    };
    let until_ms = directory.now_ms + ESCAPE_D * DAY_MS;
    while directory.now_ms < until_ms {
        directory.seal();
        if mine(&directory) {
            return;
        }
        let live = directory.entry(number).is_some_and(|entry| entry.state.status != Status::Released);
        let tried = match live {
            // Whoever had it before has withheld it: the new key resumes.
            true if directory
                .entry(number)
                .is_some_and(|entry| entry.state.control == phone.control.public().thumbprint()) =>
            {
                let resumed = holder(&directory, number, &phone, Kind::Resume);
                directory.submit(&resumed).is_ok()
            }
            false => {
                let end_s = directory.now_s() + 80 * 86_400;
                let created = register(&mut directory, "dawn", number, &phone, end_s);
                directory.submit(&created).is_ok()
            }
            true => {
                let done = complete(&mut directory, "dawn", number, &phone, Door::Validation);
                let claim = request(&mut directory, "dawn", number, &phone, Door::Validation, None);
                directory.submit(&done).is_ok() || directory.submit(&claim).is_ok()
            }
        };
        directory.seal();
        if !tried {
            let hidden = directory.entry(number).is_some_and(|entry| entry.state.status == Status::Suspended);
            directory.now_ms += if hidden { 10 * DAY_MS } else { DAY_MS };
        } else if !mine(&directory) {
            directory.now_ms += 7 * DAY_MS;
        }
    }
    panic!("a lock without an end: {:?}", directory.entry(number));
}

/// One life of three numbers; adds how many steps were accepted, by the kind of act, and how often which code was said.
fn live(seed: u64, accepted: &mut [u64; ACTS.len()], said: &mut BTreeMap<&'static str, u64>) {
    let (mut dice, mut directory) = (Dice(seed), Directory::new());
    directory.register = super::directory::register(["core", "dawn"]).on_probation(["core"]);
    directory.counts = true;
    directory.policy = POLICY.clone();
    directory.gov.insert(RULING);
    let mut lines = LINES.map(|text| (number(text), Line::default()));
    let mut world = World::default();
    for _ in 0..STEPS {
        world.turn(&mut dice, &mut directory);
        world.count(&lines, directory.now_ms);
        let mut at = (dice.roll(5) % 3) as usize;
        // Nothing can be done with a number that rests.
        for _ in 0..3 {
            let rests = lines[at].1.released_ms.is_some_and(|ms| directory.now_ms < ms + 29 * DAY_MS);
            at = if rests && lines[at].1.owner.is_none() { (at + 1) % 3 } else { at };
        }
        let (number, line) = &mut lines[at];
        let number = *number;
        wander(&mut dice, &mut directory, number, line);
        let step = choose(&mut dice, &directory, &world, line);
        let submission = build(&mut directory, number, &step);
        let expected = line.judge(&step, &world, directory.now_ms);
        let got = directory.codes(&submission);
        match expected {
            Ok(()) => assert!(got.is_empty(), "seed {seed}: {step:?} was refused as {got:?}: {line:?}"),
            Err(code) => {
                assert_eq!(got, [code], "seed {seed}: {step:?} at {}: {line:?}", directory.now_ms);
                *said.entry(code).or_default() += 1;
            }
        }
        if expected.is_ok() {
            world.creates[step.provider] += u64::from(step.act == Act::Register);
            line.accept(&step, directory.now_ms);
            let kind = ACTS.iter().position(|(act, _)| *act == step.act).expect("an act of the list");
            accepted[kind] += 1;
        }
        if dice.roll(8) > 0 {
            directory.seal();
            for (number, line) in &mut lines {
                line.seal(&world, directory.now_ms);
                agrees(&directory, *number, line);
            }
        }
        // Epochs do not stand still for days.
        if dice.roll(3) == 0 {
            if lines.iter().any(|(_, line)| line.waiting.is_some()) {
                directory.seal();
                lines.iter_mut().for_each(|(_, line)| line.seal(&world, directory.now_ms));
            }
            directory.now_ms = later(&mut dice, directory.now_ms, &lines);
        }
    }
    directory.seal();
    a_newcomer_gets_it(directory, lines[(seed % 3) as usize].0);
}

/// Time goes on: by some hours or weeks, or to just when something begins or ends, or to just before that.
fn later(dice: &mut Dice, now_ms: u64, lines: &[(Number, Line); 3]) -> u64 {
    let to_edge = dice.roll(2) == 0;
    let mut edges: Vec<u64> = lines.iter().flat_map(|(_, line)| line.edges()).collect();
    edges.retain(|edge_ms| to_edge && *edge_ms > now_ms + 1);
    match edges.len() as u64 {
        0 => now_ms + [3, 24, 5 * 24, 7 * 24, 8 * 24, 31 * 24, 70 * 24][dice.roll(7) as usize] * 3_600_000,
        count => {
            edges.sort_unstable(); // the next ones more often than what ends in a year
            edges[dice.roll(count).min(dice.roll(count)).min(dice.roll(count)) as usize] - dice.roll(2)
        }
    }
}

/// The provider of a number gives its holder a code now and then.
fn wander(dice: &mut Dice, directory: &mut Directory, number: Number, line: &mut Line) {
    if line.owner.is_some() && dice.roll(6) == 0 {
        let code = TransferCode::from_text("cbt_given").expect("short");
        directory.rows.get_mut(&number).expect("registered").code = Some((code, u64::MAX));
        line.code = true;
    }
}

/// Somebody tries something; more often than not the one whose turn it is.
fn choose(dice: &mut Dice, directory: &Directory, world: &World, line: &Line) -> Step {
    let (mut provider, mut phone) = (dice.roll(3) as usize, dice.roll(4) as usize);
    let mut act = if line.owner.is_some() { dice.act() } else { Act::Register };
    // What has just changed hands is what somebody else wants.
    let wanted = line.changes.last().is_some_and(|(at_ms, _)| directory.now_ms < at_ms + 31 * DAY_MS);
    if line.owner.is_some() && wanted && dice.roll(4) == 0 {
        act = [Act::Ask(2), Act::Ask(3), Act::TakeBack][dice.roll(3) as usize];
    }
    // Who was stopped tries again, and who can stop him does.
    let vetoed = line.vetoes.last().is_some_and(|(at_ms, _)| directory.now_ms < at_ms + 31 * DAY_MS);
    let asked = line.owner.as_ref().and_then(|owner| owner.asked.as_ref()).map(|asked| (asked.door, asked.objected_ms));
    match asked {
        Some((0 | 2, _)) if dice.roll(4) == 0 => act = Act::Veto,
        None if vetoed && dice.roll(3) == 0 => act = [Act::Ask(0), Act::Ask(2)][dice.roll(2) as usize],
        _ => {}
    }
    if let Some(owner) = line.owner.as_ref().filter(|_| dice.roll(5) > 0) {
        let completes = matches!(act, Act::Complete(_) | Act::CompleteTwice | Act::Ruling);
        match &owner.asked {
            Some(asked) if completes => (provider, phone) = (asked.provider, asked.phone),
            _ if act == Act::Transfer => phone = owner.phone,
            _ if act == Act::TakeBack => phone = line.taken.map_or(phone, |(_, phone)| phone),
            _ if matches!(act, Act::Ask(2 | 3) | Act::AskOnce) => {}
            _ if matches!(act, Act::Ask(0)) => provider = owner.provider,
            _ => (provider, phone) = (owner.provider, owner.phone),
        }
    }
    // Two mistakes at once would be told together, and the model names one.
    if act == Act::AskOnce && world.gone == Some(provider) {
        provider = (provider + 1) % PROVIDERS.len();
    }
    let days = match act {
        Act::Renew => 365,
        Act::RenewTwice => 357,
        _ => 80,
    };
    let void = line.owner.as_ref().is_some_and(|owner| line.void(owner, directory.now_ms));
    Step { act, provider, phone, end_s: directory.now_s() + days * 86_400, void }
}

fn lives(share: std::ops::Range<u64>) {
    let few = share.end - share.start <= FEW;
    let (mut accepted, mut said) = ([0; ACTS.len()], BTreeMap::new());
    share.for_each(|seed| live(seed, &mut accepted, &mut said));
    for ((act, _), count) in ACTS.iter().zip(accepted).take(23) {
        assert!(few || count > 0, "{act:?} was never accepted: this wandering shows nothing about it");
    }
    let must = if few { &HEARD[..HEARD_SOON] } else { &HEARD[..] };
    let unheard: Vec<_> = must.iter().filter(|code| !said.contains_key(**code)).collect();
    assert!(unheard.is_empty(), "{unheard:?} were never said: this wandering shows nothing about them; {said:?}");
}

#[test]
fn a_few_random_lives_meet_quotas_and_pauses() {
    lives(LIVES..LIVES + FEW);
}

#[test]
fn random_lives_go_as_the_model_says_one() {
    lives(0..LIVES / 2);
}

#[test]
fn random_lives_go_as_the_model_says_two() {
    lives(LIVES / 2..LIVES);
}
