//! The formats equal the reference vectors, byte for byte, and refuse what the vectors say must be refused.

mod events;
mod keys;
mod logs;
mod maps;
mod proofs;
mod records;
mod refused;

use std::sync::LazyLock;

use callbook::log::Hash;
use callbook::log::key::{Algorithm, PublicKey, SigningKey};
use callbook::log::label::Label;
use callbook::number::Number;
use data_encoding::HEXLOWER;
use serde_json::Value;

/// The whole file.
static VECTORS: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../vectors/vectors.json")).expect("the vectors are JSON"));

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("a text, not {value}"))
}

fn int(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("an integer, not {value}"))
}

fn bytes(value: &Value) -> Vec<u8> {
    HEXLOWER.decode(text(value).as_bytes()).expect("hex")
}

fn array<const N: usize>(value: &Value) -> [u8; N] {
    bytes(value).try_into().unwrap_or_else(|_| panic!("{N} bytes, not {value}"))
}

fn hashes(value: &Value) -> Vec<Hash> {
    list(value).iter().map(array).collect()
}

fn number(value: &Value) -> Number {
    Number::from_digits(text(value).as_bytes()).expect("a number")
}

fn origin() -> &'static str {
    text(&VECTORS["trust"]["origin"])
}

/// The key that the vectors call by that name.
fn signing_key(name: &str) -> SigningKey {
    let key = &VECTORS["keys"][name];
    let algorithm = Algorithm::from_u8(int(&key["alg"]) as u8).expect("an algorithm");
    SigningKey::from_bytes(algorithm, &array(&key["secret"])).expect("a private key")
}

fn public_key(key: &Value) -> PublicKey {
    let algorithm = Algorithm::from_u8(int(&key["alg"]) as u8).expect("an algorithm");
    PublicKey::new(algorithm, &bytes(&key["public"])).expect("a public key")
}

/// The label of the number that the vectors call by that name.
fn label(name: &str) -> Label {
    Label(array(&VECTORS["numbers"][name]["label"]))
}
