//! How each request body is read from its fields.

use crate::api::acts::{NewAct, SignedEvents, TokenProof};
use crate::api::audit::AuditedCheckpoint;
use crate::api::audits::{BeaconSaid, NewEvidence, NewFinding, SanctionWanted};
use crate::api::batches::{BatchAct, BatchLine};
use crate::api::charter::NewVersion;
use crate::api::complaints::{ComplaintMove, NewComplaint};
use crate::api::monitor::{MonitorAsked, MonitorGrant};
use crate::api::numbers::{Against, Asked, HolderAct, Possession, Release, Renewal, Submission, Transfer};
use crate::api::proofs::ProofAsked;
use crate::api::providers::{Key, NewProvider, NewToken, StatusChange};
use crate::api::revalidations::CodeAnswer;
use crate::api::webhooks::{NewWebhook, Redelivery, WebhookChange};
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

impl Read for NewEvidence {
    fn read(fields: &mut Fields) -> Option<Self> {
        Some(Self { evidence: fields.bytes("evidence", None)? })
    }
}

impl Read for NewFinding {
    fn read(fields: &mut Fields) -> Option<Self> {
        Some(Self { finding: fields.string("finding")? })
    }
}

impl Read for BeaconSaid {
    fn read(fields: &mut Fields) -> Option<Self> {
        let (round, value) = (fields.optional_u32("round"), fields.optional_string("value"));
        Some(Self { round: round?, value: value? })
    }
}

impl Read for SanctionWanted {
    fn read(fields: &mut Fields) -> Option<Self> {
        Some(Self { entity: fields.string("entity")? })
    }
}

impl Read for CodeAnswer {
    fn read(fields: &mut Fields) -> Option<Self> {
        let (number, code) = (fields.string("number"), fields.string("code"));
        let (key, signature) = (fields.object("key"), fields.bytes("signature", Some(64)));
        Some(Self { number: number?, code: code?, key: key?, signature: signature? })
    }
}

impl Read for NewVersion {
    fn read(fields: &mut Fields) -> Option<Self> {
        let (charter_md, policy_toml) = (fields.string("charter_md"), fields.string("policy_toml"));
        let (clause, reason) = (fields.string("clause"), fields.string("reason"));
        let effective_from = fields.optional_string("effective_from");
        Some(Self {
            clause: clause?,
            reason: reason?,
            charter_md: charter_md?,
            policy_toml: policy_toml?,
            effective_from: effective_from?,
        })
    }
}

impl Read for Possession {
    fn read(fields: &mut Fields) -> Option<Self> {
        let (prefix, spki, proof) = (fields.string("prefix"), fields.bytes("spki", None), fields.bytes("proof", None));
        Some(Self { prefix: prefix?, spki: spki?, proof: proof? })
    }
}

impl Read for Asked {
    fn read(fields: &mut Fields) -> Option<Self> {
        Some(Self { validation: fields.strings("validation")? })
    }
}

impl Read for Transfer {
    fn read(fields: &mut Fields) -> Option<Self> {
        let (door, event) = (fields.u32("door"), fields.bytes("event", None));
        let (record, opening) = (fields.optional_string("record"), fields.optional_bytes("opening", Some(32)));
        let (possession, validation) = (fields.objects("possession"), fields.strings("validation"));
        let (nonce, code) = (fields.optional_string("nonce"), fields.optional_string("code"));
        Some(Self {
            door: door?,
            event: event?,
            record: record?,
            opening: opening?,
            possession: possession?,
            validation: validation?,
            nonce: nonce?,
            code: code?,
        })
    }
}

impl Read for Against {
    fn read(fields: &mut Fields) -> Option<Self> {
        Some(Self { event: fields.bytes("event", None)? })
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
        let status = fields.optional_string("status");
        Some(Self {
            id: id?,
            name: name?,
            statement_keys: statement_keys?,
            validation_keys: validation_keys?,
            status: status?,
        })
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
        let certificate = fields.optional_string("certificate");
        Some(Self { scopes: scopes?, expires_in_d: expires_in_d?, test: test?, certificate: certificate? })
    }
}

