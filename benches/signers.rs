//! Signatures a second by each library and algorithm: what one core can sign bounds what it can deny (DNS.md 4).
//!
//! `cargo bench --bench signers -- [--smoke]`, with `--features aws-lc-rs` to measure that library beside ring, and with
//! `--pkcs11 MODULE TOKEN PIN_FILE` to measure a token, in which keys are made and deleted again. The rounds are interleaved,
//! so that a busy neighbour slows all of them; what is shown is the median round and the extremes.

#![allow(clippy::print_stdout, clippy::disallowed_methods, missing_docs)]

use std::sync::Arc;
use std::time::Instant;

use callbook::dnssec::{Algorithm, ToSign, Window, ZoneSigner, by_ring, denial};
use callbook::wire::{Name, Rdatas, RrType};
use ring::rand::{SecureRandom, SystemRandom};

/// What ring draws for one ECDSA P-256 nonce: it is hashed in one block with the private key's digest.
const NONCE_OCTETS: usize = 32;

/// Does its work for each of the messages.
type Run = Box<dyn Fn(&[Vec<u8>])>;

struct Contender {
    name: &'static str,
    run: Run,
    round_us: Vec<f64>,
}

fn main() {
    let smoke = std::env::args().any(|a| a == "--smoke");
    // Rounds of a few milliseconds: most of them are not interrupted, so the median is that of an undisturbed core.
    let (rounds, messages) = if smoke { (3, 50) } else { (301, 200) };
    let messages: Vec<Vec<u8>> = (0..messages).map(denial_of).collect(); // all of the same length
    let mut contenders = contenders();
    #[cfg(feature = "pkcs11")]
    let token = token::named().inspect(|token| contenders.extend(token.contenders()));
    for _ in 0..rounds {
        for contender in &mut contenders {
            let began = Instant::now();
            (contender.run)(&messages);
            contender.round_us.push(began.elapsed().as_secs_f64() * 1e6 / messages.len() as f64);
        }
    }
    println!("{rounds} rounds of {} messages of {} octets", messages.len(), messages[0].len());
    println!("{:<24} {:>10} {:>10} {:>10} {:>12}", "", "median us", "lowest", "highest", "a second");
    for contender in &mut contenders {
        let us = &mut contender.round_us;
        us.sort_by(f64::total_cmp);
        let median = us[us.len() / 2];
        let (name, lowest, highest) = (contender.name, us[0], us[us.len() - 1]);
        println!("{name:<24} {median:>10.2} {lowest:>10.2} {highest:>10.2} {:>12.0}", 1e6 / median);
    }
    #[cfg(feature = "pkcs11")]
    token.iter().for_each(token::Token::clear);
}

/// A token that is measured too.
#[cfg(feature = "pkcs11")]
mod token {
    use callbook::config::{Pkcs11, TokenHolds};
    use callbook::dnssec::keys::KeySource;
    use callbook::dnssec::pkcs11::TokenKeys;
    use callbook::dnssec::{Algorithm, KeyId, KeyRole};
    use callbook::seal::Pin;
    use callbook::wire::Name;

    /// Its keys, made for this run.
    pub(super) struct Token {
        keys: TokenKeys,
        made: [KeyId; 2],
    }

    /// The one that the command line names.
    pub(super) fn named() -> Option<Token> {
        let [module, token, pin_file] =
            std::env::args().skip_while(|a| a != "--pkcs11").skip(1).take(3).collect::<Vec<_>>().try_into().ok()?;
        let pkcs11 = Pkcs11 { module: module.into(), token, pin_file: Pin::of(&pin_file), holds: TokenHolds::All };
        let keys = TokenKeys::new(&pkcs11, &Name::from_text("signers.example.").expect("a name"));
        let made = Algorithm::ALL.map(|algorithm| keys.make(KeyRole::Zsk, algorithm, &|_| true).expect("a key"));
        Some(Token { keys, made })
    }

    impl Token {
        pub(super) fn contenders(&self) -> impl Iterator<Item = super::Contender> {
            let signer = |id| self.keys.open(id).expect("a key").signer;
            let [p256, ed25519] = self.made.map(signer);
            [super::signing("P-256, token", p256), super::signing("Ed25519, token", ed25519)].into_iter()
        }

        pub(super) fn clear(&self) {
            self.made.iter().for_each(|id| self.keys.forget(*id).expect("it can be deleted"));
        }
    }
}

fn contenders() -> Vec<Contender> {
    let random = SystemRandom::new();
    let document = |algorithm| by_ring::generate(algorithm, &random).expect("random numbers");
    let (p256, ed25519) = (document(Algorithm::EcdsaP256Sha256), document(Algorithm::Ed25519));
    let mut all = vec![
        signing("P-256, ring", Arc::new(by_ring::P256Signer::from_pkcs8(&p256, &random).expect("a key"))),
        signing("Ed25519, ring", Arc::new(by_ring::Ed25519Signer::from_pkcs8(&ed25519).expect("a key"))),
    ];
    #[cfg(feature = "aws-lc-rs")]
    {
        use callbook::dnssec::by_aws_lc;
        let (p256, ed25519) =
            (by_aws_lc::P256Signer::from_pkcs8(&p256, &random), by_aws_lc::Ed25519Signer::from_pkcs8(&ed25519));
        all.push(signing("P-256, aws-lc-rs", Arc::new(p256.expect("a key"))));
        all.push(signing("Ed25519, aws-lc-rs", Arc::new(ed25519.expect("a key"))));
    }
    let nonce = move |messages: &[Vec<u8>]| {
        let mut nonce = [0; NONCE_OCTETS];
        messages.iter().for_each(|_| random.fill(&mut nonce).expect("random numbers"));
        std::hint::black_box(nonce);
    };
    let hash = |messages: &[Vec<u8>]| {
        messages.iter().for_each(|m| _ = std::hint::black_box(callbook::log::sha256(&[m])));
    };
    all.push(Contender { name: "a nonce's random octets", run: Box::new(nonce), round_us: Vec::new() });
    all.push(Contender { name: "SHA-256 of the message", run: Box::new(hash), round_us: Vec::new() });
    all
}

fn signing(name: &'static str, signer: Arc<dyn ZoneSigner>) -> Contender {
    let random = SystemRandom::new();
    let run = move |messages: &[Vec<u8>]| {
        for message in messages {
            std::hint::black_box(signer.sign(&random, message).expect("a signature"));
        }
    };
    Contender { name, run: Box::new(run), round_us: Vec::new() }
}

/// What is signed for the denial of number `i`.
fn denial_of(i: usize) -> Vec<u8> {
    let digits: String = format!("{i:08}").chars().rev().flat_map(|digit| [digit, '.']).collect();
    let owner = Name::from_text(&format!("{digits}6.4.3.e164.example.")).expect("a name");
    let (mut rdatas, mut message) = (Vec::new(), Vec::new());
    denial::nsec(&owner.successor(), [], &mut rdatas);
    let to_sign = ToSign {
        owner: &owner,
        rr_type: RrType::NSEC,
        ttl_s: 60,
        rdatas: Rdatas(&rdatas),
        validity: Window::Denial.at(1_800_000_000, owner.as_wire()),
        signer: &Name::from_text("e164.example.").expect("a name"),
        algorithm: 13,
        key_tag: 4711,
    };
    to_sign.message(&mut message);
    message
}
