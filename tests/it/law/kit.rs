//! What the holder's kit builds is what the law takes: a whole life of one number, made by the client's own code.

use callbook::client::holder::{Change, Device, Directory as Pinned, RecordDraft, Signed};
use callbook::log::event::Role;
use callbook::log::key::Algorithm;
use callbook::log::random::Seeded;
use callbook::log::state::{State, Status};
use callbook::log::vrf;
use callbook::number::Number;
use callbook::registry::examine::{Entrance, Submission};
use callbook::registry::possession::Proof;

use super::directory::*;

fn submission(signed: &Signed, entrance: Entrance, number: Number, validation: Vec<String>) -> Submission {
    let proof = |proved: &callbook::client::holder::Proved| Proof {
        prefix: proved.prefix,
        spki: proved.spki.clone(),
        proof: proved.proof.clone(),
    };
    Submission {
        entrance,
        number,
        label: label(number),
        event: signed.event.write(),
        record: signed.record.as_ref().map(|(bytes, _)| bytes.clone()),
        opening: signed.record.as_ref().map(|(_, opening)| *opening),
        possession: signed.possession.iter().map(proof).collect(),
        validation,
        nonce: None,
        code: None,
    }
}

#[test]
fn the_kit_lives_a_life_under_the_law() {
    let (mut directory, line) = (Directory::new(), number("+44 7700 900123"));
    let (acme, random) = (|| Entrance::Provider("acme".into()), Seeded::new([3; 32]));
    let pinned = Pinned::new(ORIGIN, vrf::SecretKey::from_seed(&[4; 32]).public().as_bytes()).unwrap();
    let device = Device::generate(Algorithm::Es256, &random).unwrap();
    let draft = |user: &str| RecordDraft::new(line, "acme").sip(&format!("sip:{user}@acme.example")).unwrap();
    let until = |directory: &Directory| directory.now_s() + 3600;
    let state = |directory: &Directory| -> State { directory.entry(line).unwrap().state.clone() };

    let token = directory.token("acme", line, &device.control, 90);
    let nonce = directory.nonce_key.make("acme", &label(line), directory.now_s() + 900);
    let record = draft("alice").device(&device).build().unwrap();
    let end_s = directory.now_s() + 90 * 86_400;
    let change = Change::create(label(line), &record, [5; 32], device.control.public(), end_s);
    let change = change.evidence(&[&token]).unwrap().valid_until(until(&directory));
    let mut signed = change.sign(&pinned, &[(Role::NewControl, &device.control)]).unwrap();
    signed.prove(&pinned, &device.keys, &directory.nonce_key.ephemeral(&nonce)).unwrap();
    signed.cosign(&pinned, &statement_key("acme"));
    directory.accept(&submission(&signed, acme(), line, vec![token]));
    assert!(directory.shows(line));

    let record = draft("bob").device(&device).build().unwrap();
    let change = Change::update(label(line), &state(&directory), &record, [6; 32]).valid_until(until(&directory));
    let mut signed = change.sign(&pinned, &[(Role::Control, &device.control)]).unwrap();
    signed.cosign(&pinned, &statement_key("acme"));
    directory.accept(&submission(&signed, acme(), line, vec![]));

    directory.now_ms += 85 * DAY_MS;
    let token = directory.token("acme", line, &device.control, 365);
    let change = Change::renew(label(line), &state(&directory), "acme", end_s + 365 * 86_400);
    let change = change.evidence(&[&token]).unwrap().valid_until(until(&directory));
    let mut signed = change.sign(&pinned, &[]).unwrap();
    signed.cosign(&pinned, &statement_key("acme"));
    directory.accept(&submission(&signed, acme(), line, vec![token]));

    for (change, status) in [
        (Change::suspend as fn(_, &State) -> Change, Status::Suspended),
        (Change::resume, Status::Active),
        (Change::release, Status::Released),
    ] {
        let change = change(label(line), &state(&directory)).valid_until(until(&directory));
        let signed = change.sign(&pinned, &[(Role::Control, &device.control)]).unwrap();
        directory.accept(&submission(&signed, Entrance::Holder, line, vec![]));
        assert_eq!(state(&directory).status, status);
    }
    assert!(!directory.shows(line));
}
