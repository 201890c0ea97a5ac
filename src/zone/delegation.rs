//! Blocks of numbers that other directories answer for: kept beside the zone's file, checked, and written as its records.
//!
//! The file that a person wrote is read as it is and never changed; what is delegated by command comes after it.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

use data_encoding::HEXUPPER;
use serde::{Deserialize, Serialize};

use super::fixed::StaticZone;
use super::master::MasterError;
use super::numbers::Ttls;
use super::text::rdata_text;
use crate::number::DIGITS_MAX;
use crate::wire::{Name, RrType};

/// Seconds that NS, DS and glue of a delegation may be kept: an hour, so that a mistake is over in one.
pub const TTL_S: u32 = 3_600;
/// Delegations of one zone: a few thousand number blocks are all that a country has.
pub const DELEGATIONS_MAX: usize = 10_000;
/// Name servers, addresses and DS records of one: a referral with all of them still fits into a datagram or nearly so.
const SERVERS_MAX: usize = 13;
const GLUE_MAX: usize = 26;
const DS_MAX: usize = 8;
/// Where name servers listen.
pub const DNS_PORT: u16 = 53;
/// Algorithms that validators are told to support, or may (RFC 9904): RSA with SHA-2, ECDSA, EdDSA.
const ALGORITHMS: [u8; 6] = [8, 10, 13, 14, 15, 16];
/// Digest types and their octets (RFC 9904: SHA-1 is not for delegations): SHA-256, SHA-384.
const DIGESTS: [(u8, usize); 2] = [(2, 32), (4, 48)];

/// One block and who answers for it, as files and requests have it. [`Delegations::zone`] checks it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delegation {
    /// `+` and the digits that all its numbers begin with.
    pub block: String,
    /// The names of its name servers.
    pub to: Vec<String>,
    /// `NAME=ADDRESS` for the servers whose names lie below the block, at least one each.
    #[serde(default)]
    pub glue: Vec<String>,
    /// Tag, algorithm, digest type and digest in hexadecimal; none: the block is insecure.
    #[serde(default)]
    pub ds: Vec<String>,
    /// `NAME=ADDRESS` or `NAME=ADDRESS:PORT`: where this directory asks its servers, instead of what the zone says. Not served.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub address: Vec<String>,
    /// When it was last changed, Unix seconds.
    #[serde(default)]
    pub changed_s: u64,
}

/// All that are delegated by command, in the order of their blocks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delegations {
    #[serde(default, rename = "delegation")]
    all: Vec<Delegation>,
}

/// Why there is no such zone. Each text ends with what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DelegationError {
    /// The zone's own file has mistakes.
    #[error("{}", lines(.0))]
    File(Vec<MasterError>),
    /// A block cannot be delegated like that.
    #[error("{block}: {reason}")]
    Block {
        /// As it was written.
        block: String,
        /// What is wrong, and the remedy.
        reason: String,
    },
}

fn lines(mistakes: &[MasterError]) -> String {
    mistakes.iter().map(|mistake| format!("  {mistake}")).collect::<Vec<_>>().join("\n")
}

impl Delegations {
    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Delegation> {
        self.all.iter()
    }

    /// Adds one, or puts it in the place of that of the same block.
    pub fn put(&mut self, delegation: Delegation) {
        self.remove(&delegation.block);
        let at = self.all.partition_point(|other| other.block < delegation.block);
        self.all.insert(at, delegation);
    }

    /// That of a block.
    pub fn of(&self, block: &str) -> Option<&Delegation> {
        self.all.iter().find(|delegation| delegation.block == block)
    }

    /// Takes one out; false if there is none of this block.
    pub fn remove(&mut self, block: &str) -> bool {
        let before = self.all.len();
        self.all.retain(|other| other.block != block);
        self.all.len() < before
    }

