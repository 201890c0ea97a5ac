//! `zone import`: the numbers of an existing ENUM zone become registrations, provider-held, through the directory's law.
//!
//! ```text
//! file ──> read to its end ──> grouped by number ──> held against the charter ──> control keys on the disk ──> PUT, 16 at once
//!          (a mistake: nothing)                      (refused: report)            (held.keys)                  (progress, report)
//! ```

mod journal;
mod judge;
mod plan;
mod submit;

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use serde_json::json;

use self::journal::{Progress, ReportFile};
use self::judge::{Mending, judge};
use self::plan::{Group, Plan, Unreadable};
use self::submit::{Mistake, Office, Outcome, Task};
use crate::charter::Policy;
use crate::cli::connect::api_at;
use crate::cli::held::HeldKeys;
use crate::cli::profile::Profile;
use crate::cli::report::{Exit, Failure, Report};
use crate::client::provider::Api;
use crate::registry::refusal::Refusal;
use crate::wire::Name;

/// Numbers whose new control keys go to the disk together.
const KEYS_AT_ONCE: usize = 256;

#[derive(Args)]
pub(crate) struct ImportArgs {
    /// The master file of an ENUM zone (RFC 1035 5, RFC 6116).
    file: PathBuf,
    /// The apex of the zone in the file, such as 4.3.e164.arpa.
    #[arg(long, value_name = "NAME")]
    origin: String,
    /// The provider's folder: keys, token, where the API is.
    #[arg(long, value_name = "DIR", env = "CALLBOOK_PROVIDER")]
    provider: PathBuf,
    /// Another address of the API than the folder has.
    #[arg(long, value_name = "URL")]
    api: Option<String>,
    /// Read, check and report; register nothing.
    #[arg(long)]
    dry_run: bool,
    /// Rewrite addresses that break the safe profile where that loses nothing: case, delimiters, order and preferences.
    #[arg(long)]
    mend: bool,
    /// Where the report goes, a JSON object a line, mode 0600; FILE.import.jsonl if left out. Its progress lies beside it.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// How the holders were validated: method ids of the charter.
    #[arg(long, value_name = "ID", default_value = "operator-db")]
    method: Vec<String>,
    /// For how many days that is good; the charter bounds it by method.
    #[arg(long, value_name = "DAYS", default_value_t = 180)]
    days: u64,
}

/// What became of the records, in numbers.
#[derive(Clone, Copy, Default, Serialize)]
struct Tally {
    /// Numbers in the file.
    numbers: u64,
    /// Registered by this run.
    registered: u64,
    /// Registered before.
    already: u64,
    /// Numbers that a dry run would submit.
    would_register: u64,
    /// Numbers refused by the charter or the directory.
    refused: u64,
    /// Numbers that were not submitted since the import stopped.
    not_tried: u64,
    /// Numbers of which something was mended.
    mended: u64,
    /// Other records that are not imported.
    left_out: u64,
    /// Signatures, denials and keys of the old zone.
    signing: u64,
}

/// A line of the report about a number.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
struct Line<'a> {
    number: String,
    outcome: &'static str,
    lines: &'a [u32],
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    mended: &'a [String],
    #[serde(skip_serializing_if = "<[Mistake]>::is_empty")]
    refusals: &'a [Mistake],
}

pub(crate) fn run(args: &ImportArgs) -> Result<Report, Failure> {
    let origin = Name::from_text(&args.origin).map_err(|e| Failure::new(format!("origin {}: {e}", args.origin)))?;
    let plan = read(args, &origin)?;
    let profile = Profile::load(&args.provider)?;
    let api = api_at(args.api.as_deref().unwrap_or(&profile.api), &profile.token()?)?;
    let policy = charter(args, &api)?;
    let office =
        Office { directory: profile.directory()?, profile: &profile, api, methods: &args.method, days: args.days };
    // Also shows, in a dry run too, that the token is good and the directory the pinned one.
    let apex = match plan.groups().next() {
        Some(group) => submit::apex(&office, group.number)?,
        None => args.origin.clone(),
    };
    let path = args.report.clone().unwrap_or_else(|| {
        let mut name = args.file.clone().into_os_string();
        name.push(".import.jsonl");
        name.into()
    });
    let mut import = Import {
        plan: &plan,
        policy: &policy,
        apex,
        mending: if args.mend { Mending::Lossless } else { Mending::Never },
        report: ReportFile::create(&path)?,
        tally: Tally {
            numbers: plan.numbers(),
            left_out: plan.left_out.len() as u64,
            signing: plan.signing,
            ..Tally::default()
        },
    };
    plan.left_out.iter().try_for_each(|left| import.report.line(&json!({"outcome": "left_out", "record": left})))?;
    let stopped = match args.dry_run {
        true => import.rehearse().map(|()| None)?,
        false => import.submit(&office, &mut Progress::open(&path)?)?,
    };
    let Import { mut report, tally, .. } = import;
    report.line(&json!({"summary": tally, "stopped": stopped}))?;
    report.finish()?;
    said(args, &path, &tally, stopped)
}

