//! What `dig` printed about one answer, taken apart.

use std::net::SocketAddr;
use std::process::Command;

use crate::dns::house::{run, text};

/// One answer as `dig` read it.
#[derive(Default)]
pub(crate) struct Said {
    pub(crate) opcode: String,
    pub(crate) status: String,
    /// Of the header, in lower case: `qr`, `aa` and so on.
    pub(crate) flags: Vec<String>,
    /// Header bits that nobody has defined.
    pub(crate) reserved: bool,
    /// Records that the header announces: question, answer, authority, additional.
    pub(crate) counts: [usize; 4],
    pub(crate) opt: Option<Opt>,
    /// The type of each record of the answer section, in order.
    pub(crate) answer: Vec<String>,
    pub(crate) octets: usize,
    /// What `dig` found wrong with the packet.
    pub(crate) complaints: Vec<String>,
    /// Everything it printed, for whoever has to look.
    pub(crate) text: String,
}

/// The OPT record.
#[derive(Default)]
pub(crate) struct Opt {
    pub(crate) version: String,
    /// Of the extended flags: `do`, `co`.
    pub(crate) flags: Vec<String>,
    /// Extended flags that nobody has defined.
    pub(crate) reserved: bool,
    pub(crate) udp_octets: usize,
    /// Options as they are printed, such as `COOKIE: 0102… (good)`.
    pub(crate) options: Vec<String>,
}

/// What dig says to a question that comes back as it went. A server that answers so does it each time.
const HEARD_ITSELF: &str = "Warning: query response not set";
const TRIES: usize = 3;

impl Said {
    /// Asks `server` with these arguments; one answer for each question among them.
    pub(crate) fn ask(server: SocketAddr, args: &[&str]) -> Vec<Self> {
        let to = [format!("@{}", server.ip()), "-p".into(), server.port().to_string()];
        let dig = || text(&run(Command::new("dig").args(&to).args(["+tries=1", "+time=5"]).args(args)));
        // dig shares ports with whoever runs as the same user: now and then it is given the server's own and hears itself.
        let said = (0..TRIES).map(|_| dig()).find(|said| !said.contains(HEARD_ITSELF)).unwrap_or_else(dig);
        // The first part is the banner; whatever is printed before a header belongs to the answer after it.
        let parts: Vec<Self> = said.split(";; Got answer:").skip(1).map(Self::read).collect();
        if parts.is_empty() { vec![Self { text: said, ..Self::default() }] } else { parts }
    }

    fn read(text: &str) -> Self {
        let mut said = Self { text: text.to_owned(), ..Self::default() };
        let mut section = "";
        for line in text.lines() {
            if let Some(header) = line.strip_prefix(";; ->>HEADER<<- ") {
                said.opcode = after(header, "opcode: ");
                said.status = after(header, "status: ");
            } else if let Some(flags) = line.strip_prefix(";; flags:") {
                said.flags = words(flags);
                said.reserved = flags.contains("MBZ");
                said.counts = ["QUERY: ", "ANSWER: ", "AUTHORITY: ", "ADDITIONAL: "].map(|name| number(flags, name));
            } else if let Some(opt) = line.strip_prefix("; EDNS: ") {
                let flags = words(opt.split_once("flags:").map_or("", |(_, flags)| flags));
                let (version, udp_octets) = (after(opt, "version: "), number(opt, "udp: "));
                said.opt = Some(Opt { version, flags, reserved: opt.contains("MBZ"), udp_octets, options: Vec::new() });
            } else if let Some(title) = line.strip_prefix(";; ").and_then(|line| line.strip_suffix("SECTION:")) {
                section = title.trim();
            } else if let Some(size) = line.strip_prefix(";; MSG SIZE  rcvd: ") {
                said.octets = size.trim().parse().unwrap_or_default();
            } else if ["Warning", "malformed", "mismatch", "bad packet", "extra"].iter().any(|w| line.contains(w)) {
                said.complaints.push(line.to_owned());
            } else if let (Some(option), Some(opt)) = (line.strip_prefix("; "), said.opt.as_mut()) {
                opt.options.push(option.to_owned());
            } else if section == "ANSWER" && !line.starts_with(';') {
                said.answer.extend(line.split_whitespace().nth(3).map(str::to_owned));
            }
        }
        said
    }

    pub(crate) fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|f| f == flag)
    }

    /// Whether a record of this type stands in the answer section.
    pub(crate) fn answers(&self, rr_type: &str) -> bool {
        self.answer.iter().any(|t| t == rr_type)
    }

    /// The option that is printed under this name.
    pub(crate) fn option(&self, name: &str) -> Option<&str> {
        let options = &self.opt.as_ref()?.options;
        options.iter().find(|option| option.split([':', ' ', '=']).next() == Some(name)).map(String::as_str)
    }
}

/// The word behind `name`, up to a comma, semicolon or space.
fn after(text: &str, name: &str) -> String {
    let word = text.split_once(name).map_or("", |(_, rest)| rest);
    word.split([',', ';', ' ']).next().unwrap_or_default().to_owned()
}

fn number(text: &str, name: &str) -> usize {
    after(text, name).parse().unwrap_or_default()
}

/// The words before the first semicolon.
fn words(text: &str) -> Vec<String> {
    text.split(';').next().unwrap_or_default().split_whitespace().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_taken_apart() {
        let said = Said::read(
            "\n;; ->>HEADER<<- opcode: QUERY, status: NOERROR, id: 7\n\
             ;; flags: qr aa rd; MBZ: 0x4; QUERY: 1, ANSWER: 2, AUTHORITY: 0, ADDITIONAL: 1\n\n\
             ;; OPT PSEUDOSECTION:\n; EDNS: version: 0, flags: do; MBZ: 0x0080, udp: 1232\n; COOKIE: 01 (good)\n; OPT=100: 00\n\
             ;; QUESTION SECTION:\n;example. IN SOA\n\n;; ANSWER SECTION:\n\
             example. 60 IN SOA a. b. 1 2 3 4 5\nexample. 60 IN RRSIG SOA 13\n\n;; MSG SIZE  rcvd: 99\n",
        );
        assert_eq!(
            (said.status.as_str(), said.counts, said.octets, said.reserved),
            ("NOERROR", [1, 2, 0, 1], 99, true)
        );
        assert!(said.has("aa") && said.has("rd") && !said.has("ra") && said.complaints.is_empty());
        assert_eq!(said.answer, ["SOA", "RRSIG"]);
        assert_eq!((said.option("COOKIE"), said.option("OPT")), (Some("COOKIE: 01 (good)"), Some("OPT=100: 00")));
        let opt = said.opt.expect("an OPT record");
        assert_eq!(
            (opt.version.as_str(), opt.udp_octets, opt.reserved, opt.flags),
            ("0", 1232, true, vec!["do".into()])
        );
    }
}
