//! `provider batch`: many changes from a file, in as many batches as they need, followed to their results.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use data_encoding::HEXLOWER;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::access::{AccessArgs, patiently};
use crate::api::batches::{BATCH_BYTES_MAX, Batch};
use crate::authority::BATCH_ITEMS_MAX;
use crate::cli::report::{Exit, Failure, Report, note};
use crate::client::provider::{Api, BatchRun};
use crate::log::sha256;

/// Between two looks at a batch: a commit of 256 items takes some of these.
const LOOK: Duration = Duration::from_millis(200);
/// How often a directory that is away or busy is tried: ten minutes at least, longer than a restart takes.
const TRIES_MAX: u32 = 300;
/// How often a batch that was interrupted is sent again without one more item done: then it is given up.
const IDLE_SENDS_MAX: u32 = 10;

#[derive(Args)]
pub(crate) struct BatchArgs {
    /// The changes, one JSON object a line (`number register --to-batch` writes them); - is standard input.
    file: PathBuf,
    /// Have every change judged and store nothing.
    #[arg(long)]
    dry_run: bool,
    /// Follow it to its end and print the results, one JSON object a line. More than 10 000 lines need this: they go in
    /// several batches, one after the other.
    #[arg(long)]
    wait: bool,
    /// Write the results to this new file instead of standard output.
    #[arg(long, value_name = "FILE", requires = "wait")]
    out: Option<PathBuf>,
    /// Names the request (its Idempotency-Key): the same key goes on with the same batch. The file's digest if left out.
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    #[command(flatten)]
    access: AccessArgs,
}

/// What has been done so far.
#[derive(Default)]
struct Tally {
    batches: Vec<String>,
    items: u64,
    accepted: u64,
    refused: u64,
}

pub(crate) fn run(args: &BatchArgs, json: bool) -> Result<Report, Failure> {
    let api = args.access.open()?;
    let run = if args.dry_run { BatchRun::Dry } else { BatchRun::Real };
    let mut lines = Lines::open(&args.file)?;
    let mut part = lines.next_part()?;
    if part.is_empty() {
        return Err(Failure::new(format!("{}: no line to send", args.file.display())));
    }
    let mut after = lines.next_part()?;
    if !args.wait {
        if !after.is_empty() {
            let why = format!(
                "more than {BATCH_ITEMS_MAX} lines or {BATCH_BYTES_MAX} bytes go in several batches, one after the other: add --wait"
            );
            return Err(Failure::new(why));
        }
        let key = key(args.key.as_deref(), 0, run, &part);
        let batch = patiently(TRIES_MAX, || api.send_batch(&part, &key, run))?;
        let text = format!("batch {} of {} changes: {}", batch.id, batch.items, batch.state);
        return Ok(Report::done(text, serde_json::to_value(&batch)?));
    }
    let mut out: Box<dyn Write> = match &args.out {
        Some(file) => Box::new(new_file(file)?),
        None => Box::new(io::stdout().lock()),
    };
    let mut tally = Tally::default();
    while !part.is_empty() {
        let key = key(args.key.as_deref(), tally.batches.len(), run, &part);
        let batch = followed(&api, &part, &key, run)?;
        results(&api, &batch, tally.items, &mut out)?;
        tally.items += batch.items;
        tally.accepted += batch.accepted;
        tally.refused += batch.refused;
        tally.batches.push(batch.id);
        part = std::mem::replace(&mut after, lines.next_part()?);
    }
    out.flush()?;
    drop(out);
    Ok(tally.report(args, json))
}

impl Tally {
    /// To standard output, or beside the results that stand there.
    fn report(self, args: &BatchArgs, json: bool) -> Report {
        let (done, no) = if args.dry_run { ("would be accepted", "would be refused") } else { ("accepted", "refused") };
        let text = format!("{} changes: {} {done}, {} {no}", self.items, self.accepted, self.refused);
        let exit = if self.refused == 0 { Exit::Done } else { Exit::None };
        let said = json!({
            "batches": self.batches, "dry_run": args.dry_run, "items": self.items,
            "accepted": self.accepted, "refused": self.refused,
        });
        if args.out.is_none() {
            note(&if json { said.to_string() } else { text });
            return Report { exit, ..Report::said() };
        }
        Report { text, json: said, exit }
    }
}

/// The key of one of several batches: what was said, or what is in it, so that the same file goes on with the same batch.
fn key(said: Option<&str>, place: usize, run: BatchRun, lines: &[u8]) -> String {
    match (said, place) {
        (Some(key), 0) => key.to_owned(),
        (Some(key), place) => format!("{key}.{place}"),
        (None, _) => {
            let run = if run == BatchRun::Dry { b"dry" } else { b"run" };
            HEXLOWER.encode(&sha256(&[b"callbook provider batch", run, lines]))
        }
    }
}

