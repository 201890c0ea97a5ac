//! `keys request|answer|accept|drop-node|online`: a KSK that is never on a server.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use clap::Args;
use ring::rand::SystemRandom;
use serde_json::{Value, json};

use super::status::moment;
use super::{Opened, ZoneArgs};
use crate::cli::init;
use crate::cli::report::{Failure, Report};
use crate::clock::{Clock, SystemClock, rfc3339};
use crate::dnssec::keys::{KeyFiles, KeySource};
use crate::dnssec::life::Wanted;
use crate::dnssec::offline::{Ceremony, Entry, PublicKey, Replace, Request, Response, Summary};
use crate::dnssec::{Algorithm, KeyId, KeyRole};
use crate::seal::Lock;
use crate::wire::Name;

#[derive(Args)]
pub(crate) struct RequestArgs {
    #[command(flatten)]
    of: ZoneArgs,
    /// Write the request here, for the machine with the KSK.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// What this node is called among those that serve the zone with ZSKs of their own. Default: `dns.nsid`, or `node`.
    #[arg(long, value_name = "NAME")]
    node: Option<String>,
    /// Ask for signatures of so many days, at most 400.
    #[arg(long, value_name = "DAYS", default_value_t = 200, value_parser = clap::value_parser!(u64).range(3..=400))]
    days: u64,
    /// Every node has the response within so many days; before that nothing changes.
    #[arg(long, value_name = "DAYS", default_value_t = 7, value_parser = clap::value_parser!(u64).range(1..=60))]
    within: u64,
    /// Replace the ZSK out of turn.
    #[arg(long)]
    replace: bool,
    /// The ZSKs here may be in other hands: replace the one that signs, and those that were made ahead.
    #[arg(long)]
    compromised: bool,
    /// Other nodes serve the zone already: this one's ZSK is shown before it signs.
    #[arg(long)]
    joins: bool,
}

#[derive(Args)]
pub(crate) struct AnswerArgs {
    /// The requests of all nodes that serve the zone with ZSKs of their own.
    #[arg(required = true, value_name = "REQUEST")]
    requests: Vec<PathBuf>,
    /// The folder with the KSK; made if missing.
    #[arg(long, value_name = "DIR")]
    keys: PathBuf,
    /// Write the signed key response here, for all nodes.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The zone is new: use the KSK in the folder as its first, or make it.
    #[arg(long, conflicts_with = "next")]
    first: bool,
    /// Roll the KSK: bring in the one in the folder that is not served yet, or make it.
    #[arg(long)]
    next: bool,
    /// The passphrase of the folder's keys: a file of mode 0600, or credential:NAME.
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<String>,
    /// Say what would be signed, and neither make a key nor sign.
    #[arg(long)]
    dry_run: bool,
}

#[derive(Args)]
pub(crate) struct AcceptArgs {
    #[command(flatten)]
    of: ZoneArgs,
    /// The signed key response.
    response: PathBuf,
}

#[derive(Args)]
pub(crate) struct DropArgs {
    #[command(flatten)]
    of: ZoneArgs,
    /// The node, as its requests name it.
    #[arg(required_unless_present = "none", conflicts_with = "none")]
    node: Option<String>,
    /// Take the keys of every node in again.
    #[arg(long)]
    none: bool,
}

pub(super) fn request(args: &RequestArgs) -> Result<Report, Failure> {
    let Opened { config, mut keeping, now_s, .. } = super::open(&args.of)?;
    let nsid = Some(config.dns.nsid.as_str()).filter(|nsid| !nsid.is_empty());
    let wanted = Wanted {
        node: args.node.as_deref().or(nsid).unwrap_or("node"),
        days: args.days,
        within_days: args.within,
        replace: if args.replace || args.compromised { Replace::Now } else { Replace::InTurn },
        compromised: args.compromised,
        joins: args.joins,
    };
    let request = keeping.request(&wanted, now_s)?;
    request.write(&args.out)?;
    let (fingerprint, usable_s) = (request.fingerprint(), request.usable_s);
    let text = format!(
        "wrote the request of node {} to {}: {} ZSKs, signatures until {}.\n\
         \n  fingerprint   {fingerprint}\n\
         \nCarry it to the machine with the KSK, compare the fingerprint there, and run: callbook keys answer\n\
         Take the response in on every node before {}, with: callbook keys accept",
        request.node,
        args.out.display(),
        request.zsks.len(),
        moment(request.until_s, now_s),
        moment(usable_s, now_s),
    );
    let json = json!({
        "file": args.out,
        "node": request.node,
        "fingerprint": fingerprint,
        "from_s": request.from_s,
        "until_s": request.until_s,
        "accept_before_s": usable_s,
        "zsks": request.zsks.iter().map(|zsk| zsk.key.id().tag).collect::<Vec<_>>(),
    });
    Ok(Report::done(text, json))
}