/// Reads the file; with a mistake in it nothing is imported.
fn read(args: &ImportArgs, origin: &Name) -> Result<Plan, Failure> {
    let file = File::open(&args.file).map_err(|e| Failure::new(format!("cannot read {}: {e}", args.file.display())))?;
    let at = args.file.display();
    Plan::read(BufReader::with_capacity(1 << 20, file), origin).map_err(|no| match no {
        Unreadable::Io(e) => Failure::new(format!("cannot read {at}: {e}")),
        Unreadable::TooLarge => {
            Failure::new(format!("{at} has too many records for one import: split it, by number blocks"))
        }
        Unreadable::Mistakes(mistakes) => {
            let lines: Vec<String> = mistakes.iter().map(|m| format!("  {m}")).collect();
            Failure::new(format!("{at} cannot be read from end to end, so nothing was imported:\n{}", lines.join("\n")))
        }
    })
}

/// The directory's charter, and that it lets this import happen at all.
fn charter(args: &ImportArgs, api: &Api) -> Result<Policy, Failure> {
    let policy = Policy::parse(&api.charter()?.in_force.policy_toml).map_err(|mistakes| {
        let lines: Vec<String> = mistakes.iter().map(|m| format!("  {m}")).collect();
        Failure::new(format!(
            "the directory's charter is of another kind than this program knows:\n{}",
            lines.join("\n")
        ))
    })?;
    if !policy.provider_held_allowed {
        let why = "this directory has no provider-held numbers (charter 2.6): each holder has to register with a key of his own";
        return Err(Failure::new(why));
    }
    for id in &args.method {
        let known = || policy.methods.keys().cloned().collect::<Vec<_>>().join(", ");
        match policy.methods.get(id) {
            None => return Err(Failure::new(format!("the charter has no validation method {id}; it has {}", known()))),
            Some(method) if args.days > method.validity_max_d => {
                let most = method.validity_max_d;
                return Err(Failure::new(format!(
                    "a validation by {id} is good for at most {most} days: give --days {most}"
                )));
            }
            Some(_) => {}
        }
    }
    Ok(policy)
}

/// An import under way.
struct Import<'a> {
    plan: &'a Plan,
    policy: &'a Policy,
    apex: String,
    mending: Mending,
    report: ReportFile,
    tally: Tally,
}

