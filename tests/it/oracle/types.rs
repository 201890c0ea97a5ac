//! A zone with a record of every type that Knot, NSD and BIND read, in the text forms of the RFCs: its RDATA must be theirs.

use callbook::wire::RrType;
use callbook::zone::Denial;

use super::packet::{Question, Reply};
use super::serve;
use super::servers::{KINDS, Kind, Peer, ask_tcp};
use super::zones::Zone;

/// Type and text; each under a name of its own.
const COMMON: [(u16, &str); 36] = [
    (12, "PTR a.b"),
    (13, "HINFO \"PC\" Linux"),
    (14, "MINFO a B.c."),
    (16, "TXT unquoted \"quo\\\"ted\" \\065b \"\" semi\\;colon"),
    (17, "RP mbox txt"),
    (18, "AFSDB 1 NS1"),
    (21, "RT 2 relay"),
    (29, "LOC 51 30 12.748 N 0 7 39.611 W 0.00m"),
    (29, "LOC 90 S 180 E -100000.00m 20m 0.03m 90000000m"),
    (33, "SRV 0 5 5060 sip"),
    (36, "KX 10 ns1"),
    (37, "CERT PGP 0 0 Zm9v YmFy"),
    (37, "CERT 65534 65535 RSASHA256 ( Zm9v\n YmFy )"),
    (42, "APL 1:192.168.32.0/21 !1:192.168.38.0/28 2:FF00:0:0:0:0:0:0:0/8"),
    (42, "APL 1:0.0.0.0/0"),
    (44, "SSHFP 4 2 0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789abcdef"),
    (45, "IPSECKEY 10 1 2 192.0.2.38 AQNRU3mG7TVTO2BkR47usntb102uFJtugbo6BSGvgqt4AQ=="),
    (49, "DHCID AAIBY2/AuCccgoJbsaxcQc9TUapptP69lOjxfNuVAA2kjEA="),
    (52, "TLSA 3 1 1 ( 0C72AC70B745AC19998811B131D662C9AC69DBDBE7CB23E5B514\n B56664C5D3D6 )"),
    (53, "SMIMEA 3 0 1 0C72AC70B745AC19998811B131D662C9AC69DBDBE7CB23E5B514B56664C5D3D6"),
    (61, "OPENPGPKEY Zm9v"),
    (62, "CSYNC 66 3 A NS AAAA"),
    (62, "CSYNC 4294967295 0"),
    (64, "SVCB 1 foo alpn=\"h2,h3\" port=8443 ipv4hint=192.0.2.1,192.0.2.2 key667=\"hello\\210qoo\""),
    (65, "HTTPS 1 . alpn=h2,h3 no-default-alpn"),
    (99, "SPF \"v=spf1 -all\""),
    (104, "NID 10 0014:4fff:ff20:ee64"),
    (105, "L32 10 10.1.2.0"),
    (106, "L64 10 2001:0DB8:1140:1000"),
    (107, "LP 10 l64-subnet1.example.com."),
    (108, "EUI48 00-00-5e-00-53-2A"),
    (109, "EUI64 00-00-5e-ef-10-00-00-2a"),
    (256, "URI 10 1 \"ftp://ftp1.example.com/public%20\""),
    (257, "CAA 128 issue \"ca.example; account=\\\"1\\\"\""),
    (65_280, "TYPE65280 \\# 4 ( 0A00\n 0001 )"),
    (1, "TYPE1 \\# 4 0A000001"),
];
/// What BIND alone reads of them.
const OF_BIND: [(u16, &str); 13] = [
    (11, "WKS 192.0.2.1 6 25 80"),
    (19, "X25 311061700956"),
    (20, "ISDN \"150862028003217\" 004"),
    (20, "ISDN \"150862028003217\""),
    (22, "NSAP 0x47.0005.80.005a00.0000.0001.e133.ffffff000161.00"),
    (26, "PX 10 A.b. c"),
    (27, "GPOS -32.6882 116.8652 10.0"),
    (
        55,
        "HIP 2 200100107B1A74DF365639CC39F1D578 AwEAAbdxyhNuSutc5EMzxTs9LBPCIkOFH8cIvM4p9+LrV4e19WzK rvs1.Example.com. rvs2",
    ),
    (56, "NINFO \"one\" two"),
    (57, "RKEY 0 255 1 AQNRU3mG7TVTO2BkR47usntb102uFJtugbo6BSGvgqt4AQ=="),
    (58, "TALINK a B"),
    (258, "AVC \"app-name:WOLFGANG|app-class:OAM\""),
    (260, "AMTRELAY 10 1 3 relay.Example."),
];

#[test]
fn every_type_is_read_as_others_read_it() {
    agree(&COMMON, &KINDS);
    agree(&OF_BIND, &[Kind::Bind]);
}

/// Each record's RDATA is that of all these servers.
fn agree(records: &[(u16, &str)], kinds: &[Kind]) {
    let lines: String = records.iter().enumerate().map(|(i, (_, text))| format!("n{i} 1h IN {text}\n")).collect();
    let zones = [Zone::new("types.test.", &format!("@ IN NS ns1\nns1 IN A 192.0.2.1\n{lines}"))];
    let dir = tempfile::tempdir().expect("a folder");
    let peers: Vec<Peer> = kinds.iter().filter_map(|kind| Peer::start(*kind, &zones, dir.path())).collect();
    if peers.len() < kinds.len() {
        return;
    }
    let ours = serve(&[zones[0].read(Denial::Nsec)], None);
    for (i, (rr_type, text)) in records.iter().enumerate() {
        let name = callbook::wire::Name::from_text(&format!("n{i}.types.test.")).expect("a name");
        let question =
            Question { qname: name.as_wire().to_vec(), qtype: RrType(*rr_type), edns: None, rd: false, cd: false };
        let answer = |address| {
            let reply = Reply::read(&ask_tcp(address, &question)).expect("well-formed");
            reply.answer.iter().map(|rr| (rr.ttl_s, rr.rdata.to_ascii_lowercase())).collect::<Vec<_>>()
        };
        let told = answer(ours.addresses()[0]);
        assert_eq!(told.len(), 1, "{text}");
        for (kind, peer) in kinds.iter().zip(&peers) {
            assert_eq!(told, answer(peer.address), "{text}: {kind:?} on the right");
        }
    }
}
