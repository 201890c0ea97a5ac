//! The zones that all servers serve: every feature of a master file that changes an answer.

use std::sync::Arc;

use callbook::wire::Name;
use callbook::zone::{Denial, Digest, StaticZone};

/// One zone; the text has no `$ORIGIN`, whoever serves it puts one in front.
pub(crate) struct Zone {
    pub(crate) apex: &'static str,
    pub(crate) text: String,
}

impl Zone {
    pub(crate) fn new(apex: &'static str, records: &str) -> Self {
        let head = "$TTL 3600\n@ IN SOA ns1.servers.invalid. hostmaster.servers.invalid. 1 7200 3600 1209600 900\n";
        Self { apex, text: format!("{head}{records}") }
    }

    /// As our own reader has it, to be signed with this chain if it is signed.
    pub(crate) fn read(&self, denial: Denial) -> Arc<StaticZone> {
        let read = StaticZone::read_denying(&self.text, &self.name(), Digest::AsInFile, denial);
        Arc::new(read.unwrap_or_else(|mistakes| panic!("{}: {mistakes:?}", self.apex)))
    }

    pub(crate) fn name(&self) -> Name {
        Name::from_text(self.apex).expect("an apex")
    }
}

/// Zones that have nothing to do with each other.
pub(crate) fn separate() -> Vec<Zone> {
    vec![
        Zone::new("example.", RFC_4592),
        Zone::new("wild.test.", WILD),
        Zone::new("stars.test.", STARS),
        Zone::new("dname.test.", DNAME),
        Zone::new("bare.dname.", "@ IN NS ns.elsewhere.invalid.\n@ IN DNAME wild.test.\n@ IN TXT \"beside\"\n"),
        Zone::new("alias.test.", ALIAS),
        Zone::new("cuts.test.", CUTS),
        Zone::new("types.test.", &types()),
        Zone::new("solo.", "@ IN NS ns\nns IN A 192.0.2.1\na.b.c.d IN TXT \"deep\"\n"),
    ]
}

/// The root, a zone below it and one below that, on the same server.
pub(crate) fn nested() -> Vec<Zone> {
    vec![
        Zone::new(".", ROOT),
        Zone::new(
            "tld.",
            "@ IN NS ns.tld.\nns IN A 192.0.2.2\nsub IN NS ns.sub\nns.sub IN A 192.0.2.3\nto IN CNAME a.sub\n",
        ),
        Zone::new(
            "sub.tld.",
            "@ IN NS ns\nns IN A 192.0.2.3\na IN A 192.0.2.4\nup IN CNAME to.tld.\nd IN DNAME tld.\n",
        ),
    ]
}

const RFC_4592: &str = "\
@                  IN NS  ns.example.com.
@                  IN NS  ns.example.net.
*                  IN TXT \"this is a wildcard\"
*                  IN MX  10 host1.example.
sub.*              IN TXT \"this is not a wildcard\"
host1              IN A   192.0.2.1
_ssh._tcp.host1    IN SRV 0 0 22 host1
_ssh._tcp.host2    IN SRV 0 0 22 host1
subdel             IN NS  ns.example.com.
subdel             IN NS  ns.example.net.
";

const WILD: &str = "\
@               IN NS    ns
ns              IN A     192.0.2.1
*.plain         IN A     192.0.2.2
*.plain         IN TXT   \"any\"
real.plain      IN A     192.0.2.3
a.b.plain       IN A     192.0.2.4
*.in            IN CNAME target
*.out           IN CNAME www.elsewhere.invalid.
*.gone          IN CNAME nothing.here
*.loop          IN CNAME x.loop
*.one           IN CNAME x.two
*.two           IN CNAME y.three
*.three         IN TXT   \"the end\"
*.e1.e2         IN TXT   \"below an empty non-terminal\"
x.e1.e2         IN MX    5 ns
target          IN A     192.0.2.5
target          IN AAAA  2001:db8::5
toplain         IN CNAME any.thing.plain
cut.plain       IN NS    ns.cut.plain
ns.cut.plain    IN A     192.0.2.6
*.mixed         IN MX    10 ns
*.mixed         IN TYPE65280 \\# 3 010203
a*b             IN TXT   \"a star inside a label\"
*x              IN TXT   \"no wildcard\"
";

const STARS: &str = "\
@               IN NS    ns
ns              IN A     192.0.2.1
*.*             IN TXT   \"two stars\"
sub.*.ent       IN TXT   \"below a star without data\"
*.gone          IN CNAME nothing.here
";

const DNAME: &str = "\
@               IN NS    ns
ns              IN A     192.0.2.1
d               IN DNAME to
d               IN TXT   \"beside a DNAME\"
d               IN A     192.0.2.2
d               IN MX    10 a.to
to              IN TXT   \"target\"
a.to            IN A     192.0.2.3
*.w.to          IN TXT   \"wild\"
c.to            IN CNAME a.to
cut.to          IN NS    ns.cut.to
ns.cut.to       IN A     192.0.2.4
chain1          IN DNAME chain2
chain2          IN DNAME chain3
chain3          IN DNAME to
out             IN DNAME elsewhere.invalid.
ring1           IN DNAME ring2
ring2           IN DNAME ring1
grow            IN DNAME a.grow
zero        0   IN DNAME to
gone            IN DNAME no.such.name
short           IN DNAME .
top             IN DNAME test.
alias           IN CNAME a.d
alias2          IN CNAME d
long            IN DNAME aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggg.aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggg.aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggg.dname.test.
x.y.e           IN DNAME to
";

