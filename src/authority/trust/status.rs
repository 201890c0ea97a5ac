//! How the repository stands: each role's version, end, signatures, and who must act.

use crate::authority::trust::TrustError;
use crate::authority::trust::draft::drafts;
use crate::authority::trust::publish::{standing, tallies};
use crate::authority::trust::store::TrustStore;
use crate::charter::trust::plan::ROLES;
use crate::charter::trust::{BRAKE, Document, Tally};

const DAY_S: u64 = 86_400;

/// A role of the repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleStatus {
    /// Its name.
    pub role: &'static str,
    /// Whether it is a draft, and not published.
    pub is_draft: bool,
    /// The version.
    pub version: u64,
    /// When it is over, Unix seconds.
    pub expires_s: u64,
    /// SHA-256 of what is signed.
    pub digest: [u8; 32],
    /// Good signatures.
    pub have: usize,
    /// How many are needed.
    pub need: u64,
    /// Who signed: names where the plan knows them, ids of keys elsewhere.
    pub signed: Vec<(String, String)>,
    /// Who may and did not.
    pub missing: Vec<(String, String)>,
    /// How long what it signs lives by the plan, in days; 0: there is no plan.
    pub life_d: u64,
    /// The role ends by itself, and nobody needs to act when it does.
    pub may_end: bool,
}

impl RoleStatus {
    /// Whether a client at that time finds it over.
    pub fn is_over(&self, now_s: u64) -> bool {
        !self.is_draft && now_s >= self.expires_s
    }

    /// Whether its end is so near that those who sign must act: of people 30 days, or a third of a shorter life; what the running
    /// directory signs should never have less than a quarter left.
    pub fn is_near(&self, now_s: u64) -> bool {
        let ahead_s = match self.role {
            "snapshot" | "timestamp" => self.life_d * DAY_S / 4,
            _ => (self.life_d * DAY_S / 3).min(30 * DAY_S),
        };
        !self.is_draft && !self.may_end && now_s + ahead_s >= self.expires_s
    }
}

/// Every role that is published or drafted.
pub fn status(store: &TrustStore) -> Result<Vec<RoleStatus>, TrustError> {
    let plan = store.plan().ok();
    let name = |id: &String| {
        let name = plan.as_ref().and_then(|plan| plan.holder(id)).unwrap_or_default().to_owned();
        (id.clone(), name)
    };
    let life_d = |role: &str| match (role, &plan) {
        ("snapshot", Some(plan)) => plan.online.snapshot_life_d,
        ("timestamp", Some(plan)) => plan.online.timestamp_life_d,
        (other, Some(plan)) => plan.role(other).map_or(0, |role| role.life_d),
        (_, None) => 0,
    };
    let row = |role: &'static str, document: &Document, is_draft: bool, tally: Option<Tally>| {
        let tally = tally.unwrap_or(Tally { need: 0, signed: Vec::new(), missing: Vec::new() });
        RoleStatus {
            role,
            is_draft,
            version: document.version,
            expires_s: document.expires_s,
            digest: document.digest(),
            have: tally.signed.len(),
            need: tally.need,
            signed: tally.signed.iter().map(name).collect(),
            missing: tally.missing.iter().map(name).collect(),
            life_d: life_d(role),
            may_end: role == BRAKE,
        }
    };
    let mut all = Vec::new();
    let update = if store.exists() { Some(store.walk(0)?) } else { None };
    if let Some(update) = &update {
        all.extend(standing(update).into_iter().map(|(role, document, tally)| row(role, document, false, tally)));
    }
    let drafted = drafts(store)?;
    for (role, document) in drafted.iter().filter(|(role, _)| ROLES.contains(role)) {
        // Of a root two lists must sign; the one that lacks more is shown.
        let all_tallies = tallies(update.as_ref(), &drafted, role, document)?;
        let worst = all_tallies.into_iter().max_by_key(|tally| tally.need.saturating_sub(tally.signed.len() as u64));
        all.push(row(role, document, true, worst));
    }
    Ok(all)
}
