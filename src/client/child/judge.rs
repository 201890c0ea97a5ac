//! The judgement over a child's answers: a pure function of what its servers say, the DS in place, the rules and the time.

use std::collections::BTreeSet;

use hickory_proto::rr::Name;

use super::{Answers, Child, Delete, Refusal, Rules, Said, Server, Verdict};
use crate::client::signature::{Dnskey, Ds, Rrset, Work, ZoneKeys, is_supported};

/// RFC 8078 4 with its erratum 5049: the one CDS and the one CDNSKEY that ask for no DS.
const DELETE_CDS: [u8; 5] = [0, 0, 0, 0, 0];
const DELETE_CDNSKEY: [u8; 5] = [0, 0, 3, 0, 0];

/// What is to become of the DS of `child`, which has some, after what its servers said, at the time `now_s`.
pub fn judge(child: &Child, said: &[Said], rules: &Rules, now_s: u64) -> Result<Verdict, Refusal> {
    let zone = Name::from_ascii(&child.zone).map_err(|_| Refusal::Malformed("name is no domain name".to_owned()))?;
    let all = answers(said)?;
    let Some((_, first)) = all.first() else { return Err(Refusal::NoAddress(child.zone.clone())) };
    agree(&all)?;
    if first.cds().is_empty() && first.cdnskey().is_empty() {
        return Ok(Verdict::Nothing);
    }
    // One for all servers: more checks than an honest child needs are refused, whoever makes them necessary.
    let work = Work::default();
    let in_place: Vec<Ds> = child.ds.iter().filter_map(|rdata| Ds::read(rdata)).collect();
    let check = Check { zone: &zone, now_s, work: &work };
    let mut inception_s = u64::MAX;
    for (server, answers) in &all {
        inception_s = inception_s.min(check.proved(server, answers, &in_place)?);
    }
    let ds = wanted(&zone, first)?;
    let mut before = child.ds.clone();
    before.sort_unstable();
    if ds == before {
        return Ok(Verdict::Same { inception_s });
    }
    if ds.is_empty() && rules.delete == Delete::Refused {
        return Err(Refusal::DeleteNotAllowed);
    }
    for (server, answers) in &all {
        check.still_proved(server, answers, &ds)?;
    }
    let gave_way = || rules.replaced.iter().any(|before| keys(before) == keys(&ds));
    if inception_s < rules.inception_s || (inception_s == rules.inception_s && gave_way()) {
        return Err(Refusal::Replayed { signed_s: inception_s, taken_s: rules.inception_s });
    }
    Ok(Verdict::Take { ds, inception_s })
}

/// Tag and algorithm of each key that a DS set names, whatever the digests.
fn keys(ds: &[Vec<u8>]) -> BTreeSet<Option<&[u8]>> {
    ds.iter().map(|rdata| rdata.get(..3)).collect()
}

/// What each server says, if every one says something.
pub(super) fn answers(said: &[Said]) -> Result<Vec<(&Server, &Answers)>, Refusal> {
    let one = |said: &'_ Said| match &said.answers {
        Ok(_) => None,
        Err(why) => Some(Refusal::Silent { server: said.server.to_string(), why: why.clone() }),
    };
    match said.iter().find_map(one) {
        Some(refusal) => Err(refusal),
        None => Ok(said.iter().filter_map(|said| Some((&said.server, said.answers.as_ref().ok()?))).collect()),
    }
}

/// All servers have the same CDS and the same CDNSKEY.
pub(super) fn agree(all: &[(&Server, &Answers)]) -> Result<(), Refusal> {
    let Some(((one, first), others)) = all.split_first() else { return Ok(()) };
    for (other, answers) in others {
        let differs = |what| Refusal::Disagreement { one: one.to_string(), other: other.to_string(), what };
        if answers.cds() != first.cds() {
            return Err(differs("CDS"));
        }
        if answers.cdnskey() != first.cdnskey() {
            return Err(differs("CDNSKEY"));
        }
    }
    Ok(())
}