    /// The static part of a number zone: its file `text`, and these delegations.
    pub fn zone(&self, text: &str, apex: &Name, ttls: Ttls) -> Result<StaticZone, DelegationError> {
        let file = StaticZone::read_number_zone(text, apex, ttls).map_err(DelegationError::File)?;
        let (mut names, mut all) = (BTreeSet::new(), text.to_owned());
        if self.all.len() > DELEGATIONS_MAX {
            let reason = format!("there are more than {DELEGATIONS_MAX} delegations: put a directory between");
            return Err(DelegationError::Block { block: apex.to_text(), reason });
        }
        for delegation in &self.all {
            let refused = |reason| DelegationError::Block { block: delegation.block.clone(), reason };
            let checked = Parts::of(delegation, apex).map_err(refused)?;
            checked.stands_alone(&file).map_err(refused)?;
            if !names.insert(delegation.block.as_str()) {
                return Err(refused("it stands twice in the file of delegations: keep one".to_owned()));
            }
            all.push_str(&checked.records());
        }
        for (block, above) in names.iter().flat_map(|block| (2..block.len()).map(move |end| (block, &block[..end]))) {
            if names.contains(above) {
                let reason = format!(
                    "{above} is delegated already, and this is part of it: ask its directory, or remove {above} first"
                );
                return Err(DelegationError::Block { block: (*block).to_owned(), reason });
            }
        }
        StaticZone::read_number_zone(&all, apex, ttls).map_err(DelegationError::File)
    }
}

/// The name of the block `+digits`; `None` if it is not written so, begins with 0, or has as many digits as whole numbers.
pub fn block_name(block: &str, apex: &Name) -> Option<Name> {
    let digits = block.strip_prefix('+')?.as_bytes();
    let right = (1..DIGITS_MAX).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    if !right || digits.starts_with(b"0") {
        return None;
    }
    digits.iter().try_fold(*apex, |name, digit| name.prepend(&[*digit]))
}

/// The block `+digits` that a name right below digits alone stands for.
pub fn block_of(name: &Name, apex: &Name) -> Option<String> {
    let below = usize::from(name.label_count().checked_sub(apex.label_count())?);
    let mut digits: Vec<char> = Vec::with_capacity(below);
    for label in name.labels().take(below) {
        match label {
            [digit @ b'0'..=b'9'] => digits.push(char::from(*digit)),
            _ => return None,
        }
    }
    (!digits.is_empty()).then(|| std::iter::once('+').chain(digits.into_iter().rev()).collect())
}

/// A delegation whose parts have been read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts {
    /// The apex of the block's zone.
    pub name: Name,
    apex: Name,
    /// Its name servers.
    pub servers: Vec<Name>,
    /// Addresses of those whose names lie in the block.
    pub glue: Vec<(Name, IpAddr)>,
    /// RDATA of each DS.
    pub ds: Vec<Vec<u8>>,
    /// Where servers are asked, if not where the zone says.
    pub addresses: Vec<(Name, SocketAddr)>,
}

impl Parts {
    /// Reads a delegation of the zone `apex`; the error says what is wrong with it, and the remedy.
    pub fn of(delegation: &Delegation, apex: &Name) -> Result<Self, String> {
        let name = block_name(&delegation.block, apex)
            .ok_or("a block is + and 1 to 14 digits, the first of them not 0: write +33 or +3490")?;
        let servers: Vec<Name> = delegation.to.iter().map(|text| host(text)).collect::<Result<_, _>>()?;
        let glue: Vec<_> = delegation.glue.iter().map(|text| glue(text)).collect::<Result<_, _>>()?;
        let ds: Vec<_> = delegation.ds.iter().map(|text| ds(text, &name)).collect::<Result<_, _>>()?;
        let addresses: Vec<_> = delegation.address.iter().map(|text| address(text)).collect::<Result<_, _>>()?;
        for (count, max, what) in [
            (servers.len(), SERVERS_MAX, "name servers"),
            (glue.len(), GLUE_MAX, "addresses"),
            (addresses.len(), GLUE_MAX, "addresses to ask at"),
            (ds.len(), DS_MAX, "DS"),
        ] {
            if count > max {
                return Err(format!("more than {max} {what}: leave some out, so that referrals stay small"));
            }
        }
        if servers.is_empty() {
            return Err("no name server: name at least one with --to".to_owned());
        }
        if let Some((of, _)) = addresses.iter().find(|(of, _)| !servers.contains(of)) {
            let of = of.to_text();
            return Err(format!("{of} has an address to ask at and is no name server of the block: add --to {of}"));
        }
        let parts = Self { name, apex: *apex, servers, glue, ds, addresses };
        parts.names_and_glue()?;
        Ok(parts)
    }

