//! Builds record R: endpoints by the safe NAPTR profile, keys as TLSA.

use crate::client::holder::{Device, HolderError, openpgp_rdata, smimea_rdata};
use crate::log::key::Thumbprint;
use crate::log::possession::PublishedKey;
use crate::log::record::{Prefix, Record, Revoked, Rr};
use crate::log::sha256;
use crate::number::Number;

/// The longest URI: the regexp around it has 7 more octets and at most 255 (RFC 3403 4.1, one character-string).
pub const URI_LEN_MAX: usize = 248;
/// The order of every NAPTR record; preferences are 10, 20, … (REGISTRY.md 7).
const ORDER: u16 = 100;

/// A record in the making.
///
/// ```
/// use callbook::client::holder::RecordDraft;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let number = "+447700900123".parse()?;
/// let record = RecordDraft::new(number, "acme").sip("sip:alice@acme.example")?.build()?;
/// assert!(String::from_utf8(record.write())?.starts_with("callbook/record/v1\nnumber 447700900123\nprovider acme\nrr @ "));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct RecordDraft {
    record: Record,
    endpoints: u16,
}

impl RecordDraft {
    /// An empty record of that number by that provider.
    pub fn new(number: Number, provider: &str) -> Self {
        let record = Record { number, provider: provider.to_owned(), rr: Vec::new(), revoked: Vec::new() };
        Self { record, endpoints: 0 }
    }

    /// Where to call: a `sip:` URI. The first is tried first.
    pub fn sip(self, uri: &str) -> Result<Self, HolderError> {
        if !uri.starts_with("sip:") && !uri.starts_with("sips:") {
            return Err(HolderError::Uri("it does not start with sip: or sips:"));
        }
        self.endpoint("E2U+sip", uri)
    }

    /// Where to reach the holder by another Enumservice, such as `E2U+xmpp`; its URI scheme must fit.
    pub fn endpoint(mut self, service: &str, uri: &str) -> Result<Self, HolderError> {
        self.endpoints += 1;
        let rdata = naptr_rdata(self.endpoints.saturating_mul(10), service, uri)?;
        Ok(self.rr(Prefix::Naptr, rdata))
    }

    /// A published key under its prefix: TLSA 3 1 1 below `_sip-client`, 3 1 0 elsewhere.
    #[must_use]
    pub fn key(self, prefix: Prefix, key: &PublishedKey) -> Self {
        let spki = key.to_spki();
        let rdata = if prefix == Prefix::SipClient { tlsa_digest_rdata(&spki) } else { tlsa_rdata(&spki) };
        self.rr(prefix, rdata)
    }

    /// All published keys of a device.
    #[must_use]
    pub fn device(self, device: &Device) -> Self {
        device.keys.iter().fold(self, |draft, (prefix, key)| draft.key(*prefix, &key.public()))
    }

    /// An OpenPGP key: the bytes of a file, binary or armoured, as `gpg --export --export-options export-minimal` writes it.
    /// Its only user id is `<+E164@apex>`.
    pub fn openpgp(self, file: &[u8]) -> Result<Self, HolderError> {
        Ok(self.rr(Prefix::OpenPgpKey, openpgp_rdata(file)?))
    }

    /// An S/MIME certificate: the bytes of a file, DER or PEM. Its only name is `+E164@apex`; its private key stands in
    /// [`Device::certificates`].
    pub fn certificate(self, file: &[u8]) -> Result<Self, HolderError> {
        Ok(self.rr(Prefix::SmimeCert, smimea_rdata(file)?))
    }

    /// A key that is no longer to be used, since `at_s` (Unix seconds).
    #[must_use]
    pub fn revoked(mut self, thumbprint: Thumbprint, at_s: u64) -> Self {
        self.record.revoked.push(Revoked { thumbprint, at_s });
        self
    }

    /// Any record; names in its RDATA uncompressed and lower case.
    #[must_use]
    pub fn rr(mut self, prefix: Prefix, rdata: Vec<u8>) -> Self {
        self.record.rr.push(Rr { prefix, rdata });
        self
    }

    /// The record, lines in order, checked by the rules of the format.
    pub fn build(self) -> Result<Record, HolderError> {
        Ok(Record::parse(&self.record.write())?)
    }
}

/// RDATA of `NAPTR 100 <preference> "u" "<service>" "!^.*$!<uri>!" .` (RFC 3403 4.1, RFC 6116 3.4).
///
/// The URI is printable ASCII without space, `!` and `\`, at most [`URI_LEN_MAX`] octets.
pub fn naptr_rdata(preference: u16, service: &str, uri: &str) -> Result<Vec<u8>, HolderError> {
    if uri.len() > URI_LEN_MAX {
        return Err(HolderError::Uri("it is longer than 248 octets"));
    }
    if !uri.bytes().all(|b| b.is_ascii_graphic() && b != b'!' && b != b'\\') {
        return Err(HolderError::Uri("it holds a space, ! or \\, or a character that is not ASCII"));
    }
    if service.len() > 255 || !service.is_ascii() {
        return Err(HolderError::Uri("its Enumservice is no character-string"));
    }
    let mut rdata = [ORDER.to_be_bytes(), preference.to_be_bytes()].concat();
    for text in ["u", service, &format!("!^.*$!{uri}!")] {
        rdata.push(text.len() as u8); // at most 255 each, checked above
        rdata.extend_from_slice(text.as_bytes());
    }
    rdata.push(0); // the root: no replacement
    Ok(rdata)
}

/// RDATA of `TLSA 3 1 0 <SPKI>`: a raw public key (RFC 6698 2.1, RFC 7671).
pub fn tlsa_rdata(spki: &[u8]) -> Vec<u8> {
    [&[3, 1, 0], spki].concat()
}

/// RDATA of `TLSA 3 1 1 <SHA-256 of SPKI>`.
pub fn tlsa_digest_rdata(spki: &[u8]) -> Vec<u8> {
    [&[3, 1, 1][..], &sha256(&[spki])].concat()
}
