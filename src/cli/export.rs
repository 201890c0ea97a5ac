//! `zone export|sign`: a zone as a master file, written at once or not at all, readable by its owner alone.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use ring::rand::SystemRandom;
use serde_json::json;

use crate::authority;
use crate::cli::instance;
use crate::cli::report::{Failure, Report};
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, Dnssec};
use crate::dnssec::export::{Contents, Export, Signing, Summary, Zonemd};
use crate::dnssec::life::{Keeping, Policy};
use crate::dnssec::{Algorithm, KeyError, ZoneKeys};
use crate::seal::{Lock, SealError};
use crate::wire::Name;
use crate::zone::master::text_of;
use crate::zone::{Denial, Loader, StaticZone};

/// What goes to the disk in one call.
const WRITE_OCTETS: usize = 1 << 20;

#[derive(Args)]
pub(crate) struct ExportArgs {
    /// The installation's directory; it may be running.
    #[arg(long, value_name = "DIR", default_value = ".", env = "CALLBOOK_DIR")]
    dir: PathBuf,
    /// Sign everything, with a chain of denials. It lists every number: keep it like the ledger itself.
    #[arg(long)]
    signed: bool,
    /// Do not sign, which is also what happens without this.
    #[arg(long, conflicts_with = "signed")]
    unsigned: bool,
    /// Sign with an NSEC chain instead of NSEC3 `1 0 0 -`.
    #[arg(long, requires = "signed")]
    nsec: bool,
    /// Add a digest of the whole zone (RFC 8976).
    #[arg(long)]
    zonemd: bool,
    /// The file to write, mode 0600; replaced at once when complete.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

#[derive(Args)]
pub(crate) struct SignArgs {
    /// The master file (RFC 1035 5).
    file: PathBuf,
    /// The zone's apex.
    #[arg(long, value_name = "NAME")]
    origin: String,
    /// Where the zone's keys lie, one KSK and one ZSK.
    #[arg(long, value_name = "DIR")]
    keys: PathBuf,
    /// What the keys are sealed with, or new ones are to be: a file of mode 0600 with one line.
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// Make the keys first; refused where there are keys of this zone.
    #[arg(long)]
    new_keys: bool,
    /// The keys' algorithm: 13 (ECDSA P-256) or 15 (Ed25519).
    #[arg(long, value_name = "NUMBER", default_value_t)]
    algorithm: Algorithm,
    /// An NSEC chain instead of NSEC3 `1 0 0 -`.
    #[arg(long)]
    nsec: bool,
    /// Add a digest of the whole zone (RFC 8976).
    #[arg(long)]
    zonemd: bool,
    /// The file to write, mode 0600; replaced at once when complete.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

pub(crate) fn export(args: &ExportArgs) -> Result<Report, Failure> {
    let config = Config::load(&args.dir)?;
    let policy = instance::charter_in_force(&config)?;
    let ttls = instance::ttls(&policy);
    let parts = instance::zone_parts(&config, &policy)?;
    let mut loader = Loader::default();
    let (epoch, _) = authority::load_published(&config.paths.data, |data| loader.push(&data))?;
    let zone = loader.finish(parts.fixed, ttls, epoch as u32)?; // a generation counter, as on the wire
    let keys = args.signed.then_some(&parts.keys);
    let written = write(Contents::Numbers(&zone), keys, denial(args.nsec), zonemd(args.zonemd), &args.out)?;
    let numbers = zone.table().len();
    let text = format!(
        "wrote {} with {numbers} numbers as of epoch {epoch}: {}. It is the whole phone list: guard it",
        args.out.display(),
        written.in_words()
    );
    let mut said = written.as_json(&args.out);
    said["numbers"] = json!(numbers);
    said["epoch"] = json!(epoch);
    Ok(Report::done(text, said))
}

pub(crate) fn sign(args: &SignArgs) -> Result<Report, Failure> {
    let text = fs::read(&args.file)
        .map(text_of)
        .map_err(|e| Failure::new(format!("cannot read {}: {e}", args.file.display())))?;
    let origin = Name::from_text(&args.origin).map_err(|e| Failure::new(format!("origin {}: {e}", args.origin)))?;
    let zone = StaticZone::read(&text, &origin).map_err(|mistakes| {
        let lines: Vec<String> = mistakes.iter().map(|m| format!("  {m}")).collect();
        Failure::new(format!("{}:\n{}", args.file.display(), lines.join("\n")))
    })?;
    let policy = Policy::of(&Dnssec::default(), &[], zone.highest_ttl_s());
    let lock = args.passphrase_file.as_ref().map_or_else(Lock::default, |path| Lock::of(&path.display().to_string()));
    let dnssec = Dnssec { passphrase_file: lock, ..Dnssec::default() };
    let mut keeping = Keeping::configured(&args.keys, &origin, policy, &dnssec);
    let keys = match args.new_keys {
        true => keeping.begin(args.algorithm, SystemClock.now_s())?,
        false => keeping.load(SystemClock.now_s()).map(|(_, keys)| keys).map_err(|e| match e {
            KeyError::None { .. } => Failure::new(format!("{e}; --new-keys makes them here")),
            KeyError::Sealed(SealError::NoPassphrase { path }) => Failure::new(format!(
                "{} is sealed: name the file of its passphrase with --passphrase-file",
                path.display()
            )),
            other => other.into(),
        })?,
    };
    let written = write(Contents::Fixed(&zone), Some(&keys), denial(args.nsec), zonemd(args.zonemd), &args.out)?;
    let text = format!("wrote {}: {}", args.out.display(), written.in_words());
    Ok(Report::done(text, written.as_json(&args.out)))
}

fn denial(nsec: bool) -> Denial {
    if nsec { Denial::Nsec } else { Denial::Nsec3 }
}

fn zonemd(wanted: bool) -> Zonemd {
    if wanted { Zonemd::Sha384 } else { Zonemd::Without }
}

/// What came of it.
struct Written {
    summary: Summary,
    denial: Option<Denial>,
    took: Duration,
}

impl Written {
    fn in_words(&self) -> String {
        let Summary { records, signatures, .. } = self.summary;
        let seconds = self.took.as_secs_f64();
        match self.denial {
            None => format!("{records} records in {seconds:.1} s"),
            Some(_) => {
                let rate = signatures as f64 / seconds.max(0.001);
                format!(
                    "{records} records, {signatures} of them signatures, in {seconds:.1} s ({rate:.0} signatures a second)"
                )
            }
        }
    }

