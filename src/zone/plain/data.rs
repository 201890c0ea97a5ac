//! RDATA of the types that the reader knows by number alone: a table of forms, and the octets of what is written in them.

use std::net::Ipv4Addr;

use domain::base::iana::Rtype;

use super::{absolute, service, special};
use crate::wire::Name;

/// Mnemonic, number, form: one letter a field.
///
/// `1` `2` `4` an integer of so many octets, `n` a name, `l` the same in lower case (RFC 4034 6.2), `s` a character-string,
/// `o` one that may be left out, `S` one or more, `u` text without a length, `x` and `b` all that is left as hexadecimal and
/// Base64, `a` an IPv4 address, `q` 64 bits as an IPv6 half (RFC 6742 2.1.2), `6` `8` an EUI (RFC 7043), `t` a type, `T` all
/// that is left as a type bitmap, `V` as parameters of a service, `c` a type of certificate, `g` an algorithm. Forms of a type's own stand in `special`.
const FORMS: [(&str, u16, &str); 41] = [
    ("AFSDB", 18, "2l"),
    ("X25", 19, "s"),
    ("ISDN", 20, "so"),
    ("RT", 21, "2l"),
    ("NSAP", 22, "i"),
    ("KEY", 25, "211b"),
    ("PX", 26, "2ll"),
    ("GPOS", 27, "sss"),
    ("LOC", 29, "L"),
    ("EID", 31, "x"),
    ("NIMLOC", 32, "x"),
    ("KX", 36, "2l"),
    ("CERT", 37, "c2gb"),
    ("APL", 42, "A"),
    ("DHCID", 49, "b"),
    ("SMIMEA", 53, "111x"),
    ("HIP", 55, "H"),
    ("NINFO", 56, "S"),
    ("RKEY", 57, "211b"),
    ("TALINK", 58, "nn"),
    ("CSYNC", 62, "42T"),
    ("DSYNC", 66, "t12n"),
    ("SVCB", 64, "2nV"),
    ("HTTPS", 65, "2nV"),
    ("SPF", 99, "S"),
    ("NID", 104, "2q"),
    ("L32", 105, "2a"),
    ("L64", 106, "2q"),
    ("LP", 107, "2n"),
    ("EUI48", 108, "6"),
    ("EUI64", 109, "8"),
    ("URI", 256, "22u"),
    ("AVC", 258, "S"),
    ("AMTRELAY", 260, "R"),
    ("RESINFO", 261, "S"),
    ("WALLET", 262, "S"),
    ("CLA", 263, "S"),
    ("TA", 32_768, "211x"),
    ("DLV", 32_769, "211x"),
    ("WKS", 11, "W"),
    ("DOA", 259, "441sb"),
];
/// RFC 4398 2.1.
const CERTIFICATES: [(&str, u16); 10] = [
    ("PKIX", 1),
    ("SPKI", 2),
    ("PGP", 3),
    ("IPKIX", 4),
    ("ISPKI", 5),
    ("IPGP", 6),
    ("ACPKIX", 7),
    ("IACPKIX", 8),
    ("URI", 253),
    ("OID", 254),
];
/// IANA "DNS Security Algorithm Numbers".
const ALGORITHMS: [(&str, u16); 9] = [
    ("RSAMD5", 1),
    ("DSA", 3),
    ("RSASHA1", 5),
    ("RSASHA256", 8),
    ("RSASHA512", 10),
    ("ECDSAP256SHA256", 13),
    ("ECDSAP384SHA384", 14),
    ("ED25519", 15),
    ("ED448", 16),
];

/// The number and the form of a type, if it is one of these.
pub(super) fn by_number(mnemonic: &str) -> Option<(u16, &'static str)> {
    let row = FORMS.iter().find(|(name, ..)| name.eq_ignore_ascii_case(mnemonic))?;
    Some((row.1, row.2))
}

/// The octets of RDATA that is written in a form; names are relative to `origin`.
pub(super) fn encode(form: &str, tokens: &[&str], origin: &str) -> Result<Vec<u8>, String> {
    let mut fields = Fields { tokens, origin, out: Vec::new() };
    form.bytes().try_for_each(|field| fields.field(field))?;
    match fields.tokens.first() {
        None => Ok(fields.out),
        Some(token) => Err(format!("{token} is a field too many")),
    }
}

