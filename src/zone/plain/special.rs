//! RDATA whose text is not a row of plain fields: places, address prefixes, host identities, relays, well-known services.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::data::Fields;

/// Metres are counted from 100 km below the ellipsoid, in centimetres (RFC 1876 2).
const LOC_ALTITUDE_BASE_CM: i64 = 10_000_000;
/// The equator and the prime meridian, in thousandths of a second of arc (RFC 1876 2).
const LOC_ORIGIN: i64 = 1 << 31;
/// Size, horizontal and vertical precision where the file says nothing, in centimetres (RFC 1876 3).
const LOC_DEFAULTS_CM: [u64; 3] = [100, 1_000_000, 1_000];

/// Writes the fields of one of these forms.
pub(super) fn field(fields: &mut Fields<'_>, form: u8) -> Result<(), String> {
    match form {
        b'L' => location(fields),
        b'A' => prefixes(fields),
        b'H' => host_identity(fields),
        b'R' => relay(fields),
        b'W' => services(fields),
        b'i' => {
            let token = fields.next()?;
            let digits = token.strip_prefix("0x").or(token.strip_prefix("0X"));
            let digits = digits.ok_or_else(|| format!("{token} does not begin with 0x"))?.replace('.', "");
            fields.hex(&digits)
        }
        _ => Err("this form is not known".to_owned()),
    }
}

/// RFC 1876 3: `d [m [s]] N|S d [m [s]] E|W alt[m] [size[m] [hp[m] [vp[m]]]]`.
fn location(fields: &mut Fields<'_>) -> Result<(), String> {
    let latitude = angle(fields, 90, ["N", "S"])?;
    let longitude = angle(fields, 180, ["E", "W"])?;
    let altitude = centimetres(fields.next()?)? + LOC_ALTITUDE_BASE_CM;
    let altitude = u32::try_from(altitude).map_err(|_| "the altitude is out of range".to_owned())?;
    let mut sizes = LOC_DEFAULTS_CM;
    for size in &mut sizes {
        let Some(token) = fields.next_if(|_| true) else { break };
        *size = u64::try_from(centimetres(token)?).map_err(|_| format!("{token} is negative"))?;
    }
    fields.out.push(0); // the only version
    for size in sizes {
        fields.out.push(mantissa(size)?);
    }
    fields.out.extend([latitude, longitude, altitude].iter().flat_map(|word| word.to_be_bytes()));
    Ok(())
}

fn angle(fields: &mut Fields<'_>, degrees_max: i64, [plus, minus]: [&str; 2]) -> Result<u32, String> {
    let (mut sum, mut unit) = (0i64, 3_600_000i64);
    let is_end = |token: &str| token.eq_ignore_ascii_case(plus) || token.eq_ignore_ascii_case(minus);
    while unit >= 1_000
        && let Some(token) = fields.next_if(|token| !is_end(token))
    {
        let most = if unit == 3_600_000 { degrees_max } else { 59 };
        let thousandths =
            decimal(token, 3).filter(|v| *v >= 0 && v / 1_000 <= most && (unit == 1_000 || v % 1_000 == 0));
        sum += thousandths.ok_or_else(|| format!("{token} is no angle"))? * (unit / 1_000);
        unit /= 60;
    }
    let end = fields.next()?;
    if !is_end(end) || sum > degrees_max * 3_600_000 {
        return Err(format!("{end} is not {plus} or {minus} behind an angle of at most {degrees_max} degrees"));
    }
    let signed = if end.eq_ignore_ascii_case(minus) { -sum } else { sum };
    u32::try_from(LOC_ORIGIN + signed).map_err(|_| "the angle is out of range".to_owned())
}

fn centimetres(token: &str) -> Result<i64, String> {
    let number = token.strip_suffix(['m', 'M']).unwrap_or(token);
    decimal(number, 2).ok_or_else(|| format!("{token} is no length in metres"))
}

/// A decimal fraction in units of its last place: `places` digits behind the point at most.
fn decimal(text: &str, places: usize) -> Option<i64> {
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || whole.len() > 9 || part.len() > places || !digits(whole) || !digits(part) {
        return None;
    }
    let value: i64 = format!("{whole}{part:0<places$}").parse().ok()?;
    Some(if negative { -value } else { value })
}

/// A length as one digit and a power of ten (RFC 1876 2).
fn mantissa(centimetres: u64) -> Result<u8, String> {
    let (mut value, mut power) = (centimetres, 0u8);
    while value > 9 {
        (value, power) = (value / 10, power + 1);
    }
    if power > 9 { Err("a size is out of range".to_owned()) } else { Ok((value as u8) << 4 | power) }
}

