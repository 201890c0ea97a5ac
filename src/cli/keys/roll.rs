//! `keys roll`: asks for new keys. What follows is the machine's, and `keys status` tells it.

use clap::{ArgGroup, Args};
use serde_json::json;

use super::{Opened, ZoneArgs};
use crate::cli::report::{Failure, Report};
use crate::dnssec::Algorithm;
use crate::dnssec::life::{Policy, Roll, Urgency};

#[derive(Args)]
#[command(group(ArgGroup::new("what").required(true).args(["zsk", "ksk", "algorithm"])))]
pub(crate) struct RollArgs {
    #[command(flatten)]
    of: ZoneArgs,
    /// Replace the key that signs data.
    #[arg(long)]
    zsk: bool,
    /// Replace the key that the parent knows, the CSK if there is one key for everything.
    #[arg(long)]
    ksk: bool,
    /// Replace all keys by keys of another algorithm: 13 (ECDSA P-256) or 15 (Ed25519).
    #[arg(long, value_name = "NUMBER")]
    algorithm: Option<Algorithm>,
    /// The keys of this role, stand-by keys too, may be in other hands: none of them is used longer than caches demand.
    #[arg(long, conflicts_with = "algorithm")]
    emergency: bool,
}

pub(super) fn run(args: &RollArgs) -> Result<Report, Failure> {
    let Opened { mut keeping, now_s, .. } = super::open(&args.of)?;
    let roll = match (args.algorithm, args.zsk) {
        (Some(algorithm), _) => Roll::Algorithm(algorithm),
        (None, true) => Roll::Zsk,
        (None, false) => Roll::Ksk,
    };
    let urgency = if args.emergency { Urgency::Emergency } else { Urgency::Ordinary };
    let data_ttl_s = keeping.change(now_s, |life, _| {
        life.ask(roll, urgency, now_s)?;
        Ok(life.data_ttl_s)
    })?;
    let text = format!(
        "asked for. A running service takes it up within seconds, another one when it starts.\n{}\n\
         Follow it with: callbook keys status --dir {}{}",
        course(roll, urgency, keeping.policy(), data_ttl_s),
        args.of.of.dir.display(),
        args.of.zone.as_ref().map_or(String::new(), |zone| format!(" --zone {zone}"))
    );
    let (what, to) = match roll {
        Roll::Zsk => ("zsk", None),
        Roll::Ksk => ("ksk", None),
        Roll::Algorithm(to) => ("algorithm", Some(to.number())),
    };
    Ok(Report::done(text, json!({"asked": what, "to": to, "emergency": args.emergency})))
}

/// What happens now, who must do what, and what it costs.
fn course(roll: Roll, urgency: Urgency, policy: &Policy, data_ttl_s: u32) -> String {
    let hours = |s: u64| format!("{:.1} h", s as f64 / 3_600.0);
    let (key, entry) = (hours(policy.key_wait_s()), hours(policy.entry_wait_s()));
    let (data, ds) = (hours(policy.data_wait_s(data_ttl_s)), hours(policy.ds_wait_s(0)));
    match (roll, urgency) {
        (Roll::Zsk, Urgency::Ordinary) => {
            format!(
                "The new ZSK is published, signs after {key}, and the old one leaves {data} later. You need do nothing."
            )
        }
        (Roll::Zsk, Urgency::Emergency) => format!(
            "The new ZSK is published at once and signs after {key}; the old one leaves {data} later. Nobody's answers break.\n\
             Until then whoever has the old key can forge answers to those that he stands before. For seven days more he can with \
             old DNSKEY answers that he kept, unless the KSK is rolled too: callbook keys roll --ksk"
        ),
        (Roll::Ksk, Urgency::Ordinary) => format!(
            "The new key is published and signs the DNSKEY RRset too; after {entry} CDS names it, and it is the parent's turn. \
             The old one leaves {ds} after every server of the parent shows the new DS alone."
        ),
        (Roll::Ksk, Urgency::Emergency) => format!(
            "The new key is published at once; after {entry} CDS names it. Nobody's answers break.\n\
             Whoever has the old key can forge anything until the parent's DS has changed and {ds} have gone by: call whoever runs \
             the parent now, and hand over what `callbook keys ds` prints as soon as `callbook keys status` says submitted.\n\
             Faster only at a price: a DS that changes before that makes the zone bogus for those that have the old DNSKEY RRset."
        ),
        (Roll::Algorithm(to), _) => format!(
            "Answers carry signatures of both algorithms for {data}, then the keys of algorithm {to} are published, after {entry} \
             more it is the parent's turn, {ds} after it has acted the old keys leave, and {key} later their signatures. Meanwhile \
             an answer that is signed online costs two signatures."
        ),
    }
}
