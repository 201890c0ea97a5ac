//! `keys …`: the zone's DNSSEC keys, their lives, and what the parent must publish.

mod carry;
mod offline;
mod picture;
mod roll;
mod seal;
mod status;

use clap::{Args, Subcommand};
use serde_json::json;

pub(crate) use crate::cli::keys::picture::stretches_of;
use crate::cli::report::{Failure, Report};
use crate::cli::{InstallationArgs, keeper};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::dnssec::keys::Protection;
use crate::dnssec::life::{Keeping, KeyLife, Life, State};
use crate::dnssec::{KeyRole, anchor};
use crate::wire::Name;

#[derive(Subcommand)]
pub(crate) enum KeysCommand {
    /// Show each key's state and dates, what is waited for, and who must act next.
    Status(status::StatusArgs),
    /// List the keys with tag, algorithm, role and state.
    List(ZoneArgs),
    /// Ask for new keys; the running service takes it up within seconds.
    Roll(roll::RollArgs),
    /// Print the DS records for the parent zone, or say that the parent has them.
    Ds(DsArgs),
    /// Take in a private key from a file: PKCS#8 in PEM, or BIND's format v1.3.
    Import(carry::ImportArgs),
    /// Write a private key in BIND's format v1.3.
    Export(carry::ExportArgs),
    /// Make a stand-by key: it is published, and takes over at once when it is needed.
    Generate(carry::GenerateArgs),
    /// Seal every private key in the folder under the configured passphrase, or under a new one.
    Seal(seal::SealArgs),
    /// Make every sealed private key in the folder plain again.
    Unseal(InstallationArgs),
    /// Offline KSK: make the ZSKs of the months to come, and the file that says what the KSK is to sign.
    Request(offline::RequestArgs),
    /// Offline KSK, on the machine that has it: sign what the nodes' requests ask for.
    Answer(offline::AnswerArgs),
    /// Offline KSK: take the signatures in; the running service goes on with them.
    Accept(offline::AcceptArgs),
    /// Offline KSK: take another node's ZSKs out of the zone at once, since it was broken into.
    DropNode(offline::DropArgs),
    /// Offline KSK: go on with a KSK that lies among the keys here again.
    Online(ZoneArgs),
}

/// Whose keys.
#[derive(Args)]
pub(crate) struct ZoneArgs {
    #[command(flatten)]
    of: InstallationArgs,
    /// The zone: one of `[[zone]]` in config.toml. Default: the number zone.
    #[arg(long, value_name = "NAME")]
    zone: Option<String>,
}

#[derive(Args)]
pub(crate) struct DsArgs {
    #[command(flatten)]
    of: ZoneArgs,
    /// Every server of the parent shows the DS of the key with this tag, and none of another key.
    #[arg(long, value_name = "TAG")]
    confirm: Option<u16>,
}

/// A role by its name: see [`KeyRole`].
#[derive(Clone, Copy, clap::ValueEnum)]
pub(crate) enum RoleArg {
    Ksk,
    Zsk,
    Csk,
}

impl From<RoleArg> for KeyRole {
    fn from(role: RoleArg) -> Self {
        match role {
            RoleArg::Ksk => Self::Ksk,
            RoleArg::Zsk => Self::Zsk,
            RoleArg::Csk => Self::Csk,
        }
    }
}

pub(crate) fn run(command: KeysCommand) -> Result<Report, Failure> {
    match command {
        KeysCommand::Status(args) => status::run(&args),
        KeysCommand::List(args) => list(&args),
        KeysCommand::Roll(args) => roll::run(&args),
        KeysCommand::Ds(args) => ds(&args),
        KeysCommand::Import(args) => carry::import(&args),
        KeysCommand::Export(args) => carry::export(&args),
        KeysCommand::Generate(args) => carry::generate(&args),
        KeysCommand::Seal(args) => seal::seal(&args),
        KeysCommand::Unseal(args) => seal::unseal(&args),
        KeysCommand::Request(args) => offline::request(&args),
        KeysCommand::Answer(args) => offline::answer(&args),
        KeysCommand::Accept(args) => offline::accept(&args),
        KeysCommand::DropNode(args) => offline::drop_node(&args),
        KeysCommand::Online(args) => offline::online(&args),
    }
}

