//! Signature slots under writers that race: threads, which the zone room itself may not name.

use callbook::zone::Stamp;
use callbook::zone::slot::Slots;

const STAMP: Stamp = Stamp { start_s: 1_800_000_000, key_tag: 12345 };

#[test]
fn a_reader_never_sees_half_of_two_signatures() {
    let slots = Slots::empty(1);
    std::thread::scope(|scope| {
        for byte in [1u8, 2] {
            let slots = &slots;
            scope.spawn(move || (0..20_000).for_each(|_| slots.slot(0).unwrap().write(STAMP, &[byte; 64])));
        }
        for _ in 0..20_000 {
            if let Some(signature) = slots.slot(0).unwrap().read(STAMP) {
                assert!(signature == [1; 64] || signature == [2; 64]);
            }
        }
    });
}
