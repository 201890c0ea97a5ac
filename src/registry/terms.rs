//! The charter's periods in milliseconds, as the event rules count them.

use crate::charter::Policy;
use crate::log::event::Door;

/// A day in milliseconds; charter days are 24 hours long.
pub const DAY_MS: u64 = 86_400_000;
/// An hour in milliseconds.
pub const HOUR_MS: u64 = 3_600_000;
/// A day in seconds.
pub const DAY_S: u64 = 86_400;

/// How long things wait, milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// A recovery with the same provider, door 0 (clause 6.4).
    pub recovery_ms: u64,
    /// A recovery by transfer code, door 2 (clause 6.2).
    pub code_ms: u64,
    /// A claim by fresh validation, door 3 (clause 6.3).
    pub claim_ms: u64,
    /// A provider's release after its notice, door 9 (clause 5.5).
    pub notice_ms: u64,
    /// A recovery that the recovery key signed (clause 6.4).
    pub fast_ms: u64,
    /// A recovery or claim of a locked number (clause 6.4).
    pub locked_ms: u64,
    /// A claim to a provider-held number (clause 6.3).
    pub held_ms: u64,
    /// The second round after an objection (clause 6.3).
    pub second_ms: u64,
    /// When a request that nobody completes is void (clause 6.7).
    pub void_ms: u64,
    /// The same of a claim that was objected to (clause 6.7).
    pub objected_void_ms: u64,
    /// For how long a change by code or by claim can be taken back, and none other follows (clauses 6.5, 6.10).
    pub pause_ms: u64,
    /// The rest of a released number (clause 5.4).
    pub quarantine_ms: u64,
    /// How long a lapsed number can be renewed (clause 5.3).
    pub grace_ms: u64,
}

impl Terms {
    /// The periods of a charter.
    pub fn of(policy: &Policy) -> Self {
        Self {
            recovery_ms: policy.recovery_cooldown_d * DAY_MS,
            code_ms: policy.transfer_code_delay_d * DAY_MS,
            claim_ms: policy.objection_d * DAY_MS,
            notice_ms: policy.provider_release_notice_d * DAY_MS,
            fast_ms: policy.recovery_fast_h * HOUR_MS,
            locked_ms: policy.recovery_locked_d * DAY_MS,
            held_ms: policy.held_claim_d * DAY_MS,
            second_ms: policy.second_round_d * DAY_MS,
            void_ms: policy.request_void_d * DAY_MS,
            objected_void_ms: policy.objected_void_d * DAY_MS,
            pause_ms: policy.claim_pause_d * DAY_MS,
            quarantine_ms: policy.quarantine_d * DAY_MS,
            grace_ms: policy.lapse_grace_d * DAY_MS,
        }
    }

    /// The plain wait of a door.
    pub const fn cooldown_ms(&self, door: Door) -> u64 {
        match door {
            Door::Main => self.recovery_ms,
            Door::Code => self.code_ms,
            Door::Validation => self.claim_ms,
            Door::Direct => self.notice_ms,
        }
    }
}
