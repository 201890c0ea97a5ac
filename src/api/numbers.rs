//! Numbers on the wire: prepare, submit, read, and the receipt of a change.

use serde::{Deserialize, Serialize};

use crate::api::Base64;

/// What a device needs before it can build and sign an event (answer to `POST /v1/numbers/{n}/prepare`). Alike for every number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Prepared {
    /// The apex of the directory, the `aud` of validation tokens: `e164.example.`
    pub apex: String,
    /// The origin of the number map, part of everything that is signed.
    pub origin: String,
    /// The number's label in the map (32 bytes).
    pub label: Base64,
    /// The VRF proof that the label is this number's (80 bytes, RFC 9381 suite 3).
    pub vrf_proof: Base64,
    /// The directory's VRF public key (32 bytes); compare it with the one you pinned.
    pub vrf_key: Base64,
    /// Goes into the newest validation token, which is minted last.
    pub nonce: String,
    /// When the nonce expires.
    pub nonce_expires: String,
    /// An X25519 public key (32 bytes) for the possession proofs of X25519 keys.
    pub ephemeral: Base64,
    /// The directory's time, for `valid_until`: Unix seconds.
    pub now_s: u64,
    /// The number's version; only for its provider, and for who brings a good validation token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// The hash of the number's State, the `prev` of the next one (32 bytes); only for its provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prev: Option<Base64>,
    /// The number's State (212 bytes); only for its provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<Base64>,
    /// What is pending for the number; for whom the State is shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<Pending>,
}

/// What proves that the caller may know of the number (`POST /v1/numbers/{n}/prepare`); may be left out whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// Validation tokens that name the caller, compact JWS, unused; they stay so.
    #[serde(default)]
    pub validation: Vec<String>,
}

/// A step at one of the doors (`POST /v1/numbers/{n}/transfer`): a TRANSFER, a REQUEST, or the COMPLETE after it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Transfer {
    /// 0 recovery with the same provider, 1 transfer by the holder's key, 2 by code, 3 claim by fresh validation.
    pub door: u32,
    /// The event.
    pub event: Base64,
    /// Record R, as text; with a TRANSFER or COMPLETE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<String>,
    /// The opening of the commitment to R (32 bytes); with R.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opening: Option<Base64>,
    /// A proof of possession for every key that is newly published.
    #[serde(default)]
    pub possession: Vec<Possession>,
    /// Validation tokens that name the gaining provider, compact JWS.
    #[serde(default)]
    pub validation: Vec<String>,
    /// The nonce of `prepare`, where no token carries it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    /// The transfer code; with a REQUEST by door 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

/// A transfer code (`POST /v1/numbers/{n}/transfer-code`). It is in this answer and nowhere else.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct TransferCode {
    /// The code, for the holder; it is good once, and until another is made.
    pub code: String,
    /// When it expires.
    pub expires_at: String,
}

/// Never the code.
impl std::fmt::Debug for TransferCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TransferCode").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

/// What the holder signs against a request (`POST …/transfer/objection`, `DELETE …/transfer`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Against {
    /// The OBJECT or the VETO, signed by the control key.
    pub event: Base64,
}

/// A request that waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Pending {
    /// 0 recovery with the same provider, 2 change by code, 3 claim by fresh validation, 9 release by the provider.
    pub door: u32,
    /// The provider that asks.
    pub provider: String,
    /// Since when it is public.
    pub since: String,
    /// From when on it may take effect, if nobody stops it.
    pub effective_from: String,
    /// Whether the control key can end it by a veto.
    pub can_be_vetoed: bool,
    /// When the control key objected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objected_at: Option<String>,
}

/// A registration or a change of one (`PUT /v1/numbers/{n}`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Submission {
    /// Record R, as text.
    pub record: String,
    /// The opening of the commitment to R (32 bytes, random).
    pub opening: Base64,
    /// The event, signed by the holder's control key and by the provider's statement key.
    pub event: Base64,
    /// A proof of possession for every published key.
    #[serde(default)]
    pub possession: Vec<Possession>,
    /// Validation tokens, compact JWS; the newest last.
    #[serde(default)]
    pub validation: Vec<String>,
    /// The nonce of `prepare`, for a change that publishes a new X25519 key and brings no token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
}

