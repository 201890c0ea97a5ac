//! The first DS of a child: what it asks for is vouched for by its name servers' own zones, which are proved already (RFC 9615).
//!
//! ```text
//! every server of 3.3.e164.example.:  CDS, CDNSKEY ─┐
//! _dsboot.3.3.e164.example._signal.ns1.example.net.:├─ all equal, the latter proved from an anchor -> DS
//! _dsboot.3.3.e164.example._signal.ns2.example.org.:┘
//! ```

use std::net::SocketAddr;

use hickory_proto::rr::Name;

use super::judge::{self, Check};
use super::{Answers, Child, Refusal, Said};
use crate::client::anchor::Anchor;
use crate::client::chain::Chain;
use crate::client::explain::Trust;
use crate::client::message::rr;
use crate::client::signature::Work;

/// Where servers of zones below the anchor's are asked, when they are referred to.
const REFERRAL_PORT: u16 = 53;

/// Whose zone a name server's name is proved from.
#[derive(Clone, Debug)]
pub struct Signal {
    /// What is believed to begin with.
    pub anchor: Anchor,
    /// Servers of its zone, or resolvers: what they say is proved here.
    pub servers: Vec<SocketAddr>,
}

/// The DS that `child`, which has none, asks for; RDATA in order. `said` is what its servers say, `names` are the names of all
/// of them, with the final dot. Each question about signals waits `wait_ms` for each of up to three answers.
pub async fn first_ds(
    child: &Child,
    names: &[String],
    said: &[Said],
    signals: &[Signal],
    wait_ms: u64,
    now_s: u64,
) -> Result<Vec<Vec<u8>>, Refusal> {
    let zone = Name::from_ascii(&child.zone).map_err(|_| Refusal::Malformed("name is no domain name".to_owned()))?;
    // RFC 9615 4.2, steps in its order: no DS yet, and somebody outside who vouches.
    if !child.ds.is_empty() {
        return Err(Refusal::NoSignal("it has DS already, and its keys are followed by these".to_owned()));
    }
    let names: Vec<Name> = names.iter().filter_map(|name| Name::from_ascii(name).ok()).collect();
    let outside: Vec<&Name> = names.iter().filter(|name| !zone.zone_of(name)).collect();
    if outside.is_empty() {
        let why = "all its name servers have names in the child itself, so nobody outside vouches for it";
        return Err(Refusal::NoSignal(why.to_owned()));
    }
    let all = judge::answers(said)?;
    let Some((_, first)) = all.first() else { return Err(Refusal::NoAddress(child.zone.clone())) };
    judge::agree(&all)?;
    if first.cds().is_empty() && first.cdnskey().is_empty() {
        return Err(Refusal::NoSignal("its servers publish neither CDS nor CDNSKEY".to_owned()));
    }
    for name in outside {
        vouched(&zone, name, first, signals, wait_ms, now_s).await?;
    }
    let ds = judge::wanted(&zone, first)?;
    if ds.is_empty() {
        return Err(Refusal::NoSignal("it asks to have no DS (RFC 8078 4)".to_owned()));
    }
    // RFC 8078 5, RFC 9615 4.2: the DS must work once they are there.
    let work = Work::default();
    let check = Check { zone: &zone, now_s, work: &work };
    all.iter().try_for_each(|(server, answers)| check.still_proved(server, answers, &ds))?;
    Ok(ds)
}

/// The zone of the name server `name` shows the same CDS and CDNSKEY for the child, proved from an anchor.
async fn vouched(
    zone: &Name,
    name: &Name,
    answers: &Answers,
    signals: &[Signal],
    wait_ms: u64,
    now_s: u64,
) -> Result<(), Refusal> {
    let fitting = signals.iter().filter(|signal| signal.anchor.zone().zone_of(name));
    let signal = fitting.max_by_key(|signal| signal.anchor.zone().num_labels());
    let signal = signal.ok_or_else(|| Refusal::NoAnchor(name.to_ascii()))?;
    let at = signalling_name(zone, name)
        .ok_or_else(|| Refusal::NoSignal(format!("the signalling name below {} would be too long", name.to_ascii())))?;
    let servers = signal.servers.clone();
    let chain = Chain::new(signal.anchor.clone(), servers, REFERRAL_PORT, wait_ms, now_s);
    for (what, rr_type, expected) in [("CDS", rr::CDS, answers.cds()), ("CDNSKEY", rr::CDNSKEY, answers.cdnskey())] {
        let silent = |why: String| Refusal::Silent { server: at.to_ascii(), why };
        let judged = chain.resolve(&at, rr_type).await.map_err(|error| silent(error.to_string()))?;
        match judged.trust {
            Trust::Secure if judged.rdatas == expected => {}
            Trust::Secure => {
                let (one, other) = (zone.to_ascii(), at.to_ascii());
                return Err(Refusal::Disagreement { one, other, what });
            }
            Trust::Insecure(why) | Trust::Unconfirmed(why) | Trust::Bogus(why) => {
                return Err(Refusal::NotVouched { name: at.to_ascii(), what, why });
            }
        }
    }
    Ok(())
}

/// `_dsboot.<child>._signal.<name server>` (RFC 9615 2); nothing if that is longer than a name may be.
fn signalling_name(zone: &Name, server: &Name) -> Option<Name> {
    let prefix = Name::from_ascii("_dsboot").ok()?.append_name(&relative(zone)).ok()?;
    prefix.append_label("_signal").ok()?.append_domain(server).ok()
}

fn relative(zone: &Name) -> Name {
    let mut name = zone.clone();
    name.set_fqdn(false);
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::from_ascii(text).unwrap()
    }

    #[test]
    fn signalling_names_of_rfc_9615() {
        let at = signalling_name(&name("example.co.uk."), &name("ns1.example.net.")).unwrap();
        assert_eq!(at, name("_dsboot.example.co.uk._signal.ns1.example.net."), "RFC 9615 4.1.1");
        assert!(at.is_fqdn());
        let long = name(&format!("{}.", vec!["a23456789".repeat(7); 3].join(".")));
        assert!(signalling_name(&long, &long).is_none());
    }
}
