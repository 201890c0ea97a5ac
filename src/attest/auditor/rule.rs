//! The rules that a log can break, each with a name that every auditor uses alike, and what it means in words.

use crate::registry::rules::Broken;

/// A rule that is broken. The names are those of docs/log.md and of the second auditor in `tests/judges/audit.py`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rule {
    /// A leaf of the gov log has not its form, or not its signature.
    #[error("gov: form")]
    GovForm,
    /// A leaf of the gov log is not later than the one before.
    #[error("gov: time")]
    GovTime,
    /// The gov log does not begin with an era that names this map log and its keys.
    #[error("gov: era")]
    GovEra,
    /// A version of the charter is not the next one, or its text is another.
    #[error("gov: charter")]
    GovCharter,
    /// Leaf 0 of the map log has not its form, or is about another log.
    #[error("config: form")]
    Config,
    /// It goes on from another head of the era before than the one that was replayed.
    #[error("config: era before")]
    EraBefore,
    /// A number of the era before was left behind, or carried over twice.
    #[error("epoch: numbers carried over")]
    CarriedOver,
    /// The leaf of an epoch has not its form.
    #[error("epoch: form")]
    EpochForm,
    /// Its number is not its index.
    #[error("epoch: number")]
    EpochNumber,
    /// Its time does not rise.
    #[error("epoch: time")]
    EpochTime,
    /// The gov log that it rests on became smaller, or has fewer leaves.
    #[error("epoch: gov size")]
    GovSize,
    /// The gov log that it rests on is another.
    #[error("epoch: gov root")]
    GovRoot,
    /// It is dated before the newest leaf of the gov log that it rests on.
    #[error("epoch: before its gov log")]
    BeforeGov,
    /// The file of the batch is not whole.
    #[error("batch: form")]
    BatchForm,
    /// It is not the batch that the epoch commits to.
    #[error("batch: root")]
    BatchRoot,
    /// Its events do not ascend by label, or two are of one.
    #[error("batch: labels out of order or twice")]
    BatchOrder,
    /// An event, or the State in it, has not its form.
    #[error("event: form")]
    EventForm,
    /// An event breaks the table of events.
    #[error(transparent)]
    Event(#[from] Broken),
    /// The provider's status does not allow such an event.
    #[error("event: status of the provider")]
    ProviderStatus,
    /// The events do not lead to this root of the map.
    #[error("epoch: map root")]
    MapRoot,
    /// The checkpoint is not one of this log, or not signed by it.
    #[error("checkpoint: form or signature")]
    Checkpoint,
    /// The checkpoint is smaller than one before, or its root is not that of the leaves.
    #[error("checkpoint: root")]
    CheckpointRoot,
    /// A witness has cosigned it before the time that its newest epoch claims.
    #[error("checkpoint: dated after its cosignature")]
    DatedAhead,
    /// The first cosignature is more than a day later than the time that its newest epoch claims.
    #[error("checkpoint: backdated")]
    Backdated,
}

impl Rule {
    /// What it means that this rule is broken.
    pub const fn words(&self) -> &'static str {
        match self {
            Self::GovForm | Self::GovTime | Self::GovEra | Self::GovCharter => {
                "the gov log is not what it must be, so nobody can tell by which register and charter events are lawful"
            }
            Self::Config | Self::EpochForm | Self::EpochNumber => "a leaf of the map log is not what it must be",
            Self::EraBefore => {
                "the new era goes on from another log, or from an earlier head of it: what came after that is lost"
            }
            Self::CarriedOver => "a number was lost or doubled when the new era began",
            Self::EpochTime | Self::BeforeGov | Self::DatedAhead | Self::Backdated => {
                "the directory tells a false time: cool-downs, limits and quarantines are counted by it"
            }
            Self::GovSize | Self::GovRoot => "the directory takes back what it decided, or shows another gov log",
            Self::BatchForm | Self::BatchRoot | Self::BatchOrder | Self::EventForm => {
                "the events that are shown are not those that the epoch commits to, or are none"
            }
            Self::Event(
                Broken::BadSignature
                | Broken::Signers
                | Broken::NotControlKey
                | Broken::NotNewControlKey
                | Broken::NotRecoveryKey,
            ) => "a number was changed without the signatures that this change needs",
            Self::Event(Broken::NotProviderKey | Broken::ProviderMayNot) | Self::ProviderStatus => {
                "a number was changed by a provider that may not do this"
            }
            Self::Event(Broken::NotOperator | Broken::NotSequencer | Broken::Evidence) => {
                "a number was changed without the order or the validation that this change needs"
            }
            Self::Event(Broken::CoolDown | Broken::Objection | Broken::Quarantine | Broken::NotLapsed) => {
                "a number changed hands before the time in which its holder could have said no"
            }
            Self::Event(_) => "a number was changed in a way that the table of events does not know",
            Self::MapRoot => "the map holds something that no event explains: a key may have been changed unseen",
            Self::Checkpoint | Self::CheckpointRoot => {
                "the log tells two stories, or somebody else tells one in its name"
            }
        }
    }
}

/// Where a rule is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// A leaf of the gov log.
    Gov(u64),
    /// An epoch: its leaf or its batch.
    Epoch(u64),
    /// An event of an epoch, by its place in the batch.
    Event(u64, usize),
    /// The checkpoint of this size.
    Head(u64),
}

impl std::fmt::Display for At {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Gov(index) => write!(f, "leaf {index} of the gov log"),
            Self::Epoch(epoch) => write!(f, "epoch {epoch}"),
            Self::Event(epoch, index) => write!(f, "epoch {epoch}, event {index} of its batch"),
            Self::Head(size) => write!(f, "the checkpoint of {size} leaves"),
        }
    }
}

/// A rule that is broken, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {rule}")]
pub struct Fault {
    /// Where.
    pub at: At,
    /// Which.
    pub rule: Rule,
}