/// Sends a batch and follows it to its end, through restarts of the directory.
fn followed(api: &Api, lines: &[u8], key: &str, run: BatchRun) -> Result<Batch, Failure> {
    let send = || patiently(TRIES_MAX, || api.send_batch(lines, key, run));
    let mut batch = send()?;
    let bar = ProgressBar::new(batch.items); // draws only on a terminal
    bar.set_style(ProgressStyle::with_template("{bar:40} {pos}/{len} changes, {eta} left").expect("a fixed template"));
    let (mut idle_sends, mut done_before) = (0, 0);
    loop {
        bar.set_position(batch.done);
        match batch.state.as_str() {
            "done" => break,
            "interrupted" => {
                idle_sends = if batch.done > done_before { 0 } else { idle_sends + 1 };
                done_before = batch.done;
                if idle_sends > IDLE_SENDS_MAX {
                    let why = "it is interrupted again and again: the directory cannot store, or the token was revoked";
                    return Err(Failure::new(format!(
                        "batch {} stands at {} of {}: {why}",
                        batch.id, batch.done, batch.items
                    )));
                }
                batch = send()?;
            }
            _ => {
                std::thread::sleep(LOOK);
                batch = patiently(TRIES_MAX, || api.batch(&batch.id))?;
            }
        }
    }
    bar.finish_and_clear();
    Ok(batch)
}

/// Prints a batch's results; their places count from the beginning of the file.
fn results(api: &Api, batch: &Batch, before: u64, out: &mut impl Write) -> Result<(), Failure> {
    let mut from = 0;
    loop {
        let page = patiently(TRIES_MAX, || api.batch_results(&batch.id, from))?;
        if page.is_empty() {
            return Ok(());
        }
        for mut result in page {
            from = result.index + 1;
            result.index += before;
            serde_json::to_writer(&mut *out, &result)?;
            out.write_all(b"\n")?;
        }
    }
}

fn new_file(path: &Path) -> Result<File, Failure> {
    let made = File::options().write(true).create_new(true).mode(0o600).open(path);
    made.map_err(|e| Failure::new(format!("{}: {e}; results go to a new file", path.display())))
}

/// The lines of a file, in parts that fit into a batch.
struct Lines {
    name: String,
    source: Box<dyn BufRead>,
    /// A line that did not fit into the part before.
    held: Vec<u8>,
    read: u64,
}

impl Lines {
    fn open(file: &Path) -> Result<Self, Failure> {
        let name = file.display().to_string();
        let source: Box<dyn BufRead> = match file.to_str() {
            Some("-") => Box::new(BufReader::new(io::stdin())),
            _ => {
                let opened = File::open(file).map_err(|e| Failure::new(format!("{name}: {e}")))?;
                Box::new(BufReader::new(opened))
            }
        };
        Ok(Self { name, source, held: Vec::new(), read: 0 })
    }

    /// The next part, without empty lines; empty at the end.
    fn next_part(&mut self) -> Result<Vec<u8>, Failure> {
        let mut part = std::mem::take(&mut self.held);
        let mut items = usize::from(!part.is_empty());
        while items < BATCH_ITEMS_MAX {
            let mut line = Vec::new();
            let bound = BATCH_BYTES_MAX as u64 + 1;
            let read = (&mut self.source).take(bound).read_until(b'\n', &mut line);
            read.map_err(|e| Failure::new(format!("{}: {e}", self.name)))?;
            if line.is_empty() {
                break;
            }
            self.read += 1;
            if line.trim_ascii().is_empty() {
                continue;
            }
            if line.last() != Some(&b'\n') {
                line.push(b'\n');
            }
            if line.len() > BATCH_BYTES_MAX {
                return Err(Failure::new(format!("{}: line {} is longer than a batch may be", self.name, self.read)));
            }
            if part.len() + line.len() > BATCH_BYTES_MAX {
                self.held = line;
                break;
            }
            part.append(&mut line);
            items += 1;
        }
        Ok(part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: Vec<u8>) -> Result<Vec<Vec<u8>>, Failure> {
        let mut lines =
            Lines { name: "x".to_owned(), source: Box::new(io::Cursor::new(text)), held: Vec::new(), read: 0 };
        let mut all = Vec::new();
        loop {
            match lines.next_part()? {
                part if part.is_empty() => return Ok(all),
                part => all.push(part),
            }
        }
    }

    #[test]
    fn a_long_file_goes_in_several_batches_and_loses_no_line() {
        let text = b"{}\n\n{}\n".repeat(12_000);
        let sizes: Vec<usize> = parts(text).unwrap().iter().map(|part| part.len() / 3).collect();
        assert_eq!(sizes, [10_000, 10_000, 4_000]);
        let line = [vec![b'x'; 6 << 20], b"\n".to_vec()].concat();
        let sizes: Vec<usize> = parts(line.repeat(5)).unwrap().iter().map(Vec::len).collect();
        assert_eq!(sizes, [2 * line.len(), 2 * line.len(), line.len()]);
        assert_eq!(parts(b"{}".to_vec()).unwrap(), [b"{}\n".to_vec()], "the last line needs no end");
        let long = parts(vec![b'x'; BATCH_BYTES_MAX + 5]).unwrap_err();
        assert!(long.to_string().contains("line 1 is longer"), "{long}");
    }

    #[test]
    fn the_same_lines_have_the_same_key() {
        let of = |said, place, run, lines| key(said, place, run, lines);
        assert_eq!(of(None, 0, BatchRun::Real, b"a"), of(None, 1, BatchRun::Real, b"a"));
        assert_ne!(of(None, 0, BatchRun::Real, b"a"), of(None, 0, BatchRun::Dry, b"a"));
        assert_ne!(of(None, 0, BatchRun::Real, b"a"), of(None, 0, BatchRun::Real, b"b"));
        assert_eq!(
            (of(Some("k"), 0, BatchRun::Real, b"a"), of(Some("k"), 2, BatchRun::Real, b"a")),
            ("k".into(), "k.2".into())
        );
    }
}
