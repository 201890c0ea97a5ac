//! The operator's acts: which there are, which role asks for them, and how many people each needs (article 11).

use crate::registry::standing::Step;

/// What a member of the operator's staff is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StaffRole {
    /// Sees how things stand.
    Viewer,
    /// Sees also what validations rest on and every act.
    Auditor,
    /// Acts: providers, tokens, numbers; asks for acts and approves them.
    Officer,
    /// The same, and looks after the staff.
    Admin,
}

impl StaffRole {
    /// Every role.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Auditor, Self::Officer, Self::Admin];

    /// Its name in the gov log and the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Auditor => "auditor",
            Self::Officer => "officer",
            Self::Admin => "admin",
        }
    }

    /// The role of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    /// Whether a person of this role may sign events (role 4 of the map log).
    pub const fn signs(self) -> bool {
        matches!(self, Self::Officer | Self::Admin)
    }

    /// What each role may do: the one table. Nothing else decides it.
    ///
    /// | | viewer | auditor | officer | admin |
    /// |---|---|---|---|---|
    /// | see: staff, acts, tokens without secrets, receipts | yes | yes | yes | yes |
    /// | audit: numbers whose validation rests on a lost key | | yes | yes | yes |
    /// | act: enter providers, give tokens, stop in an emergency, ask, approve, sign | | | yes | yes |
    /// | staff: ask for changes of the staff, and of the charter | | | | yes |
    pub const fn may(self, power: Power) -> bool {
        match power {
            Power::See => true,
            Power::Audit => !matches!(self, Self::Viewer),
            Power::Act => matches!(self, Self::Officer | Self::Admin),
            Power::Staff | Power::Charter => matches!(self, Self::Admin),
        }
    }
}

/// What the operator's routes ask of a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Power {
    /// To see how things stand.
    See,
    /// To see what is found out about validations, numbers included.
    Audit,
    /// To act on providers and numbers.
    Act,
    /// To change the staff.
    Staff,
    /// To ask for another version of the charter.
    Charter,
}

/// A kind of act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ActKind {
    /// An application comes to its probation.
    Admit,
    /// An accreditation is given, renewed or given back.
    Accredit,
    /// A provider is warned.
    Warn,
    /// A provider is restricted.
    Restrict,
    /// A provider is suspended, or an emergency is confirmed.
    Suspend,
    /// A provider is stopped in an emergency.
    Emergency,
    /// An emergency is ended.
    EndEmergency,
    /// An accreditation ends.
    Terminate,
    /// A provider gives up.
    WindDown,
    /// An appeal is won.
    Overturn,
    /// An appeal is lost.
    Uphold,
    /// A provider or validation entity has other keys.
    ProviderKeys,
    /// A token key of a validation entity is in other hands.
    CompromisedKey,
    /// A person joins the staff.
    StaffAdd,
    /// A person has another role or key.
    StaffChange,
    /// A person leaves the staff.
    StaffEnd,
    /// Numbers are withheld until a date.
    SuspendNumbers,
    /// They are published again.
    ResumeNumbers,
    /// A claim by fresh validation is decided for the old holder.
    VetoClaim,
    /// The bulk door of a provider that serves nobody any more is opened.
    BulkDoor,
    /// An auditor is admitted: the batches are open to him.
    AuditorAdmit,
    /// An auditor is none any more.
    AuditorEnd,
    /// The next version of the charter is announced.
    Charter,
}

/// How many people an act needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hands {
    /// One.
    One,
    /// One asks, another approves.
    Two,
    /// Two, as soon as there is a second person who could approve: the first admin makes the second.
    TwoIfThereAre,
}

impl ActKind {
    /// Every kind.
    pub const ALL: [Self; 23] = [
        Self::Admit,
        Self::Accredit,
        Self::Warn,
        Self::Restrict,
        Self::Suspend,
        Self::Emergency,
        Self::EndEmergency,
        Self::Terminate,
        Self::WindDown,
        Self::Overturn,
        Self::Uphold,
        Self::ProviderKeys,
        Self::CompromisedKey,
        Self::StaffAdd,
        Self::StaffChange,
        Self::StaffEnd,
        Self::SuspendNumbers,
        Self::ResumeNumbers,
        Self::VetoClaim,
        Self::BulkDoor,
        Self::AuditorAdmit,
        Self::AuditorEnd,
        Self::Charter,
    ];

