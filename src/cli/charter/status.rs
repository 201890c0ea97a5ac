//! `charter status|ceremony`: how the trust repository stands and who must act; the steps of a signing, and its minutes.

use std::path::Path;

use clap::Args;
use data_encoding::HEXLOWER;
use serde_json::{Value, json};

use crate::authority::{self, RoleStatus, TrustStore};
use crate::charter::trust::plan::{Plan, ROLES};
use crate::cli::InstallationArgs;
use crate::cli::report::{Exit, Failure, Report};
use crate::clock::{Clock, SystemClock, rfc3339};
use crate::config::Config;

const DAY_S: u64 = 86_400;
/// What it means that there is none.
pub(crate) const NONE: &str = "there is no trust repository: callers take the keys of the logs from the directory itself, or from a file that somebody \
     hands them. charter/trust.toml and `callbook charter draft` begin one (docs/charter.md)";

#[derive(Args)]
pub(crate) struct CeremonyArgs {
    #[command(flatten)]
    of: InstallationArgs,
    /// Print the minutes of what is published, to be filed, instead of the steps.
    #[arg(long)]
    minutes: bool,
}

pub(super) fn status(args: &InstallationArgs) -> Result<Report, Failure> {
    let config = Config::load(&args.dir)?;
    let (store, now_s) = (TrustStore::at(&config.paths.charter), SystemClock.now_s());
    let roles = authority::trust_status(&store)?;
    if roles.is_empty() {
        return Ok(Report { text: NONE.to_owned(), json: json!({"exists": false, "roles": []}), exit: Exit::None });
    }
    let well = roles.iter().all(|role| what_to_do(role, now_s).is_none());
    let mut lines =
        vec![format!("{:<10} {:<9} {:>7} {:>10} {:>9}", "role", "state", "version", "signatures", "days left")];
    for role in &roles {
        lines.push(line(role, now_s));
        lines.extend(what_to_do(role, now_s).map(|what| format!("           {what}")));
    }
    if roles.iter().any(|role| role.role == "root" && role.need == 1) {
        lines.push(
            "root: 1 key alone decides everything; losing it, or losing it to a thief, ends the repository".to_owned(),
        );
    }
    let json = json!({"exists": store.exists(), "well": well, "roles": roles.iter().map(|role| as_json(role, now_s)).collect::<Vec<_>>()});
    Ok(Report { text: lines.join("\n"), json, exit: if well { Exit::Done } else { Exit::None } })
}

fn days_left(role: &RoleStatus, now_s: u64) -> i64 {
    (i64::try_from(role.expires_s).unwrap_or(i64::MAX) - i64::try_from(now_s).unwrap_or(i64::MAX))
        .div_euclid(DAY_S as i64)
}

fn line(role: &RoleStatus, now_s: u64) -> String {
    let state = match (role.is_draft, role.is_over(now_s)) {
        (true, _) => "draft",
        (false, true) => "OVER",
        (false, false) => "published",
    };
    let signatures = format!("{} of {}", role.have, role.need);
    format!("{:<10} {state:<9} {:>7} {signatures:>10} {:>9}", role.role, role.version, days_left(role, now_s))
}

/// Who must act, if anybody must.
fn what_to_do(role: &RoleStatus, now_s: u64) -> Option<String> {
    let online = matches!(role.role, "snapshot" | "timestamp");
    if role.is_draft {
        let missing = names(&role.missing);
        return Some(match (role.have as u64) < role.need {
            true => format!("to be signed by {} more of: {missing}", role.need - role.have as u64),
            false => "enough have signed: callbook charter publish".to_owned(),
        });
    }
    match (online, role.is_over(now_s), role.is_near(now_s)) {
        (_, true, _) if role.may_end => None,
        (true, true, _) => Some(
            "the running service signs it: is it running, and is its key there (keys/trust-timestamp.key)?".to_owned(),
        ),
        (true, false, true) => Some("the running service should have signed it anew by now".to_owned()),
        (false, true, _) | (false, false, true) => {
            let all: Vec<(String, String)> = role.signed.iter().chain(&role.missing).cloned().collect();
            Some(format!("callbook charter draft --renew {}; {} of these sign: {}", role.role, role.need, names(&all)))
        }
        _ => None,
    }
}

