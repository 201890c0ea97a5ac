//! The signature slots of `src/zone/slot.rs` under every interleaving and every stale value that the memory model allows.
//!
//! Shown: a reader gets nothing or a whole signature with the stamp that it asked for; of two writers one wins and the
//! other costs a signature; a slot that is carried into a new shard holds nothing or a whole signature. And shown for
//! each part of the lock: without it, loom finds the interleaving that breaks one of these.
//!
//! `cargo test --manifest-path tests/loom/Cargo.toml` looks at all of them in seconds. Should a change of the slots make
//! that minutes, `LOOM_MAX_PREEMPTIONS=3` still finds each of these mutants.

#![cfg(test)]

/// The models over one copy of the slots.
macro_rules! models {
    ($copy:ident) => {
        mod $copy {
            #![allow(dead_code)]

            mod slot {
                include!(concat!(env!("OUT_DIR"), "/", stringify!($copy), ".rs"));
            }

            use loom::sync::{Arc, RwLock};
            use loom::thread;
            use slot::{SignatureBytes, Slot, Slots, Stamp};

            const TODAY: Stamp = Stamp { start_s: 1_800_000_000, key_tag: 12345 };
            const TOMORROW: Stamp = Stamp { start_s: 1_800_086_400, key_tag: 12345 };

            /// A signature whose every word says whose it is.
            fn by(writer: u8) -> SignatureBytes {
                [writer; size_of::<SignatureBytes>()]
            }

            fn slot(slots: &Slots) -> Slot<'_> {
                slots.slot(0).expect("there is one")
            }

            fn whole(read: Option<SignatureBytes>, writers: &[u8]) -> bool {
                read.is_none_or(|signature| writers.iter().any(|writer| signature == by(*writer)))
            }

            /// Two writers of one stamp, as when two threads miss at once: never half of each.
            pub(super) fn writers_of_one_stamp_do_not_mix() {
                loom::model(|| {
                    let slots = Arc::new(Slots::empty(1));
                    let others = slots.clone();
                    let other = thread::spawn(move || slot(&others).write(TODAY, &by(1)));
                    slot(&slots).write(TODAY, &by(2));
                    assert!(whole(slot(&slots).read(TODAY), &[1, 2]));
                    other.join().expect("it does not panic");
                    let after = slot(&slots).read(TODAY);
                    assert!(after.is_some() && whole(after, &[1, 2]), "one of them has won");
                });
            }

            /// Today's signature is replaced by tomorrow's while someone reads.
            pub(super) fn a_reader_gets_only_what_it_asked_for() {
                loom::model(|| {
                    let slots = Arc::new(Slots::empty(1));
                    slot(&slots).write(TODAY, &by(1));
                    let others = slots.clone();
                    let other = thread::spawn(move || slot(&others).write(TOMORROW, &by(2)));
                    assert!(whole(slot(&slots).read(TODAY), &[1]));
                    assert!(whole(slot(&slots).read(TOMORROW), &[2]));
                    other.join().expect("it does not panic");
                    assert_eq!(slot(&slots).read(TODAY), None);
                    assert_eq!(slot(&slots).read(TOMORROW), Some(by(2)));
                });
            }

            /// A reader beside two writers of different stamps.
            pub(super) fn a_reader_beside_two_writers_gets_a_whole_signature() {
                loom::model(|| {
                    let slots = Arc::new(Slots::empty(1));
                    let writers = [(TODAY, 1), (TOMORROW, 2)].map(|(stamp, writer)| {
                        let slots = slots.clone();
                        thread::spawn(move || slot(&slots).write(stamp, &by(writer)))
                    });
                    assert!(whole(slot(&slots).read(TODAY), &[1]));
                    writers.into_iter().for_each(|writer| writer.join().expect("it does not panic"));
                    let (today, tomorrow) = (slot(&slots).read(TODAY), slot(&slots).read(TOMORROW));
                    assert!(whole(today, &[1]) && whole(tomorrow, &[2]));
                    assert!(today.is_some() != tomorrow.is_some(), "one of them has won");
                });
            }

            /// A shard is rebuilt and swapped while a reader of the old one stores a signature, as `zone::shard` does it.
            /// The lock stands for arc-swap, whose own proof is its business.
            pub(super) fn a_slot_is_carried_whole_into_a_new_shard() {
                loom::model(|| {
                    let shard = Arc::new(RwLock::new(Arc::new(Slots::empty(1))));
                    slot(&shard.read().expect("not poisoned")).write(TODAY, &by(1));
                    let readers = shard.clone();
                    let reader = thread::spawn(move || {
                        let slots = readers.read().expect("not poisoned").clone();
                        assert!(whole(slot(&slots).read(TODAY), &[1]));
                        slot(&slots).write(TOMORROW, &by(2));
                    });
                    let old = shard.read().expect("not poisoned").clone();
                    let new = Slots::empty(1);
                    slot(&new).copy_from(slot(&old));
                    *shard.write().expect("not poisoned") = Arc::new(new);
                    reader.join().expect("it does not panic");
                    let slots = shard.read().expect("not poisoned").clone();
                    let (today, tomorrow) = (slot(&slots).read(TODAY), slot(&slots).read(TOMORROW));
                    assert!(whole(today, &[1]) && whole(tomorrow, &[2]));
                });
            }
        }
    };
}

models!(slot);
models!(without_busy_mark);
models!(without_busy_look);
models!(without_second_look);
models!(without_release_fence);
models!(without_acquire_fence);

#[test]
fn writers_of_one_stamp_do_not_mix() {
    slot::writers_of_one_stamp_do_not_mix();
}

#[test]
fn a_reader_gets_only_what_it_asked_for() {
    slot::a_reader_gets_only_what_it_asked_for();
}

#[test]
fn a_reader_beside_two_writers_gets_a_whole_signature() {
    slot::a_reader_beside_two_writers_gets_a_whole_signature();
}

#[test]
fn a_slot_is_carried_whole_into_a_new_shard() {
    slot::a_slot_is_carried_whole_into_a_new_shard();
}

#[test]
#[should_panic]
fn without_the_busy_mark_writers_mix() {
    without_busy_mark::writers_of_one_stamp_do_not_mix();
}

#[test]
#[should_panic]
fn without_a_look_at_the_busy_mark_writers_mix() {
    without_busy_look::writers_of_one_stamp_do_not_mix();
}

#[test]
#[should_panic]
fn without_the_second_look_a_reader_gets_half() {
    without_second_look::a_reader_gets_only_what_it_asked_for();
}

#[test]
#[should_panic]
fn without_the_release_fence_a_reader_gets_half() {
    without_release_fence::a_reader_gets_only_what_it_asked_for();
}

#[test]
#[should_panic]
fn without_the_acquire_fence_a_reader_gets_half() {
    without_acquire_fence::a_reader_gets_only_what_it_asked_for();
}
