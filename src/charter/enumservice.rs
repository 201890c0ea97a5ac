//! The Enumservices of the IANA registry that the charter can allow, and the URI schemes that each may carry.

/// One registered Enumservice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enumservice {
    /// Type and, where it has one, subtype: `sip`, `email:mailto`. Lower case.
    pub name: &'static str,
    /// The URI schemes of its registration, without the colon.
    pub schemes: &'static [&'static str],
}

impl Enumservice {
    /// The registered Enumservice of that name; case does not matter (RFC 6116 3.4.3.1).
    pub fn find(name: &str) -> Option<&'static Self> {
        REGISTERED.iter().find(|service| service.name.eq_ignore_ascii_case(name))
    }

    /// The names of all, for messages.
    pub fn names() -> String {
        REGISTERED.iter().map(|service| service.name).collect::<Vec<_>>().join(", ")
    }
}

const fn service(name: &'static str, schemes: &'static [&'static str]) -> Enumservice {
    Enumservice { name, schemes }
}

/// IANA "Enumservice Registrations", the RFC of each beside it.
const REGISTERED: &[Enumservice] = &[
    service("acct", &["acct"]),                // RFC 7566
    service("email:mailto", &["mailto"]),      // RFC 4355
    service("ems:mailto", &["mailto"]),        // RFC 4355
    service("ems:tel", &["tel"]),              // RFC 4355
    service("fax:tel", &["tel"]),              // RFC 4355
    service("ft:ftp", &["ftp"]),               // RFC 4002
    service("h323", &["h323"]),                // RFC 3762
    service("iax", &["iax"]),                  // RFC 6315
    service("ical-access:http", &["http"]),    // RFC 5333
    service("ical-access:https", &["https"]),  // RFC 5333
    service("ical-sched:mailto", &["mailto"]), // RFC 5333
    service("ifax:mailto", &["mailto"]),       // RFC 4143
    service("im", &["im"]),                    // RFC 5028
    service("mms:mailto", &["mailto"]),        // RFC 4355
    service("mms:tel", &["tel"]),              // RFC 4355
    service("pres", &["pres"]),                // RFC 3953
    service("pstn:sip", &["sip"]),             // RFC 4769
    service("pstn:tel", &["tel"]),             // RFC 4769
    service("sip", &["sip", "sips"]),          // RFC 3764
    service("sms:mailto", &["mailto"]),        // RFC 4355
    service("sms:tel", &["tel"]),              // RFC 4355
    service("vcard", &["http", "https"]),      // RFC 4969
    service("voice:tel", &["tel"]),            // RFC 4415
    service("vpim:ldap", &["ldap"]),           // RFC 4238
    service("vpim:mailto", &["mailto"]),       // RFC 4238
    service("web:http", &["http"]),            // RFC 4002
    service("web:https", &["https"]),          // RFC 4002
    service("xmpp", &["xmpp"]),                // RFC 4979
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_a_service_in_any_case() {
        assert_eq!(Enumservice::find("SIP").map(|s| s.schemes), Some(&["sip", "sips"][..]));
        assert_eq!(Enumservice::find("sip:sip"), None);
        assert!(REGISTERED.windows(2).all(|pair| pair[0].name < pair[1].name));
    }
}