/// What is left to be read, and what was written.
pub(super) struct Fields<'t> {
    tokens: &'t [&'t str],
    origin: &'t str,
    pub(super) out: Vec<u8>,
}

impl<'t> Fields<'t> {
    fn field(&mut self, field: u8) -> Result<(), String> {
        match field {
            b'1' => self.integer(1),
            b'2' => self.integer(2),
            b'4' => self.integer(4),
            b'n' => self.name(false),
            b'l' => self.name(true),
            b's' => self.string(),
            b'o' if self.tokens.is_empty() => Ok(()),
            b'o' => self.string(),
            b'S' => {
                self.string()?;
                while !self.tokens.is_empty() {
                    self.string()?;
                }
                Ok(())
            }
            b'u' => {
                let text = unescaped(self.next()?)?;
                self.out.extend(text);
                Ok(())
            }
            b'x' => self.rest().and_then(|text| self.hex(&text)),
            b'b' => self.rest().and_then(|text| self.base64(&text)),
            b'a' => {
                let address = self.parsed::<Ipv4Addr>("an IPv4 address")?;
                self.out.extend(address.octets());
                Ok(())
            }
            b'q' => self.half(),
            b'6' => self.eui(6),
            b'8' => self.eui(8),
            b'c' => self.named(&CERTIFICATES, 2),
            b'g' => self.named(&ALGORITHMS, 1),
            b't' => {
                let rr_type = self.parsed::<Rtype>("a type")?.to_int();
                self.out.extend(rr_type.to_be_bytes());
                Ok(())
            }
            b'T' => self.bitmap(),
            b'V' => service::parameters(self),
            other => special::field(self, other),
        }
    }