const ALIAS: &str = "\
@               IN NS    ns
ns              IN A     192.0.2.1
one             IN CNAME ns
two             IN CNAME one
three           IN CNAME two
four            IN CNAME three
five            IN CNAME four
self            IN CNAME self
ring1           IN CNAME ring2
ring2           IN CNAME ring1
tri1            IN CNAME tri2
tri2            IN CNAME tri3
tri3            IN CNAME tri1
into            IN CNAME tri1
gone            IN CNAME nothing
ent             IN CNAME b.ent2
a.b.ent2        IN TXT   \"below\"
out             IN CNAME www.elsewhere.invalid.
other           IN CNAME a.plain.wild.test.
tocut           IN CNAME x.cut
tocut2          IN CNAME cut
cut             IN NS    ns.cut
cut             IN DS    12345 13 2 0000000000000000000000000000000000000000000000000000000000000001
ns.cut          IN A     192.0.2.2
towild          IN CNAME x.wild
*.wild          IN CNAME five
todname         IN CNAME x.d
d               IN DNAME sub
x.sub           IN CNAME one
apex            IN CNAME @
ttl0     0      IN CNAME ttl1
ttl1     1      IN CNAME ns
";

const CUTS: &str = "\
@               IN NS    ns
@               IN NS    ns.open
ns              IN A     192.0.2.1
ns              IN AAAA  2001:db8::1
secure          IN NS    ns.secure
secure          IN NS    ns.open
secure          IN DS    12345 13 2 0000000000000000000000000000000000000000000000000000000000000001
secure          IN DS    12345 13 4 000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000002
ns.secure       IN A     192.0.2.2
ns.secure       IN AAAA  2001:db8::2
open            IN NS    ns.open
ns.open         IN A     192.0.2.3
inside          IN NS    ns
outside         IN NS    ns.elsewhere.invalid.
at              IN NS    at
at              IN A     192.0.2.4
lame            IN NS    nothing
starry          IN NS    x.stars
*.stars         IN A     192.0.2.5
sibling         IN NS    ns.secure
inside          IN TXT   \"at a cut\"
www.inside      IN TXT   \"below a cut\"
*.inside        IN A     192.0.2.7
x.www.inside    IN CNAME ns
deep.er.down    IN NS    ns.deep.er.down
ns.deep.er.down IN A     192.0.2.6
many            IN NS    a.many
many            IN NS    b.many
many            IN NS    c.many
many            IN NS    d.many
a.many          IN A     192.0.2.11
b.many          IN A     192.0.2.12
c.many          IN A     192.0.2.13
d.many          IN A     192.0.2.14
a.many          IN AAAA  2001:db8::11
b.many          IN AAAA  2001:db8::12
c.many          IN AAAA  2001:db8::13
d.many          IN AAAA  2001:db8::14
";

const ROOT: &str = "\
@               IN NS    ns.root-servers.tld.
tld             IN NS    ns.tld
tld             IN DS    12345 13 2 0000000000000000000000000000000000000000000000000000000000000001
ns.tld          IN A     192.0.2.2
other           IN NS    ns.other
ns.other        IN A     192.0.2.9
www             IN A     192.0.2.10
alias           IN CNAME www
to              IN CNAME a.sub.tld.
";

/// Types with and without names, large sets, odd octets and names as long as they get.
fn types() -> String {
    let mut text = "\
@               IN NS    ns
ns              IN A     192.0.2.1
unknown         IN TYPE65280 \\# 4 0A000001
unknown         IN TYPE65280 \\# 0
unknown         IN TYPE1234 \\# 2 FFFF
unknown         IN TXT   \"known\"
ptr             IN PTR   ns
srv             IN SRV   1 2 3 ns
naptr           IN NAPTR 100 10 \"u\" \"E2U+sip\" \"!^.*$!sip:a@b.example!\" .
caa             IN CAA   0 issue \"ca.example\"
tlsa            IN TLSA  3 1 1 0102030405060708091011121314151617181920212223242526272829303132
sshfp           IN SSHFP 4 2 0102030405060708091011121314151617181920212223242526272829303132
hinfo           IN HINFO \"a\" \"b\"
dot\\.ted        IN TXT   \"a dot inside a label\"
\\000nul         IN TXT   \"an octet of zero\"
\\255high        IN TXT   \"an octet of 255\"
sp\\032ace       IN TXT   \"a space\"
back\\\\slash     IN TXT   \"a backslash\"
empty           IN TXT   \"\"
both            IN A     192.0.2.2
both            IN AAAA  2001:db8::2
both            IN TXT   \"one\" \"two\"
both            IN TXT   \"three\"
low         0   IN A     192.0.2.3
high 2147483647 IN A     192.0.2.3
"
    .to_owned();
    for i in 0..60 {
        text += &format!("large IN TXT \"{i:040}\"\n");
        text += &format!("mid{} IN AAAA 2001:db8::{i:x}\n", i / 20);
    }
    let label = "l".repeat(63);
    text += &format!("{label}.{label}.{label} IN TXT \"long\"\n");
    text += &format!("{}z IN TXT \"deep\"\n", "a.".repeat(100));
    text
}