impl Import<'_> {
    /// Everything but the submissions.
    fn rehearse(&mut self) -> Result<(), Failure> {
        for group in self.plan.groups() {
            let judged = judge(&group, &self.apex, self.policy, self.mending);
            self.tally.mended += u64::from(!judged.mended.is_empty());
            let refusals = mistakes(&judged.refusals);
            let outcome = if refusals.is_empty() { "would_register" } else { "refused" };
            match refusals.is_empty() {
                true => self.tally.would_register += 1,
                false => self.tally.refused += 1,
            }
            let (number, lines, mended) = (group.number.to_string(), &*group.lines, &*judged.mended);
            self.report.line(&Line { number, outcome, lines, event: None, mended, refusals: &refusals })?;
        }
        Ok(())
    }

    /// Registers; says why it stopped, if it did.
    fn submit(&mut self, office: &Office<'_>, progress: &mut Progress) -> Result<Option<String>, Failure> {
        let mut held = HeldKeys::open(office.profile.folder())?;
        let bar = ProgressBar::new(self.tally.numbers); // draws only on a terminal
        bar.set_style(ProgressStyle::with_template("importing {bar:32} {pos}/{len}  {per_sec}  {eta} left")?);
        let mut ready = Vec::new();
        for group in self.plan.groups() {
            let judged = judge(&group, &self.apex, self.policy, self.mending);
            let (number, lines) = (group.number.to_string(), &*group.lines);
            if let Some(event) = progress.event(group.number) {
                self.tally.already += 1;
                let (event, mended) = (Some(event), &*judged.mended);
                self.report.line(&Line { number, outcome: "registered", lines, event, mended, refusals: &[] })?;
            } else if judged.refusals.is_empty() {
                ready.push(group.number);
                continue;
            } else {
                self.tally.refused += 1;
                let refusals = mistakes(&judged.refusals);
                self.report.line(&Line {
                    number,
                    outcome: "refused",
                    lines,
                    event: None,
                    mended: &[],
                    refusals: &refusals,
                })?;
            }
            bar.inc(1);
        }
        let (plan, policy, mending, apex) = (self.plan, self.policy, self.mending, self.apex.clone());
        let (mut stopped, mut left) =
            (None, ready.iter().map(|number| number.as_u64()).collect::<std::collections::BTreeSet<_>>());
        submit::run(
            office,
            |tasks| {
                let mut next = ready.iter().peekable();
                let mine = plan.groups().filter(|group| next.next_if(|number| **number == group.number).is_some());
                make(mine, &mut held, tasks, |group| judge(group, &apex, policy, mending))
            },
            |task, outcome| {
                bar.inc(1);
                if let Some(why) = self.take(&task, outcome, progress)? {
                    stopped = stopped.take().or(Some(why));
                } else {
                    left.remove(&task.number.as_u64());
                }
                Ok(())
            },
        )?;
        progress.sync()?;
        bar.finish_and_clear();
        self.tally.not_tried = left.len() as u64;
        for group in self.plan.groups().filter(|group| left.contains(&group.number.as_u64())) {
            let (number, lines) = (group.number.to_string(), &*group.lines);
            self.report.line(&Line { number, outcome: "not_tried", lines, event: None, mended: &[], refusals: &[] })?;
        }
        Ok(stopped)
    }

    /// Reports what became of a number; gives back why the import stops.
    fn take(&mut self, task: &Task, outcome: Outcome, progress: &mut Progress) -> Result<Option<String>, Failure> {
        let (number, lines, mended) = (task.number.to_string(), &*task.lines, &*task.mended);
        match outcome {
            Outcome::Stopped(why) => return Ok(Some(why)),
            Outcome::Refused(refusals) => {
                self.tally.refused += 1;
                self.report.line(&Line {
                    number,
                    outcome: "refused",
                    lines,
                    event: None,
                    mended: &[],
                    refusals: &refusals,
                })?;
            }
            Outcome::Registered { event, already } => {
                match already {
                    true => self.tally.already += 1,
                    false => self.tally.registered += 1,
                }
                self.tally.mended += u64::from(!mended.is_empty());
                progress.keep(task.number, &event)?;
                let event = (!event.is_empty()).then_some(event.as_str());
                self.report.line(&Line { number, outcome: "registered", lines, event, mended, refusals: &[] })?;
            }
        }
        Ok(None)
    }
}

/// Makes the tasks, a few hundred at a time: their control keys are on the disk before one of them is submitted.
fn make<'a>(
    groups: impl Iterator<Item = Group<'a>>,
    held: &mut HeldKeys,
    tasks: &std::sync::mpsc::SyncSender<Task>,
    judge: impl Fn(&Group<'a>) -> judge::Judged,
) -> Result<(), Failure> {
    let mut groups = groups.peekable();
    while groups.peek().is_some() {
        let some: Vec<Group<'a>> = groups.by_ref().take(KEYS_AT_ONCE).collect();
        let numbers: Vec<_> = some.iter().map(|group| group.number).collect();
        for (group, control) in some.into_iter().zip(held.of(&numbers)?) {
            let judged = judge(&group);
            let (number, lines) = (group.number, group.lines);
            let task = Task { number, rdatas: judged.rdatas, control, lines, mended: judged.mended };
            if tasks.send(task).is_err() {
                return Ok(()); // the workers are gone
            }
        }
    }
    Ok(())
}

fn mistakes(refusals: &[Refusal]) -> Vec<Mistake> {
    let mistake = |refusal: &Refusal| Mistake {
        code: refusal.code.to_owned(),
        clause: Some(refusal.clause.to_owned()),
        detail: refusal.detail.clone(),
        remedy: Some(refusal.remedy.clone()),
    };
    refusals.iter().map(mistake).collect()
}

fn said(args: &ImportArgs, path: &std::path::Path, tally: &Tally, stopped: Option<String>) -> Result<Report, Failure> {
    let at = path.display();
    let counted = format!(
        "{} numbers: {} registered, {} registered before, {} refused; {} other records left out. The report is {at}",
        tally.numbers, tally.registered, tally.already, tally.refused, tally.left_out
    );
    if let Some(why) = stopped {
        let again = format!("{} were not tried: the same command goes on", tally.not_tried);
        return Err(Failure::new(format!("the import stopped: {why}\n  {counted}\n  {again}")));
    }
    let text = match args.dry_run {
        true => format!(
            "dry run, nothing was registered: {} numbers, {} would be submitted, {} refused; {} other records left out. \
             The report is {at}",
            tally.numbers, tally.would_register, tally.refused, tally.left_out
        ),
        false => counted,
    };
    let exit = if tally.refused > 0 { Exit::None } else { Exit::Done };
    let mut said = json!(tally);
    said["dry_run"] = json!(args.dry_run);
    said["report"] = json!(path);
    Ok(Report { text, json: said, exit })
}
