//! The catalog (RFC 9432), as Knot and BIND consume it.

use super::home::{Home, KEY, axfr, dig, signed};
use super::secondaries::{Secondary, told};
use crate::oracle::servers::Kind;
use crate::peers;
use crate::ports::free_port;

const TEXT: &str = "@ 60 IN SOA ns h 10 1 1 3600 60\n@ IN NS ns\nns IN A 192.0.2.1\n";

#[test]
fn knot_and_bind_serve_the_zones_that_the_catalog_names() {
    if peers::program("knotd").is_none() || peers::program("named").is_none() {
        return;
    }
    let (ports, dir) = ([free_port(), free_port()], tempfile::tempdir().expect("a folder"));
    let member = format!("catalog = \"cat.invalid\"\n{}", told(&ports));
    let catalog = format!("[[catalog]]\nname = \"cat.invalid.\"\n{}", told(&ports));
    let home = Home::new(
        &[("a.example.", TEXT, &member), ("b.example.", TEXT, &member), ("c.example.", TEXT, &told(&[]))],
        &catalog,
    );
    let service = home.serve();
    let listed = axfr(service.address, "cat.invalid", &[&signed()]);
    let has = |words: &str| listed.iter().filter(|record| record.contains(words)).count();
    assert_eq!((listed.len(), has("PTR a.example."), has("PTR b.example."), has("PTR c.")), (5, 1, 1, 0), "{listed:?}");
    assert_eq!((has("version.cat.invalid. 0 IN TXT \"2\""), has("IN NS invalid.")), (1, 1), "{listed:?}");
    let refused = dig(
        service.address,
        &["cat.invalid", "AXFR", &format!("-yhmac-sha256:{KEY}:c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0")],
    );
    assert!(refused.contains("failed") && !refused.contains("PTR"), "{refused}");
    let start = |kind, at| Secondary::start(kind, at, service.address, &[], Some("cat.invalid."), dir.path());
    let _running = [start(Kind::Knot, ports[0]), start(Kind::Bind, ports[1])];
    home.wait_until_current();
    for at in ports {
        for zone in ["a.example", "b.example"] {
            assert_eq!(axfr(at, zone, &[]).len(), 3, "{at} {zone}");
        }
        assert!(!dig(at, &["c.example", "SOA"]).contains("status: NOERROR"), "nobody said that it serves c.example");
    }
}