    /// Name, hands, and why so many: the one table.
    const fn row(self) -> (&'static str, Hands, &'static str) {
        use Hands::{One, Two, TwoIfThereAre};
        match self {
            Self::Admit => ("admit", One, "a newcomer holds nothing yet, and few numbers until it is accredited"),
            Self::Accredit => ("accredit", Two, "it opens the directory to somebody for a year"),
            Self::Warn => ("warn", Two, "a sanction"),
            Self::Restrict => ("restrict", Two, "a sanction"),
            Self::Suspend => ("suspend", Two, "a sanction"),
            Self::Emergency => ("emergency", One, "it must be done at once, withholds no record, and ends by itself"),
            Self::EndEmergency => ("end-emergency", One, "it gives back what one person took"),
            Self::Terminate => ("terminate", Two, "it cannot be taken back"),
            Self::WindDown => ("wind-down", Two, "it ends a provider for its holders"),
            Self::Overturn => ("overturn", Two, "an appeal, by people who did not decide before"),
            Self::Uphold => ("uphold", Two, "an appeal, by people who did not decide before"),
            Self::ProviderKeys => ("provider-keys", Two, "whoever has a provider's key speaks for its holders"),
            Self::CompromisedKey => {
                ("compromised-key", One, "every minute counts, and no record is withheld without two persons")
            }
            Self::StaffAdd => ("staff-add", TwoIfThereAre, "whoever could make a second person could approve himself"),
            Self::StaffChange => ("staff-change", TwoIfThereAre, "a key or a role is a person's hand"),
            Self::StaffEnd => ("staff-end", TwoIfThereAre, "whoever could remove others would be left alone"),
            Self::SuspendNumbers => ("suspend-numbers", Two, "it takes holders off the air"),
            Self::ResumeNumbers => ("resume-numbers", Two, "it decides about holders' publication"),
            Self::VetoClaim => ("veto-claim", Two, "it decides who holds a number"),
            Self::BulkDoor => ("bulk-door", Two, "less proof moves the numbers of all its holders for a while"),
            Self::AuditorAdmit => ("auditor-admit", TwoIfThereAre, "the events of every number are open to an auditor"),
            Self::AuditorEnd => {
                ("auditor-end", TwoIfThereAre, "whoever could end an auditor alone would not be audited")
            }
            Self::Charter => ("charter", Two, "it changes the rules of everybody, and cannot be taken back"),
        }
    }

    /// Its name in the API and the ledger.
    pub const fn name(self) -> &'static str {
        self.row().0
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// How many people it needs.
    pub const fn hands(self) -> Hands {
        self.row().1
    }

    /// Why it needs so many.
    pub const fn why(self) -> &'static str {
        self.row().2
    }

    /// What asking for it demands of a person. Approving demands [`Power::Act`].
    pub const fn asked_by(self) -> Power {
        match self {
            Self::StaffAdd | Self::StaffChange | Self::StaffEnd => Power::Staff,
            Self::Charter => Power::Charter,
            _ => Power::Act,
        }
    }

    /// Whether it is about numbers: then it ends in an order, and events are signed by two of the staff.
    pub const fn is_order(self) -> bool {
        matches!(self, Self::SuspendNumbers | Self::ResumeNumbers | Self::VetoClaim)
    }

    /// Whether it is about an auditor of the public log.
    pub const fn is_of_auditor(self) -> bool {
        matches!(self, Self::AuditorAdmit | Self::AuditorEnd)
    }

    /// Whether it changes where a provider stands, and how; `days` is the notice of one that gives up.
    pub const fn step(self, days: u64) -> Option<Step> {
        match self {
            Self::Admit => Some(Step::Admit),
            Self::Accredit => Some(Step::Accredit),
            Self::Warn => Some(Step::Warn),
            Self::Restrict => Some(Step::Restrict),
            Self::Suspend => Some(Step::Suspend),
            Self::Emergency => Some(Step::Emergency),
            Self::EndEmergency => Some(Step::EndEmergency),
            Self::Terminate => Some(Step::Terminate),
            Self::WindDown => Some(Step::WindDown(days)),
            Self::Overturn => Some(Step::Overturn),
            _ => None,
        }
    }

    /// Whether it is a sanction, whose hands do not decide an appeal against it.
    pub const fn is_sanction(self) -> bool {
        matches!(self, Self::Warn | Self::Restrict | Self::Suspend | Self::Emergency | Self::Terminate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_every_row_has_its_reason() {
        for kind in ActKind::ALL {
            assert_eq!(ActKind::from_name(kind.name()), Some(kind));
            assert!(kind.why().len() >= 10, "{}", kind.name());
        }
        for role in StaffRole::ALL {
            assert_eq!(StaffRole::from_name(role.name()), Some(role));
        }
        assert_eq!((ActKind::from_name("fire"), StaffRole::from_name("root")), (None, None));
    }

    /// What touches others' records or rights for good is never one person's.
    #[test]
    fn what_one_person_may_do_gives_back_or_ends_by_itself() {
        let alone: Vec<_> = ActKind::ALL.into_iter().filter(|kind| kind.hands() == Hands::One).collect();
        let known = [ActKind::Admit, ActKind::Emergency, ActKind::EndEmergency, ActKind::CompromisedKey];
        assert_eq!(alone, known);
        assert!(ActKind::ALL.into_iter().all(|kind| !kind.is_order() || kind.hands() == Hands::Two));
    }

    #[test]
    fn a_higher_role_may_all_that_a_lower_one_may() {
        for power in [Power::See, Power::Audit, Power::Act, Power::Staff, Power::Charter] {
            for pair in StaffRole::ALL.windows(2) {
                assert!(!pair[0].may(power) || pair[1].may(power), "{power:?} {pair:?}");
            }
        }
    }
}