    /// Servers below the block have addresses, others have none here (RFC 9471 is about the former).
    fn names_and_glue(&self) -> Result<(), String> {
        let below = |name: &Name| name.offset_of(&self.name).is_some();
        for (name, _) in &self.glue {
            let text = name.to_text();
            if !self.servers.contains(name) {
                return Err(format!(
                    "{text} has glue and is no name server of the block: add --to {text} or remove it"
                ));
            }
            if !below(name) {
                return Err(format!(
                    "{text} lies outside the block, so its address is found where its name lives: leave the glue out"
                ));
            }
        }
        for name in &self.servers {
            let (text, has_glue) = (name.to_text(), self.glue.iter().any(|(of, _)| of == name));
            if below(name) && !has_glue {
                return Err(format!("{text} lies in the block itself and cannot be found: add --glue {text}=ADDRESS"));
            }
            let in_digits = name.offset_of(&self.apex).is_some()
                && name
                    .labels()
                    .nth(usize::from(name.label_count() - self.apex.label_count()).wrapping_sub(1))
                    .is_some_and(|label| matches!(label, [b'0'..=b'9']));
            if in_digits && !below(name) {
                return Err(format!(
                    "{text} lies below the digits of another block: give the server a name in this block or elsewhere"
                ));
            }
        }
        Ok(())
    }

    /// The file of the zone says nothing about the block, and has addresses for servers with names of its own.
    fn stands_alone(&self, file: &StaticZone) -> Result<(), String> {
        if let Some(cut) = file.cut_at_or_above(&self.name) {
            let cut = cut.to_text();
            return Err(format!("the zone's file delegates {cut} itself: remove it there, then delegate it here"));
        }
        if file.node(&self.name).is_some() {
            let name = self.name.to_text();
            return Err(format!("the zone's file has records below {name}: remove them there first"));
        }
        let own = self.servers.iter().filter(|name| {
            name.offset_of(&self.apex).is_some()
                && name.offset_of(&self.name).is_none()
                && file.cut_at_or_above(name).is_none()
        });
        for name in own {
            let has = |rr_type| file.node(name).is_some_and(|node| node.get(rr_type).is_some());
            if !has(RrType::A) && !has(RrType::AAAA) {
                let text = name.to_text();
                return Err(format!("{text} is a name of this zone and has no address in its file: add an A or AAAA"));
            }
        }
        Ok(())
    }

    fn records(&self) -> String {
        let (name, mut text) = (self.name.to_text(), String::from("\n"));
        let mut line = |owner: &str, what: &str, data: &str| {
            let _ = writeln!(text, "{owner} {TTL_S} IN {what} {data}"); // into a String
        };
        self.servers.iter().for_each(|server| line(&name, "NS", &server.to_text()));
        self.ds.iter().for_each(|ds| line(&name, "DS", &rdata_text(RrType::DS, ds)));
        for (server, address) in &self.glue {
            let what = if address.is_ipv4() { "A" } else { "AAAA" };
            line(&server.to_text(), what, &address.to_string());
        }
        text
    }
}

/// A host name in lower case: letters, digits and hyphens (RFC 1123 2.1).
fn host(text: &str) -> Result<Name, String> {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
    let name = Name::from_text(&format!("{}.", text.trim_end_matches('.').to_ascii_lowercase()));
    match name {
        Ok(name) if name.label_count() > 0 && name.labels().all(|label| label.iter().all(plain)) => Ok(name),
        _ => Err(format!("{text:?} is no host name: write one such as ns1.example.net")),
    }
}

fn glue(text: &str) -> Result<(Name, IpAddr), String> {
    let (name, address) = text
        .split_once('=')
        .ok_or_else(|| format!("{text:?} is no glue: write NAME=ADDRESS, such as ns1.example.net=192.0.2.1"))?;
    let address = address.parse().map_err(|_| format!("{address:?} is no IP address"))?;
    Ok((host(name)?, address))
}

/// A name server and where it is asked, from `NAME=ADDRESS` or `NAME=ADDRESS:PORT`; the error says what is wrong.
pub fn address(text: &str) -> Result<(Name, SocketAddr), String> {
    let (name, address) = text
        .split_once('=')
        .ok_or_else(|| format!("{text:?} says no address to ask at: write NAME=ADDRESS or NAME=ADDRESS:PORT"))?;
    let with_port = address.parse().or_else(|_| address.parse().map(|ip: IpAddr| SocketAddr::new(ip, DNS_PORT)));
    let address = with_port.map_err(|_| format!("{address:?} is no IP address, alone or with a port"))?;
    Ok((host(name)?, address))
}