/// RFC 3123 5: `[!]family:address/prefix`.
fn prefixes(fields: &mut Fields<'_>) -> Result<(), String> {
    while let Some(token) = fields.next_if(|_| true) {
        let wrong = || format!("{token} is no address prefix");
        let (negative, rest) = token.strip_prefix('!').map_or((false, token), |rest| (true, rest));
        let (family, rest) = rest.split_once(':').ok_or_else(wrong)?;
        let (address, prefix) = rest.rsplit_once('/').ok_or_else(wrong)?;
        let (family, octets, bits) = match family {
            "1" => (1u16, address.parse::<Ipv4Addr>().map_err(|_| wrong())?.octets().to_vec(), 32),
            "2" => (2u16, address.parse::<Ipv6Addr>().map_err(|_| wrong())?.octets().to_vec(), 128),
            _ => return Err(wrong()),
        };
        let prefix = prefix.parse::<u8>().ok().filter(|prefix| *prefix <= bits).ok_or_else(wrong)?;
        let used = octets.iter().rposition(|b| *b != 0).map_or(0, |last| last + 1); // RFC 3123 4: no trailing zeros
        fields.out.extend(family.to_be_bytes());
        fields.out.extend([prefix, u8::from(negative) << 7 | used as u8]);
        fields.out.extend_from_slice(&octets[..used]);
    }
    Ok(())
}

/// RFC 8005 6: algorithm, HIT in hexadecimal, key in Base64, rendezvous servers.
fn host_identity(fields: &mut Fields<'_>) -> Result<(), String> {
    fields.out.push(0); // the length of the HIT, once it is known
    fields.integer(1)?;
    fields.out.extend([0, 0]); // and that of the key
    let hit = fields.next()?;
    fields.hex(hit)?;
    let hit_octets = fields.out.len() - 4;
    let key = fields.next()?;
    fields.base64(key)?;
    let key_octets = fields.out.len() - 4 - hit_octets;
    let too_long = |_| "the HIT or the key is too long".to_owned();
    fields.out[0] = u8::try_from(hit_octets).map_err(too_long)?;
    let key_octets = u16::try_from(key_octets).map_err(|_| "the key is too long".to_owned())?;
    fields.out[2..4].copy_from_slice(&key_octets.to_be_bytes());
    while fields.is_left() {
        fields.name(false)?;
    }
    Ok(())
}

/// RFC 8777 4.3: precedence, discovery bit, type of relay, relay.
fn relay(fields: &mut Fields<'_>) -> Result<(), String> {
    fields.integer(1)?;
    let discovery = match fields.next()? {
        "0" => 0,
        "1" => 0x80,
        other => return Err(format!("{other} is no discovery bit")),
    };
    let kind = fields.next()?;
    fields.out.push(discovery | kind.parse::<u8>().unwrap_or(0));
    match kind {
        "0" => match fields.next()? {
            "." => Ok(()),
            other => Err(format!("{other} stands where there is no relay")),
        },
        "1" | "2" => {
            let octets = match fields.parsed::<IpAddr>("an address")? {
                IpAddr::V4(v4) if kind == "1" => v4.octets().to_vec(),
                IpAddr::V6(v6) if kind == "2" => v6.octets().to_vec(),
                other => return Err(format!("{other} is of the other family")),
            };
            fields.out.extend(octets);
            Ok(())
        }
        "3" => fields.name(false),
        other => Err(format!("{other} is no type of relay")),
    }
}

/// RFC 1035 3.4.2: address, protocol, ports; by number, or `tcp` and `udp`.
fn services(fields: &mut Fields<'_>) -> Result<(), String> {
    let address = fields.parsed::<Ipv4Addr>("an IPv4 address")?;
    let protocol = match fields.next()? {
        tcp if tcp.eq_ignore_ascii_case("tcp") => 6,
        udp if udp.eq_ignore_ascii_case("udp") => 17,
        other => other.parse::<u8>().map_err(|_| format!("{other} is no number of a protocol"))?,
    };
    let mut bits = Vec::new();
    while let Some(token) = fields.next_if(|_| true) {
        let port = token.parse::<u16>().map_err(|_| format!("{token} is no number of a port"))?;
        let at = usize::from(port / 8);
        bits.resize(bits.len().max(at + 1), 0u8);
        bits[at] |= 0x80 >> (port % 8);
    }
    fields.out.extend(address.octets());
    fields.out.push(protocol);
    fields.out.extend(bits);
    Ok(())
}
