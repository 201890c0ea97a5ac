//! ENUM names against a second opinion: dnspython's `dns.e164`.

use std::io::Write;
use std::process::{Command, Stdio};

use callbook::log::random::{Random, Seeded};
use callbook::number::{DIGITS_MAX, DIGITS_MIN, Number};

use crate::peers;

const APEX: &str = "e164.example";

/// Reads numbers, prints each one's ENUM name and the number that the name leads back to.
const ORACLE: &str = "\
import sys, dns.e164, dns.name
apex = dns.name.from_text(sys.argv[1] + '.')
for line in sys.stdin:
    name = dns.e164.from_e164(line.strip(), apex)
    print(name.to_text(), dns.e164.to_e164(name, apex))
";

/// How many random numbers are compared, in one run of the oracle.
const RANDOM_NUMBERS: usize = 400;

/// Numbers of every length, the same ones each time.
fn random_numbers() -> impl Iterator<Item = Number> {
    let source = Seeded::new([164; 32]);
    (0..RANDOM_NUMBERS).map(move |i| {
        let mut digits = [0; DIGITS_MAX];
        source.fill(&mut digits).expect("a seeded source always gives");
        let digits = digits.map(|b| b'0' + b % 10);
        let length = DIGITS_MIN + i % (DIGITS_MAX - DIGITS_MIN + 1);
        let first = b'1' + (digits[0] - b'0') % 9;
        Number::from_digits(&[&[first], &digits[1..length]].concat()).expect("a number")
    })
}

#[test]
fn enum_names_agree_with_dnspython() {
    let Some(python) = peers::python_with("dns.e164") else { return };
    let numbers: Vec<Number> =
        ["+4477009", "+1 202 555 0123", "+34 600.111-222", "+999 (0012) 3450000", "+123456789012345"]
            .iter()
            .map(|text| Number::parse(text).expect("a number"))
            .chain(random_numbers())
            .collect();
    let asked: String = numbers.iter().map(|number| format!("{number}\n")).collect();

    let mut oracle = Command::new(python)
        .args(["-c", ORACLE, APEX])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python starts");
    oracle.stdin.take().expect("a pipe").write_all(asked.as_bytes()).expect("python reads");
    let output = oracle.wait_with_output().expect("python ends");
    let said = String::from_utf8(output.stdout).expect("text");

    let ours: String = numbers.iter().map(|n| format!("{}. {n}\n", n.enum_name(APEX).trim_end_matches('.'))).collect();
    assert_eq!(said, ours);
    for (line, number) in said.lines().zip(&numbers) {
        let name = line.split(' ').next().expect("a name");
        assert_eq!(Number::from_enum_name(name, APEX), Ok(*number), "{name}");
    }
}