    fn as_json(&self, file: &Path) -> serde_json::Value {
        let denial = self.denial.map(|denial| denial.to_string());
        json!({
            "file": file,
            "signed": self.denial.is_some(),
            "denial": denial,
            "names": self.summary.names,
            "records": self.summary.records,
            "signatures": self.summary.signatures,
            "seconds": self.took.as_secs_f64(),
        })
    }
}

fn write(
    zone: Contents<'_>,
    keys: Option<&ZoneKeys>,
    denial: Denial,
    zonemd: Zonemd,
    out: &Path,
) -> Result<Written, Failure> {
    let (random, partial) = (SystemRandom::new(), Partial::create(out)?);
    let signing = keys.map(|keys| Signing { keys, random: &random, denial });
    let bar = ProgressBar::new(0); // draws only on a terminal
    bar.set_style(ProgressStyle::with_template("writing {bar:32} {pos}/{len}  {per_sec}  {eta} left")?);
    let began = began();
    let mut file = BufWriter::with_capacity(WRITE_OCTETS, &partial.file);
    let summary = Export { zone, now_s: SystemClock.now_s(), signing, zonemd }.write(&mut file, |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    })?;
    file.flush()?;
    drop(file);
    partial.put_in_place()?;
    bar.finish_and_clear();
    Ok(Written { summary, denial: keys.map(|_| denial), took: began.elapsed() })
}

/// For the rate that is shown.
#[allow(clippy::disallowed_methods)]
fn began() -> Instant {
    Instant::now()
}

/// A file in the making beside the one that it will replace; gone unless it is put in place.
struct Partial<'a> {
    file: File,
    path: PathBuf,
    out: &'a Path,
}

impl<'a> Partial<'a> {
    fn create(out: &'a Path) -> Result<Self, Failure> {
        let mut name = out.file_name().unwrap_or_default().to_owned();
        name.push(".partial");
        let path = out.with_file_name(name);
        let _ = fs::remove_file(&path); // left by a run that was cut off
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let file = file.map_err(|e| Failure::new(format!("cannot write {}: {e}", path.display())))?;
        Ok(Self { file, path, out })
    }

    fn put_in_place(self) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.path, self.out)?;
        let folder = self.out.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }
}

impl Drop for Partial<'_> {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path); // nothing is there any more if it was put in place
    }
}
