//! `init`: makes an installation and says what to do next. Never touches one that is there.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use clap::Args;
use ring::rand::SystemRandom;
use serde_json::json;

use crate::authority;
use crate::charter;
use crate::cli::charter::trust;
use crate::cli::report::{Failure, Report};
use crate::cli::{instance, keeper};
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, Dnssec, FILE_NAME, Pkcs11, TokenHolds};
use crate::dnssec::{Algorithm, ZoneKeys, anchor, keys};
use crate::seal::{Lock, Pin};
use crate::signer::Place;
use crate::wire::Name;

/// The file that holds the operator's first token.
pub(crate) const OPERATOR_TOKEN_FILE: &str = "operator.token";
/// The key of the one holder of a trust repository that `init` began.
pub(crate) const TRUST_KEY_FILE: &str = "trust-holder.key";
/// The trust anchor as a DNSKEY record: for unbound, drill and `callbook lookup`.
pub(crate) const ANCHOR_FILE: &str = "anchor.key";
/// The trust anchor in the form that delv reads.
pub(crate) const ANCHOR_DELV_FILE: &str = "anchor.delv";

#[derive(Args)]
pub(crate) struct InitArgs {
    /// The directory to make the installation in; made if missing.
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// Write the settings to this file, to which config.toml in the directory becomes a link; such as /etc/callbook/config.toml.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The apex of the number zone, such as e164.example.
    #[arg(long, value_name = "NAME")]
    apex: String,
    /// The host name in the origins of the public logs; the apex without its final dot if left out.
    #[arg(long, value_name = "NAME")]
    host: Option<String>,
    /// Answer DNS here.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:5300")]
    dns: SocketAddr,
    /// Serve the HTTP API here.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8300")]
    http: SocketAddr,
    /// The zone keys' algorithm: 13 (ECDSA P-256) or 15 (Ed25519). Later it is changed by a roll.
    #[arg(long, value_name = "NUMBER", default_value_t)]
    algorithm: Algorithm,
    /// Seal the private keys: a file of mode 0600 whose one line is the passphrase, or credential:NAME.
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<String>,
    /// The KSK is made elsewhere and never comes here: `keys request` makes the ZSKs and what the KSK is to sign.
    #[arg(long, conflicts_with = "pkcs11_module")]
    offline_ksk: bool,
    /// Begin a trust repository with one key, whose holder has this name; it is written beside the operator's token.
    #[arg(long, value_name = "NAME")]
    trust: Option<String>,
    /// Make keys in a PKCS#11 token: the absolute path of its maker's library.
    #[arg(long, value_name = "FILE", requires_all = ["pkcs11_token", "pkcs11_pin_file"])]
    pkcs11_module: Option<PathBuf>,
    /// The token's label.
    #[arg(long, value_name = "LABEL", requires = "pkcs11_module")]
    pkcs11_token: Option<String>,
    /// The token's user PIN: a file of mode 0600 whose one line it is, or credential:NAME.
    #[arg(long, value_name = "FILE", requires = "pkcs11_module")]
    pkcs11_pin_file: Option<String>,
    /// Which keys are made in the token: ksk (those that the parent knows) or all.
    #[arg(long, value_name = "WHICH", requires = "pkcs11_module", default_value = "ksk")]
    pkcs11_holds: TokenHolds,
}

/// Where a new zone's KSK is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ksk {
    /// Among the zone's keys.
    Here,
    /// On a machine without a network.
    Offline,
}

pub(crate) fn run(args: &InitArgs) -> Result<Report, Failure> {
    let host = args.host.clone().unwrap_or_else(|| args.apex.trim_end_matches('.').to_owned());
    let mut config = Config::new(&args.apex, &host);
    config.dns.listen = vec![args.dns];
    config.http.listen = args.http;
    config.dnssec.algorithm = args.algorithm.number();
    if let Some(place) = &args.passphrase_file {
        config.dnssec.passphrase_file = passphrase(place)?;
    }
    if args.pkcs11_module.is_some() {
        config.dnssec.pkcs11 = token(args, &config)?;
    }
    make_as_asked(args, &config)?;
    let trust = begin_trust(args)?;
    let keys = if args.passphrase_file.is_some() { "sealed private keys" } else { "private keys, mode 0600" };
    let elsewhere = match &args.pkcs11_token {
        Some(token) => format!("\n  the token {token:?}        private keys too: back it up as its maker says"),
        None => String::new(),
    };
    let dir = args.dir.display();
    let (anchor, ceremony) = match args.offline_ksk {
        false => {
            (format!("\n  {dir}/{ANCHOR_FILE}          the trust anchor (for delv: {ANCHOR_DELV_FILE})"), String::new())
        }
        true => (
            String::new(),
            format!(
                "  callbook keys request --dir {dir} --out request.json    then `keys answer --first` where the KSK is, and `keys accept`\n"
            ),
        ),
    };
    let text = format!(
        "Made an installation in {dir} for {apex}\n\
         \n  {dir}/config.toml        settings; check them with: callbook config check --dir {dir}\n  \
         {dir}/zones/{apex}zone   edit NS and addresses before you go public\n  \
         {dir}/charter/           the rules: adapt charter.md and policy.toml\n  \
         {dir}/keys/              {keys}: back them up offline{elsewhere}\n  \
         {dir}/{OPERATOR_TOKEN_FILE}     the operator's token{anchor}{trust}\n\
         \nNext:\n{ceremony}  callbook serve --dir {dir}\n  callbook keys ds --dir {dir}          what the parent zone must publish\n  \
         callbook provider add NAME --token-file {dir}/{OPERATOR_TOKEN_FILE} …",
        apex = config.apex,
    );
    Ok(Report::done(text, json!({"dir": args.dir, "apex": config.apex, "next": ["serve", "keys ds", "provider add"]})))
}

