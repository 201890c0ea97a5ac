//! `audit draw --verify`: draws again from a folder, without network, and says what was checked and what was not.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::POPULATION;
use crate::cli::report::{Exit, Failure, Report};
use crate::log::gov::GovLeaf;
use crate::log::note::{Note, VerifierKey};
use crate::registry::audit::draw::count;
use crate::registry::audit::verify::{Closed, DrawSaid, verify as draw_again};

pub(super) fn verify(dir: &Path, key: Option<&str>) -> Result<Report, Failure> {
    let key = key.map(VerifierKey::parse).transpose()?;
    let file = |name: &str| {
        let path = dir.join(name);
        fs::read_to_string(&path).map_err(|error| Failure::new(format!("{}: {error}", path.display())))
    };
    let (population, close, draw) = (file(POPULATION)?, file("audit-close")?, file("audit-draw")?);
    let said = leaf(&close, "audit-close", key.as_ref())
        .and_then(|close| Ok((close, leaf(&draw, "audit-draw", key.as_ref())?)))
        .and_then(|(close, draw)| {
            let closed = Closed::read(&close).ok_or("the closing leaf is not of its form")?;
            let said = DrawSaid::read(&draw).ok_or("the leaf of the draw is not of its form")?;
            let drawn = draw_again(&closed, &said, &population)?;
            Ok((said, drawn))
        });
    let (said, drawn) = match said {
        Ok(good) => good,
        Err(why) => {
            let text = format!("{}: {why}", dir.display());
            return Ok(Report { text, json: json!({"verified": false, "why": why}), exit: Exit::None });
        }
    };
    let mut text = format!("{}: the same {} items come out of {} entities", said.period, count(&drawn), drawn.len());
    text += match (&said.round, said.steerable()) {
        (Some(_), _) => "\n  the seed holds a round of the beacon: compare it with what the beacon publishes",
        (None, false) => "\n  the seed is a head that every named witness had cosigned",
        (None, true) => "\n  no beacon, and not every named witness: the operator could have steered this draw",
    };
    text += match key {
        Some(_) => "\n  both leaves are signed by the key of the gov log",
        None => {
            "\n  not checked: the signatures of the leaves (--key VKEY), and that the log holds them (callbook log verify)"
        }
    };
    let (period, count) = (said.period.to_string(), count(&drawn));
    let json = json!({"verified": true, "period": period, "drawn": count, "steerable": said.steerable()});
    Ok(Report::done(text, json))
}

/// What a leaf says; signed by the key, if one is given.
fn leaf(text: &str, kind: &str, key: Option<&VerifierKey>) -> Result<Value, &'static str> {
    let keys: Vec<VerifierKey> = key.into_iter().cloned().collect();
    let note = Note::open(text, &keys).map_err(|_| "a leaf is no signed note, or its signature is not good")?;
    if !keys.is_empty() && note.signed.is_empty() {
        return Err("a leaf is not signed by this key");
    }
    let leaf = GovLeaf::parse(&note.text).map_err(|_| "a leaf is not of its form")?;
    if leaf.kind == kind { Ok(leaf.body) } else { Err("a leaf is of another type than its file says") }
}