/// The DS that CDS and CDNSKEY ask for, as sorted RDATA; none if they ask for their deletion.
pub(super) fn wanted(zone: &Name, answers: &Answers) -> Result<Vec<Vec<u8>>, Refusal> {
    let malformed = |what: &str| Refusal::Malformed(what.to_owned());
    let (cds, keys) = (answers.cds(), answers.cdnskey());
    let deletes = cds.iter().any(|rdata| rdata.get(2) == Some(&0)) || keys.iter().any(|key| key.get(3) == Some(&0));
    if deletes {
        let alone = (cds.is_empty() || cds == [DELETE_CDS]) && (keys.is_empty() || keys == [DELETE_CDNSKEY]);
        let mixed = "CDS or CDNSKEY of algorithm 0, which ask for no DS (RFC 8078 4), stand beside others";
        return if alone { Ok(Vec::new()) } else { Err(malformed(mixed)) };
    }
    let read_ds = |rdata: &Vec<u8>| Ds::read(rdata).filter(Ds::is_whole);
    let named: Option<Vec<Ds>> = cds.iter().map(read_ds).collect();
    let named = named.ok_or_else(|| malformed("CDS are cut short or have digests of another length"))?;
    let keys: Option<Vec<Dnskey>> = keys.iter().map(|rdata| Dnskey::read(rdata)).collect();
    let keys = keys.ok_or_else(|| malformed("CDNSKEY name keys that must not sign (RFC 4034 2.1.1, RFC 5011)"))?;
    if !named.is_empty() && !keys.is_empty() {
        same_keys(zone, &named, &keys)?;
    }
    let mut ds: Vec<Vec<u8>> = match named.is_empty() {
        true => {
            let unusable = keys.iter().find(|key| !is_supported(key.algorithm));
            match unusable {
                Some(key) => return Err(Refusal::Unusable(key.tag)),
                None => keys.iter().map(|key| key.ds_rdata(zone)).collect(),
            }
        }
        false => {
            let usable =
                |of: &Ds| named.iter().any(|ds| ds.is_supported() && (ds.tag, ds.algorithm) == (of.tag, of.algorithm));
            match named.iter().find(|ds| !usable(ds)) {
                Some(ds) => return Err(Refusal::Unusable(ds.tag)),
                None => {
                    cds.iter().zip(&named).filter(|(_, ds)| ds.is_supported()).map(|(cds, _)| cds.clone()).collect()
                }
            }
        }
    };
    ds.sort_unstable();
    ds.dedup();
    Ok(ds)
}

/// CDS and CDNSKEY name the same keys (RFC 7344 4).
fn same_keys(zone: &Name, named: &[Ds], keys: &[Dnskey]) -> Result<(), Refusal> {
    let fits = |ds: &Ds, key: &Dnskey| match ds.is_supported() {
        true => ds.covers(zone, key),
        false => (ds.tag, ds.algorithm) == (key.tag, key.algorithm),
    };
    if let Some(ds) = named.iter().find(|ds| !keys.iter().any(|key| fits(ds, key))) {
        return Err(Refusal::Mismatch(format!("no CDNSKEY is that of the CDS with tag {}", ds.tag)));
    }
    match keys.iter().find(|key| !named.iter().any(|ds| fits(ds, key))) {
        Some(key) => Err(Refusal::Mismatch(format!("no CDS is that of the CDNSKEY with tag {}", key.tag))),
        None => Ok(()),
    }
}

/// What every check of signatures needs.
pub(super) struct Check<'a> {
    pub(super) zone: &'a Name,
    pub(super) now_s: u64,
    pub(super) work: &'a Work,
}