/// The installation, with its settings where they were asked for.
fn make_as_asked(args: &InitArgs, config: &Config) -> Result<(), Failure> {
    let ksk = if args.offline_ksk { Ksk::Offline } else { Ksk::Here };
    match &args.config {
        None => make(&args.dir, config, ksk),
        Some(file) => make_with_settings_in(file, &args.dir, config, ksk),
    }
}

/// Its trust repository, if one was asked for; says where the key of its only keyholder is.
fn begin_trust(args: &InitArgs) -> Result<String, Failure> {
    let Some(name) = &args.trust else { return Ok(String::new()) };
    let key = args.dir.join(TRUST_KEY_FILE);
    trust::begin_of_one(&Config::load(&args.dir)?, name, &key)?;
    Ok(format!(
        "\n  {}   {name}'s key: it alone decides whom callers believe. Carry it to a machine without a network",
        key.display()
    ))
}

/// The place of a passphrase that can be used, for a configuration in another folder.
pub(crate) fn passphrase(place: &str) -> Result<Lock, Failure> {
    let mut dnssec = Dnssec { passphrase_file: Lock::of(place), ..Dnssec::default() };
    dnssec.under(&std::env::current_dir()?);
    dnssec.passphrase_file.check()?;
    Ok(dnssec.passphrase_file)
}

/// The token of a new installation, which can be used and has no keys of this zone.
fn token(args: &InitArgs, config: &Config) -> Result<Pkcs11, Failure> {
    let pkcs11 = Pkcs11 {
        module: args.pkcs11_module.clone().unwrap_or_default(),
        token: args.pkcs11_token.clone().unwrap_or_default(),
        pin_file: Pin::of(args.pkcs11_pin_file.as_deref().unwrap_or_default()),
        holds: args.pkcs11_holds,
    };
    let mut config = Config { dnssec: Dnssec { pkcs11, ..config.dnssec.clone() }, ..config.clone() };
    Config::parse(&config.to_file(), &args.dir.join(FILE_NAME))?;
    config.dnssec.under(&std::env::current_dir()?);
    let apex = apex(&config)?;
    if let Some(id) = keys::in_configured_token(&apex, &config.dnssec)?.first() {
        return Err(Failure::new(format!(
            "the token {:?} holds {id} of {} already: name another token, or delete its keys with the maker's own program (or pkcs11-tool \
             --delete-object) if nobody uses them",
            config.dnssec.pkcs11.token, config.apex
        )));
    }
    Ok(config.dnssec.pkcs11)
}

fn apex(config: &Config) -> Result<Name, Failure> {
    Name::from_text(&config.apex).map_err(|e| Failure::new(format!("apex {}: {e}", config.apex)))
}

