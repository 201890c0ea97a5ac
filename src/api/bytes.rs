//! Bytes in JSON: standard base64 with padding, in its one canonical form (RFC 4648 3.5).

use std::fmt;

use data_encoding::BASE64;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Bytes that travel as a base64 string.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Base64(pub Vec<u8>);

impl Base64 {
    /// Reads canonical base64: standard alphabet, padded, no white space, spare bits zero.
    pub fn decode(text: &str) -> Result<Self, &'static str> {
        let why = "standard base64 with padding is needed (RFC 4648 4), without white space, spare bits zero";
        BASE64.decode(text.as_bytes()).map(Self).map_err(|_| why)
    }

    /// The text form.
    pub fn encode(&self) -> String {
        BASE64.encode(&self.0)
    }
}

impl<T: AsRef<[u8]>> From<T> for Base64 {
    fn from(bytes: T) -> Self {
        Self(bytes.as_ref().to_vec())
    }
}

/// Shows the length only: such fields hold openings and tokens.
impl fmt::Debug for Base64 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Base64({} bytes)", self.0.len())
    }
}

impl Serialize for Base64 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.encode())
    }
}

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::decode(&text).map_err(de::Error::custom)
    }
}

#[cfg(feature = "server")]
mod schema {
    use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaFormat, Type};
    use utoipa::openapi::{KnownFormat, RefOr};

    impl utoipa::PartialSchema for super::Base64 {
        fn schema() -> RefOr<Schema> {
            ObjectBuilder::new()
                .schema_type(Type::String)
                .format(Some(SchemaFormat::KnownFormat(KnownFormat::Byte)))
                .description(Some("standard base64 with padding (RFC 4648 4)"))
                .into()
        }
    }

    impl utoipa::ToSchema for super::Base64 {
        fn name() -> std::borrow::Cow<'static, str> {
            "Base64".into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_form_only() {
        assert_eq!(Base64::decode("AQI=").unwrap().0, [1, 2]);
        for text in ["AQI", "AQJ=", "AQI=\n", " AQI=", "AQ_=", "=", "A"] {
            assert!(Base64::decode(text).is_err(), "{text:?}");
        }
    }
}
