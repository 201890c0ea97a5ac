//! Ranges of addresses in the usual notation, such as `192.0.2.0/24`, `2001:db8::/32` or a single address.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A range of addresses of one family.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AddressRange {
    first: IpAddr,
    length: u8,
}

/// A text that is no range.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "a range of addresses is needed, such as \"192.0.2.0/24\", \"2001:db8::/32\" or \"192.0.2.1\", with no bits set after its length"
)]
pub struct NoRange;

impl AddressRange {
    /// Whether `address` lies in it. An IPv4 address in IPv6 form counts as what it is.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.first.is_ipv4() && shortened(address, self.length) == self.first
    }
}

/// The address with all bits after the first `length` cleared.
pub fn shortened(address: IpAddr, length: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(length.min(32))).unwrap_or(0);
            Ipv4Addr::from_bits(v4.to_bits() & mask).into()
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(length.min(128))).unwrap_or(0);
            Ipv6Addr::from_bits(v6.to_bits() & mask).into()
        }
    }
}

impl FromStr for AddressRange {
    type Err = NoRange;

    fn from_str(text: &str) -> Result<Self, NoRange> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length.parse::<u8>().map_err(|_| NoRange)?)),
            None => (text, None),
        };
        let first: IpAddr = address.parse().map_err(|_| NoRange)?;
        let most = if first.is_ipv4() { 32 } else { 128 };
        let length = length.unwrap_or(most);
        let tidy = length <= most && shortened(first, length) == first;
        tidy.then_some(Self { first, length }).ok_or(NoRange)
    }
}

impl TryFrom<String> for AddressRange {
    type Error = NoRange;

    fn try_from(text: String) -> Result<Self, NoRange> {
        text.parse()
    }
}

impl From<AddressRange> for String {
    fn from(range: AddressRange) -> Self {
        range.to_string()
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_what_lies_in_it() {
        for (range, inside, outside) in [
            ("127.0.0.0/8", "127.255.0.1", "128.0.0.0"),
            ("192.0.2.1", "192.0.2.1", "192.0.2.2"),
            ("0.0.0.0/0", "255.255.255.255", "::1"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
            ("::/0", "ffff::", "192.0.2.1"),
            ("192.0.2.0/24", "::ffff:192.0.2.9", "::ffff:192.0.3.9"),
        ] {
            let range: AddressRange = range.parse().unwrap();
            assert!(range.contains(inside.parse().unwrap()), "{inside} in {range}");
            assert!(!range.contains(outside.parse().unwrap()), "{outside} in {range}");
            assert_eq!(range.to_string().parse(), Ok(range));
        }
    }

    #[test]
    fn refuses_what_is_none() {
        for text in
            ["", "example", "192.0.2.0/33", "192.0.2.1/24", "2001:db8::/129", "2001:db8::1/64", "1.2.3.4/", "1.2.3.4/x"]
        {
            assert_eq!(text.parse::<AddressRange>(), Err(NoRange), "{text:?}");
        }
    }
}