/// Proves that whoever signs the event holds the private half of a published key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Possession {
    /// The record's prefix: `_id`, `_e2e`, `_mls`, `_sip-client` or `_smimecert`. An OpenPGP key needs no proof beside it.
    pub prefix: String,
    /// The key, a SubjectPublicKeyInfo (DER).
    pub spki: Base64,
    /// A signature (64 bytes; RSA-PSS: as long as the modulus), or for X25519 a MAC (32 bytes).
    pub proof: Base64,
}

/// A fresh validation of a number that stays as it is (`POST /v1/numbers/{n}/validation`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Renewal {
    /// The RENEW event, signed by the provider's statement key.
    pub event: Base64,
    /// Validation tokens, compact JWS; the newest last.
    pub validation: Vec<String>,
}

/// The provider's release, or the notice of it (`DELETE /v1/numbers/{n}`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// A REQUEST (door 9, the notice) or the RELEASE after it, signed by the provider's statement key.
    pub event: Base64,
}

/// An act of the holder alone (`POST /v1/holder/events`): suspend, resume, release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct HolderAct {
    /// The number, `+…`.
    pub number: String,
    /// The event, signed by the control key alone.
    pub event: Base64,
    /// The new record R, for an update.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<String>,
    /// The opening of the commitment to it (32 bytes).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opening: Option<Base64>,
}

/// How far a change has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Visibility {
    /// Durable, and waits for its epoch.
    Pending,
    /// In a published epoch: DNS answers with it.
    Published,
}

/// The promise that a change is durable and will be published (RFC 6962 calls it a timestamp, we a receipt).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Receipt {
    /// SHA-256 of the event as submitted, in hex; the receipt's name under `/v1/receipts/`.
    pub event_hash: String,
    /// When the change became durable.
    pub accepted_at: String,
    /// The latest epoch by which it will be in.
    pub epoch_latest: u64,
    /// How far it has come.
    pub visibility: Visibility,
    /// The version that the change makes.
    pub version: u64,
    /// The version of the charter by which it was judged; absent before any was announced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charter_version: Option<u64>,
    /// The edition of the numbering metadata by which it was judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub numbering: Option<String>,
    /// The epoch that it is in, once published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
    /// The hash S of the published State (hex), once published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_hash: Option<String>,
}

/// A registration in full, for its provider (`GET /v1/numbers/{n}`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct NumberView {
    /// The number, `+…`.
    pub number: String,
    /// `pending` (its first event waits for an epoch), `active`, `recovering` (door 0 or 2 is pending), `contested` (door 3 is),
    /// `lapsed`, `suspended` or `released`.
    pub status: String,
    /// The sponsoring provider.
    pub provider: String,
    /// `holder` or `provider`: whose control key signs.
    pub class: String,
    /// Counts the published changes, from 1 (0: none yet); also the ETag.
    pub version: u64,
    /// When the registration lapses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<String>,
    /// The epoch of the last change; 0 while that is not published yet.
    pub since_epoch: u64,
    /// The State (212 bytes).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<Base64>,
    /// S, the hash of the State (hex).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_hash: Option<String>,
    /// Record R; absent once released.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<String>,
    /// The version of the charter by which the newest change was judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charter_version: Option<u64>,
    /// The edition of the numbering metadata by which it was judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub numbering: Option<String>,
    /// Whether a change waits for its epoch; another is refused until then.
    pub event_pending: bool,
    /// When a notice of release, if one was given, takes effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release_possible_from: Option<String>,
    /// What is pending for the number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<Pending>,
}

/// A page of a provider's numbers (`GET /v1/numbers`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Numbers {
    /// The numbers, shorter ones first, then by their digits. With filters a page may have fewer than `limit`, even none.
    pub numbers: Vec<NumberEntry>,
    /// The cursor of the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// A number in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct NumberEntry {
    /// The number, `+…`.
    pub number: String,
    /// As in the number itself: `pending`, `active`, `lapsed` or `suspended`.
    pub status: String,
    /// `holder` or `provider`: whose control key signs.
    pub class: String,
    /// Counts the published changes (0: none yet).
    pub version: u64,
    /// When the registration lapses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<String>,
    /// Whether a change waits for its epoch.
    pub event_pending: bool,
}
