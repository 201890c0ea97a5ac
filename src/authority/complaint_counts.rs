//! Complaints as counts: a leaf of the gov log for each month, where enough of them stand behind each number (clause 8.1).

use serde_json::{Map, Value, json};

use crate::authority::Core;
use crate::authority::complaints::Outcome;
use crate::authority::error::Rejection;
use crate::authority::ruling::Ruling;
use crate::ledger::LedgerError;
use crate::registry::audit::period::Period;

/// The type of the leaf.
const LEAF: &str = "complaints";
/// Where the newest month that was counted stands.
const COUNTED: &str = "complaints_counted";

impl Core {
    /// Counts the month before this one, once. Months without the program behind them are not made up for: their complaints were
    /// not closed in them either.
    pub(super) fn count_complaints(&self, now_ms: u64) -> Result<(), Rejection> {
        let this = Period::of(now_ms);
        let last = Period::of(this.from_ms().saturating_sub(1));
        let name = last.to_string();
        let counted = |raw: Option<Vec<u8>>| raw.is_some_and(|raw| raw.as_slice() >= name.as_bytes());
        if counted(self.ledger.read::<_, LedgerError>(|now| now.meta(COUNTED))?) {
            return Ok(());
        }
        self.rule(|law| {
            let (came, closed) =
                self.ledger.read::<_, LedgerError>(|now| now.complaint_counts(last.from_ms(), last.to_ms()))?;
            let body = body(&name, came, &closed, law.policy_at(now_ms).counter_k_min);
            let leaves = body.map(|body| (LEAF, body)).into_iter().collect();
            let name = name.clone();
            Ok(Ruling::new(leaves, move |tx, _| tx.set_meta(COUNTED, name.as_bytes())))
        })
    }
}

/// What is told of a month: each count that is `k_min` at least, and nothing if there is none.
fn body(period: &str, came: u64, closed: &[(String, u64)], k_min: u64) -> Option<Value> {
    let shown = |n: u64| if n >= k_min.max(1) { json!(n) } else { Value::Null };
    let of = |outcome: Outcome| closed.iter().find(|(name, _)| name == outcome.name()).map_or(0, |(_, n)| *n);
    let outcomes: Map<String, Value> =
        Outcome::ALL.iter().map(|outcome| (outcome.name().to_owned(), shown(of(*outcome)))).collect();
    let any = came >= k_min.max(1) || outcomes.values().any(Value::is_number);
    any.then(|| json!({ "period": period, "came": shown(came), "closed": outcomes }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_cases_are_not_told() {
        let closed = [("rejected".to_owned(), 25), ("upheld".to_owned(), 3)];
        assert_eq!(body("2026-11", 19, &[], 20), None);
        let told = body("2026-11", 30, &closed, 20).unwrap();
        let expected =
            json!({"period": "2026-11", "came": 30, "closed": {"upheld": null, "rejected": 25, "not_ours": null}});
        assert_eq!(told, expected);
        assert_eq!(body("2026-11", 0, &[], 0), None, "nothing is not a count");
    }
}