    /// The next token.
    pub(super) fn next(&mut self) -> Result<&'t str, String> {
        let (first, rest) = self.tokens.split_first().ok_or("a field is missing")?;
        self.tokens = rest;
        Ok(first)
    }

    /// The next token if there is one and it is such.
    pub(super) fn next_if(&mut self, is_it: impl FnOnce(&str) -> bool) -> Option<&'t str> {
        let (first, rest) = self.tokens.split_first().filter(|(first, _)| is_it(first))?;
        self.tokens = rest;
        Some(first)
    }

    /// Whether anything is left.
    pub(super) fn is_left(&self) -> bool {
        !self.tokens.is_empty()
    }

    /// The next token, parsed.
    pub(super) fn parsed<T: std::str::FromStr>(&mut self, what: &str) -> Result<T, String> {
        let token = self.next()?;
        token.parse().map_err(|_| format!("{token} is not {what}"))
    }

    /// An integer of so many octets.
    pub(super) fn integer(&mut self, octets: usize) -> Result<(), String> {
        let token = self.next()?;
        let value = token.parse::<u32>().ok().filter(|_| token.bytes().all(|b| b.is_ascii_digit()));
        let value = value.map(u64::from).filter(|value| value >> (8 * octets) == 0);
        let value = value.ok_or_else(|| format!("{token} is no number of {octets} octets"))?;
        self.out.extend_from_slice(value.to_be_bytes().get(8 - octets..).unwrap_or_default());
        Ok(())
    }

    /// A name in wire form.
    pub(super) fn name(&mut self, lower: bool) -> Result<(), String> {
        let token = self.next()?;
        let text = absolute(token, self.origin);
        // The reader's own way: a Name of ours is in lower case at once.
        let wire =
            domain::base::Name::<Vec<u8>>::from_chars(text.chars()).map_err(|_| format!("{token} is no name"))?;
        let name = Name::from_wire(wire.as_slice()).ok_or_else(|| format!("{token} is no name"))?;
        self.out.extend_from_slice(if lower { name.as_wire() } else { wire.as_slice() });
        Ok(())
    }

    fn string(&mut self) -> Result<(), String> {
        let text = unescaped(self.next()?)?;
        let octets = u8::try_from(text.len()).map_err(|_| "a character-string has at most 255 octets".to_owned())?;
        self.out.push(octets);
        self.out.extend(text);
        Ok(())
    }

    /// All that is left, as one.
    fn rest(&mut self) -> Result<String, String> {
        let text = self.tokens.concat();
        self.tokens = &[];
        if text.is_empty() { Err("a field is missing".to_owned()) } else { Ok(text) }
    }

    pub(super) fn hex(&mut self, text: &str) -> Result<(), String> {
        let octets = data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes());
        self.out.extend(octets.map_err(|_| format!("{text} is not hexadecimal"))?);
        Ok(())
    }

    pub(super) fn base64(&mut self, text: &str) -> Result<(), String> {
        let octets = data_encoding::BASE64.decode(text.as_bytes());
        self.out.extend(octets.map_err(|_| format!("{text} is not Base64"))?);
        Ok(())
    }

    /// Four groups of hexadecimal digits (RFC 6742 2.1.2).
    fn half(&mut self) -> Result<(), String> {
        let token = self.next()?;
        let groups: Vec<u16> = token
            .split(':')
            .map_while(|group| u16::from_str_radix(group, 16).ok().filter(|_| (1..=4).contains(&group.len())))
            .collect();
        if groups.len() != 4 || token.split(':').count() != 4 {
            return Err(format!("{token} is not four groups of hexadecimal digits"));
        }
        self.out.extend(groups.iter().flat_map(|group| group.to_be_bytes()));
        Ok(())
    }

    fn eui(&mut self, octets: usize) -> Result<(), String> {
        let token = self.next()?;
        let pairs = token.split('-').all(|pair| pair.len() == 2) && token.split('-').count() == octets;
        match pairs {
            true => self.hex(&token.replace('-', "")),
            false => Err(format!("{token} is not {octets} octets with hyphens between")),
        }
    }

    fn named(&mut self, names: &[(&str, u16)], octets: usize) -> Result<(), String> {
        match self.next_if(|token| names.iter().any(|(name, _)| name.eq_ignore_ascii_case(token))) {
            Some(token) => {
                let number = names.iter().find(|(name, _)| name.eq_ignore_ascii_case(token)).map_or(0, |row| row.1);
                self.out.extend_from_slice(number.to_be_bytes().get(2 - octets..).unwrap_or_default());
                Ok(())
            }
            None => self.integer(octets),
        }
    }

    /// RFC 4034 4.1.2.
    fn bitmap(&mut self) -> Result<(), String> {
        let mut types = Vec::new();
        while !self.tokens.is_empty() {
            types.push(self.parsed::<Rtype>("a type")?.to_int());
        }
        types.sort_unstable();
        for window in types.chunk_by(|a, b| a >> 8 == b >> 8) {
            let mut bits = [0u8; 32];
            window.iter().for_each(|t| bits[usize::from(*t & 255) / 8] |= 0x80 >> (t & 7));
            let octets = bits.iter().rposition(|b| *b != 0).map_or(0, |last| last + 1);
            self.out.extend([(window[0] >> 8) as u8, octets as u8]);
            self.out.extend_from_slice(&bits[..octets]);
        }
        Ok(())
    }
}

/// The octets of a character-string, quotes and escapes taken away (RFC 1035 5.1).
pub(super) fn unescaped(token: &str) -> Result<Vec<u8>, String> {
    let wrong = || format!("{token} is no text");
    let inner = match token.strip_prefix('"') {
        Some(open) => open.strip_suffix('"').ok_or_else(wrong)?,
        None => token,
    };
    let (mut octets, mut bytes) = (Vec::with_capacity(inner.len()), inner.bytes());
    while let Some(byte) = bytes.next() {
        octets.push(match byte {
            b'\\' => match bytes.next().ok_or_else(wrong)? {
                first @ b'0'..=b'9' => {
                    let digits = [Some(first), bytes.next(), bytes.next()];
                    let digit = |d: Option<u8>| d.filter(u8::is_ascii_digit).map(|d| u16::from(d - b'0'));
                    let value = digits.into_iter().try_fold(0, |sum, d| Some(sum * 10 + digit(d)?));
                    value.and_then(|value| u8::try_from(value).ok()).ok_or_else(wrong)?
                }
                other => other,
            },
            b'\n' => return Err("a character-string ends with its line".to_owned()),
            other => other,
        });
    }
    Ok(octets)
}