impl Check<'_> {
    /// DNSKEY, CDS and CDNSKEY are signed by keys that `in_place` name (RFC 7344 4.1); since when CDS and CDNSKEY are.
    fn proved(&self, server: &Server, answers: &Answers, in_place: &[Ds]) -> Result<u64, Refusal> {
        let entries = self.keys(answers, |key| in_place.iter().any(|ds| ds.covers(self.zone, key)));
        if entries.keys.is_empty() {
            return Err(Refusal::NoKey(server.to_string()));
        }
        let mut inception_s = u64::MAX;
        for (what, set) in [("DNSKEY", &answers.dnskey), ("CDS", &answers.cds), ("CDNSKEY", &answers.cdnskey)] {
            let Some(set) = set else { continue };
            let not_proved = |why| Refusal::NotProved { server: server.to_string(), what, why };
            let since_s = self.signed_since(set, &entries).map_err(not_proved)?;
            if what != "DNSKEY" {
                inception_s = inception_s.min(since_s);
            }
        }
        Ok(inception_s)
    }

    /// With `ds` in place the child's keys are believed, by validators too that want a key of each algorithm (RFC 6840 5.11).
    pub(super) fn still_proved(&self, server: &Server, answers: &Answers, ds: &[Vec<u8>]) -> Result<(), Refusal> {
        let breaks = |why| Refusal::WouldBreak { server: server.to_string(), why };
        let ds: Vec<Ds> = ds.iter().filter_map(|rdata| Ds::read(rdata)).collect();
        let algorithms: BTreeSet<u8> = ds.iter().map(|ds| ds.algorithm).collect();
        for algorithm in algorithms {
            let is_entry = |key: &Dnskey| key.algorithm == algorithm && ds.iter().any(|ds| ds.covers(self.zone, key));
            let entries = self.keys(answers, is_entry);
            let (Some(set), false) = (&answers.dnskey, entries.keys.is_empty()) else {
                return Err(breaks(format!("no DNSKEY of algorithm {algorithm} fits them")));
            };
            let unsigned = |why| breaks(format!("the DNSKEY are not signed by a key of algorithm {algorithm}: {why}"));
            self.signed_since(set, &entries).map_err(unsigned)?;
        }
        Ok(())
    }

    fn keys(&self, answers: &Answers, is_entry: impl Fn(&Dnskey) -> bool) -> ZoneKeys {
        let keys = answers.dnskey().iter().filter_map(|rdata| Dnskey::read(rdata));
        let keys = keys.filter(|key| is_supported(key.algorithm) && is_entry(key)).collect();
        ZoneKeys { zone: self.zone.clone(), keys, expires_s: u64::MAX }
    }

    /// Since when a set is signed by one of `keys`, or why it is not.
    fn signed_since(&self, set: &Rrset, keys: &ZoneKeys) -> Result<u64, String> {
        let proof = set.verify(keys, self.now_s, self.work).map_err(|flaw| flaw.to_string())?;
        match proof.wildcard {
            Some(_) => Err("they come from a wildcard".to_owned()),
            None => Ok(proof.inception_s),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::message::{self, Case, Rr, rr};
    use proptest::prelude::*;
    use ring::rand::SystemRandom;
    use ring::signature::{Ed25519KeyPair, KeyPair};

    const NOW_S: u64 = 1_800_000_000;
    const SIGNED_S: u64 = NOW_S - 3_600;

    fn zone() -> Name {
        Name::from_ascii("3.3.e164.example.").unwrap()
    }

    /// A key of the child, made for a test.
    struct Key(Ed25519KeyPair);

    impl Key {
        fn new() -> Self {
            let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
            Self(Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap())
        }

        fn dnskey(&self) -> Vec<u8> {
            [&[1, 1, 3, 15], self.0.public_key().as_ref()].concat()
        }

        fn read(&self) -> Dnskey {
            Dnskey::read(&self.dnskey()).unwrap()
        }

        fn ds(&self) -> Vec<u8> {
            self.read().ds_rdata(&zone())
        }

        /// The RRSIG over records of one type at the apex (RFC 4034 3.1.8.1).
        fn sign(&self, owner: &Name, rr_type: u16, rdatas: &[Vec<u8>], since_s: u64) -> Rr {
            // Without the asterisk of a wildcard (RFC 4034 3.1.3).
            let mut rrsig = [&rr_type.to_be_bytes()[..], &[15, owner.num_labels()], &60u32.to_be_bytes()].concat();
            for time_s in [NOW_S + 86_400, since_s] {
                rrsig.extend_from_slice(&(time_s as u32).to_be_bytes());
            }
            rrsig.extend_from_slice(&self.read().tag.to_be_bytes());
            message::name_bytes(&mut rrsig, &zone(), Case::Lower);
            let (mut signed, mut rdatas) = (rrsig.clone(), rdatas.to_vec());
            rdatas.sort_unstable();
            for rdata in &rdatas {
                message::name_bytes(&mut signed, owner, Case::Lower);
                signed.extend_from_slice(&[&rr_type.to_be_bytes()[..], &[0, 1], &60u32.to_be_bytes()].concat());
                signed.extend_from_slice(&(rdata.len() as u16).to_be_bytes());
                signed.extend_from_slice(rdata);
            }
            rrsig.extend_from_slice(self.0.sign(&signed).as_ref());
            Rr { owner: zone(), rr_type: rr::RRSIG, ttl_s: 60, rdata: rrsig }
        }
    }

    fn set(rr_type: u16, rdatas: &[Vec<u8>], by: &[&Key], since_s: u64) -> Option<Rrset> {
        set_as(&zone(), rr_type, rdatas, by, since_s)
    }

    fn set_as(owner: &Name, rr_type: u16, rdatas: &[Vec<u8>], by: &[&Key], since_s: u64) -> Option<Rrset> {
        let record = |rdata: &Vec<u8>| Rr { owner: zone(), rr_type, ttl_s: 60, rdata: rdata.clone() };
        let signatures = by.iter().map(|key| key.sign(owner, rr_type, rdatas, since_s));
        let section: Vec<Rr> = rdatas.iter().map(record).chain(signatures).collect();
        Rrset::of(&section, &zone(), rr_type)
    }

    /// The child shows `keys`, all of which sign everything, and asks for `cds` and `cdnskey`.
    fn answers(keys: &[&Key], cds: &[Vec<u8>], cdnskey: &[Vec<u8>], since_s: u64) -> Answers {
        let dnskeys: Vec<Vec<u8>> = keys.iter().map(|key| key.dnskey()).collect();
        Answers {
            dnskey: set(rr::DNSKEY, &dnskeys, keys, SIGNED_S),
            cds: set(rr::CDS, cds, keys, since_s),
            cdnskey: set(rr::CDNSKEY, cdnskey, keys, since_s),
        }
    }

    fn server(n: u8) -> Server {
        Server { name: format!("ns{n}.example."), address: ([192, 0, 2, n], 53).into() }
    }

    fn judged(ds: &[Vec<u8>], all: Vec<Answers>, rules: &Rules) -> Result<Verdict, Refusal> {
        let said: Vec<Said> =
            all.into_iter().zip(1..).map(|(answers, n)| Said { server: server(n), answers: Ok(answers) }).collect();
        let servers = said.iter().map(|said| said.server.clone()).collect();
        judge(&Child { zone: "3.3.e164.example.".to_owned(), ds: ds.to_vec(), servers }, &said, rules, NOW_S)
    }

    fn code(ds: &[Vec<u8>], answers: Answers) -> &'static str {
        judged(ds, vec![answers], &Rules::default()).unwrap_err().code()
    }

    #[test]
    fn a_roll_is_taken_when_both_keys_stand_there() {
        let (old, new) = (Key::new(), Key::new());
        let steady = answers(&[&old], &[old.ds()], &[old.dnskey()], SIGNED_S);
        assert_eq!(judged(&[old.ds()], vec![steady], &Rules::default()), Ok(Verdict::Same { inception_s: SIGNED_S }));
        let take = Ok(Verdict::Take { ds: vec![new.ds()], inception_s: SIGNED_S });
        for (cds, cdnskey) in
            [(vec![new.ds()], vec![new.dnskey()]), (vec![new.ds()], vec![]), (vec![], vec![new.dnskey()])]
        {
            let rolling = || answers(&[&old, &new], &cds, &cdnskey, SIGNED_S);
            assert_eq!(judged(&[old.ds()], vec![rolling(), rolling()], &Rules::default()), take);
        }
        let silent = answers(&[&old], &[], &[], SIGNED_S);
        assert_eq!(judged(&[old.ds()], vec![silent], &Rules::default()), Ok(Verdict::Nothing));
        // SHA-1 beside SHA-256 is left out (RFC 9905).
        let sha1 = [&new.ds()[..3], &[1], &[7; 20]].concat();
        let both = answers(&[&old, &new], &[sha1.clone(), new.ds()], &[new.dnskey()], SIGNED_S);
        assert_eq!(judged(&[old.ds()], vec![both], &Rules::default()), take);
        assert_eq!(code(&[old.ds()], answers(&[&old, &new], &[sha1], &[new.dnskey()], SIGNED_S)), "unusable");
    }

    #[test]
    fn what_is_not_proved_by_a_key_of_the_parent_is_refused() {
        let (old, new, other) = (Key::new(), Key::new(), Key::new());
        let rolling = || answers(&[&old, &new], &[new.ds()], &[new.dnskey()], SIGNED_S);
        let with = |change: &dyn Fn(&mut Answers)| {
            let mut answers = rolling();
            change(&mut answers);
            code(&[old.ds()], answers)
        };
        let unsigned = |by: &[&Key]| set(rr::CDS, &[new.ds()], by, SIGNED_S);
        assert_eq!(with(&|a| a.cds = unsigned(&[])), "not_proved");
        assert_eq!(with(&|a| a.cds = unsigned(&[&new])), "not_proved", "by the new key alone");
        assert_eq!(with(&|a| a.cdnskey = set(rr::CDNSKEY, &[new.dnskey()], &[&other], SIGNED_S)), "not_proved");
        assert_eq!(with(&|a| a.cds = set(rr::CDS, &[new.ds()], &[&old], NOW_S + 60)), "not_proved", "not yet");
        assert_eq!(with(&|a| a.dnskey = set(rr::DNSKEY, &[new.dnskey()], &[&new], SIGNED_S)), "chain_broken");
        assert_eq!(with(&|a| a.dnskey = None), "chain_broken");
        assert_eq!(code(&[other.ds()], rolling()), "chain_broken");
        let keys = [old.dnskey(), new.dnskey()];
        assert_eq!(with(&|a| a.dnskey = set(rr::DNSKEY, &keys, &[&new], SIGNED_S)), "not_proved");
        // Signed as *.3.e164.example., it is no CDS of the apex.
        let wild = Name::from_ascii("*.3.e164.example.").unwrap();
        let cds = set_as(&wild, rr::CDS, &[new.ds()], &[&old], SIGNED_S);
        let refusal = judged(&[old.ds()], vec![Answers { cds, ..rolling() }], &Rules::default()).unwrap_err();
        assert!(refusal.to_string().contains("wildcard"), "{refusal}");
    }

    #[test]
    fn a_ds_that_would_break_the_chain_is_refused() {
        let (old, new) = (Key::new(), Key::new());
        let absent = answers(&[&old], &[new.ds()], &[new.dnskey()], SIGNED_S);
        assert_eq!(code(&[old.ds()], absent), "would_break");
        let keys = [old.dnskey(), new.dnskey()];
        let mut idle = answers(&[&old, &new], &[new.ds()], &[new.dnskey()], SIGNED_S);
        idle.dnskey = set(rr::DNSKEY, &keys, &[&old], SIGNED_S);
        assert_eq!(code(&[old.ds()], idle), "would_break", "it does not sign the keys yet");
        // A second algorithm without a key, which strict validators would miss (RFC 6840 5.11).
        let foreign = [&[0, 7, 13, 2][..], &[7; 32]].concat();
        let two = answers(&[&old], &[old.ds(), foreign], &[], SIGNED_S);
        assert_eq!(code(&[old.ds()], two), "would_break");
        // A stand-by key of the same algorithm breaks nothing.
        let waits = answers(&[&old], &[old.ds(), new.ds()], &[], SIGNED_S);
        assert!(
            matches!(judged(&[old.ds()], vec![waits], &Rules::default()), Ok(Verdict::Take { ds, .. }) if ds.len() == 2)
        );
        // One of two servers has not the new key yet.
        let late = Answers {
            dnskey: set(rr::DNSKEY, &[old.dnskey()], &[&old], SIGNED_S),
            ..answers(&[&old], &[new.ds()], &[new.dnskey()], SIGNED_S)
        };
        let all = vec![answers(&[&old, &new], &[new.ds()], &[new.dnskey()], SIGNED_S), late];
        let refusal = judged(&[old.ds()], all, &Rules::default()).unwrap_err();
        assert!(refusal.to_string().contains("ns2.example."), "{refusal}");
    }

    #[test]
    fn servers_must_answer_and_agree() {
        let (old, new) = (Key::new(), Key::new());
        let rolling = || answers(&[&old, &new], &[new.ds()], &[new.dnskey()], SIGNED_S);
        let behind = answers(&[&old, &new], &[old.ds()], &[old.dnskey()], SIGNED_S);
        let refusal = judged(&[old.ds()], vec![rolling(), behind], &Rules::default()).unwrap_err();
        assert!(refusal.code() == "disagreement" && refusal.may_pass(), "{refusal}");
        let none = answers(&[&old, &new], &[], &[], SIGNED_S);
        assert_eq!(judged(&[old.ds()], vec![rolling(), none], &Rules::default()).unwrap_err().code(), "disagreement");
        let said = [
            Said { server: server(1), answers: Ok(rolling()) },
            Said { server: server(2), answers: Err("it is silent".to_owned()) },
        ];
        let child = Child { zone: "3.3.e164.example.".to_owned(), ds: vec![old.ds()], servers: vec![] };
        let refusal = judge(&child, &said, &Rules::default(), NOW_S).unwrap_err();
        assert!(refusal.code() == "no_answer" && refusal.to_string().contains("ns2.example."), "{refusal}");
        assert_eq!(judge(&child, &[], &Rules::default(), NOW_S).unwrap_err().code(), "no_address");
    }

    #[test]
    fn an_older_state_does_not_come_back() {
        let (old, new) = (Key::new(), Key::new());
        let both = |cds: &Key, since_s| answers(&[&old, &new], &[cds.ds()], &[cds.dnskey()], since_s);
        let rules = Rules { inception_s: SIGNED_S, replaced: vec![vec![old.ds()]], ..Rules::default() };
        let now = |since_s, rules: &Rules| judged(&[new.ds()], vec![both(&old, since_s)], rules);
        assert_eq!(now(SIGNED_S - 1, &rules).unwrap_err().code(), "replayed");
        assert_eq!(now(SIGNED_S, &rules).unwrap_err().code(), "replayed", "in the same second");
        assert!(now(SIGNED_S + 1, &rules).is_ok(), "signed anew, it is the child's wish");
        let longer = [&old.ds()[..3], &[4], &[7; 48]].concat();
        let other_digests = Rules { replaced: vec![vec![longer]], ..rules.clone() };
        assert_eq!(now(SIGNED_S, &other_digests).unwrap_err().code(), "replayed", "keys count, not digests");
        let other = Rules { replaced: vec![], ..rules };
        assert!(now(SIGNED_S, &other).is_ok(), "another set of the same second may be the next one");
    }

    #[test]
    fn deletion_is_asked_for_by_one_record_and_taken_only_if_that_is_wanted() {
        let old = Key::new();
        let delete = |cds: &[Vec<u8>], cdnskey: &[Vec<u8>]| answers(&[&old], cds, cdnskey, SIGNED_S);
        let (cds, cdnskey) = (DELETE_CDS.to_vec(), DELETE_CDNSKEY.to_vec());
        let sentinel = || delete(std::slice::from_ref(&cds), std::slice::from_ref(&cdnskey));
        assert_eq!(code(&[old.ds()], sentinel()), "delete_not_allowed");
        let allowed = Rules { delete: Delete::Taken, ..Rules::default() };
        let taken = Ok(Verdict::Take { ds: vec![], inception_s: SIGNED_S });
        assert_eq!(judged(&[old.ds()], vec![sentinel()], &allowed), taken);
        for broken in [
            delete(&[cds.clone(), old.ds()], &[]),
            delete(std::slice::from_ref(&cds), &[old.dnskey()]),
            delete(&[vec![0, 7, 0, 0, 0]], &[]),
            delete(&[vec![0, 7, 15]], &[]),
            delete(&[[&[0, 7, 15, 2][..], &[1; 31]].concat()], &[]),
            delete(&[], &[[&[1, 0x81, 3, 15][..], &[1; 32]].concat()]),
        ] {
            assert_eq!(judged(&[old.ds()], vec![broken], &allowed).unwrap_err().code(), "malformed");
        }
        let other = Key::new();
        assert_eq!(code(&[old.ds()], delete(&[old.ds()], &[other.dnskey()])), "cds_cdnskey_mismatch");
        assert_eq!(code(&[old.ds()], delete(&[old.ds()], &[old.dnskey(), other.dnskey()])), "cds_cdnskey_mismatch");
    }

    proptest! {
        /// Whatever stands there, beside keys that are right, is judged, and nothing unsigned is taken.
        #[test]
        fn garbage_is_never_taken(
            cds in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..6),
            cdnskey in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..6),
            signed in any::<bool>(),
        ) {
            let key = Key::new();
            let by: &[&Key] = if signed { &[&key] } else { &[] };
            let (empty, ds) = (cds.is_empty() && cdnskey.is_empty(), vec![key.ds()]);
            let given = Answers {
                cds: set(rr::CDS, &cds, by, SIGNED_S),
                cdnskey: set(rr::CDNSKEY, &cdnskey, by, SIGNED_S),
                ..answers(&[&key], &[], &[], SIGNED_S)
            };
            let rules = Rules { delete: Delete::Taken, ..Rules::default() };
            match judged(&ds, vec![given], &rules) {
                Ok(Verdict::Nothing) => prop_assert!(empty),
                Ok(verdict) => prop_assert!(false, "{verdict:?}"),
                Err(refusal) => prop_assert!(!empty && (signed || refusal.code() == "not_proved"), "{refusal}"),
            }
        }
    }
}
