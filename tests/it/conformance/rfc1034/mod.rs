//! RFC 1034: the algorithm of a name server, and wildcards.

use hickory_proto::op::ResponseCode as Code;
use hickory_proto::rr::RecordType as T;

use super::zone::{ask, plain};

const ZONE: &str = "\
alias      IN CNAME www
www        IN A     192.0.2.2
chain      IN CNAME alias
out        IN CNAME www.elsewhere.invalid.
gone       IN CNAME nothing
tocut      IN CNAME x.sub
loop       IN CNAME pool
pool       IN CNAME loop
sub        IN NS    ns.sub
ns.sub     IN A     192.0.2.3
*.wild     IN A     192.0.2.4
*.wild     IN MX    10 www
in.wild    IN TXT   \"there\"
cut.wild   IN NS    ns.sub
";

/// 3.6.2: CNAME is answered itself to who asks for it, and followed for all others.
#[test]
fn section_3_6_2_an_alias_is_followed_unless_it_is_asked_for() {
    let mut desk = plain(ZONE);
    assert_eq!(ask(&mut desk, "chain.example.", T::CNAME).answer, ["chain.example. CNAME alias.example."]);
    assert_eq!(
        ask(&mut desk, "chain.example.", T::A).answer,
        ["chain.example. CNAME alias.example.", "alias.example. CNAME www.example.", "www.example. A 192.0.2.2"]
    );
    assert_eq!(ask(&mut desk, "loop.example.", T::A).answer.len(), 2, "a loop ends where it closes");
}

/// 4.3.2 step 3a: the search starts anew with the canonical name, whose absence is told.
#[test]
fn section_4_3_2_step_3a_the_search_goes_on_at_the_canonical_name() {
    let mut desk = plain(ZONE);
    let nodata = ask(&mut desk, "alias.example.", T::TXT);
    assert_eq!(
        nodata.parts(),
        (Code::NoError, true, vec!["alias.example. CNAME www.example."], vec!["example. SOA"], vec![])
    );
    let gone = ask(&mut desk, "gone.example.", T::A);
    assert_eq!((gone.code, gone.authority.len()), (Code::NXDomain, 1));
    let out = ask(&mut desk, "out.example.", T::A);
    assert_eq!(out.parts(), (Code::NoError, true, vec!["out.example. CNAME www.elsewhere.invalid."], vec![], vec![]));
}

/// 4.3.2 step 3b: at and below a cut the answer is a referral without AA; behind an alias AA is the alias's.
#[test]
fn section_4_3_2_step_3b_a_cut_is_a_referral() {
    let mut desk = plain(ZONE);
    let ns = "sub.example. NS ns.sub.example.";
    for (name, qtype) in
        [("sub.example.", T::A), ("sub.example.", T::NS), ("a.b.sub.example.", T::TXT), ("ns.sub.example.", T::A)]
    {
        let referral = ask(&mut desk, name, qtype);
        assert_eq!(
            referral.parts(),
            (Code::NoError, false, vec![], vec![ns], vec!["ns.sub.example. A 192.0.2.3"]),
            "{name}"
        );
    }
    let alias = ask(&mut desk, "tocut.example.", T::A);
    assert_eq!(
        alias.parts(),
        (
            Code::NoError,
            true,
            vec!["tocut.example. CNAME x.sub.example."],
            vec![ns],
            vec!["ns.sub.example. A 192.0.2.3"]
        )
    );
}

/// 4.3.2 step 3c: a name that is not there is an authoritative name error.
#[test]
fn section_4_3_2_step_3c_what_is_not_there_is_a_name_error() {
    let absent = ask(&mut plain(ZONE), "no.such.example.", T::A);
    assert_eq!(absent.parts(), (Code::NXDomain, true, vec![], vec!["example. SOA"], vec![]));
}

/// 4.3.3: a wildcard answers as the name that was asked for, also several labels below.
#[test]
fn section_4_3_3_a_wildcard_answers_as_the_name_asked_for() {
    let mut desk = plain(ZONE);
    for name in ["x.wild.example.", "a.b.c.wild.example.", "*.wild.example."] {
        assert_eq!(ask(&mut desk, name, T::A).answer, [format!("{name} A 192.0.2.4")]);
    }
    assert_eq!(ask(&mut desk, "x.wild.example.", T::TXT).code, Code::NoError);
}

/// 4.3.3: it does not where the name, or one between, is there, nor in another zone.
#[test]
fn section_4_3_3_a_wildcard_gives_way_to_what_is_there() {
    let mut desk = plain(ZONE);
    let there = ask(&mut desk, "in.wild.example.", T::A);
    assert_eq!((there.code, there.answer.len()), (Code::NoError, 0));
    assert_eq!(ask(&mut desk, "x.in.wild.example.", T::A).code, Code::NXDomain);
    let delegated = ask(&mut desk, "x.cut.wild.example.", T::A);
    assert_eq!((delegated.aa, delegated.authority), (false, vec!["cut.wild.example. NS ns.sub.example.".to_owned()]));
    assert_eq!(ask(&mut desk, "wild.example.", T::A).answer.len(), 0, "nor for the name that it hangs on");
}
