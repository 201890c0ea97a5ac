//! Signed denial with NSEC3 (RFC 5155 8), as stock servers of delegated directories use it.

use data_encoding::BASE32HEX_NOPAD;
use hickory_proto::rr::Name;
use ring::digest;

use crate::client::denial::{Absence, Types};
use crate::client::message::{self, Case, rr};
use crate::client::signature::Flaw;

/// RFC 9276 3.2: above this many iterations a validator may take the answer as not provable; we do.
const ITERATIONS_MAX: u16 = 50;
const HASH_SHA1: u8 = 1;
const FLAG_OPT_OUT: u8 = 1;

/// An NSEC3 record whose signature was checked.
#[derive(Clone, Debug)]
pub(crate) struct Nsec3 {
    hash: Vec<u8>,
    next: Vec<u8>,
    opt_out: bool,
    iterations: u16,
    salt: Vec<u8>,
    types: Types,
}

impl Nsec3 {
    /// Reads NSEC3 RDATA at `owner`, which must stand directly below the zone's `apex`.
    pub(crate) fn read(owner: &Name, apex: &Name, rdata: &[u8]) -> Option<Self> {
        let label = owner.iter().next().filter(|_| owner.base_name() == *apex)?;
        let hash = BASE32HEX_NOPAD.decode(&label.to_ascii_uppercase()).ok()?;
        let [HASH_SHA1, flags, i0, i1, salt_length, rest @ ..] = rdata else { return None };
        let (salt, rest) = rest.split_at_checked(usize::from(*salt_length))?;
        let (next_length, rest) = rest.split_first()?;
        let (next, types) = rest.split_at_checked(usize::from(*next_length))?;
        Some(Self {
            hash,
            next: next.to_vec(),
            opt_out: flags & FLAG_OPT_OUT != 0,
            iterations: u16::from_be_bytes([*i0, *i1]),
            salt: salt.to_vec(),
            types: Types(types.to_vec()),
        })
    }

    fn covers(&self, hash: &[u8]) -> bool {
        let (own, next) = (self.hash.as_slice(), self.next.as_slice());
        match own < next {
            true => own < hash && hash < next,
            false => own < hash || hash < next, // the last of the ring
        }
    }
}

/// What `nsec3s` of the zone `apex` prove about `name` and `rr_type`.
pub(crate) fn prove(name: &Name, rr_type: u16, apex: &Name, nsec3s: &[Nsec3]) -> Result<Absence, Flaw> {
    let ring = Ring::of(nsec3s)?;
    if let Some(found) = ring.at(name) {
        return found.types.deny(rr_type);
    }
    let (encloser, next_closer) = ring.closest_encloser(name, apex)?;
    // An opt-out span may hide insecure delegations: the DS is known to be absent, nothing else (RFC 5155 8.6, 9.2).
    if next_closer.opt_out {
        return Ok(Absence::InsecureCut);
    }
    let wildcard = encloser.prepend_label("*").map_err(|_| Flaw::NotDenied("the wildcard is no name"))?;
    match ring.at(&wildcard) {
        Some(found) if found.types.has(rr_type) || found.types.has(rr::CNAME) => {
            Err(Flaw::NotDenied("a wildcard would have answered"))
        }
        Some(_) => Ok(Absence::NoData),
        None if ring.covering(&wildcard).is_some() => Ok(Absence::NoName),
        None => Err(Flaw::NotDenied("nothing rules out a wildcard")),
    }
}

/// Whether `nsec3s` prove that nothing closer to `name` exists than the parent of `wildcard` (RFC 5155 8.8).
pub(crate) fn allows_wildcard(name: &Name, wildcard: &Name, nsec3s: &[Nsec3]) -> bool {
    // Not `num_labels`, which leaves a star out: the parent of a wildcard may be one.
    let next_closer = name.trim_to(wildcard.iter().count());
    Ring::of(nsec3s).is_ok_and(|ring| ring.covering(&next_closer).is_some_and(|found| !found.opt_out))
}

