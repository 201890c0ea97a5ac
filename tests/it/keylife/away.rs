//! A key's holder that is away for a while: what it signed before is served as long as it is valid, and no longer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use callbook::dnssec::keys::Key;
use callbook::dnssec::life::Life;
use callbook::dnssec::{Algorithm, KeyRole, SignFault, ZoneKeys, ZoneSigner, signer};
use callbook::nameserver::{Served, View};
use callbook::wire::Name;
use callbook::zone::slot::SignatureBytes;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;
use ring::rand::{SecureRandom, SystemRandom};

use crate::dns::ask::{Desk, Dnssec, texts};
use crate::dns::house::{APEX, House};

const NOW_S: u64 = 1_800_000_000;
const DAY_S: u64 = 86_400;

struct Holder {
    key: Arc<dyn ZoneSigner>,
    is_away: Arc<AtomicBool>,
}

impl ZoneSigner for Holder {
    fn algorithm(&self) -> u8 {
        self.key.algorithm()
    }

    fn public_key(&self) -> &[u8] {
        self.key.public_key()
    }

    fn sign(&self, random: &dyn SecureRandom, message: &[u8]) -> Result<SignatureBytes, SignFault> {
        if self.is_away.load(Ordering::Relaxed) { Err(SignFault) } else { self.key.sign(random, message) }
    }
}

#[test]
fn what_was_signed_before_is_served_while_it_is_valid() {
    let (random, is_away) = (SystemRandom::new(), Arc::new(AtomicBool::new(false)));
    let key = |role| {
        let document = signer::generate(Algorithm::default(), &random).unwrap();
        let key = signer::open(Algorithm::default(), &document, &random).unwrap();
        Key::new(role, Arc::new(Holder { key, is_away: Arc::clone(&is_away) }))
    };
    let keys = [key(KeyRole::Ksk), key(KeyRole::Zsk)];
    let life = Life::begin(keys.iter().map(Key::id).collect(), NOW_S);
    let open = |id| Ok(keys.iter().find(|key| key.id() == id).unwrap().clone());
    let built = ZoneKeys::build(&Name::from_text(APEX).unwrap(), &life.publication(), 3_600, open).unwrap();
    let view = View::new(vec![Served::numbers(House::numbers(), Some(Arc::new(built)))]);
    let mut desk = Desk::over(view, NOW_S);
    let asked = [RecordType::DNSKEY, RecordType::NS];
    let before = asked.map(|qtype| texts(&desk.ask(APEX, qtype, Dnssec::Ok).answers));
    is_away.store(true, Ordering::Relaxed);
    // DNSKEY signatures are made for seven days less two hours, others at the apex for fourteen, and are up to a day and a
    // week old.
    for (days, is_there) in
        [(0, [true, true]), (1, [true, true]), (5, [true, true]), (7, [false, true]), (15, [false, false])]
    {
        desk.now_s = NOW_S + days * DAY_S;
        for ((qtype, before), is_there) in asked.iter().zip(&before).zip(is_there) {
            let answer = desk.ask(APEX, *qtype, Dnssec::Ok);
            match is_there {
                true => assert_eq!(&texts(&answer.answers), before, "{qtype} after {days} days"),
                false => assert_eq!(answer.metadata.response_code, ResponseCode::ServFail, "{qtype} after {days} days"),
            }
        }
    }
    // It is back: signatures of today.
    is_away.store(false, Ordering::Relaxed);
    desk.now_s = NOW_S + 7 * DAY_S;
    let after = asked.map(|qtype| texts(&desk.ask(APEX, qtype, Dnssec::Ok).answers));
    assert!(after.iter().zip(&before).all(|(after, before)| after.len() == before.len() && after != before));
}
