//! How each request body is read from its fields.

use crate::api::batches::{BatchAct, BatchLine};
use crate::api::complaints::{ComplaintMove, NewComplaint};
use crate::api::numbers::{HolderAct, Possession, Release, Renewal, Submission};
use crate::api::providers::{Key, NewProvider, NewToken, StatusChange};
use crate::http::fields::{Fields, Read};

impl Read for Submission {
    fn read(fields: &mut Fields) -> Option<Self> {
        let (record, opening, event) =
            (fields.string("record"), fields.bytes("opening", Some(32)), fields.bytes("event", None));
        let (possession, validation) = (fields.objects("possession"), fields.strings("validation"));
        let nonce = fields.optional_string("nonce");
        Some(Self {
            record: record?,
            opening: opening?,
            event: event?,
            possession: possession?,
            validation: validation?,
            nonce: nonce?,
        })
    }
}

impl Read for Possession {
    fn read(fields: &mut Fields) -> Option<Self> {
        let (prefix, spki, proof) = (fields.string("prefix"), fields.bytes("spki", None), fields.bytes("proof", None));
        Some(Self { prefix: prefix?, spki: spki?, proof: proof? })
    }
}

impl Read for Renewal {
    fn read(fields: &mut Fields) -> Option<Self> {
        let (event, validation) = (fields.bytes("event", None), fields.strings("validation"));
        Some(Self { event: event?, validation: validation? })
    }
}

impl Read for Release {
    fn read(fields: &mut Fields) -> Option<Self> {
        Some(Self { event: fields.bytes("event", None)? })
    }
}

impl Read for BatchLine {
    fn read(fields: &mut Fields) -> Option<Self> {
        let (op, number) = (fields.string("op"), fields.string("number"));
        let act = match op.as_deref() {
            Some("put") => Submission::read(fields).map(BatchAct::Put),
            Some("renew") => Renewal::read(fields).map(BatchAct::Renew),
            Some("release") => Release::read(fields).map(BatchAct::Release),
            Some(_) => fields.unfit("op", "`put`, `renew` or `release` is needed"),
            None => fields.undecided(),
        };
        Some(Self { number: number?, act: act? })
    }
}

impl Read for HolderAct {
    fn read(fields: &mut Fields) -> Option<Self> {
        let (number, event) = (fields.string("number"), fields.bytes("event", None));
        let (record, opening) = (fields.optional_string("record"), fields.optional_bytes("opening", Some(32)));
        Some(Self { number: number?, event: event?, record: record?, opening: opening? })
    }
}

impl Read for Key {
    fn read(fields: &mut Fields) -> Option<Self> {
        let (algorithm, key) = (fields.string("algorithm"), fields.bytes("key", None));
        Some(Self { algorithm: algorithm?, key: key?, thumbprint: None })
    }
}

impl Read for NewProvider {
    fn read(fields: &mut Fields) -> Option<Self> {
        let (id, name) = (fields.string("id"), fields.string("name"));
        let (statement_keys, validation_keys) = (fields.objects("statement_keys"), fields.objects("validation_keys"));
        Some(Self { id: id?, name: name?, statement_keys: statement_keys?, validation_keys: validation_keys? })
    }
}

impl Read for StatusChange {
    fn read(fields: &mut Fields) -> Option<Self> {
        let (status, clause) = (fields.string("status"), fields.string("clause"));
        Some(Self { status: status?, clause: clause? })
    }
}

impl Read for NewToken {
    fn read(fields: &mut Fields) -> Option<Self> {
        let (scopes, expires_in_d, test) =
            (fields.strings("scopes"), fields.optional_u32("expires_in_d"), fields.switch("test"));
        Some(Self { scopes: scopes?, expires_in_d: expires_in_d?, test: test? })
    }
}

impl Read for NewComplaint {
    fn read(fields: &mut Fields) -> Option<Self> {
        let (about, number) = (fields.string("about"), fields.optional_string("number"));
        let (text, contact) = (fields.string("text"), fields.optional_string("contact"));
        Some(Self { about: about?, number: number?, text: text?, contact: contact? })
    }
}

impl Read for ComplaintMove {
    fn read(fields: &mut Fields) -> Option<Self> {
        let (state, outcome) = (fields.string("state"), fields.optional_string("outcome"));
        Some(Self { state: state?, outcome: outcome? })
    }
}