/// NSEC3 records with the same parameters.
struct Ring<'a> {
    records: &'a [Nsec3],
    iterations: u16,
    salt: &'a [u8],
}

impl<'a> Ring<'a> {
    fn of(records: &'a [Nsec3]) -> Result<Self, Flaw> {
        let first = records.first().ok_or(Flaw::NotDenied("no signed record speaks of this name"))?;
        if records.iter().any(|other| (other.iterations, &other.salt) != (first.iterations, &first.salt)) {
            return Err(Flaw::NotDenied("its NSEC3 records do not belong together"));
        }
        if first.iterations > ITERATIONS_MAX {
            return Err(Flaw::NotDenied("its NSEC3 records ask for too many iterations (RFC 9276)"));
        }
        Ok(Self { records, iterations: first.iterations, salt: &first.salt })
    }

    fn at(&self, name: &Name) -> Option<&'a Nsec3> {
        let hash = self.hash(name);
        self.records.iter().find(|record| record.hash == hash)
    }

    fn covering(&self, name: &Name) -> Option<&'a Nsec3> {
        let hash = self.hash(name);
        self.records.iter().find(|record| record.covers(&hash))
    }

    /// The longest ancestor that exists, and the record that covers the name one label below it (RFC 5155 8.3).
    fn closest_encloser(&self, name: &Name, apex: &Name) -> Result<(Name, &'a Nsec3), Flaw> {
        let mut next_closer = name.clone();
        while next_closer != *apex && !next_closer.is_root() {
            let encloser = next_closer.base_name();
            if let Some(found) = self.at(&encloser) {
                if found.types.is_cut() || found.types.has(rr::DNAME) {
                    return Err(Flaw::NotDenied("the proof comes from above a delegation"));
                }
                let covering = self.covering(&next_closer);
                return covering.map(|c| (encloser, c)).ok_or(Flaw::NotDenied("the name itself is not denied"));
            }
            next_closer = encloser;
        }
        Err(Flaw::NotDenied("no signed record speaks of this name"))
    }

    /// RFC 5155 5.
    fn hash(&self, name: &Name) -> Vec<u8> {
        let mut input = Vec::with_capacity(name.len() + self.salt.len());
        message::name_bytes(&mut input, name, Case::Lower);
        for _ in 0..=self.iterations {
            input.extend_from_slice(self.salt);
            input = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &input).as_ref().to_vec();
        }
        input
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use ring::rand::SystemRandom;

    use super::*;
    use crate::client::signature::{Dnskey, Rrset, Work, ZoneKeys};
    use crate::dnssec;
    use crate::nameserver::{Outcome, Peer, Served, Transport, View, Worker, respond};
    use crate::wire::RrType;
    use crate::zone::{Denial, Digest, StaticZone};

    const NOW_S: u64 = 1_800_000_000;
    const TXT: u16 = 16;

    fn name(text: &str) -> Name {
        Name::from_ascii(text).unwrap()
    }

    /// A record of the zone in RFC 5155 appendix A: 12 iterations, salt aabbccdd, opt-out.
    fn record(hash: &str, next: &str, flags: u8, types: &[u8]) -> Nsec3 {
        let next = BASE32HEX_NOPAD.decode(next.to_ascii_uppercase().as_bytes()).unwrap();
        let rdata = [&[1, flags, 0, 12, 4, 0xaa, 0xbb, 0xcc, 0xdd, 20][..], &next, types].concat();
        Nsec3::read(&name(&format!("{hash}.example.")), &name("example."), &rdata).unwrap()
    }

    const APEX: &str = "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom"; // H(example)
    const NS1: &str = "2t7b4g4vsa5smi47k61mv5bv1a22bojr"; // H(ns1.example)
    const X_W: &str = "b4um86eghhds6nea196smvmlo4ors995"; // H(x.w.example)
    const W: &str = "k8udemvp1j2f7eg6jebps17vp3n8i58h"; // H(w.example)
    const XX: &str = "t644ebqk9bibcna874givr6joj62mlhv"; // H(xx.example)

    #[test]
    fn answers_of_rfc_5155_appendix_b() {
        let apex = name("example.");
        // B.1: a.c.x.w.example. does not exist; x.w does, c.x.w is covered, and so is *.x.w.
        let answer = [
            record(APEX, NS1, 0, &[0, 1, 0x62]),
            record(X_W, "gjeqe526plbf1g8mklp59enfd789njgi", 0, &[]),
            record("35mthgpgcu1qg68fab165klnsnk3dpvl", X_W, 0, &[]),
        ];
        assert_eq!(prove(&name("a.c.x.w.example."), rr::NAPTR, &apex, &answer), Ok(Absence::NoName));
        assert!(prove(&name("a.c.x.w.example."), rr::NAPTR, &apex, &answer[..1]).is_err());
        // B.2: ns1.example. has A only.
        let answer = [record(NS1, "2vptu5timamqttgl4luu9kg21e0aor3s", 0, &[0, 1, 0x40])];
        assert_eq!(prove(&name("ns1.example."), rr::NAPTR, &apex, &answer), Ok(Absence::NoData));
        assert!(prove(&name("ns1.example."), 1, &apex, &answer).is_err());
        // B.2.1: y.w.example. is an empty non-terminal; here w.example. stands for it.
        let answer = [record(W, "kohar7mbb8dc2ce8a9qvl8hon4k53uhi", 0, &[])];
        assert_eq!(prove(&name("w.example."), rr::NAPTR, &apex, &answer), Ok(Absence::NoData));
        assert!(prove(&name("v.example."), rr::NAPTR, &apex, &answer).is_err());
    }

    #[test]
    fn opt_out_proves_no_more_than_an_insecure_cut() {
        let apex = name("example.");
        // B.3: c.example. is an insecure delegation inside an opt-out span.
        let answer = [record("35mthgpgcu1qg68fab165klnsnk3dpvl", X_W, 1, &[]), record(APEX, NS1, 1, &[0, 1, 0x62])];
        assert_eq!(prove(&name("c.example."), rr::DS, &apex, &answer), Ok(Absence::InsecureCut));
        assert!(!allows_wildcard(&name("c.example."), &name("*.example."), &answer));
    }

    #[test]
    fn odd_parameters() {
        let apex = name("example.");
        let mut mixed = [record(APEX, NS1, 0, &[]), record(XX, APEX, 0, &[])];
        mixed[1].salt = vec![1];
        assert!(prove(&name("q.example."), rr::NAPTR, &apex, &mixed).is_err());
        let mut slow = [record(APEX, XX, 0, &[])];
        slow[0].iterations = ITERATIONS_MAX + 1;
        assert!(prove(&apex, rr::NAPTR, &apex, &slow).is_err());
        assert!(Nsec3::read(&name("x.y.example."), &apex, &[1, 0, 0, 0, 0, 0]).is_none());
    }

    /// A zone of these names below `example.`: data, and delegations without and with a DS, as the number says.
    fn served(names: &std::collections::BTreeMap<Vec<&str>, u8>) -> (View, ZoneKeys) {
        let mut text = "$TTL 600\n@ IN SOA ns h 1 7200 3600 1209600 300\n@ IN NS ns.elsewhere.\n".to_owned();
        let is_cut = |labels: &[&str], kind: u8| kind > 1 && labels.first() != Some(&"*");
        for (labels, kind) in names {
            let above =
                (1..labels.len()).any(|at| names.get(&labels[at..]).is_some_and(|kind| is_cut(&labels[at..], *kind)));
            let owner = labels.join(".");
            match is_cut(labels, *kind) {
                _ if above => {}
                false => text += &format!("{owner} IN TXT x\n"),
                true => text += &format!("{owner} IN NS ns.elsewhere.\n"),
            }
            if !above && is_cut(labels, *kind) && *kind > 2 {
                text += &format!("{owner} IN DS 1 13 2 {:064x}\n", 1);
            }
        }
        let apex = crate::wire::Name::from_text("example.").unwrap();
        let zone = StaticZone::read_denying(&text, &apex, Digest::AsInFile, Denial::Nsec3).unwrap();
        let keys = Arc::new(dnssec::ZoneKeys::in_memory(&SystemRandom::new()).unwrap());
        let rdatas = crate::wire::Rdatas(keys.rdatas(RrType::DNSKEY).unwrap());
        let believed =
            ZoneKeys { zone: name("example."), keys: rdatas.filter_map(Dnskey::read).collect(), expires_s: u64::MAX };
        (View::new(vec![Served::fixed(Arc::new(zone), Some(keys))]), believed)
    }

    /// Asks our own server, believes what is well signed, and says what that proves.
    fn judged(view: &View, keys: &ZoneKeys, name: &Name, rr_type: u16) -> (u16, Result<Absence, Flaw>) {
        let peer = Peer { address: [127, 0, 0, 1].into(), transport: Transport::Tcp };
        let (mut out, asked) = (vec![0; 65_535], message::question(1, name, rr_type));
        let outcome = respond(view, &mut Worker::default(), peer, &asked, NOW_S, &mut out);
        let Outcome::Answer(octets) = outcome else { panic!("{outcome:?}") };
        let answer = message::read(&out[..octets]).unwrap();
        let (work, mut nsec3s) = (Work::default(), Vec::new());
        for set in Rrset::all(&answer.authority, rr::NSEC3) {
            set.verify(keys, NOW_S, &work).unwrap();
            nsec3s.extend(set.rdatas.iter().map(|rdata| Nsec3::read(&set.owner, &keys.zone, rdata).unwrap()));
        }
        let referral = answer.authority.iter().find(|rr| rr.rr_type == rr::NS).map(|rr| &rr.owner);
        match (Rrset::of(&answer.answer, name, rr_type), referral) {
            (Some(set), _) => match set.verify(keys, NOW_S, &work).unwrap().wildcard {
                Some(wildcard) => assert!(allows_wildcard(name, &wildcard, &nsec3s), "{name} from {wildcard}"),
                None => assert!(nsec3s.is_empty()),
            },
            (None, Some(cut)) if Rrset::of(&answer.authority, cut, rr::DS).is_none() => {
                assert_eq!(prove(cut, rr::DS, &keys.zone, &nsec3s), Ok(Absence::InsecureCut), "{cut}");
            }
            (None, Some(_)) => assert!(nsec3s.is_empty()),
            (None, None) => return (answer.rcode, prove(name, rr_type, &keys.zone, &nsec3s)),
        }
        (answer.rcode, Err(Flaw::NotDenied("it is there")))
    }

    fn labels(last: usize) -> impl Strategy<Value = Vec<&'static str>> {
        let label = (0..last).prop_map(|i| ["a", "b", "c", "*", "d"][i]);
        proptest::collection::vec(label, 1..5)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn our_own_server_proves_every_absence(
            names in proptest::collection::btree_map(labels(4), 0u8..4, 0..14),
            asked in proptest::collection::vec(labels(5), 30),
        ) {
            let (view, keys) = served(&names);
            let names: Vec<_> = names.into_keys().chain(asked).collect();
            for labels in names {
                let name = name(&format!("{}.example.", labels.join(".")));
                for rr_type in [TXT, rr::DS, rr::NAPTR] {
                    match judged(&view, &keys, &name, rr_type) {
                        (3, absence) => prop_assert_eq!(absence, Ok(Absence::NoName), "{}", name),
                        (0, Ok(absence)) => prop_assert!(absence == Absence::NoData || absence == Absence::InsecureCut && rr_type == rr::DS),
                        (0, Err(flaw)) => prop_assert_eq!(flaw, Flaw::NotDenied("it is there"), "{}", name),
                        (code, _) => prop_assert!(false, "{} answers {}", name, code),
                    }
                }
            }
        }
    }
}
