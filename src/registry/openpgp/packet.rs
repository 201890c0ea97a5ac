//! OpenPGP packets and the numbers in them: bounded, and nothing that a published key does not need.

use crate::log::bytes::Reader;
use crate::registry::keys::Wrong;
use crate::registry::refusal;

/// The most packets: primary key, direct signature, user id, certification, and seven subkeys with a binding each.
pub(super) const PACKETS_MAX: usize = 18;
/// What the packets are called in a message about their form.
pub(super) const WHAT: &str = "OpenPGP key";

/// Packet types (RFC 9580 5) that a transferable public key may hold or that are worth a word of their own.
pub(super) mod tag {
    pub(in super::super) const SIGNATURE: u8 = 2;
    pub(in super::super) const SECRET_KEY: u8 = 5;
    pub(in super::super) const PUBLIC_KEY: u8 = 6;
    pub(in super::super) const SECRET_SUBKEY: u8 = 7;
    pub(in super::super) const USER_ID: u8 = 13;
    pub(in super::super) const PUBLIC_SUBKEY: u8 = 14;
    pub(in super::super) const USER_ATTRIBUTE: u8 = 17;
}

/// One packet.
#[derive(Clone, Copy)]
pub(super) struct Packet<'a> {
    /// Its type.
    pub(super) tag: u8,
    /// What is behind its header.
    pub(super) body: &'a [u8],
}

/// The packets of a key, in their order (RFC 9580 4.2): definite lengths only.
pub(super) fn packets(raw: &[u8]) -> Result<Vec<Packet<'_>>, Wrong> {
    let mut reader = Reader::new(raw, WHAT);
    let mut packets = Vec::new();
    while !reader.is_empty() {
        if packets.len() == PACKETS_MAX {
            return Err(Wrong(&refusal::KEY_EXTRA, "too many packets"));
        }
        let first = reader.u8()?;
        if first == b'-' && packets.is_empty() {
            return Err(form("it is armoured text: send the binary form"));
        }
        let (tag, len) = match first {
            0..0x80 => return Err(form("no packet begins so")),
            0x80..0xc0 => (first >> 2 & 0x0f, old_length(first & 3, &mut reader)?),
            0xc0.. => (first & 0x3f, new_length(&mut reader)?),
        };
        packets.push(Packet { tag, body: reader.take(len)? });
    }
    Ok(packets)
}

/// A mistake in the form.
pub(super) const fn form(why: &'static str) -> Wrong {
    Wrong(&refusal::KEY_OPENPGP, why)
}

/// RFC 9580 4.2.1; partial lengths are for data, never for keys (4.2.1.4).
fn new_length(reader: &mut Reader<'_>) -> Result<usize, Wrong> {
    match reader.u8()? {
        short @ 0..192 => Ok(usize::from(short)),
        high @ 192..224 => Ok((usize::from(high - 192) << 8) + usize::from(reader.u8()?) + 192),
        255 => long(reader),
        224..255 => Err(form("a packet of partial length")),
    }
}

/// RFC 9580 4.2.2; a length that only the end of the input gives is refused.
fn old_length(kind: u8, reader: &mut Reader<'_>) -> Result<usize, Wrong> {
    match kind {
        0 => Ok(usize::from(reader.u8()?)),
        1 => Ok(usize::from(reader.u16()?)),
        2 => long(reader),
        _ => Err(form("a packet of indeterminate length")),
    }
}

fn long(reader: &mut Reader<'_>) -> Result<usize, Wrong> {
    usize::try_from(u32::from_be_bytes(reader.array()?)).map_err(|_| form("a packet that is too long"))
}

/// A length of a subpacket (RFC 9580 5.2.3.7).
pub(super) fn subpacket_length(reader: &mut Reader<'_>) -> Result<usize, Wrong> {
    match reader.u8()? {
        short @ 0..192 => Ok(usize::from(short)),
        high @ 192..255 => Ok((usize::from(high - 192) << 8) + usize::from(reader.u8()?) + 192),
        255 => long(reader),
    }
}

/// A multiprecision integer (RFC 9580 3.2) without leading zeros, its length in bits exact.
pub(super) fn integer<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], Wrong> {
    let bits = usize::from(reader.u16()?);
    let number = reader.take(bits.div_ceil(8))?;
    let exact = number.first().is_some_and(|first| number.len() * 8 - first.leading_zeros() as usize == bits);
    if exact { Ok(number) } else { Err(form("a number whose length is not exact")) }
}

/// A number of a signature. Some programs write the leading zeros of an octet string along, in whole octets.
pub(super) fn lenient_integer<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], Wrong> {
    let whole_octets = |reader: &mut Reader<'a>| {
        let bits = usize::from(reader.u16()?);
        let number = reader.take(bits.div_ceil(8))?;
        let padded = bits.is_multiple_of(8) && number.first() == Some(&0);
        if padded { Ok(number) } else { Err(form("a number whose length is not exact")) }
    };
    let mut ahead = reader.clone();
    let number = integer(&mut ahead).or_else(|_| {
        ahead = reader.clone();
        whole_octets(&mut ahead)
    })?;
    *reader = ahead;
    Ok(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_every_form() {
        let body = |n: usize| vec![7; n];
        let cases = [
            ([vec![0x98, 3], body(3)].concat(), (6, 3)),
            ([vec![0x99, 1, 2], body(258)].concat(), (6, 258)),
            ([vec![0x9a, 0, 0, 0, 4], body(4)].concat(), (6, 4)),
            ([vec![0xc6, 191], body(191)].concat(), (6, 191)),
            ([vec![0xc6, 192, 0], body(192)].concat(), (6, 192)),
            ([vec![0xc6, 223, 255], body(8383)].concat(), (6, 8383)),
            ([vec![0xcd, 255, 0, 0, 0, 1], body(1)].concat(), (13, 1)),
        ];
        for (raw, (tag, len)) in cases {
            let packets = packets(&raw).unwrap();
            assert_eq!((packets.len(), packets[0].tag, packets[0].body.len()), (1, tag, len));
        }
        for raw in [
            &[0x9b, 1, 2][..],
            &[0xc6, 224, 1],
            &[0x98, 3, 1, 2],
            &[0x40, 0],
            b"-----BEGIN",
            &[0xc6],
            &[0xc6, 255, 255, 255, 255, 255],
        ] {
            assert!(packets(raw).is_err(), "{raw:02x?}");
        }
        assert!(packets(&[0xcd, 0].repeat(PACKETS_MAX)).is_ok());
        assert!(packets(&[0xcd, 0].repeat(PACKETS_MAX + 1)).is_err());
    }

    #[test]
    fn numbers_have_one_length() {
        let read = |raw: &[u8]| integer(&mut Reader::new(raw, WHAT)).map(<[u8]>::to_vec).ok();
        assert_eq!(read(&[0, 9, 1, 255]), Some(vec![1, 255]));
        for raw in [&[0, 0][..], &[0, 10, 1, 255], &[0, 16, 0, 255], &[0, 8, 1, 255], &[0, 9, 1]] {
            assert_eq!(read(raw), None, "{raw:02x?}");
        }
        let lenient = |raw: &[u8]| lenient_integer(&mut Reader::new(raw, WHAT)).map(<[u8]>::to_vec).ok();
        assert_eq!(lenient(&[0, 16, 0, 255]), Some(vec![0, 255]));
        assert_eq!(lenient(&[0, 9, 1, 255]), Some(vec![1, 255]));
        for raw in [&[0, 15, 0, 255][..], &[0, 16, 1, 255], &[0, 0]] {
            assert_eq!(lenient(raw), None, "{raw:02x?}");
        }
    }
}