/// A DS as master files have it, alone or with its owner, which must then be `block`, as RDATA (RFC 4034 5.1). The error says
/// what is wrong, and the remedy.
pub fn ds(text: &str, block: &Name) -> Result<Vec<u8>, String> {
    let why = |reason: &str| format!("DS {text:?}: {reason}");
    let mut words: Vec<&str> = text.split_whitespace().collect();
    if let Some(at) = words.iter().position(|word| word.eq_ignore_ascii_case("DS")) {
        let owner = words.first().filter(|_| at > 0).map(|owner| owner.to_ascii_lowercase());
        if owner.is_some_and(|owner| owner.trim_end_matches('.') != block.to_text().trim_end_matches('.')) {
            return Err(why("it is of another zone: take the DS of the block's own zone"));
        }
        words.drain(..=at);
    }
    let [tag, algorithm, digest_type, digest @ ..] = words.as_slice() else {
        return Err(why("write key tag, algorithm, digest type and digest"));
    };
    let tag: u16 = tag.parse().map_err(|_| why("the key tag is a number up to 65535"))?;
    let algorithm = algorithm.parse().ok().filter(|algorithm| ALGORITHMS.contains(algorithm));
    let algorithm: u8 =
        algorithm.ok_or_else(|| why("its algorithm is none of 8, 10, 13, 14, 15, 16: sign with one of these"))?;
    let known = digest_type.parse().ok().and_then(|of: u8| DIGESTS.iter().find(|(known, _)| *known == of));
    let (digest_type, octets) =
        known.ok_or_else(|| why("its digest type is neither 2 (SHA-256) nor 4 (SHA-384): make one of these"))?;
    let digest = HEXUPPER.decode(digest.concat().to_ascii_uppercase().as_bytes()).ok();
    let digest = digest.filter(|digest| digest.len() == *octets);
    let digest =
        digest.ok_or_else(|| why(&format!("its digest is not {octets} octets in hexadecimal: copy it whole")))?;
    Ok([&tag.to_be_bytes()[..], &[algorithm, *digest_type], &digest].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str =
        "$TTL 60\n@ IN SOA ns host 1 2 3 4 60\n@ IN NS ns\nns IN A 192.0.2.1\n7 IN NS ns\n4.4 IN NS ns\n";

    fn apex() -> Name {
        Name::from_text("e164.example.").unwrap()
    }

    fn delegation(block: &str, to: &[&str], glue: &[&str], ds: &[&str]) -> Delegation {
        let owned = |all: &[&str]| all.iter().map(|text| (*text).to_owned()).collect();
        Delegation {
            block: block.to_owned(),
            to: owned(to),
            glue: owned(glue),
            ds: owned(ds),
            address: vec![],
            changed_s: 0,
        }
    }

    fn zone(all: &[Delegation]) -> Result<StaticZone, String> {
        let mut delegations = Delegations::default();
        all.iter().for_each(|one| delegations.put(one.clone()));
        delegations.zone(FILE, &apex(), Ttls::default()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_block_becomes_records_behind_the_file() {
        let digest = "ab".repeat(32);
        let own = delegation(
            "+33",
            &["NS1.3.3.e164.example", "ns.example.net.", "ns.e164.example"],
            &["ns1.3.3.e164.example=192.0.2.33", "ns1.3.3.e164.example=2001:db8::33"],
            &[&format!("3.3.e164.example. 60 IN DS 7 13 2 {digest}")],
        );
        let zone = zone(&[own]).unwrap();
        let block = block_name("+33", &apex()).unwrap();
        let node = zone.node(&block).unwrap();
        assert!(node.is_cut() && node.get(RrType::NS).unwrap().iter().count() == 3);
        assert_eq!(node.get(RrType::DS).unwrap().iter().next().unwrap()[..4], [0, 7, 13, 2]);
        let server = zone.node(&Name::from_text("ns1.3.3.e164.example.").unwrap()).unwrap();
        assert!(server.is_occluded() && server.get(RrType::A).is_some() && server.get(RrType::AAAA).is_some());
        assert_eq!(block_of(&block, &apex()).as_deref(), Some("+33"));
        assert_eq!(block_of(&apex(), &apex()), None);
    }

    #[test]
    fn servers_are_asked_where_the_operator_says() {
        let to = &["ns1.example.net", "ns2.example.net"][..];
        let parts = |address: &[&str]| {
            let address = address.iter().map(|text| (*text).to_owned()).collect();
            Parts::of(&Delegation { address, ..delegation("+33", to, &[], &[]) }, &apex())
        };
        let given = parts(&["NS1.example.net=192.0.2.1", "ns1.example.net=[2001:db8::1]:5353"]).unwrap().addresses;
        let shown: Vec<String> = given.iter().map(|(name, at)| format!("{} {at}", name.to_text())).collect();
        assert_eq!(shown, ["ns1.example.net. 192.0.2.1:53", "ns1.example.net. [2001:db8::1]:5353"]);
        for (text, why) in [
            ("ns3.example.net=192.0.2.1", "no name server of the block"),
            ("ns1.example.net", "NAME=ADDRESS"),
            ("ns1.example.net=here", "no IP address"),
        ] {
            assert!(parts(&[text]).unwrap_err().contains(why), "{text}");
        }
        assert!(parts(&["ns1.example.net=192.0.2.1"; 27]).unwrap_err().contains("more than 26"));
    }

    #[test]
    fn what_cannot_be_delegated_is_explained() {
        let to = &["ns.example.net"][..];
        let sha1 = format!("1 13 1 {}", "ab".repeat(20));
        for (one, why) in [
            (delegation("33", to, &[], &[]), "+ and 1 to 14 digits"),
            (delegation("+", to, &[], &[]), "+ and 1 to 14 digits"),
            (delegation("+0", to, &[], &[]), "not 0"),
            (delegation("+123456789012345", to, &[], &[]), "+ and 1 to 14 digits"),
            (delegation("+33", &[], &[], &[]), "no name server"),
            (delegation("+33", &["a b.example"], &[], &[]), "no host name"),
            (delegation("+33", &["x IN TXT y\n@.example"], &[], &[]), "no host name"),
            (delegation("+33", &["ns.3.3.e164.example"], &[], &[]), "--glue ns.3.3.e164.example.=ADDRESS"),
            (delegation("+33", &["ns.5.e164.example"], &[], &[]), "digits of another block"),
            (delegation("+33", &["no.e164.example"], &[], &[]), "no address in its file"),
            (delegation("+33", to, &["ns.example.net=192.0.2.1"], &[]), "leave the glue out"),
            (delegation("+33", to, &["ns.3.3.e164.example=192.0.2.1"], &[]), "is no name server"),
            (delegation("+33", to, &["ns.example.net"], &[]), "NAME=ADDRESS"),
            (delegation("+33", to, &["ns.example.net=house"], &[]), "no IP address"),
            (delegation("+33", to, &[], &[&sha1]), "neither 2"),
            (delegation("+33", to, &[], &["1 5 2 abab"]), "none of 8"),
            (delegation("+33", to, &[], &["1 13 2 abab"]), "32 octets"),
            (delegation("+33", to, &[], &["x 13 2 abab"]), "key tag"),
            (delegation("+33", to, &[], &["4.e164.example. DS 1 13 2 abab"]), "another zone"),
            (delegation("+7", to, &[], &[]), "delegates 7.e164.example. itself"),
            (delegation("+712", to, &[], &[]), "delegates 7.e164.example. itself"),
            (delegation("+4", to, &[], &[]), "has records below"),
            (delegation("+33", &["n.example"; 14], &[], &[]), "more than 13 name servers"),
        ] {
            let said = zone(std::slice::from_ref(&one)).err().unwrap();
            assert!(said.contains(why), "{one:?}: {said}");
        }
        let said = zone(&[delegation("+33", to, &[], &[]), delegation("+3312", to, &[], &[])]).err().unwrap();
        assert!(said.starts_with("+3312: +33 is delegated already"), "{said}");
        assert!(zone(&[delegation("+33", to, &[], &[]), delegation("+34", to, &[], &[])]).is_ok());
    }

    #[test]
    fn one_of_a_block_takes_the_place_of_another_and_blocks_are_in_order() {
        let mut all = Delegations::default();
        ["+5", "+33", "+5"].into_iter().for_each(|block| all.put(delegation(block, &["ns.example"], &[], &[])));
        assert_eq!(all.iter().map(|one| one.block.as_str()).collect::<Vec<_>>(), ["+33", "+5"]);
        let twice = Delegations { all: all.iter().chain(all.iter()).cloned().collect() };
        let said = twice.zone(FILE, &apex(), Ttls::default()).err().unwrap().to_string();
        assert!(said.contains("stands twice"), "{said}");
        assert!(all.remove("+5") && !all.remove("+5") && all.iter().count() == 1);
    }
}
