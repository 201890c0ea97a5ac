//! The records of which a signed file has millions, in presentation form (RFC 4034 3.2, RFC 5155 3.3), without detours.

use std::fmt::Write;

use data_encoding::{BASE32_DNSSEC, BASE64};

use crate::dnssec::rrsig::RRSIG_HEAD_OCTETS;
use crate::wire::RrType;
use crate::zone::text::mnemonic;

const DAY_S: u64 = 86_400;

/// Appends the RDATA of an RRSIG.
pub(super) fn rrsig(head: &[u8; RRSIG_HEAD_OCTETS], signer: &str, signature: &[u8], into: &mut String) {
    let [t1, t0, algorithm, labels, ttl @ .., k1, k0] = *head;
    let [l3, l2, l1, l0, e3, e2, e1, e0, i3, i2, i1, i0] = ttl;
    let covered = mnemonic(RrType(u16::from_be_bytes([t1, t0])));
    let ttl_s = u32::from_be_bytes([l3, l2, l1, l0]);
    let _ = write!(into, "{covered} {algorithm} {labels} {ttl_s} "); // into a String
    time(u32::from_be_bytes([e3, e2, e1, e0]), into);
    time(u32::from_be_bytes([i3, i2, i1, i0]), into);
    let _ = write!(into, "{} {signer} ", u16::from_be_bytes([k1, k0]));
    BASE64.encode_append(signature, into);
}

/// Appends the RDATA of an NSEC3 `1 0 0 -`; `types` in ascending order.
pub(super) fn nsec3(next: &[u8; 20], types: &[RrType], into: &mut String) {
    into.push_str("1 0 0 - ");
    BASE32_DNSSEC.encode_append(next, into);
    for rr_type in types {
        let _ = write!(into, " {}", mnemonic(*rr_type));
    }
}

/// YYYYMMDDHHmmSS and a space. After 2106 the 32 bits begin again, as serial arithmetic has it.
fn time(unix_s: u32, into: &mut String) {
    let (days, second) = (u64::from(unix_s) / DAY_S, u64::from(unix_s) % DAY_S);
    // Days to a date, counted from 1 March 0000, where the leap day ends the year: 719 468 days before 1970.
    let from_march = days + 719_468;
    let (era, day) = (from_march / 146_097, from_march % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, year) = (day - (153 * month + 2) / 5 + 1, era * 400 + year + u64::from(month >= 10));
    let month = if month < 10 { month + 3 } else { month - 9 };
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    let _ = write!(into, "{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02} "); // into a String
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    use crate::wire::Name;
    use crate::zone::text;

    proptest! {
        #[test]
        fn lines_are_those_of_the_domain_crate(
            covered in prop_oneof![Just(1u16), Just(35), Just(52), Just(61), Just(257), Just(65_280)],
            fields in any::<[u8; 14]>(),
            signature in proptest::collection::vec(any::<u8>(), 64),
            next in any::<[u8; 20]>(),
        ) {
            let signer = Name::from_text("e164.example.").unwrap();
            let mut head = [0; RRSIG_HEAD_OCTETS];
            head[..2].copy_from_slice(&covered.to_be_bytes());
            head[2..16].copy_from_slice(&fields);
            let rdata = [&head[..], signer.as_wire(), &signature].concat();
            let mut line = String::new();
            rrsig(&head, "e164.example.", &signature, &mut line);
            // Times may be written as seconds, as that crate does, or by the calendar (RFC 4034 3.2).
            let theirs = text::rdata_text(RrType::RRSIG, &rdata);
            let mut fields: Vec<String> = theirs.split(' ').map(str::to_owned).collect();
            for field in &mut fields[4..6] {
                let mut calendar = String::new();
                time(field.parse().unwrap(), &mut calendar);
                *field = calendar.trim_end().to_owned();
            }
            prop_assert_eq!(line, fields.join(" "));

            let types = [RrType::NAPTR, RrType::RRSIG, RrType::TLSA];
            let mut rdata = vec![1, 0, 0, 0, 0, 20];
            rdata.extend(next);
            crate::dnssec::denial::bitmap(types.into_iter(), &mut rdata);
            let mut line = String::new();
            nsec3(&next, &types, &mut line);
            prop_assert_eq!(line.to_ascii_lowercase(), text::rdata_text(RrType::NSEC3, &rdata).to_ascii_lowercase());
        }
    }

    #[test]
    fn times_are_calendar_times() {
        for (unix_s, expected) in [
            (0, "19700101000000 "),
            (951_782_399, "20000228235959 "),
            (951_782_400, "20000229000000 "),
            (1_078_056_000, "20040229120000 "),
            (u32::MAX, "21060207062815 "),
        ] {
            let mut text = String::new();
            time(unix_s, &mut text);
            assert_eq!(text, expected);
        }
    }
}
