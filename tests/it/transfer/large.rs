//! A zone of a million records, read, served, and transferred whole: how long it takes, and in how much memory. Run by hand:
//! `cargo test --release --test it -- --ignored --nocapture transfer::large`.

use std::fmt::Write;
use std::time::Instant;

use super::home::{Home, KEY, axfr, signed};

const RECORDS: usize = 1_000_000;

/// Kilobytes of this process by the kernel's count: now, or at most so far.
fn memory_kb(what: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(what)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn transfer(options: &str) {
    let mut text = String::from("$TTL 300\n@ IN SOA ns h 10 3600 900 1209600 60\n@ IN NS ns\nns IN A 192.0.2.1\n");
    for i in 0..RECORDS - 3 {
        let [_, a, b, c] = (i as u32).to_be_bytes();
        writeln!(text, "host-{i} IN A 10.{a}.{b}.{c}").unwrap();
    }
    let options = format!("{options}\nallow_transfer = [{{ key = \"{KEY}\" }}]");
    let home = Home::new(&[("large.example.", &text, &options)], "");
    drop(text);
    let began = Instant::now();
    let service = home.serve();
    let (started_s, before_kb) = (began.elapsed().as_secs_f64(), memory_kb("VmRSS"));
    let began = Instant::now();
    let said = super::home::dig(service.address, &["large.example", "AXFR", "+noall", "+stats", &signed()]);
    let size = said.lines().find(|line| line.contains("XFR size")).unwrap_or_else(|| panic!("no transfer: {said}"));
    println!(
        "started in {started_s:.1} s with {before_kb} kB; transferred in {:.1} s, at most {} kB: {size}",
        began.elapsed().as_secs_f64(),
        memory_kb("VmHWM")
    );
    assert!(axfr(service.address, "ns.large.example", &[&signed()]).is_empty(), "not an apex");
}

#[test]
#[ignore = "a million records, minutes; run by hand and alone: it reports time and memory"]
fn a_million_records_unsigned() {
    transfer("zonemd = true");
}

#[test]
#[ignore = "a million records, minutes; run by hand and alone: it reports time and memory"]
fn a_million_records_signed() {
    transfer("sign = true\nzonemd = true");
}
