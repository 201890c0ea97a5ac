//! Whether DNS publishes what the log committed to: the record sets that were fetched, byte by byte, those that are not
//! there included, and the version in `_keys`.

use crate::client::chain::Judged;
use crate::client::explain::Trust;
use crate::client::keys::{Purpose, keys_txt};
use crate::client::lookup::Ask;
use crate::log::proved::{Proved, ProvedNumber, Standing};
use crate::log::record::{Prefix, Record};

/// How DNS and the log differ.
pub(super) enum Difference {
    /// One of them may be behind the other.
    Lag(String),
    /// The directory has signed two States of one version: no lag can explain it.
    TwoFaces(String),
}

/// The first difference between the answers from DNS and what was proved; None if there is none. `now_s`: a registration that
/// ended after the epoch was sealed has left DNS already.
pub(super) fn difference(proved: &Proved, answers: &[(Ask, Judged)], now_s: u64) -> Option<Difference> {
    let published = proved.number.as_ref().filter(|number| now_s < number.state.not_after);
    let published = published.and_then(|number| Some((number, number.record.as_ref()?)));
    let standing = match (published, proved.standing) {
        (None, Standing::Active) => Standing::Lapsed.word(),
        (_, standing) => standing.word(),
    };
    if let Some(why) = published.and_then(|(number, _)| two_faces(number, answers)) {
        return Some(Difference::TwoFaces(why));
    }
    let differing = answers.iter().find_map(|(ask, judged)| {
        let mut wanted = published.map_or_else(Vec::new, |(number, record)| rdatas(*ask, number, record));
        let mut found = judged.rdatas.clone();
        wanted.sort_unstable();
        found.sort_unstable();
        (wanted != found).then(|| {
            format!(
                "DNS has {} at {} and the log's State ({standing}) has {}",
                counted(found.len()),
                place(*ask),
                if wanted.len() == found.len() { "others".to_owned() } else { counted(wanted.len()) }
            )
        })
    });
    differing.map(Difference::Lag)
}

/// A `_keys` record that names the proved version and another State.
fn two_faces(number: &ProvedNumber, answers: &[(Ask, Judged)]) -> Option<String> {
    let signed = answers.iter().filter(|(ask, judged)| *ask == Ask::Log && judged.trust == Trust::Secure);
    let shown = signed.into_iter().find_map(|(_, judged)| keys_txt(&judged.rdatas))?;
    let other = shown.version == number.state.version && shown.state_hash[..] != number.hash[..shown.state_hash.len()];
    other.then(|| {
        format!("DNS signs another State of version {} than the log holds: the directory has two faces", shown.version)
    })
}

/// The RDATA that answers a question about a number of that State and record.
fn rdatas(ask: Ask, number: &ProvedNumber, record: &Record) -> Vec<Vec<u8>> {
    let of = |prefix| record.rr.iter().filter(|rr| rr.prefix == prefix).map(|rr| rr.rdata.clone()).collect();
    match ask {
        Ask::Endpoints => of(Prefix::Naptr),
        Ask::Keys(Purpose::Id) => of(Prefix::Id),
        Ask::Keys(Purpose::E2e) => of(Prefix::E2e),
        Ask::Keys(Purpose::Mls) => of(Prefix::Mls),
        Ask::Keys(Purpose::SipClient) => of(Prefix::SipClient),
        Ask::Log => vec![text(&number.state.keys_txt(record))],
    }
}

/// TXT RDATA (RFC 1035 3.3.14). Strings of `_keys` are far below 256 octets.
fn text(strings: &[String]) -> Vec<u8> {
    let mut rdata = Vec::new();
    for string in strings {
        rdata.push(u8::try_from(string.len()).unwrap_or(u8::MAX));
        rdata.extend_from_slice(string.as_bytes());
    }
    rdata
}

fn counted(records: usize) -> String {
    match records {
        0 => "no record".to_owned(),
        1 => "one record".to_owned(),
        n => format!("{n} records"),
    }
}

fn place(ask: Ask) -> &'static str {
    match ask {
        Ask::Endpoints => "the number (NAPTR)",
        Ask::Keys(purpose) => purpose.label(),
        Ask::Log => "_keys",
    }
}
