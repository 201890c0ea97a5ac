//! `zone delegate --check`: what the servers of a delegated block say about its keys, and what would be taken or why not.

use serde_json::{Value, json};

use super::{Done, change};
use crate::cli::delegations::{self, Asked, Look, Looked, Mode, Rekey, records};
use crate::cli::instance;
use crate::cli::report::{Exit, Failure, Report};
use crate::client::child::{Answers, Said, Verdict};
use crate::clock::SystemClock;
use crate::config::Config;

/// What becomes of what is found.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// It is told.
    Tell,
    /// It is taken, too.
    Take,
}

pub(super) fn run(config: &Config, block: &str, then: Then) -> Result<Report, Failure> {
    let policy = instance::charter_in_force(config)?;
    let delegations = delegations::read(config)?;
    let was = delegations.of(block).ok_or_else(|| delegations::not_by_command(block))?;
    if was.ds.is_empty() {
        return Err(Failure::new(format!(
            "{block} has no DS, so nothing that its servers say about keys can be proved: get its DS from its operator, then delegate it with --ds"
        )));
    }
    let fixed = delegations::fixed(config, &policy, &delegations)?;
    let look = Look::at(config, &fixed, was, &records::read(config, block)?).map_err(Failure::new)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let looked = runtime.block_on(look.look(&SystemClock));
    let rekey = Rekey::of(&looked);
    let done = match (&rekey, then) {
        (Some(rekey), Then::Take) => Some(change(config, &Asked::Rekey(rekey.clone()), Mode::Apply)?),
        _ => None,
    };
    Ok(report(&looked, rekey.as_ref(), done.as_ref()))
}

fn report(looked: &Looked, rekey: Option<&Rekey>, done: Option<&Done>) -> Report {
    let block = &looked.was.block;
    let mut lines: Vec<String> =
        looked.said.iter().map(|said| format!("{block}: {}: {}", said.server, in_words(said))).collect();
    lines.extend(looked.ds.iter().map(|ds| format!("  in place  DS {ds}")));
    let asked = rekey.map(|rekey| rekey.ds.clone());
    lines.extend(asked.iter().flatten().map(|ds| format!("  asked for DS {ds}")));
    let (word, code, reason, exit) = match &looked.verdict {
        Ok(Verdict::Nothing) => {
            let why = "its servers publish neither CDS nor CDNSKEY: its operator hands DS over by hand";
            ("nothing", None, why.to_owned(), Exit::Done)
        }
        Ok(Verdict::Same { .. }) => ("same", None, "the DS in place are what it asks for".to_owned(), Exit::Done),
        Ok(Verdict::Take { ds, .. }) => {
            let what =
                if ds.is_empty() { "it asks to be insecure" } else { "it asks for these DS, and every check passes" };
            let state = match done {
                None => "they would be taken: now with --take, else at the next look of a running service".to_owned(),
                Some(Done { serial: Some(serial), .. }) => format!("taken, served now, serial {serial}"),
                Some(Done { serial: None, .. }) => "taken; no service runs here: served from its next start".to_owned(),
            };
            ("take", None, format!("{what}; {state}"), Exit::Done)
        }
        Err(refusal) => ("refused", Some(refusal.code()), refusal.to_string(), Exit::None),
    };
    lines.push(format!("{block}: {word}: {reason}"));
    let json = json!({
        "block": block, "servers": looked.said.iter().map(in_json).collect::<Vec<_>>(), "ds": looked.ds,
        "asked": asked, "verdict": word, "code": code, "reason": reason, "taken": done.is_some(),
        "serial": done.and_then(|done| done.serial),
    });
    Report { text: lines.join("\n"), json, exit }
}

fn in_words(said: &Said) -> String {
    let tags = |what: &str, tags: Vec<u16>| match tags.is_empty() {
        true => format!("no {what}"),
        false => format!("{what} {}", tags.iter().map(u16::to_string).collect::<Vec<_>>().join(" ")),
    };
    match &said.answers {
        Err(why) => why.clone(),
        Ok(answers) => [
            tags("DNSKEY", answers.dnskey_tags()),
            tags("CDS", cds_tags(answers)),
            tags("CDNSKEY", answers.cdnskey_tags()),
        ]
        .join(" · "),
    }
}

fn in_json(said: &Said) -> Value {
    let (name, address) = (&said.server.name, said.server.address);
    match &said.answers {
        Err(why) => json!({"name": name, "address": address, "problem": why}),
        Ok(answers) => json!({
            "name": name, "address": address, "dnskey": answers.dnskey_tags(), "cds": cds_tags(answers),
            "cdnskey": answers.cdnskey_tags(),
        }),
    }
}

/// The tags of CDS; that of the one that asks for deletion is 0.
fn cds_tags(answers: &Answers) -> Vec<u16> {
    let tag = |rdata: &Vec<u8>| rdata.first_chunk::<2>().map(|tag| u16::from_be_bytes(*tag));
    let mut tags: Vec<u16> = answers.cds().iter().filter_map(tag).collect();
    tags.dedup();
    tags
}
