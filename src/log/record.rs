//! Record R: what is published for a number, as the text that the holder signs a commitment to.

use crate::log::bytes::{Malformed, from_base64, from_base64url, from_decimal, to_base64, to_base64url};
use crate::log::key::Thumbprint;
use crate::log::{Hash, hmac_sha256, sha256};
use crate::number::Number;

/// The most bytes of a record (REGISTRY.md 7: 16 KiB a number).
pub const RECORD_LEN_MAX: usize = 16_384;
/// The most characters of a provider's id: one DNS label.
pub const PROVIDER_LEN_MAX: usize = 63;
/// The most digits of a time in a record: Unix seconds until the year 33658.
const UNIX_DIGITS_MAX: usize = 12;

/// Under which name below the number a record set is published; each has exactly one record type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Prefix {
    /// `@`, the number's own name: NAPTR, where to call.
    Naptr,
    /// `_id`: TLSA, the holder's identity key.
    Id,
    /// `_e2e`: TLSA, one X25519 key a device.
    E2e,
    /// `_mls`: TLSA, MLS credential keys.
    Mls,
    /// `_sip-client`: TLSA, SIP TLS client authentication.
    SipClient,
    /// `_openpgpkey`: OPENPGPKEY, at its hash owner name (RFC 7929).
    OpenPgpKey,
    /// `_smimecert`: SMIMEA, at its hash owner name (RFC 8162).
    SmimeCert,
}

impl Prefix {
    /// Every prefix there is.
    pub const ALL: [Self; 7] =
        [Self::Naptr, Self::Id, Self::E2e, Self::Mls, Self::SipClient, Self::OpenPgpKey, Self::SmimeCert];

    /// The prefix as R writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Naptr => "@",
            Self::Id => "_id",
            Self::E2e => "_e2e",
            Self::Mls => "_mls",
            Self::SipClient => "_sip-client",
            Self::OpenPgpKey => "_openpgpkey",
            Self::SmimeCert => "_smimecert",
        }
    }

    /// The mnemonic of its record type.
    pub const fn type_name(self) -> &'static str {
        match self {
            Self::Naptr => "NAPTR",
            Self::Id | Self::E2e | Self::Mls | Self::SipClient => "TLSA",
            Self::OpenPgpKey => "OPENPGPKEY",
            Self::SmimeCert => "SMIMEA",
        }
    }

    /// The number of its record type (IANA).
    pub const fn rr_type(self) -> u16 {
        match self {
            Self::Naptr => 35,
            Self::Id | Self::E2e | Self::Mls | Self::SipClient => 52,
            Self::SmimeCert => 53,
            Self::OpenPgpKey => 61,
        }
    }

    /// The prefix of that text, if there is one.
    pub fn from_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|prefix| prefix.as_str() == text)
    }
}

/// One resource record: its type follows from the prefix, its TTL from the charter.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Rr {
    /// Where it is published.
    pub prefix: Prefix,
    /// Wire RDATA: not empty, names in it uncompressed and lower case (RFC 4034 6.2).
    pub rdata: Vec<u8>,
}

/// A key that is no longer to be used; the line stays for 30 days.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Revoked {
    /// The key's RFC 7638 thumbprint.
    pub thumbprint: Thumbprint,
    /// When it was revoked, Unix seconds, 1 to 999999999999.
    pub at_s: u64,
}

/// What is published for a number. [`Record::parse`] gives its lists in the order of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Whose record it is.
    pub number: Number,
    /// The provider that submits it: `[a-z0-9][a-z0-9-]{0,62}`.
    pub provider: String,
    /// The resource records; written in the order of their lines.
    pub rr: Vec<Rr>,
    /// The revoked keys; written in the order of their lines.
    pub revoked: Vec<Revoked>,
}