/// A zone's keys, and what belongs to them.
struct Opened {
    config: Config,
    apex: Name,
    keeping: Keeping,
    now_s: u64,
}

fn open(args: &ZoneArgs) -> Result<Opened, Failure> {
    let config = Config::load(&args.of.dir)?;
    let text = match &args.zone {
        None => config.apex.clone(),
        Some(zone) => format!("{}.", zone.trim_end_matches('.').to_ascii_lowercase()),
    };
    if text != config.apex && !config.zone.iter().any(|zone| zone.name == text && zone.sign) {
        return Err(Failure::new(format!("there is no [[zone]] {text} with sign = true in config.toml")));
    }
    let apex = Name::from_text(&text).map_err(|e| Failure::new(format!("zone {text}: {e}")))?;
    Ok(Opened { keeping: keeper::keeping(&config, &apex), config, apex, now_s: SystemClock.now_s() })
}

fn list(args: &ZoneArgs) -> Result<Report, Failure> {
    let Opened { apex, keeping, now_s, .. } = open(args)?;
    let life = keeping.life(now_s)?;
    let head = format!("{:<5} {:>6}  {:<20} {:<13} {:<7} {}", "role", "tag", "algorithm", "state", "key", "use");
    let mut lines = vec![head];
    let mut keys = Vec::new();
    for key in &life.keys {
        let called = format!("{} {}", key.algorithm, key.algorithm.mnemonic());
        let does = match (key.signs_keys(), key.signs_data()) {
            (true, true) => "signs everything",
            (true, false) => "signs the DNSKEY RRset",
            (false, true) => "signs data",
            (false, false) => "signs nothing",
        };
        let (state, lies) = (key.state.as_str(), lies(&keeping, &life, key)?);
        lines.push(format!("{:<5} {:>6}  {called:<20} {state:<13} {lies:<7} {does}", key.role.to_string(), key.tag));
        keys.push(json!({
            "role": key.role.to_string(),
            "tag": key.tag,
            "algorithm": key.algorithm.number(),
            "state": state,
            "protection": lies,
            "signs_keys": key.signs_keys(),
            "signs_data": key.signs_data(),
        }));
    }
    Ok(Report::done(lines.join("\n"), json!({"apex": apex.to_text(), "keys": keys})))
}

/// Where a private key is, or what protects it, in a word.
fn lies(keeping: &Keeping, life: &Life, key: &KeyLife) -> Result<&'static str, Failure> {
    let protection = keeping.protection(key.id())?;
    let elsewhere = life.offline.is_some() && key.role == KeyRole::Ksk && protection == Protection::Gone;
    Ok(if elsewhere { "offline" } else { protection.as_str() })
}

fn ds(args: &DsArgs) -> Result<Report, Failure> {
    let Opened { apex, mut keeping, now_s, .. } = open(&args.of)?;
    if let Some(tag) = args.confirm {
        let key = keeping.change(now_s, |life, _| Ok(life.confirm_ds(tag, now_s)?))?;
        let life = keeping.life(now_s)?;
        let done_s =
            life.waits(keeping.policy()).into_iter().find(|wait| wait.key == Some(key)).and_then(|w| w.until_s);
        let text = format!(
            "noted: the parent shows DS {tag} and no other. The old key leaves {}",
            done_s.map_or("when the service runs".to_owned(), |done_s| status::moment(done_s, now_s)),
        );
        return Ok(Report::done(text, json!({"confirmed": tag, "old_leaves_s": done_s})));
    }
    let (life, keys) = keeping.load(now_s)?;
    let ds = anchor::ds_text(&apex, &keys);
    if ds.is_empty() {
        return Err(Failure::new(
            "it is not known which key the parent has, since the record of the keys was lost: look at the parent's DS and run \
             `callbook keys ds --confirm TAG` with its tag",
        ));
    }
    let coming = life.keys.iter().any(|key| key.role.is_entry() && key.state == State::Published);
    let note =
        if coming { "; the next key is on its way, and its DS is printed when the parent may have it\n" } else { "" };
    let records: Vec<&str> = ds.lines().collect();
    Ok(Report::done(format!("{ds}{note}"), json!({"apex": apex.to_text(), "ds": records})))
}