pub(super) fn answer(args: &AnswerArgs) -> Result<Report, Failure> {
    let requests = args.requests.iter().map(|path| Request::read(path)).collect::<Result<Vec<_>, _>>()?;
    let Some((first, _)) = requests.first() else { return Err(Failure::new("no request was given")) };
    let (apex, algorithm) = (first.apex()?, first.zsks[0].key.id().algorithm);
    let lock = args.passphrase_file.as_deref().map(init::passphrase).transpose()?.unwrap_or_default();
    let folder = Folder::open(&args.keys, &apex, &lock, args.first)?;
    let served: Vec<KeyId> = requests.iter().flat_map(|(one, _)| one.ksks.iter().map(|ksk| ksk.key.id())).collect();
    let taken: Vec<u16> = requests.iter().flat_map(|(one, _)| one.zsks.iter().map(|zsk| zsk.key.id().tag)).collect();
    let new = || folder.unused(algorithm, &served, &taken, args.dry_run);
    let (entry, made) = match (args.first, args.next) {
        (false, false) => (Entry::AsServed, None),
        (true, _) => new().map(|(key, made)| (Entry::First(key), made))?,
        (false, true) => new().map(|(key, made)| (Entry::Next(key), made))?,
    };
    let ceremony = Ceremony::new(requests, entry)?;
    let (summary, now_s) = (ceremony.summary(), SystemClock.now_s());
    let mut text = in_words(&apex, &summary);
    if !args.dry_run {
        let response = ceremony.sign(now_s, &mut |id| folder.files.open(id))?;
        response.write(&args.out)?;
        if let Some(id) = made {
            let _ = write!(text, "\n\nmade {id}: back {} up, offline", args.keys.display());
        }
        let _ = write!(text, "\n\nsigned: {}. Take it to every node: callbook keys accept", args.out.display());
    }
    let json = json!({
        "apex": apex.to_text(),
        "file": if args.dry_run { Value::Null } else { json!(args.out) },
        "made": made.map(|id| id.tag),
        "from_s": summary.days.0,
        "until_s": summary.days.1,
        "accept_before_s": summary.usable_s,
        "fingerprints": summary.fingerprints.iter().map(|(node, print)| json!({"node": node, "fingerprint": print})).collect::<Vec<_>>(),
        "ksks": summary.ksks.iter().map(|(id, from_s, until_s, named_s)| {
            json!({"tag": id.tag, "from_s": from_s, "until_s": until_s, "cds_from_s": named_s})
        }).collect::<Vec<_>>(),
        "zsks": summary.zsks.iter().map(|(node, id, from_s, until_s)| {
            json!({"node": node, "tag": id.tag, "from_s": from_s, "until_s": until_s})
        }).collect::<Vec<_>>(),
    });
    Ok(Report::done(text, json))
}

/// The folder with the KSKs.
struct Folder<'a> {
    path: &'a Path,
    files: KeyFiles,
}

impl<'a> Folder<'a> {
    fn open(path: &'a Path, apex: &Name, lock: &Lock, may_make: bool) -> Result<Self, Failure> {
        if may_make {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        }
        let files = KeyFiles::new(path, apex, Box::new(SystemRandom::new())).sealed_with(lock);
        Ok(Self { path, files })
    }

    /// The one KSK that is not served, or a new one; says whether it was made.
    fn unused(
        &self,
        algorithm: Algorithm,
        served: &[KeyId],
        taken: &[u16],
        dry_run: bool,
    ) -> Result<(PublicKey, Option<KeyId>), Failure> {
        let here = self.files.list()?.into_iter().map(|(id, _)| id);
        let unused: Vec<KeyId> =
            here.filter(|id| (id.role, id.algorithm) == (KeyRole::Ksk, algorithm) && !served.contains(id)).collect();
        match unused[..] {
            [] if dry_run => Err(Failure::new("a KSK would be made first: nothing can be said of it before that")),
            [] => {
                let is_free = |tags: [u16; 2]| {
                    !served.iter().map(|id| id.tag).chain(taken.iter().copied()).any(|tag| tags.contains(&tag))
                };
                let id = self.files.make(KeyRole::Ksk, algorithm, &is_free)?;
                Ok((PublicKey::of(&self.files.open(id)?), Some(id)))
            }
            [id] => Ok((PublicKey::of(&self.files.open(id)?), None)),
            [..] => {
                let tags: Vec<String> = unused.iter().map(|id| id.tag.to_string()).collect();
                Err(Failure::new(format!(
                    "{} has several KSKs that are not served ({}): move away those that are not meant",
                    self.path.display(),
                    tags.join(", ")
                )))
            }
        }
    }
}

