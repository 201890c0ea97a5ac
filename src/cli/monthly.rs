//! `report`: a month of the directory for its members and the public, as text, HTML or JSON; the same ledger gives the same report.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use crate::authority::{Backups, Month};
use crate::cli::report::{Failure, Report};
use crate::cli::{InstallationArgs, escrow, instance, keeper};
use crate::clock::{parse_rfc3339, rfc3339};
use crate::config::Config;
use crate::wire::Name;

/// An epoch older than this many heartbeats is late, as for `/healthz`.
const HEARTBEATS_MAX: u64 = 3;

#[derive(Args)]
pub(crate) struct ReportArgs {
    #[command(flatten)]
    of: InstallationArgs,
    /// Which month, in UTC: 2026-10
    #[arg(long, value_name = "MONTH")]
    month: String,
    /// Write the same as a page into this file, replacing what is there.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// A part of the report: a title and rows of name and value.
struct Part {
    title: &'static str,
    rows: Vec<(String, String)>,
}

pub(crate) fn run(args: &ReportArgs) -> Result<Report, Failure> {
    let config = Config::load(&args.of.dir)?;
    let (from_s, until_s) = span(&args.month)?;
    let policy = instance::charter_in_force(&config)?;
    let patience_ms = config.publish.heartbeat_s * HEARTBEATS_MAX * 1000;
    let month = Month::of(&config.paths.data, (from_s * 1000, until_s * 1000), patience_ms)?;
    let parts = [
        Part { title: "Changes", rows: counted(&month.events, policy.counter_k_min) },
        Part { title: "Complaints", rows: counted(&month.complaints, policy.counter_k_min) },
        Part { title: "Public log", rows: log(&month, from_s) },
        Part { title: "Decisions", rows: decisions(&month) },
        Part { title: "Keys", rows: keys(&config, from_s, until_s)? },
        Part { title: "Copies", rows: copies(&config, &month, from_s, until_s)? },
    ];
    let title = format!("{} in {}", config.apex.trim_end_matches('.'), args.month);
    let note = format!(
        "Counts below {} that are not 0 are not shown (charter 8.1). Numbers and persons are in no report.",
        policy.counter_k_min
    );
    if let Some(file) = &args.html {
        std::fs::write(file, html(&title, &parts, &note))
            .map_err(|e| Failure::new(format!("{}: {e}", file.display())))?;
    }
    let sections: BTreeMap<String, Value> = parts
        .iter()
        .map(|part| (part.title.to_lowercase(), part.rows.iter().map(|(name, value)| json!([name, value])).collect()))
        .collect();
    Ok(Report::done(text(&title, &parts, &note), json!({"month": args.month, "apex": config.apex, "parts": sections})))
}

/// The month's first second, and the first one after it.
fn span(month: &str) -> Result<(u64, u64), Failure> {
    let wrong = || Failure::new(format!("--month {month:?}: a year and a month are needed, such as 2026-10"));
    let first = |month: &str| parse_rfc3339(&format!("{month}-01T00:00:00Z"));
    let from_s = first(month).ok_or_else(wrong)?;
    // The 32nd day of any month lies in the next.
    let next = rfc3339(from_s + 31 * 86_400);
    let until_s = next.get(..7).and_then(first).ok_or_else(wrong)?;
    Ok((from_s, until_s))
}

/// Counts, the small ones suppressed.
fn counted<K: ToString>(counts: &BTreeMap<K, u64>, least: u64) -> Vec<(String, String)> {
    let shown = |count: u64| if count < least { format!("fewer than {least}") } else { count.to_string() };
    let rows = counts.iter().filter(|(_, count)| **count > 0);
    rows.map(|(name, count)| (name.to_string().to_lowercase().replace('_', " "), shown(*count))).collect()
}

fn log(month: &Month, from_s: u64) -> Vec<(String, String)> {
    let log = &month.log;
    let looked_ms = log.until_ms.saturating_sub(from_s * 1000);
    if log.epochs == 0 {
        return Vec::new();
    }
    let up = 100.0 * looked_ms.saturating_sub(log.late_ms) as f64 / looked_ms.max(1) as f64;
    vec![
        ("epochs".to_owned(), log.epochs.to_string()),
        ("longest time without one".to_owned(), format!("{} s", log.longest_gap_ms / 1000)),
        ("of the time an epoch was in time".to_owned(), format!("{up:.3} %")),
        ("looked at until".to_owned(), rfc3339(log.until_ms / 1000)),
    ]
}

fn decisions(month: &Month) -> Vec<(String, String)> {
    month.decisions.iter().map(|(at_ms, what)| (rfc3339(at_ms / 1000), what.clone())).collect()
}

/// What became of keys, by the records of their lives.
fn keys(config: &Config, from_s: u64, until_s: u64) -> Result<Vec<(String, String)>, Failure> {
    let mut events = Vec::new();
    for apex in std::iter::once(&config.apex).chain(config.zone.iter().filter(|zone| zone.sign).map(|zone| &zone.name))
    {
        let name = Name::from_text(apex).map_err(|e| Failure::new(format!("{apex}: {e}")))?;
        // As of the month's end: what time does after it is not told.
        let life = keeper::keeping(config, &name).life(until_s)?;
        for key in &life.keys {
            let times = [
                (Some(key.created_s), "made"),
                (key.published_s, "published"),
                (key.ds_seen_s, "its DS is in the parent zone"),
                (key.activated_s, "signs"),
                (key.retired_s, "retired"),
                (key.removed_s, "removed"),
            ];
            let inside = times.into_iter().filter_map(|(at, what)| Some((at?, what)));
            let inside = inside.filter(|(at, _)| (from_s..until_s).contains(at));
            events.extend(inside.map(|(at, what)| (at, format!("{} {} of {apex}: {what}", key.role, key.tag))));
        }
    }
    events.sort();
    Ok(events.into_iter().map(|(at, what)| (rfc3339(at), what)).collect())
}

fn copies(config: &Config, month: &Month, from_s: u64, until_s: u64) -> Result<Vec<(String, String)>, Failure> {
    let inside = |at: u64| (from_s..until_s).contains(&at);
    let backups = Backups::read(&config.paths.data);
    let made = backups.made.iter().filter(|made| inside(made.made_s)).count();
    let mut rows = vec![("backups made, of the last 31".to_owned(), made.to_string())];
    let verified = backups.verified.filter(|verified| inside(verified.verified_s));
    rows.extend(verified.map(|verified| ("last proven good".to_owned(), rfc3339(verified.verified_s))));
    rows.extend(month.deposits.iter().map(|(kind, count)| (format!("escrow deposits, {kind}"), count.to_string())));
    let drill = escrow::State::read(&config.paths.data)?.drill.filter(|drill| inside(drill.at_s));
    rows.extend(drill.map(|drill| {
        let outcome = if drill.passed { "passed" } else { "FAILED" };
        ("escrow drill".to_owned(), format!("{outcome} {}", rfc3339(drill.at_s)))
    }));
    Ok(rows)
}

fn text(title: &str, parts: &[Part], note: &str) -> String {
    let mut out = format!("{title}\n");
    for part in parts {
        let _ = writeln!(out, "\n{}", part.title); // into a String, as below
        if part.rows.is_empty() {
            out.push_str("  none\n");
        }
        for (name, value) in &part.rows {
            let _ = writeln!(out, "  {name:<34} {value}");
        }
    }
    format!("{out}\n{note}")
}

fn html(title: &str, parts: &[Part], note: &str) -> String {
    let safe = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n<title>{0}</title>\n\
         <style>body{{font:16px/1.5 sans-serif;max-width:50rem;margin:2rem auto;padding:0 1rem}}table{{border-collapse:collapse}}\
         th{{text-align:left;font-weight:normal;padding-right:2rem}}</style>\n<h1>{0}</h1>\n",
        safe(title)
    );
    for part in parts {
        let _ = writeln!(out, "<h2>{}</h2>", safe(part.title));
        if part.rows.is_empty() {
            out.push_str("<p>none</p>\n");
            continue;
        }
        out.push_str("<table>\n");
        for (name, value) in &part.rows {
            let _ = writeln!(out, "<tr><th scope=\"row\">{}</th><td>{}</td></tr>", safe(name), safe(value));
        }
        out.push_str("</table>\n");
    }
    format!("{out}<p>{}</p>\n</html>\n", safe(note))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_end_where_the_next_begins() {
        assert_eq!(span("2026-12").unwrap(), (1_796_083_200, 1_798_761_600));
        assert_eq!(span("2024-02").unwrap().1 - span("2024-02").unwrap().0, 29 * 86_400);
        for wrong in ["2026", "2026-13", "2026-00", "26-10", "2026-1", "2026-10-01", "x-y", "2026-+1"] {
            assert!(span(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn small_counts_are_not_shown() {
        let counts = BTreeMap::from([("CREATE", 20), ("RELEASE", 19), ("VETO", 0)]);
        let shown = counted(&counts, 20);
        assert_eq!(shown, [("create".to_owned(), "20".to_owned()), ("release".to_owned(), "fewer than 20".to_owned())]);
    }

    #[test]
    fn what_stands_in_a_page_cannot_be_markup() {
        let parts = [Part { title: "Keys", rows: vec![("<b>".to_owned(), "\"&".to_owned())] }];
        let page = html("a<b", &parts, "note");
        assert!(page.contains("&lt;b&gt;") && page.contains("&quot;&amp;") && !page.contains("<b>"));
    }
}
