//! The draw: how many of each entity and stratum, and which; by the population and the seed alone.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;

use crate::charter::Policy;
use crate::log::{Hash, hmac_sha256, sha256};
use crate::registry::audit::population::{Population, Stratum};

/// How much is drawn (clauses 7.5 and 7.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The share of an entity's tokens, in thousandths.
    pub permille: u64,
    /// At least so many of each entity, if it has them.
    pub min: u64,
    /// And at most so many.
    pub max: u64,
    /// Entities on probation: all their tokens.
    pub full: Vec<String>,
}

impl Rules {
    /// By the charter, with these entities on probation.
    pub fn of(policy: &Policy, full: Vec<String>) -> Self {
        let (permille, min, max) = (policy.audit_sample_permille, policy.audit_sample_min, policy.audit_sample_max);
        Self { permille, min, max, full }
    }

    /// How many of an entity's `count` tokens are drawn.
    pub fn size(&self, entity: &str, count: u64) -> u64 {
        if self.full.iter().any(|full| full == entity) {
            return count;
        }
        let share = count.saturating_mul(self.permille).div_ceil(1000);
        share.max(self.min).min(self.max).min(count)
    }
}

/// What was drawn of a stratum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Which.
    pub stratum: Stratum,
    /// How many tokens it has.
    pub size: u64,
    /// The drawn ones, in the order of the draw.
    pub drawn: Vec<Hash>,
}

/// What was drawn, by entity.
pub type Drawn = BTreeMap<String, Vec<Part>>;

/// Draws.
pub fn draw(population: &Population, rules: &Rules, seed: &Hash) -> Drawn {
    let of_entity = |(entity, strata): (&String, &BTreeMap<String, (Stratum, Vec<Hash>)>)| {
        let sizes: Vec<(u64, u64)> =
            strata.values().map(|(stratum, items)| (items.len() as u64, stratum.risk.weight())).collect();
        let shares = shares(&sizes, rules.size(entity, population.count_of(entity)));
        let parts = strata.values().zip(shares).map(|((stratum, items), share)| Part {
            stratum: stratum.clone(),
            size: items.len() as u64,
            drawn: first(items, share, seed),
        });
        (entity.clone(), parts.collect())
    };
    population.entities.iter().map(of_entity).collect()
}

/// How many of each stratum, by (size, weight) in their order: one of each while there are any to give, the greatest
/// `weight * size` first; then one at a time to the greatest `weight * size / (given + 1)` (D'Hondt). Equals: the earlier first.
fn shares(strata: &[(u64, u64)], total: u64) -> Vec<u64> {
    if strata.iter().map(|(size, _)| size).sum::<u64>() <= total {
        return strata.iter().map(|(size, _)| *size).collect();
    }
    let mut given = vec![0; strata.len()];
    for _ in 0..total {
        let none_yet = given.contains(&0);
        let fits = |i: &usize| if none_yet { given[*i] == 0 } else { given[*i] < strata[*i].0 };
        let claim = |i: usize| u128::from(strata[i].0) * u128::from(strata[i].1);
        let more = |a: usize, b: usize| claim(a) * u128::from(given[b] + 1) > claim(b) * u128::from(given[a] + 1);
        let next = (0..strata.len()).filter(fits).reduce(|best, i| if more(i, best) { i } else { best });
        let Some(next) = next else { break };
        given[next] += 1;
    }
    given
}

/// The first `share` items by the order of HMAC-SHA256(seed, item).
fn first(items: &[Hash], share: u64, seed: &Hash) -> Vec<Hash> {
    let mut ranked: Vec<(Hash, Hash)> = items.iter().map(|item| (hmac_sha256(seed, &[item]), *item)).collect();
    ranked.sort_unstable();
    ranked.truncate(usize::try_from(share).unwrap_or(usize::MAX));
    ranked.into_iter().map(|(_, item)| item).collect()
}

/// SHA-256 over what was drawn: `callbook/audit-drawn/v1` and each commitment in hexadecimal digits, ascending, a line each.
pub fn digest(drawn: &Drawn) -> Hash {
    let mut items: Vec<&Hash> = drawn.values().flatten().flat_map(|part| &part.drawn).collect();
    items.sort_unstable();
    let mut text = "callbook/audit-drawn/v1\n".to_owned();
    items.iter().for_each(|item| text += &format!("{}\n", HEXLOWER.encode(*item)));
    sha256(&[text.as_bytes()])
}

/// How many were drawn.
pub fn count(drawn: &Drawn) -> u64 {
    drawn.values().flatten().map(|part| part.drawn.len() as u64).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_is_the_charters() {
        let rules = Rules::of(&Policy::embedded(), vec!["new".into()]);
        let sizes = [0, 5, 20, 21, 2000, 2001, 10_000, 50_000, 1_000_000].map(|count| rules.size("acme", count));
        assert_eq!(sizes, [0, 5, 20, 20, 20, 21, 100, 500, 500]);
        assert_eq!(rules.size("new", 499), 499);
    }

    #[test]
    fn every_stratum_is_looked_at_and_weight_counts() {
        assert_eq!(shares(&[(10, 1), (5, 1)], 15), [10, 5]);
        assert_eq!(shares(&[(1000, 1), (1000, 2), (1000, 4)], 70), [10, 20, 40]);
        assert_eq!(shares(&[(1000, 1), (1, 4), (3, 4)], 20), [18, 1, 1]);
        assert_eq!(shares(&[(100, 1), (2, 4)], 60), [58, 2]);
        assert_eq!(
            shares(&[(10, 1), (7, 2), (10, 1)], 2),
            [1, 1, 0],
            "too few for all: the greatest first, then the earlier"
        );
        assert_eq!(shares(&[], 20), [0; 0]);
    }

    #[test]
    fn the_seed_alone_decides_which() {
        let items: Vec<Hash> = (0..200).map(|n| [n; 32]).collect();
        let (one, same, other) =
            (first(&items, 20, &[1; 32]), first(&items, 20, &[1; 32]), first(&items, 20, &[2; 32]));
        assert_eq!(one, same);
        assert_ne!(one, other);
        assert_eq!(first(&items, 21, &[1; 32])[..20], one[..], "a greater sample holds the smaller one");
    }
}