/// What a person compares and looks over before, or after, the KSK signs.
fn in_words(apex: &Name, summary: &Summary) -> String {
    let (from_s, until_s) = summary.days;
    let mut text = format!(
        "{}  DNSKEY, CDS and CDNSKEY for {} days, {} to {}\n",
        apex.to_text(),
        summary.day_count(),
        rfc3339(from_s),
        rfc3339(until_s)
    );
    for (node, fingerprint) in &summary.fingerprints {
        let _ = write!(text, "\nnode {node}, compare: {fingerprint}");
    }
    text.push('\n');
    for (id, from_s, until_s, named_s) in &summary.ksks {
        let cds = if named_s < until_s { format!(", CDS from {}", rfc3339(*named_s)) } else { String::new() };
        let _ = write!(text, "\nKSK {:>5}  {} to {}{cds}", id.tag, rfc3339(*from_s), rfc3339(*until_s));
    }
    for (node, id, from_s, until_s) in &summary.zsks {
        let _ = write!(text, "\nZSK {:>5}  {} to {}, node {node}", id.tag, rfc3339(*from_s), rfc3339(*until_s));
    }
    let _ = write!(text, "\n\nEvery node must have the response before {}", rfc3339(summary.usable_s));
    text
}

pub(super) fn accept(args: &AcceptArgs) -> Result<Report, Failure> {
    let Opened { config, apex, mut keeping, now_s } = super::open(&args.of)?;
    let accepted = keeping.accept(Response::read(&args.response)?, now_s)?;
    if let (Some(keys), true) = (&accepted.keys, apex.to_text() == config.apex) {
        init::write_anchors(&args.of.of.dir, &apex, keys)?;
    }
    let mut text = format!(
        "taken: the offline KSK's signatures reach to {}. A running service goes on with them within seconds",
        moment(accepted.signed_until_s, now_s)
    );
    if let Some(begins_s) = accepted.begins_s {
        let _ = write!(text, "\nThis node may serve from {} on, when every cache has its ZSK", moment(begins_s, now_s));
    }
    for id in &accepted.still_here {
        let _ = write!(
            text,
            "\nnote: the private half of {id} still lies in {}: move it to the machine without a network. Backups may have it too",
            config.paths.keys.display()
        );
    }
    let json = json!({
        "signed_until_s": accepted.signed_until_s,
        "begins_s": accepted.begins_s,
        "still_here": accepted.still_here.iter().map(|id| id.tag).collect::<Vec<_>>(),
    });
    Ok(Report::done(text, json))
}

pub(super) fn drop_node(args: &DropArgs) -> Result<Report, Failure> {
    let Opened { mut keeping, now_s, .. } = super::open(&args.of)?;
    keeping.drop_node(args.node.as_deref(), now_s)?;
    let text = match &args.node {
        Some(node) => format!(
            "the ZSKs of node {node} are out: what it signed is bogus for whoever asks from now on, and DNSKEY answers with its keys leave \
             the caches within their TTL. Do the same on every other node, and leave it out of the next ceremony. Whoever has its keys can \
             replay old DNSKEY answers for up to seven days"
        ),
        None => "the ZSKs of every node are in".to_owned(),
    };
    Ok(Report::done(text, json!({"dropped": args.node})))
}

pub(super) fn online(args: &ZoneArgs) -> Result<Report, Failure> {
    let Opened { config, mut keeping, now_s, .. } = super::open(args)?;
    let life = keeping.back_online(now_s)?;
    let text = format!(
        "the KSK in {} signs by itself again; the schedule lies beside as `.offline.old`. ZSKs that were made ahead are used by nobody: \
         delete them, or take them in with `callbook keys import`",
        config.paths.keys.display()
    );
    Ok(Report::done(text, json!({"keys": life.keys.len()})))
}
