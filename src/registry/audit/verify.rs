//! Draws again from what is public, and says whether it comes out as the directory said.

use data_encoding::HEXLOWER;
use serde_json::{Value, json};

use crate::log::Hash;
use crate::registry::audit::draw::{Drawn, Rules, count, digest, draw};
use crate::registry::audit::period::Period;
use crate::registry::audit::population::{self, Population};
use crate::registry::audit::seed::{Round, seed};

/// What the leaf that closes a month says (`audit-close`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// The month.
    pub period: Period,
    /// How many tokens.
    pub count: u64,
    /// SHA-256 of the population.
    pub population: Hash,
    /// How much is to be drawn.
    pub rules: Rules,
}

/// What the leaf of a draw says (`audit-draw`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DrawSaid {
    /// The month.
    pub period: Period,
    /// The text of the head of the map log.
    pub head: String,
    /// The round of the beacon.
    pub round: Option<Round>,
    /// How many of the named witnesses had cosigned the head, and how many there were.
    pub cosigned: (u64, u64),
    /// The seed.
    pub seed: Hash,
    /// How many were drawn.
    pub count: u64,
    /// SHA-256 of what was drawn.
    pub drawn: Hash,
}

impl DrawSaid {
    /// Whether the operator could have steered the draw: no beacon, and not every named witness had seen the head.
    pub const fn steerable(&self) -> bool {
        self.round.is_none() && (self.cosigned.1 == 0 || self.cosigned.0 < self.cosigned.1)
    }

    /// The body of its leaf.
    pub fn body(&self) -> Value {
        let round = self
            .round
            .as_ref()
            .map(|round| json!({ "chain": round.chain, "round": round.round, "value": HEXLOWER.encode(&round.value) }));
        json!({
            "period": self.period.to_string(), "head": self.head, "beacon": round, "cosigned": self.cosigned.0,
            "witnesses": self.cosigned.1, "steerable": self.steerable(), "seed": HEXLOWER.encode(&self.seed),
            "count": self.count, "drawn": HEXLOWER.encode(&self.drawn),
        })
    }

    /// Reads what [`DrawSaid::body`] wrote.
    pub fn read(body: &Value) -> Option<Self> {
        let number = |name: &str| body.get(name)?.as_u64();
        let round = match body.get("beacon")? {
            Value::Null => None,
            round => Some(Round {
                chain: round.get("chain")?.as_str()?.to_owned(),
                round: round.get("round")?.as_u64()?,
                value: HEXLOWER.decode(round.get("value")?.as_str()?.as_bytes()).ok()?,
            }),
        };
        Some(Self {
            period: period(body)?,
            head: body.get("head")?.as_str()?.to_owned(),
            round,
            cosigned: (number("cosigned")?, number("witnesses")?),
            seed: hash(body, "seed")?,
            count: number("count")?,
            drawn: hash(body, "drawn")?,
        })
    }
}

impl Closed {
    /// The body of its leaf.
    pub fn body(&self) -> Value {
        let Rules { permille, min, max, full } = &self.rules;
        json!({
            "period": self.period.to_string(), "count": self.count, "population": HEXLOWER.encode(&self.population),
            "permille": permille, "min": min, "max": max, "full": full,
        })
    }

    /// Reads what [`Closed::body`] wrote.
    pub fn read(body: &Value) -> Option<Self> {
        let number = |name: &str| body.get(name)?.as_u64();
        let full = body.get("full")?.as_array()?.iter().map(|id| id.as_str().map(str::to_owned));
        let full = full.collect::<Option<_>>()?;
        Some(Self {
            period: period(body)?,
            count: number("count")?,
            population: hash(body, "population")?,
            rules: Rules { permille: number("permille")?, min: number("min")?, max: number("max")?, full },
        })
    }
}

fn period(body: &Value) -> Option<Period> {
    Period::parse(body.get("period")?.as_str()?)
}

fn hash(body: &Value, name: &str) -> Option<Hash> {
    HEXLOWER.decode(body.get(name)?.as_str()?.as_bytes()).ok()?.try_into().ok()
}

/// Draws again; gives what was drawn, or what does not come out.
pub fn verify(closed: &Closed, said: &DrawSaid, text: &str) -> Result<Drawn, &'static str> {
    let ensure = |good: bool, what| if good { Ok(()) } else { Err(what) };
    ensure(population::digest(text) == closed.population, "this is not the population that was committed to")?;
    let population = Population::parse(text).map_err(|_| "the population is not of its form")?;
    let same = population.period == closed.period && said.period == closed.period;
    ensure(same, "population, closing leaf and draw are of different months")?;
    ensure(population.count() == closed.count, "the population has another count than its leaf says")?;
    ensure(seed(&said.head, said.round.as_ref()) == said.seed, "the seed does not follow from head and beacon")?;
    let drawn = draw(&population, &closed.rules, &said.seed);
    let same = count(&drawn) == said.count && digest(&drawn) == said.drawn;
    ensure(same, "another sample comes out")?;
    Ok(drawn)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(round: Option<Round>, cosigned: (u64, u64)) -> DrawSaid {
        let period = Period::parse("2027-01").unwrap();
        DrawSaid { period, head: "a\n1\nroot\n".into(), round, cosigned, seed: [1; 32], count: 7, drawn: [2; 32] }
    }

    #[test]
    fn leaves_are_read_back() {
        let round = Round { chain: "c".into(), round: 9, value: vec![1, 2] };
        for draw in [said(None, (0, 0)), said(Some(round), (1, 2))] {
            assert_eq!(DrawSaid::read(&draw.body()), Some(draw));
        }
        let rules = Rules { permille: 10, min: 20, max: 500, full: vec!["acme".into()] };
        let closed = Closed { period: Period::parse("2027-01").unwrap(), count: 3, population: [4; 32], rules };
        assert_eq!(Closed::read(&closed.body()), Some(closed.clone()));
        let mut other = closed.body();
        other["population"] = json!("ABCD");
        assert_eq!(Closed::read(&other), None);
    }

    #[test]
    fn without_beacon_and_all_witnesses_a_draw_could_be_steered() {
        let round = || Some(Round { chain: "c".into(), round: 9, value: vec![1; 32] });
        assert!(said(None, (0, 0)).steerable() && said(None, (1, 2)).steerable());
        assert!(!said(None, (2, 2)).steerable() && !said(round(), (0, 0)).steerable());
    }
}
