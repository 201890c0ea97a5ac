//! `zone delegate`: gives a block of numbers to another directory, takes it back, asks it for its keys, and shows what is
//! delegated.

mod bootstrap;
mod check;

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use crate::authority::{FixedError, delegated_and_registered};
use crate::cli::delegations::records::{self, Known};
use crate::cli::delegations::{self, Asked, Changes, Mode, Right};
use crate::cli::instance;
use crate::cli::report::{Failure, Report};
use crate::clock::{Clock, SystemClock, rfc3339};
use crate::config::Config;
use crate::wire::{Name, RrType};
use crate::zone::StaticZone;
use crate::zone::delegation::{Delegation, block_of};
use crate::zone::text;

#[derive(Args)]
pub(crate) struct DelegateArgs {
    /// The block: `+` and the digits that all its numbers begin with, a country code or more.
    #[arg(value_name = "BLOCK", required_unless_present = "list")]
    block: Option<String>,
    /// A name server of the other directory. May be repeated; name at least two.
    #[arg(long, value_name = "NAME", required_unless_present_any = ["list", "remove", "check"])]
    to: Vec<String>,
    /// An address of a name server whose own name lies in the block. May be repeated.
    #[arg(long, value_name = "NAME=ADDR")]
    glue: Vec<String>,
    /// Where a name server is asked about its keys, instead of at the address that the zone or a resolver knows. Not served. May be
    /// repeated.
    #[arg(long, value_name = "NAME=ADDR")]
    address: Vec<String>,
    /// A DS of the other directory's zone: tag, algorithm, digest type and digest, as its `keys ds` prints them. May be repeated.
    #[arg(long, value_name = "DS", required_unless_present_any = ["list", "remove", "insecure", "bootstrap", "check"])]
    ds: Vec<String>,
    /// Delegate without DS: answers about these numbers can then be forged.
    #[arg(long, conflicts_with = "ds")]
    insecure: bool,
    /// Find its first DS by itself: its name servers' own zones vouch for what it asks for (RFC 9615).
    #[arg(long, conflicts_with_all = ["ds", "insecure"])]
    bootstrap: bool,
    /// Take the block back.
    #[arg(long, conflicts_with_all = ["to", "glue", "address", "ds", "insecure", "bootstrap"])]
    remove: bool,
    /// Ask its servers for its keys (CDS, CDNSKEY), and say what would be taken, or why not. Changes nothing.
    #[arg(long, conflicts_with_all = ["to", "glue", "address", "ds", "insecure", "bootstrap", "remove", "dry_run"])]
    check: bool,
    /// Take it now, too.
    #[arg(long, requires = "check")]
    take: bool,
    /// Show what is delegated.
    #[arg(long, conflicts_with_all = ["block", "to", "glue", "address", "ds", "insecure", "bootstrap", "remove", "check", "dry_run"])]
    list: bool,
    /// Change nothing: check it, and show which records would change.
    #[arg(long)]
    dry_run: bool,
    /// The installation's directory; it may be running.
    #[arg(long, value_name = "DIR", default_value = ".", env = "CALLBOOK_DIR")]
    dir: PathBuf,
}

/// What came of it.
struct Done {
    changes: Changes,
    /// What the running service serves now; none if none runs.
    serial: Option<u32>,
}

pub(crate) fn run(args: &DelegateArgs) -> Result<Report, Failure> {
    let config = Config::load(&args.dir)?;
    let block = args.block.clone().unwrap_or_default();
    if args.list {
        return list(&config);
    }
    if args.check {
        return check::run(&config, &block, if args.take { check::Then::Take } else { check::Then::Tell });
    }
    let asked = match args.remove {
        true => Asked::Remove(block.clone()),
        false => {
            let mut delegation = Delegation {
                block: block.clone(),
                to: args.to.clone(),
                glue: args.glue.clone(),
                ds: args.ds.clone(),
                address: args.address.clone(),
                changed_s: SystemClock.now_s(),
            };
            if args.bootstrap {
                delegation.ds = bootstrap::first_ds(&config, &delegation)?;
            }
            Asked::Put(delegation)
        }
    };
    let ds = if let Asked::Put(delegation) = &asked { delegation.ds.len() } else { 0 };
    let mode = if args.dry_run { Mode::DryRun } else { Mode::Apply };
    Ok(report(&block, args, ds, change(&config, &asked, mode)?))
}

/// Has it done: by the service if one runs, else by ourselves.
fn change(config: &Config, asked: &Asked, mode: Mode) -> Result<Done, Failure> {
    loop {
        let done = match Right::take(config)? {
            Some(_right) => Some(without_service(config, asked, mode)?),
            None => by_service(config, asked, mode)?,
        };
        if let Some(done) = done {
            return Ok(done);
        }
    }
}

