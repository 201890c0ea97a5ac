//! RFC 7873: DNS cookies (their form is RFC 9018's; its vectors stand beside the code).

use callbook::config::Limits;
use callbook::nameserver::Transport;
use callbook::wire::cookie;
use hickory_proto::rr::RecordType;

use super::opt::{NOW_S, SECRET, Server, with_options};
use crate::dns::house::{APEX, House, NUMBERS, enum_name, have};

const CLIENT: [u8; 8] = *b"a client";
const BADCOOKIE: u16 = 23;

fn whole(made_s: u64) -> Vec<u8> {
    let server = cookie::make(CLIENT, "192.0.2.1".parse().unwrap(), made_s, &SECRET);
    [&CLIENT[..], &server].concat()
}

/// 5.2.1: without a cookie there is none in the answer.
#[test]
fn section_5_2_1_no_cookie() {
    let answer = Server::new().ask(Transport::Udp, &with_options(APEX, RecordType::SOA, &[])).unwrap();
    assert_eq!((answer.rcode, answer.option(10)), (0, None));
}

/// 5.2.2: an impossible length is a format error.
#[test]
fn section_5_2_2_malformed() {
    let mut server = Server::new();
    for octets in [0, 1, 7, 9, 15, 41, 100] {
        let packet = with_options(APEX, RecordType::SOA, &[(10, &vec![1; octets])]);
        assert_eq!(server.ask(Transport::Udp, &packet).unwrap().rcode, 1, "{octets} octets");
    }
    for octets in [8, 16, 24, 40] {
        let packet = with_options(APEX, RecordType::SOA, &[(10, &vec![1; octets])]);
        assert_eq!(server.ask(Transport::Udp, &packet).unwrap().rcode, 0, "{octets} octets");
    }
}

/// 5.2.3: a client's half is answered with the whole, over UDP and over streams.
#[test]
fn section_5_2_3_only_a_client_cookie() {
    let mut server = Server::new();
    for transport in [Transport::Udp, Transport::Tcp] {
        let answer = server.ask(transport, &with_options(APEX, RecordType::SOA, &[(10, &CLIENT)])).unwrap();
        assert_eq!((answer.rcode, answer.option(10)), (0, Some(&whole(NOW_S)[..])));
    }
}

/// 5.2.4, 5.2.5: a wrong server cookie is replaced, a right one is kept, an old one renewed.
#[test]
fn section_5_2_5_server_cookies() {
    let mut server = Server::new();
    let mut wrong = whole(NOW_S);
    wrong[20] ^= 1;
    let asked = [wrong, whole(NOW_S - 60), whole(NOW_S - 2_000), whole(NOW_S - 4_000), whole(NOW_S + 400)];
    let answered = [whole(NOW_S), whole(NOW_S - 60), whole(NOW_S), whole(NOW_S), whole(NOW_S)];
    for (i, (asked, answered)) in asked.iter().zip(answered).enumerate() {
        let answer = server.ask(Transport::Udp, &with_options(APEX, RecordType::SOA, &[(10, asked)])).unwrap();
        assert_eq!((answer.rcode, answer.answers, answer.option(10)), (0, 1, Some(&answered[..])), "case {i}");
    }
}

/// 5.2: of several cookies the first counts.
#[test]
fn section_5_2_the_first_counts() {
    let packet = with_options(APEX, RecordType::SOA, &[(10, &CLIENT), (10, b"somebody")]);
    let answer = Server::new().ask(Transport::Udp, &packet).unwrap();
    assert_eq!(answer.option(10).unwrap()[..8], CLIENT);
}

/// 5.2.3, 5.2.4: over the limit a half or wrong cookie gets BADCOOKIE with a good one, a good one gets its answer.
#[test]
fn section_5_2_4_badcookie_when_limited() {
    let limits = Limits { responses_per_s: 1, slip: 1, ..Limits::none() };
    let mut server = Server::with(limits);
    let half = with_options(&enum_name(NUMBERS[0]), RecordType::NAPTR, &[(10, &CLIENT)]);
    for _ in 0..2 {
        assert_eq!(server.ask(Transport::Udp, &half).unwrap().rcode, 0, "within the limit");
    }
    let limited = server.ask(Transport::Udp, &half).unwrap();
    assert_eq!((limited.rcode, limited.answers, limited.truncated), (BADCOOKIE, 0, false));
    let learned = limited.option(10).unwrap().to_vec();
    let again = with_options(&enum_name(NUMBERS[0]), RecordType::NAPTR, &[(10, &learned)]);
    assert_eq!(server.ask(Transport::Udp, &again).unwrap().rcode, 0);
    let bare = with_options(&enum_name(NUMBERS[0]), RecordType::NAPTR, &[]);
    let slipped = server.ask(Transport::Udp, &bare).unwrap();
    assert_eq!((slipped.rcode, slipped.answers, slipped.truncated), (0, 0, true));
    assert!(slipped.octets.len() <= bare.len() + 6, "a truncated answer amplifies nothing");
}

/// 5.3: dig accepts what it is given and shows it to be good.
#[test]
fn section_5_3_dig_agrees() {
    if !have(&["dig"]) {
        return;
    }
    let said = House::guarded(Limits::default()).dig(&["+cookie", APEX, "SOA"]);
    assert!(said.contains("(good)") && said.contains("NOERROR"), "{said}");
}

/// 5.4: a question without a question fetches the server's half, or asks whether it still counts.
#[test]
fn section_5_4_asking_for_a_cookie_alone() {
    let mut wrong = whole(NOW_S);
    wrong[20] ^= 1;
    let mut server = Server::new();
    for transport in [Transport::Udp, Transport::Tcp] {
        for (cookie, rcode) in [(CLIENT.to_vec(), 0), (whole(NOW_S - 60), 0), (wrong.clone(), BADCOOKIE)] {
            let answer = server.ask(transport, &without_question(&[(10, &cookie)])).unwrap();
            let expected = if rcode == 0 && cookie.len() > 8 { whole(NOW_S - 60) } else { whole(NOW_S) };
            assert_eq!((answer.rcode, answer.answers, answer.option(10)), (rcode, 0, Some(&expected[..])));
            assert_eq!(answer.octets[4..6], [0, 0]);
        }
    }
    for options in [&[][..], &[(10, &CLIENT[..7])]] {
        assert_eq!(server.ask(Transport::Udp, &without_question(options)).unwrap().rcode, 1, "{options:?}");
    }
}

fn without_question(options: &[(u16, &[u8])]) -> Vec<u8> {
    let whole = with_options(APEX, RecordType::SOA, options);
    let question = callbook::wire::Name::scan(&whole[12..]).unwrap().1 + 4;
    let mut packet = [&whole[..12], &whole[12 + question..]].concat();
    packet[5] = 0;
    packet
}