fn names(who: &[(String, String)]) -> String {
    let one = |(id, name): &(String, String)| match name.is_empty() {
        true => id.get(..16).unwrap_or(id).to_owned(),
        false => name.clone(),
    };
    who.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn as_json(role: &RoleStatus, now_s: u64) -> Value {
    let people =
        |who: &[(String, String)]| who.iter().map(|(id, name)| json!({"key_id": id, "name": name})).collect::<Vec<_>>();
    json!({
        "role": role.role, "state": if role.is_draft { "draft" } else { "published" }, "version": role.version,
        "expires": rfc3339(role.expires_s), "days_left": days_left(role, now_s), "over": role.is_over(now_s),
        "digest": HEXLOWER.encode(&role.digest), "have": role.have, "need": role.need,
        "signed": people(&role.signed), "missing": people(&role.missing), "to_do": what_to_do(role, now_s),
    })
}

/// What `doctor` says of it.
pub(crate) fn finding(charter: &Path) -> Result<String, String> {
    let (store, now_s) = (TrustStore::at(charter), SystemClock.now_s());
    let roles = authority::trust_status(&store).map_err(|e| e.to_string())?;
    if roles.is_empty() {
        return Ok(NONE.to_owned());
    }
    let bad: Vec<String> = roles
        .iter()
        .filter(|role| !role.is_draft)
        .filter_map(|role| {
            what_to_do(role, now_s).map(|what| format!("{} ({} days left): {what}", role.role, days_left(role, now_s)))
        })
        .collect();
    let nearest = roles.iter().filter(|role| !role.is_draft && !role.may_end).min_by_key(|role| role.expires_s);
    match (bad.is_empty(), nearest) {
        (true, Some(role)) => {
            Ok(format!("signed by enough; the first to end is {}, in {} days", role.role, days_left(role, now_s)))
        }
        (true, None) => Ok("drafted, and not published yet: callbook charter status".to_owned()),
        (false, _) => Err(bad.join("; ")),
    }
}

pub(super) fn ceremony(args: &CeremonyArgs) -> Result<Report, Failure> {
    let config = Config::load(&args.of.dir)?;
    let store = TrustStore::at(&config.paths.charter);
    let roles = authority::trust_status(&store)?;
    let text =
        if args.minutes { minutes(&store, &roles)? } else { steps(&args.of.dir, &store, &store.plan()?, &roles) };
    Ok(Report::done(text.clone(), json!({"text": text})))
}

fn steps(dir: &Path, store: &TrustStore, plan: &Plan, roles: &[RoleStatus]) -> String {
    let dir = dir.display();
    let drafts: Vec<&RoleStatus> = roles.iter().filter(|role| role.is_draft).collect();
    let mut lines = vec![
        format!("Signing of the trust repository, {}", rfc3339(SystemClock.now_s())),
        String::new(),
        "Who signs:".to_owned(),
    ];
    for name in ROLES {
        let Some(role) = plan.role(name) else { continue };
        let who: Vec<&str> = role.role.keys.iter().filter_map(|id| plan.holder(id)).collect();
        lines.push(format!("  {name:<10} {} of {}: {}", role.role.threshold, who.len(), who.join(", ")));
    }
    lines.push(String::new());
    let mut n = 0;
    let mut step = |text: String| {
        n += 1;
        lines.push(format!("{n}. [ ] {text}"));
    };
    step("Two people read the plan aloud and compare each key with the paper that its holder brought (callbook charter keygen prints it).".to_owned());
    if drafts.is_empty() {
        step(format!(
            "Operator: callbook charter draft --dir {dir}   (it prints what changes, and a digest for each role)"
        ));
        step(format!("Run this again: callbook charter ceremony --dir {dir}   (it then names the digests)"));
    }
    for draft in &drafts {
        let digest = HEXLOWER.encode(&draft.digest);
        step(format!(
            "Everybody writes down: {} version {}, until {}, digest {digest}",
            draft.role,
            draft.version,
            rfc3339(draft.expires_s)
        ));
        step(format!(
            "Carry {} to the machine without a network on which keys are used; the digest that `sign` prints is read aloud and is the one above.",
            store.draft().join(format!("{}.json", draft.role)).display()
        ));
        let who =
            if draft.missing.is_empty() { "nobody: enough have signed".to_owned() } else { names(&draft.missing) };
        step(format!(
            "Sign, {} more of {who}: callbook charter sign {}.json --key-file FILE",
            draft.need.saturating_sub(draft.have as u64),
            draft.role
        ));
    }
    step(format!(
        "Operator: callbook charter publish --dir {dir} SIGNED-COPIES…   (refuses what a client would refuse, and says who is missing)"
    ));
    step(
        "Somebody else, on another machine: callbook charter verify URL --root 1.root.json; the versions are those above. First time: 1.root.json goes to callers by more ways than one."
            .to_owned(),
    );
    step(format!(
        "callbook charter ceremony --dir {dir} --minutes   is printed, signed by hand by all present, and filed."
    ));
    if plan.role("root").is_some_and(|root| root.role.threshold == 1) {
        lines.push("\nOne key decides everything: there is nobody who could notice. Put a copy of it where fire and thieves do not meet it.".to_owned());
    }
    lines.join("\n")
}

/// When the file of a version was written here.
fn written_at(store: &TrustStore, role: &RoleStatus) -> Option<String> {
    let file = store.published().join(format!("{}.{}.json", role.version, role.role));
    let at = std::fs::metadata(file).ok()?.modified().ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(rfc3339(at.as_secs()))
}

fn minutes(store: &TrustStore, roles: &[RoleStatus]) -> Result<String, Failure> {
    let published: Vec<&RoleStatus> =
        roles.iter().filter(|role| !role.is_draft && ROLES.contains(&role.role)).collect();
    if published.is_empty() {
        return Err(Failure::new("nothing is published yet: callbook charter publish comes first"));
    }
    let mut lines = vec![
        "Minutes of the trust repository".to_owned(),
        format!("printed {}", rfc3339(SystemClock.now_s())),
        String::new(),
    ];
    for role in published {
        lines.push(format!("{} version {}, until {}", role.role, role.version, rfc3339(role.expires_s)));
        lines.extend(written_at(store, role).map(|at| format!("  published {at}")));
        lines.push(format!("  digest of what was signed  {}", HEXLOWER.encode(&role.digest)));
        lines.push(format!("  signed by {} ({} needed):", role.have, role.need));
        for (id, name) in &role.signed {
            let name = if name.is_empty() { "(not in the plan any more)" } else { name };
            lines.push(format!("    {id}  {name}"));
        }
        lines.push(String::new());
    }
    lines.push("Present, by hand:  ______________________  ______________________  ______________________".to_owned());
    Ok(lines.join("\n"))
}