/// Makes everything that an installation needs. Files that hold secrets are made with mode 0600 at once.
pub(crate) fn make(dir: &Path, config: &Config, ksk: Ksk) -> Result<(), Failure> {
    Config::parse(&config.to_file(), &dir.join(FILE_NAME))?;
    if dir.join(FILE_NAME).exists() {
        return Err(Failure::new(format!(
            "{} holds an installation already: run `callbook serve --dir {}`, or choose another directory",
            dir.display(),
            dir.display()
        )));
    }
    let here = config.clone().under(dir);
    for place in [&here.paths.zones, &here.paths.charter] {
        fs::create_dir_all(place)?;
    }
    for place in [&here.paths.keys, &here.paths.data] {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(place)?;
    }
    fs::write(here.zone_file(), zone_template(config))?;
    fs::write(here.paths.charter.join("charter.md"), charter::TEXT)?;
    fs::write(here.paths.charter.join("policy.toml"), charter::POLICY_TEXT)?;
    let apex = apex(config)?;
    let random = SystemRandom::new();
    let (mut keeping, algorithm) = (keeper::keeping(&here, &apex), instance::algorithm(config)?);
    match ksk {
        Ksk::Here => write_anchors(dir, &apex, &keeping.begin(algorithm, SystemClock.now_s())?)?,
        Ksk::Offline => keeping.begin_offline(algorithm)?,
    }
    let token = authority::init(&settings(&here), SystemClock.now_ms(), &random)?;
    write_secret(&dir.join(OPERATOR_TOKEN_FILE), &format!("{token}\n"))?;
    // Last: the file that makes it an installation. A run that was cut off before is told to start in an empty directory.
    fs::write(dir.join(FILE_NAME), config.to_file())?;
    fs::File::open(dir)?.sync_all()?;
    Ok(())
}

/// The same with the settings in `file`, where a system keeps such files; paths in it stay relative to the installation.
fn make_with_settings_in(file: &Path, dir: &Path, config: &Config, ksk: Ksk) -> Result<(), Failure> {
    let file = std::path::absolute(file)?;
    // The directory's config.toml makes it an installation, so the settings come before it: a run that was cut off left no half of one.
    if dir.join(FILE_NAME).exists() {
        return make(dir, config, ksk);
    }
    let mut settings = fs::OpenOptions::new().write(true).create_new(true).open(&file).map_err(|e| match e.kind() {
        ErrorKind::AlreadyExists => {
            Failure::new(format!("{} is there already: settings are not overwritten", file.display()))
        }
        _ => Failure::new(format!("{}: {e}", file.display())),
    })?;
    let made = make(dir, config, ksk).and_then(|()| {
        settings.write_all(config.to_file().as_bytes())?;
        settings.sync_all()?;
        let (link, beside) = (dir.join(FILE_NAME), dir.join(".config.toml.link"));
        std::os::unix::fs::symlink(&file, &beside)?;
        Ok(fs::rename(beside, link)?)
    });
    if made.is_err() {
        // Ours and empty, or made from what failed.
        let _ = fs::remove_file(&file);
    }
    made
}

/// The trust anchor in both forms, by file.
pub(crate) fn anchors(apex: &Name, zone_keys: &ZoneKeys) -> [(&'static str, String); 2] {
    [(ANCHOR_FILE, anchor::anchor_key(apex, zone_keys)), (ANCHOR_DELV_FILE, anchor::anchor_delv(apex, zone_keys))]
}

/// Writes the anchor files.
pub(crate) fn write_anchors(dir: &Path, apex: &Name, zone_keys: &ZoneKeys) -> Result<(), Failure> {
    for (name, text) in anchors(apex, zone_keys) {
        fs::write(dir.join(name), text)?;
    }
    Ok(())
}

/// What the authority needs to know of an installation.
pub(crate) fn settings(config: &Config) -> authority::Settings {
    authority::Settings {
        apex: config.apex.clone(),
        host: config.host.clone(),
        era: config.log.era,
        epoch_ms: config.publish.epoch_ms,
        heartbeat_s: config.publish.heartbeat_s,
        keys: config.paths.keys.clone(),
        data: config.paths.data.clone(),
        lock: config.dnssec.passphrase_file.clone(),
        signer: match config.log.socket() {
            Some(path) => Place::Socket(path),
            None => Place::Here(config.log.state_folder(&config.paths.keys)),
        },
        witnesses: config.log.witnesses.clone(),
    }
}

/// Writes a file that only its owner may read; refuses to overwrite.
pub(crate) fn write_secret(path: &Path, text: &str) -> Result<(), Failure> {
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|e| Failure::new(format!("{}: {e}", path.display())))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    Ok(())
}

fn zone_template(config: &Config) -> String {
    let apex = &config.apex;
    let addresses: Vec<String> = config
        .dns
        .listen
        .iter()
        .map(|a| match a {
            SocketAddr::V4(a) => format!("ns1             IN A     {}\n", a.ip()),
            SocketAddr::V6(a) => format!("ns1             IN AAAA  {}\n", a.ip()),
        })
        .collect();
    format!(
        "; The static part of the number zone. Numbers come from the registry: nothing but delegations may stand at digit names.\n\
         $ORIGIN {apex}\n$TTL 3600\n\
         @               IN SOA   ns1 hostmaster 1 3600 900 1209600 60\n\
         @               IN NS    ns1\n{}\
         @               IN TXT   \"callbook directory\"\n",
        addresses.concat()
    )
}