impl Read for TokenProof {
    fn read(fields: &mut Fields) -> Option<Self> {
        let (id, at_s) = (fields.string("id"), fields.u32("at_s"));
        let (signature, certificate) = (fields.bytes("signature", Some(64)), fields.optional_string("certificate"));
        Some(Self { id: id?, at_s: at_s?, signature: signature?, certificate: certificate? })
    }
}

impl Read for SignedEvents {
    fn read(fields: &mut Fields) -> Option<Self> {
        Some(Self { events: fields.byte_strings("events")? })
    }
}

impl Read for NewAct {
    fn read(fields: &mut Fields) -> Option<Self> {
        let (kind, clause, reason) = (fields.string("kind"), fields.string("clause"), fields.string("reason"));
        let (provider, days) = (fields.optional_string("provider"), fields.optional_u32("days"));
        let (lost_key, since_s) = (fields.optional_string("lost_key"), fields.optional_u32("since_s"));
        let (person, role) = (fields.optional_string("person"), fields.optional_string("role"));
        let public_key = fields.optional_object("public_key");
        let (statement_keys, validation_keys) = (fields.objects("statement_keys"), fields.objects("validation_keys"));
        let (numbers, vkey) = (fields.strings("numbers"), fields.optional_string("vkey"));
        Some(Self {
            kind: kind?,
            clause: clause?,
            reason: reason?,
            provider: provider?,
            days: days?,
            lost_key: lost_key?,
            since_s: since_s?,
            person: person?,
            role: role?,
            public_key: public_key?,
            statement_keys: statement_keys?,
            validation_keys: validation_keys?,
            numbers: numbers?,
            vkey: vkey?,
        })
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
        let (clause, act) = (fields.optional_string("clause"), fields.optional_string("act"));
        let item = fields.optional_string("item");
        Some(Self { state: state?, outcome: outcome?, clause: clause?, act: act?, item: item? })
    }
}

impl Read for NewWebhook {
    fn read(fields: &mut Fields) -> Option<Self> {
        let (url, kinds) = (fields.string("url"), fields.strings("kinds"));
        let description = fields.optional_string("description");
        Some(Self { url: url?, kinds: kinds?, description: description? })
    }
}

impl Read for WebhookChange {
    fn read(fields: &mut Fields) -> Option<Self> {
        let (url, state) = (fields.optional_string("url"), fields.optional_string("state"));
        let (kinds, description) = (fields.optional_strings("kinds"), fields.optional_string("description"));
        Some(Self { url: url?, state: state?, kinds: kinds?, description: description? })
    }
}

impl Read for Redelivery {
    fn read(fields: &mut Fields) -> Option<Self> {
        Some(Self { cursor: fields.optional_string("cursor")? })
    }
}

impl Read for ProofAsked {
    fn read(fields: &mut Fields) -> Option<Self> {
        let (number, auditors) = (fields.string("number"), fields.strings("auditors"));
        Some(Self { number: number?, auditors: auditors? })
    }
}

impl Read for AuditedCheckpoint {
    fn read(fields: &mut Fields) -> Option<Self> {
        Some(Self { checkpoint: fields.string("checkpoint")? })
    }
}

impl Read for MonitorAsked {
    fn read(fields: &mut Fields) -> Option<Self> {
        let (label, from_version) = (fields.bytes("label", Some(32)), fields.u32("from_version"));
        let (at_s, key) = (fields.u32("at_s"), fields.object("key"));
        let (signature, grant) = (fields.bytes("signature", Some(64)), fields.optional_object("grant"));
        Some(Self {
            label: label?,
            from_version: from_version?,
            at_s: at_s?,
            key: key?,
            signature: signature?,
            grant: grant?,
        })
    }
}

impl Read for MonitorGrant {
    fn read(fields: &mut Fields) -> Option<Self> {
        let (until_s, by) = (fields.u32("until_s"), fields.object("by"));
        let signature = fields.bytes("signature", Some(64));
        Some(Self { until_s: until_s?, by: by?, signature: signature? })
    }
}