fn report(block: &str, args: &DelegateArgs, ds: usize, Done { changes, serial }: Done) -> Report {
    let what = match (args.remove, args.insecure) {
        (true, _) => "taken back".to_owned(),
        (false, true) => format!("delegated to {}, insecure", args.to.join(", ")),
        (false, false) => format!("delegated to {}, {ds} DS", args.to.join(", ")),
    };
    let state = match (args.dry_run, serial) {
        (true, _) => "nothing was changed".to_owned(),
        (false, Some(serial)) => format!("served now, serial {serial}"),
        (false, None) => "no service runs here: served from its next start".to_owned(),
    };
    let mut lines = vec![format!("{block}: {}{what} · {state}", if args.dry_run { "would be " } else { "" })];
    lines.extend(changes.removed.iter().map(|record| format!("- {record}")));
    lines.extend(changes.added.iter().map(|record| format!("+ {record}")));
    let json = json!({
        "block": block, "dry_run": args.dry_run, "serving": serial.is_some(), "serial": serial,
        "removed": changes.removed, "added": changes.added,
    });
    Report::done(lines.join("\n"), json)
}

/// `None` if there is no service any more.
fn by_service(config: &Config, asked: &Asked, mode: Mode) -> Result<Option<Done>, Failure> {
    let Some(answer) = delegations::ask(config, asked, mode)? else { return Ok(None) };
    match answer.problem {
        Some(why) => Err(Failure::new(why)),
        None => Ok(Some(Done { changes: answer.changes, serial: Some(answer.serial) })),
    }
}

/// Nobody registers numbers meanwhile: whoever would start a service waits for the right that we have.
fn without_service(config: &Config, asked: &Asked, mode: Mode) -> Result<Done, Failure> {
    let policy = instance::charter_in_force(config)?;
    let before = delegations::fixed(config, &policy, &delegations::read(config)?)?;
    let proposal = delegations::propose(config, &policy, asked)?;
    if let Some((block, count)) = delegated_and_registered(&config.paths.data, &proposal.fixed)? {
        return Err(FixedError::Registered { block, count }.into());
    }
    if mode == Mode::Apply {
        delegations::keep(config, &proposal.delegations)?;
        delegations::settle(config, asked);
    }
    Ok(Done { changes: delegations::difference(&before, &proposal.fixed), serial: None })
}

fn list(config: &Config) -> Result<Report, Failure> {
    let policy = instance::charter_in_force(config)?;
    let by_command = delegations::read(config)?;
    let fixed = delegations::fixed(config, &policy, &by_command)?;
    let mut rows: Vec<Value> = Vec::new();
    let mut lines = Vec::new();
    for node in fixed.cuts() {
        let owner = node.owner();
        let Some(block) = block_of(&owner, fixed.apex()) else { continue };
        let ours = by_command.iter().find(|delegation| delegation.block == block);
        let changed = ours.map(|delegation| rfc3339(delegation.changed_s));
        let (servers, ds) = (data(&fixed, &owner, RrType::NS), data(&fixed, &owner, RrType::DS));
        let security = if ds.is_empty() { "insecure" } else { "DS" };
        let from = changed.as_ref().map_or("in the zone's file".to_owned(), |at| format!("by command, {at}"));
        lines.push(format!("{block:<16} {security:<8} {} · {from}", servers.join(" ")));
        lines.extend(ds.iter().map(|ds| format!("  DS {ds}")));
        let known = ours.map(|_| records::read(config, &block)).transpose()?;
        lines.extend(known.iter().flat_map(in_words));
        let source = if ours.is_some() { "command" } else { "file" };
        rows.push(json!({
            "block": block, "name": owner.to_text(), "to": servers, "ds": ds,
            "glue": ours.map_or(Vec::new(), |delegation| delegation.glue.clone()),
            "address": ours.map_or(Vec::new(), |delegation| delegation.address.clone()), "source": source,
            "changed_at": changed, "child": known.as_ref().filter(|known| known.checked_s > 0).map(in_json),
        }));
    }
    if lines.is_empty() {
        lines.push("nothing is delegated".to_owned());
    }
    Ok(Report::done(lines.join("\n"), json!({"delegations": rows})))
}

/// What is known of the child, a line each.
fn in_words(known: &Known) -> Vec<String> {
    let mut lines = Vec::new();
    if known.checked_s > 0 {
        lines.push(format!("  asked {}: {}", rfc3339(known.checked_s), known.found));
    }
    if let Some(changed) = &known.changed {
        let tags = |all: &[String]| match all.is_empty() {
            true => "no DS".to_owned(),
            false => all.iter().filter_map(|ds| ds.split(' ').next()).collect::<Vec<_>>().join(", "),
        };
        let (from, to) = (tags(&changed.from), tags(&changed.to));
        lines.push(format!("  changed {} as its CDS asked: DS {from}, now {to}", rfc3339(changed.at_s)));
    }
    if let Some(refused) = &known.refused {
        lines.push(format!("  refused {}: {}", rfc3339(refused.at_s), refused.reason));
    }
    lines
}

fn in_json(known: &Known) -> Value {
    let changed = known.changed.as_ref();
    let refused = known.refused.as_ref();
    json!({
        "checked_at": rfc3339(known.checked_s), "found": known.found,
        "changed": changed.map(|changed| json!({"at": rfc3339(changed.at_s), "from": changed.from, "to": changed.to})),
        "refused": refused.map(|refused| json!({"at": rfc3339(refused.at_s), "code": refused.code, "reason": refused.reason})),
    })
}

fn data(zone: &StaticZone, owner: &Name, rr_type: RrType) -> Vec<String> {
    let set = zone.node(owner).and_then(|node| node.get(rr_type));
    set.map_or(Vec::new(), |set| set.iter().map(|rdata| text::rdata_text(rr_type, rdata)).collect())
}