impl Record {
    /// Reads a record; what it accepts, [`Record::write`] writes back byte for byte.
    ///
    /// That RDATA makes sense and that a revoked key stays 30 days are checks of the registry.
    pub fn parse(raw: &[u8]) -> Result<Self, Malformed> {
        Malformed::unless(raw.len() <= RECORD_LEN_MAX, "record", "longer than 16384 bytes")?;
        let text = std::str::from_utf8(raw).ok().filter(|text| text.is_ascii());
        let lines = text.and_then(|text| text.strip_suffix('\n')).ok_or(form("lines of ASCII, each ended by LF"))?;
        let mut lines = lines.split('\n');
        Malformed::unless(lines.next() == Some("callbook/record/v1"), "record", "another tag or version")?;
        let digits = lines.next().and_then(|line| line.strip_prefix("number ")).ok_or(form("number line"))?;
        let number = Number::from_digits(digits.as_bytes()).map_err(|_| form("number line"))?;
        let provider = lines.next().and_then(|line| line.strip_prefix("provider ")).ok_or(form("provider line"))?;
        Malformed::unless(is_provider_id(provider), "record", "provider line")?;
        let mut record = Self { number, provider: provider.to_owned(), rr: Vec::new(), revoked: Vec::new() };
        let (mut last_rr, mut last_revoked) = ("", "");
        for line in lines {
            if line.starts_with("rr ") && record.revoked.is_empty() {
                Malformed::unless(last_rr < line, "record", "rr lines out of order or twice")?;
                record.rr.push(rr_line(line)?);
                last_rr = line;
            } else {
                let (text, revoked) = revoked_line(line)?;
                Malformed::unless(last_revoked < text, "record", "revoked lines out of order or twice")?;
                record.revoked.push(revoked);
                last_revoked = text;
            }
        }
        Ok(record)
    }

    /// The record's text, lines sorted.
    ///
    /// A record built by hand may break a rule of [`Record::parse`] (a line twice, too long); parse what was written
    /// before it is signed.
    pub fn write(&self) -> Vec<u8> {
        let mut rr: Vec<String> = self.rr.iter().map(write_rr).collect();
        let mut revoked: Vec<String> =
            self.revoked.iter().map(|r| format!("revoked {} {}\n", to_base64url(&r.thumbprint), r.at_s)).collect();
        rr.sort_unstable();
        revoked.sort_unstable();
        let (number, provider) = (self.number.digits(), &self.provider);
        let head = format!("callbook/record/v1\nnumber {}\nprovider {provider}\n", &*number);
        (head + &rr.concat() + &revoked.concat()).into_bytes()
    }

    /// The RDATA published under `prefix`, in the order of the record.
    pub fn rdata(&self, prefix: Prefix) -> impl Iterator<Item = &[u8]> {
        self.rr.iter().filter(move |rr| rr.prefix == prefix).map(|rr| rr.rdata.as_slice())
    }
}

/// Whether the text can be a provider's id: `[a-z0-9][a-z0-9-]{0,62}`.
pub fn is_provider_id(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() <= PROVIDER_LEN_MAX
        && bytes.first().is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-')
}

/// `C = HMAC-SHA256("callbook/commitment/v1", opening ‖ R)`.
pub fn commitment(opening: &[u8; 32], r: &[u8]) -> Hash {
    hmac_sha256(b"callbook/commitment/v1", &[opening, r])
}

/// The first label of a number's hash owner names: `H("+" ‖ digits)[0..28]` in hex (RFC 7929 3, RFC 8162 3).
///
/// The whole name is `<this>._openpgpkey.<apex>` or `<this>._smimecert.<apex>`.
pub fn hash_owner(number: Number) -> String {
    data_encoding::HEXLOWER.encode(&sha256(&[b"+", number.digits().as_bytes()])[..28])
}

fn form(why: &'static str) -> Malformed {
    Malformed::new("record", why)
}

fn write_rr(rr: &Rr) -> String {
    format!("rr {} {} {}\n", rr.prefix.as_str(), rr.prefix.type_name(), to_base64(&rr.rdata))
}

fn rr_line(line: &str) -> Result<Rr, Malformed> {
    let mut fields = line.split(' ').skip(1);
    let (Some(prefix), Some(kind), Some(rdata), None) = (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return Err(form("rr line"));
    };
    let prefix = Prefix::from_text(prefix).filter(|prefix| prefix.type_name() == kind);
    let rdata = from_base64(rdata).filter(|rdata| !rdata.is_empty());
    Ok(Rr { prefix: prefix.ok_or(form("rr prefix or type"))?, rdata: rdata.ok_or(form("base64"))? })
}

/// The thumbprint's text, which gives the order, and the line's meaning.
fn revoked_line(line: &str) -> Result<(&str, Revoked), Malformed> {
    let fields = line.strip_prefix("revoked ").and_then(|rest| rest.split_once(' '));
    let (text, at) = fields.ok_or(form("neither an rr line nor, after them, a revoked line"))?;
    let thumbprint = from_base64url(text).and_then(|raw| raw.try_into().ok()).ok_or(form("revoked thumbprint"))?;
    let at_s = from_decimal(at, UNIX_DIGITS_MAX).filter(|at| *at > 0).ok_or(form("revoked time"))?;
    Ok((text, Revoked { thumbprint, at_s }))
}
