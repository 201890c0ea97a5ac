//! Refusals: every "no" of the law, with a stable code, the clause it rests on, and what would be accepted.
//!
//! [`ALL`] is the one table of codes. A code is for ever: programs decide by it.

/// One reason to refuse.
#[derive(Debug, PartialEq, Eq)]
pub struct Reason {
    /// The stable code, `snake_case`.
    pub code: &'static str,
    /// The clause of the charter.
    pub clause: &'static str,
    /// The parameter of the policy that sets the limit, if one does.
    pub parameter: Option<&'static str>,
    /// What sort of refusal it is.
    pub class: Class,
    /// The EPP result code that says the same (RFC 5730 3; REGISTRY.md 8).
    pub epp: Option<u16>,
    /// What to do about it.
    pub remedy: &'static str,
}

/// What sort of refusal it is; the transport picks its status by this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// It cannot be read.
    Malformed,
    /// It can be read and is against the law by itself.
    Unlawful,
    /// The submitter may not do this.
    Forbidden,
    /// There is no such registration, or it is none of the submitter's business (clause 1.4).
    NotFound,
    /// It does not fit the present state.
    Conflict,
    /// It follows another state than the present one.
    Stale,
    /// Too much.
    Quota,
}

/// A refusal of one submission: a reason (`refusal.code`, `refusal.clause` and so on are its), where it applies and to what.
#[derive(Clone, PartialEq, Eq)]
pub struct Refusal {
    reason: &'static Reason,
    /// JSON pointer (RFC 6901) into the submission; empty for the whole.
    pub pointer: String,
    /// What is wrong here, for people. Never holds a number, a key or a token.
    pub detail: String,
    /// What to do about it.
    pub remedy: String,
}

impl Reason {
    /// Refuses for this reason at `pointer`.
    pub fn at(&'static self, pointer: impl Into<String>, detail: impl Into<String>) -> Refusal {
        Refusal { reason: self, pointer: pointer.into(), detail: detail.into(), remedy: self.remedy.to_owned() }
    }
}

impl std::ops::Deref for Refusal {
    type Target = Reason;

    fn deref(&self) -> &Reason {
        self.reason
    }
}

impl Refusal {
    /// Whether this is that reason.
    pub fn is(&self, reason: &Reason) -> bool {
        self.code == reason.code
    }
}

impl std::fmt::Debug for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at {:?} (charter {}): {}", self.code, self.pointer, self.clause, self.detail)
    }
}

macro_rules! reasons {
    ($($name:ident = $code:literal $clause:literal $parameter:expr, $class:ident, $epp:expr, $remedy:literal;)*) => {
        $(
            #[doc = concat!("`", $code, "`, clause ", $clause, ". ", $remedy)]
            pub static $name: Reason =
                Reason { code: $code, clause: $clause, parameter: $parameter, class: Class::$class, epp: $epp, remedy: $remedy };
        )*
        /// Every reason there is.
        pub static ALL: &[&Reason] = &[$(&$name,)*];
    };
}

reasons! {
    // ---- the number ----
    NUMBER_NOT_SERVED = "number_not_served" "1.2" None, Unlawful, Some(2306), "Register numbers of the served ranges; GET /v1/charter lists them.";
    NUMBER_EXCLUDED = "number_excluded" "1.3" None, Unlawful, Some(2306), "This range is never served.";
    NUMBER_LENGTH = "number_length" "1.2" None, Unlawful, Some(2005), "Write the whole number with its country code, with as many digits as the range has.";
    NOT_FOUND = "not_found" "1.4" None, NotFound, Some(2303), "Check the number. Only the provider and the holder of a registration can change or see it.";

    // ---- the charter itself ----
    CHARTER_MOVED = "charter_moved" "10.1" None, Conflict, Some(2304), "Withdraw the act, compare with the newest version and ask again.";
    CHARTER_NOTICE = "charter_notice" "10.1" Some("charter_notice_d"), Unlawful, Some(2306), "Name a date that leaves everybody the notice.";

    // ---- the submission ----
    EVENT_MALFORMED = "event_malformed" "2.7" None, Malformed, Some(2005), "Send the event as the format describes it, with both epochs 0.";
    RECORD_MALFORMED = "record_malformed" "2.7" None, Malformed, Some(2005), "Send the record R as the format describes it, lines sorted.";
    RECORD_MISSING = "record_missing" "4.7" None, Malformed, Some(2003), "Send the record and its opening with every event that commits to a record.";
    RECORD_UNEXPECTED = "record_unexpected" "2.7" None, Malformed, Some(2002), "Leave out the record, the opening and the possession proofs: this event changes no record.";
    RECORD_NUMBER = "record_number" "4.7" None, Unlawful, Some(2306), "The record names the number that is addressed.";
    RECORD_PROVIDER = "record_provider" "4.7" None, Unlawful, Some(2306), "The record names the provider of the registration.";
    COMMITMENT = "commitment" "4.7" None, Unlawful, Some(2306), "Compute the commitment from exactly this opening and this record, then sign again.";
    LABEL = "label" "2.1" None, Unlawful, Some(2306), "Take the label from prepare for this number and check its proof.";
    NOT_OFFERED = "not_offered" "6.6" None, Unlawful, Some(2101), "This command is not offered yet. Offered are: create, update, transfer, recovery, code, claim, renew, release with its notice, and suspend, resume, release, veto, object and update by the holder.";
    EVENT_DOOR = "event_door" "2.1" None, Unlawful, Some(2306), "Send events signed by provider and holder to the number, and events signed by the holder alone (door 9) to the holder's entrance.";
    EVENT_SIGNERS = "event_signers" "2.1" None, Unlawful, Some(2201), "Sign as the table of event kinds demands: create 2+3, update and transfer 1+2 (update with 3 for a new control key), request and complete 2+3, renew 2, door 9 alone.";
    SIGNATURE = "signature" "2.1" None, Unlawful, Some(2201), "Sign the bytes of this event for this directory's map log origin.";
    EVENT_PROVIDER = "event_provider" "2.3" None, Forbidden, Some(2201), "Submit events in which you are the provider, with your own access token.";
    PROVIDER_UNKNOWN = "provider_unknown" "7.1" None, Forbidden, Some(2201), "Ask the operator for an accreditation.";
    PROVIDER_SUSPENDED = "provider_suspended" "7.2" None, Forbidden, Some(2201), "Settle the suspension with the operator. Your holders can act by themselves (clause 2.5), and their records stay published.";
    PROVIDER_KEY = "provider_key" "7.3" None, Unlawful, Some(2201), "Sign with a statement key of your entry in the register.";
    NEW_CONTROL_KEY = "new_control_key" "2.1" None, Unlawful, Some(2201), "The key that signs as the new control key is the one that the state names.";
    CONTROL_KEY_SHARED = "control_key_shared" "4.4" None, Unlawful, Some(2306), "Make a control key for this number alone: never a provider's statement key, and never a published key.";
    VALID_UNTIL = "valid_until" "5.9" None, Unlawful, Some(2004), "Set valid_until between 2 minutes and 24 hours ahead and sign again.";
    NOT_AFTER = "not_after" "3.3" None, Unlawful, Some(2004), "Set not_after in the future and no later than the validation reaches (vex of the token).";
    FLAGS = "flags" "2.1" None, Unlawful, Some(2306), "Set only the flags that this kind of event may set.";
    PROVIDER_HELD = "provider_held" "2.6" Some("provider_held_allowed"), Unlawful, Some(2306), "Let the holder keep the control key on a device.";
    PROVIDER_HELD_KEYS = "provider_held_keys" "2.6" None, Unlawful, Some(2306), "Publish no user keys for a provider-held number; the holder takes over with a key of his own first.";
    STATE_RULE = "state_rule" "2.1" None, Unlawful, Some(2306), "Change only what this kind of event may change.";

    // ---- addresses (safe NAPTR profile) ----
    NAPTR_RDATA = "naptr_rdata" "4.1" None, Malformed, Some(2005), "Send NAPTR RDATA in wire form: order, preference, three character-strings, the root name.";
    NAPTR_COUNT = "naptr_count" "4.1" Some("naptr_records_max"), Unlawful, Some(2306), "Publish fewer addresses.";
    NAPTR_ORDER = "naptr_order" "4.1" None, Unlawful, Some(2306), "Use order 100 for every address.";
    NAPTR_PREFERENCE = "naptr_preference" "4.1" None, Unlawful, Some(2306), "Use the preferences 10, 20, 30 and so on, each once.";
    NAPTR_FLAGS = "naptr_flags" "4.1" None, Unlawful, Some(2306), "Use the flags \"u\" in lower case: a terminal rule that gives a URI.";
    NAPTR_SERVICE = "naptr_service" "4.1" Some("enumservices"), Unlawful, Some(2306), "Use one Enumservice of the charter's list, written E2U+type or E2U+type:subtype with an upper-case E2U.";
    NAPTR_REGEXP = "naptr_regexp" "4.1" None, Unlawful, Some(2306), "Write the expression as !^.*$!URI! with no more than 255 octets: no groups, no flags, no other delimiter.";
    NAPTR_URI = "naptr_uri" "4.1" None, Unlawful, Some(2306), "Use a URI of printable ASCII without spaces, exclamation marks and backslashes, with at most 248 octets.";
    NAPTR_SCHEME = "naptr_scheme" "4.1" None, Unlawful, Some(2306), "Use a URI scheme of the Enumservice's registration, such as sip: for E2U+sip.";
    NAPTR_REPLACEMENT = "naptr_replacement" "4.1" None, Unlawful, Some(2306), "Use the root name \".\" as replacement.";
    NAPTR_SIZE = "naptr_size" "4.1" Some("naptr_answer_bytes_max"), Unlawful, Some(2306), "Publish fewer or shorter addresses: the answer must fit resolvers without EDNS.";

    // ---- keys ----
    KEY_RDATA = "key_rdata" "4.2" None, Malformed, Some(2005), "Send TLSA RDATA 3 1 0 with a DER SubjectPublicKeyInfo, 3 1 1 with its SHA-256 under _sip-client, and SMIMEA RDATA 3 0 0 with a certificate.";
    KEY_ALGORITHM = "key_algorithm" "4.2" None, Unlawful, Some(2306), "Publish Ed25519 or P-256 keys under _id, X25519 under _e2e, Ed25519 under _mls, Ed25519 or P-256 under _sip-client; Ed25519, P-256 or RSA under _smimecert and in OpenPGP keys, whose subkeys may be X25519 too.";
    KEY_WEAK = "key_weak" "4.2" None, Unlawful, Some(2306), "Generate a new key: this one is no sound point of its curve, or its RSA numbers are too small or not sound. RSA needs rsa_bits_min bits and an odd exponent from 65537 up.";
    KEY_KNOWN = "key_known" "4.2" None, Unlawful, Some(2306), "Generate a new key: the private half of this one is printed in a public document.";
    KEY_COUNT = "key_count" "4.5" Some("devices_max"), Unlawful, Some(2306), "Publish fewer keys under this label.";

    // ---- OpenPGP keys and certificates ----
    KEY_KIND = "key_kind" "4.8" None, Unlawful, Some(2306), "Publish a public OpenPGP key of version 4 (RFC 4880) or 6 (RFC 9580), and never a private one.";
    KEY_OPENPGP = "key_openpgp" "4.8" None, Malformed, Some(2005), "Send one binary transferable public key (RFC 9580 10.1), for instance from gpg --export --export-options export-minimal.";
    KEY_NAMES = "key_names" "4.8" None, Unlawful, Some(2306), "Name the number and nobody else: the only OpenPGP user id is <+NUMBER@APEX>, the only name of a certificate the e-mail address +NUMBER@APEX in its subject alternative name.";
    KEY_EXTRA = "key_extra" "4.8" None, Unlawful, Some(2306), "Send the key alone, with one signature of its own on each part: gpg --export --export-options export-minimal. What others signed or said does not belong here.";
    KEY_SELF_SIGNATURE = "key_self_signature" "4.8" None, Unlawful, Some(2201), "Certify user id and subkeys anew with the primary key: SHA-256 or better (P-256: SHA-256 or SHA-384), the issuer's fingerprint inside, a back signature of each signing subkey. A certificate that names itself as issuer is signed by its own key.";
    KEY_EXPIRED = "key_expired" "4.8" None, Unlawful, Some(2306), "Publish only what is in force now: not expired, not revoked, not from the future. Extend or replace the key, or leave it out.";
    KEY_USE = "key_use" "4.8" None, Unlawful, Some(2306), "Give each OpenPGP key flags that fit it (the primary key certifies, a subkey signs or encrypts). A certificate is for e-mail and signatures or encryption, and no authority's.";
    KEY_CERTIFICATE = "key_certificate" "4.9" None, Malformed, Some(2005), "Send one X.509 certificate of version 3 in DER (RFC 5280), without critical extensions that nobody knows.";

    // ---- records in all ----
    RRSET_SIZE = "rrset_size" "4.5" Some("rrset_bytes_max"), Unlawful, Some(2306), "Publish less under this label.";
    RECORD_SIZE = "record_size" "4.5" Some("number_bytes_max"), Unlawful, Some(2306), "Publish less for this number.";
    REVOKED = "revoked" "4.6" Some("revoked_keep_d"), Unlawful, Some(2306), "List as revoked only keys that are not published, with the time of their revocation, for as long as the charter says.";
    POSSESSION_MISSING = "possession_missing" "4.3" None, Unlawful, Some(2003), "Send one proof of possession for every key that is newly published; an OpenPGP key brings its own.";
    POSSESSION_INVALID = "possession_invalid" "4.3" None, Unlawful, Some(2201), "Prove possession with this key, for this event and this label.";
    POSSESSION_UNEXPECTED = "possession_unexpected" "4.3" None, Unlawful, Some(2002), "Send proofs only for keys of this record, one each.";
    POSSESSION_NONCE = "possession_nonce" "4.3" None, Unlawful, Some(2003), "A new X25519 key is proved with the ephemeral key of prepare: send the nonce it came with, in a token or beside it.";
    DUPLICATE_KEY = "duplicate_key" "4.4" None, Conflict, Some(2306), "Generate keys of your own: another holder publishes this one.";

    // ---- validation ----
    VALIDATION_MISSING = "validation_missing" "3.1" None, Unlawful, Some(2003), "Send a fresh validation token.";
    VALIDATION_UNEXPECTED = "validation_unexpected" "3.1" None, Unlawful, Some(2002), "Leave out the validation tokens: this event needs none.";
    EVIDENCE = "evidence" "3.1" None, Unlawful, Some(2306), "Compute the evidence of the event from exactly these tokens in this order, then sign again.";
    TOKEN_COUNT = "token_count" "3.1" None, Malformed, Some(2306), "Send at most 4 validation tokens, none twice.";
    TOKEN_SIZE = "token_size" "3.7" None, Malformed, Some(2202), "Send compact tokens of at most 4096 characters.";
    TOKEN_FORM = "token_form" "3.7" None, Malformed, Some(2202), "Send a compact JWS: three parts in base64url without padding, the first two JSON objects without repeated members.";
    TOKEN_HEADER = "token_header" "3.7" None, Unlawful, Some(2202), "The header has exactly typ (enum-validation+jwt), alg and kid.";
    TOKEN_ALGORITHM = "token_algorithm" "3.7" None, Unlawful, Some(2202), "Sign tokens with EdDSA or ES256, whichever fits the key.";
    TOKEN_CRITICAL = "token_critical" "3.7" None, Unlawful, Some(2202), "Leave out crit: no extension is known here.";
    TOKEN_ENTITY = "token_entity" "3.6" None, Unlawful, Some(2202), "Use a validation entity that is accredited here.";
    TOKEN_ENTITY_SUSPENDED = "token_entity_suspended" "3.6" None, Unlawful, Some(2202), "Validate again through an entity in good standing.";
    TOKEN_KEY = "token_key" "3.7" None, Unlawful, Some(2202), "Sign with a registered key of the issuing entity and name it by its RFC 7638 thumbprint in kid.";
    TOKEN_SIGNATURE = "token_signature" "3.7" None, Unlawful, Some(2202), "Send the token just as the entity signed it.";
    TOKEN_CLAIMS = "token_claims" "3.7" None, Unlawful, Some(2202), "The claims are exactly iss, aud, jti, iat, sub, prv, mth, vat, vex, cnf, evd and, in the newest token, nonce.";
    TOKEN_AUDIENCE = "token_audience" "3.7" None, Unlawful, Some(2202), "The aud of a token is the apex of this directory, as one string.";
    TOKEN_SUBJECT = "token_subject" "3.1" None, Unlawful, Some(2202), "The sub of a token is tel:+ and the digits of this number.";
    TOKEN_PROVIDER = "token_provider" "3.1" None, Unlawful, Some(2202), "Use a token that was made for you: prv is the submitting provider.";
    TOKEN_METHOD = "token_method" "3.3" None, Unlawful, Some(2202), "Use validation methods of the charter's list, each once.";
    TOKEN_TIME = "token_time" "3.2" Some("clock_skew_max_s"), Unlawful, Some(2202), "Check the clock of the entity: iat and vat must not lie in the future, nor vat after iat.";
    TOKEN_STALE = "token_stale" "3.2" Some("token_age_max_h"), Unlawful, Some(2202), "Validate again: the validation is too old.";
    TOKEN_EXPIRED = "token_expired" "3.3" None, Unlawful, Some(2202), "Validate again: vex is over.";
    TOKEN_VALIDITY = "token_validity" "3.3" None, Unlawful, Some(2202), "Set vex no later than vat plus the maximum of the weakest method.";
    TOKEN_BINDING = "token_binding" "3.1" None, Unlawful, Some(2202), "The cnf.jkt of a token is the thumbprint of the control key of this event.";
    TOKEN_NONCE = "token_nonce" "3.2" Some("nonce_ttl_min"), Unlawful, Some(2202), "Prepare again and mint the token with the new nonce, last of all.";
    TOKEN_REPLAYED = "token_replayed" "3.5" None, Conflict, Some(2202), "Get a new token: this one was used.";
    TWO_METHODS = "two_methods" "3.4" Some("two_method_gap_h"), Unlawful, Some(2306), "Validate with one method of each class, at the distance that the charter sets, and send both tokens.";

    // ---- the present state ----
    EXISTS = "exists" "2.3" None, Conflict, Some(2302), "The number is registered. Its holder changes the provider with the control key; otherwise see article 6.";
    EVENT_PENDING = "event_pending" "2.4" None, Conflict, Some(2304), "Wait until the change before this one is published, then build on its state.";
    STATE_STALE = "state_stale" "2.4" None, Stale, Some(2304), "Fetch the present version and state, build the event on them and sign again.";
    SUSPENDED = "suspended" "5.6" None, Conflict, Some(2304), "Resume first: only who suspended can.";
    NOT_SUSPENDED = "not_suspended" "5.6" None, Conflict, Some(2304), "There is no suspension of yours to end, or it is in force already.";
    RELEASED = "released" "5.4" None, Conflict, Some(2304), "The number was released: register it anew.";
    LAPSED = "lapsed" "5.3" None, Conflict, Some(2304), "Renew the registration first.";
    GRACE_OVER = "grace_over" "5.3" Some("lapse_grace_d"), Conflict, Some(2304), "The time for renewal is over: wait for the release and register anew after the quarantine.";
    QUARANTINE = "quarantine" "5.4" Some("quarantine_d"), Conflict, Some(2304), "Wait until the quarantine is over.";
    NOTICE_MISSING = "notice_missing" "5.5" Some("provider_release_notice_d"), Conflict, Some(2304), "Give notice of the release first, or let the holder release.";
    NOTICE_RUNNING = "notice_running" "5.5" Some("provider_release_notice_d"), Conflict, Some(2304), "Wait until the notice is over.";
    REQUEST_PENDING = "request_pending" "6.4" None, Conflict, Some(2304), "A request is pending already: wait for its end or for a veto.";
    NOTHING_PENDING = "nothing_pending" "6.4" None, Conflict, Some(2304), "There is nothing that this event could stop.";
    NOT_RAISED = "not_raised" "5.2" None, Unlawful, Some(2306), "A renewal sets a later not_after.";

    // ---- the doors: transfer, recovery, code, claim ----
    CONTESTED = "contested" "6.3" Some("contest_stop_d"), Conflict, Some(2304), "The number is claimed: object, or wait until the contest is over. A key can be removed by the holder's entrance meanwhile.";
    SAME_PROVIDER = "same_provider" "6.1" None, Unlawful, Some(2306), "The number is with this provider already: a lost key is recovered by door 0.";
    HELD_TRANSFER = "held_transfer" "2.6" None, Conflict, Some(2304), "The present provider keeps the control key: let the holder take it over first, or claim the number by door 3.";
    REQUEST_MISSING = "request_missing" "6.4" None, Conflict, Some(2304), "Make the request first, for this provider, this door and this control key; a veto or a change may have ended it.";
    REQUEST_VOID = "request_void" "6.7" Some("request_void_d"), Conflict, Some(2304), "The request is too old: make a new one in its place.";
    RECOVERY_WAIT = "recovery_wait" "6.4" Some("recovery_cooldown_d"), Conflict, Some(2304), "Wait until the recovery may be completed, then validate once more.";
    CODE_WAIT = "code_wait" "6.2" Some("transfer_code_delay_d"), Conflict, Some(2304), "Wait until the change may be completed, then validate once more.";
    CLAIM_WAIT = "claim_wait" "6.3" Some("objection_d"), Conflict, Some(2304), "Wait until the time for objections is over, then validate once more.";
    CLAIM_PAUSE = "claim_pause" "6.5" Some("claim_pause_d"), Conflict, Some(2304), "The number has just changed hands by code or by claim: wait, or use the control key.";
    VETO_PAUSE = "veto_pause" "6.5" Some("claim_pause_d"), Conflict, Some(2304), "The control key vetoed a request of this provider: wait, or claim the number through another provider.";
    DISPUTE_DESK = "dispute_desk" "6.5" Some("claim_pause_d"), Conflict, Some(2304), "Two requests were vetoed: turn to the operator's dispute desk with a claim by fresh validation (door 3), on which two persons rule.";
    REQUEST_TOO_LATE = "request_too_late" "5.3" Some("lapse_grace_d"), Conflict, Some(2304), "The lapsed number is released before this could take effect: register it after its quarantine.";
    OBJECTION_OVER = "objection_over" "6.3" Some("objection_d"), Conflict, Some(2304), "The time for objections is over: turn to the operator's dispute desk.";
    SECOND_ROUND = "second_round" "6.3" Some("second_round_d"), Conflict, Some(2304), "The holder objected: send two validations by methods of class record, both made after the claim and as far apart as the charter says.";
    CONTEST_EVEN = "contest_even" "6.3" Some("second_round_d"), Conflict, Some(2304), "The holder has validated again too: two persons of the operator decide.";
    CONTEST_STOP = "contest_stop" "6.3" Some("contest_stop_d"), Conflict, Some(2304), "The contest is over without a winner: two persons of the operator decide.";
    UNDO_MISSING = "undo_missing" "6.10" None, Conflict, Some(2304), "Only the key from which a change by code or by claim took the number takes it back, once, and not after an objection or a ruling. Claim the number instead.";
    UNDO_OVER = "undo_over" "6.10" Some("claim_pause_d"), Conflict, Some(2304), "The time to take the number back is over: claim it.";
    UNDO_LINE = "undo_line" "6.10" None, Conflict, Some(2306), "Try the line itself again, by a method of class possession, and send that token with one of class record: the one that was sent is from before the change.";
    CODE_MISSING = "code_missing" "6.2" None, Malformed, Some(2003), "Send the transfer code that the holder got from the present provider.";
    CODE_UNEXPECTED = "code_unexpected" "6.2" None, Malformed, Some(2002), "Leave out the transfer code: only a request by door 2 takes one.";
    QUOTA_CODES = "quota_codes" "6.8" Some("wrong_codes_per_day_max"), Quota, Some(2308), "Too many wrong codes today: check the code with the holder and send it tomorrow.";

    // ---- the bulk door ----
    BULK_STATUS = "bulk_door_status" "6.9" None, Conflict, Some(2304), "Suspend the provider by two persons first, or wait until it has closed: this door is for holders whose provider serves nobody any more.";
    BULK_OPEN = "bulk_door_open" "6.9" Some("bulk_door_d"), Conflict, Some(2302), "Wait until the open door closes; two persons may open another then.";

    // ---- quotas ----
    QUOTA_CREATES = "quota_creates" "7.4" Some("creates_per_day_max"), Quota, Some(2308), "Wait until tomorrow, or ask the operator.";
    QUOTA_PREPARES = "quota_prepares" "7.4" Some("prepares_per_day_max"), Quota, Some(2308), "Wait until tomorrow, and prepare only what you submit.";
    QUOTA_NUMBERS = "quota_numbers" "7.4" Some("numbers_max"), Quota, Some(2308), "Ask the operator for a larger quota.";

    // ---- the register of providers ----
    PROVIDER_APPLIED = "provider_applied" "7.6" None, Forbidden, Some(2201), "Wait until the operator has admitted you to the probation.";
    PROVIDER_RESTRICTED = "provider_restricted" "7.7" Some("warning_cure_d"), Forbidden, Some(2201), "Mend what the sanction names. Until then change, renew and release the numbers that you have.";
    PROVIDER_ENDED = "provider_ended" "7.7" None, Forbidden, Some(2201), "The accreditation has ended. Your holders can act by themselves (clause 2.5), and other providers take their numbers over.";
    PROVIDER_WINDING_DOWN = "provider_winding_down" "7.10" None, Forbidden, Some(2201), "While you wind down, change, renew and release the numbers that you have.";
    QUOTA_PROBATION = "quota_probation" "7.6" Some("probation_numbers_max"), Quota, Some(2308), "Wait for the end of the probation.";
    STANDING_STEP = "standing_step" "7.7" None, Conflict, Some(2304), "Look the provider's status up (GET /v1/providers) and ask for a step that leads on from it.";
    AUDIT_EVIDENCE = "audit_evidence" "7.5" None, Unlawful, Some(2306), "Send the very bytes whose SHA-256 the token names as evd.";
    AUDIT_STATE = "audit_state" "7.5" None, Conflict, Some(2304), "See how far the audit is: GET /v1/audits/{id}.";
    AUDIT_CLEAN = "audit_clean" "7.5" None, Conflict, Some(2304), "Propose a sanction only where the findings lie above a threshold.";
    PROBATION_RUNS = "probation_runs" "7.6" Some("probation_d"), Conflict, Some(2304), "Wait until the probation has lasted long enough.";
    EMERGENCY_AGAIN = "emergency_again" "7.8" Some("emergency_pause_d"), Conflict, Some(2304), "Nobody confirmed the last emergency: let two persons suspend the provider.";
    APPEAL_LATE = "appeal_late" "7.9" Some("appeal_d"), Conflict, Some(2304), "There is no sanction that can be appealed against any more.";
    APPEAL_MISSING = "appeal_missing" "7.9" None, Conflict, Some(2304), "Let the provider appeal first: POST /v1/providers/{id}/appeal.";
    APPEAL_SAME_HANDS = "appeal_same_hands" "7.9" None, Forbidden, Some(2201), "Let people decide the appeal who had no hand in the sanction.";
    KEY_COMPROMISED = "key_compromised" "7.11" None, Conflict, Some(2302), "Register another key: this one was reported as lost.";
    WINDING_DOWN_SHORT = "winding_down_short" "7.10" Some("winding_down_d"), Unlawful, Some(2306), "Give the notice that the charter asks for.";

    // ---- the operator's staff and its acts ----
    STAFF_ROLE = "staff_role" "11.1" None, Forbidden, Some(2201), "Ask somebody whose role allows this; `callbook staff list` shows roles.";
    STAFF_LAST_ADMIN = "staff_last_admin" "11.1" None, Conflict, Some(2305), "Make somebody else an admin first.";
    STAFF_EXISTS = "staff_exists" "11.1" None, Conflict, Some(2302), "Choose another id: ids of people who left are not given again.";
    STAFF_UNKNOWN = "staff_unknown" "11.1" None, NotFound, Some(2303), "Name a member of the staff; `callbook staff list` shows them.";
    STAFF_KEY = "staff_key" "11.1" None, Conflict, Some(2302), "Make a key of one's own: no two people, and no provider, have the same.";
    STAFF_PROOF = "staff_proof" "11.1" None, Forbidden, Some(2202), "Sign the request with the key that the staff list has for you, with the right time, each time anew.";
    STAFF_UNBOUND = "staff_unbound" "11.1" None, Forbidden, Some(2202), "Get a token that is bound to your client certificate (`callbook staff token ID --key FILE --certificate FILE`; no other token is needed) and show the certificate on every connection.";
    SIGN_IN = "sign_in" "11.1" None, Forbidden, Some(2200), "Try again from the sign-in page; a link works once and for fifteen minutes: `callbook staff link` makes another.";
    ACT_NEEDS_TWO = "act_needs_two" "11.2" None, Forbidden, Some(2201), "Ask for it as an act, and let another person approve: POST /v1/acts.";
    ACT_OWN = "act_own" "11.2" None, Forbidden, Some(2201), "Let another person approve: who asked does not.";
    ACT_PERSON = "act_person" "11.3" None, Forbidden, Some(2201), "Use the token of a person: whoever acts is named in the act.";
    ACT_OVER = "act_over" "11.2" Some("act_life_h"), Conflict, Some(2304), "The act is done, withdrawn or expired: ask for a new one.";
    ACT_OPEN = "act_open" "11.2" None, Conflict, Some(2304), "Wait for the approval: only an approved act has events to sign.";
    ORDER_TERM = "order_term" "11.4" Some("order_max_d"), Unlawful, Some(2306), "Give the suspension an end that the charter allows, in days.";
    ORDER_NOT_COVERED = "order_not_covered" "11.4" None, Unlawful, Some(2306), "Submit the events that the act lists, signed by two keys of the staff and by nobody else.";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::charter::{PARAMETERS, clause};

    #[test]
    fn every_code_is_its_own_and_rests_on_the_charter() {
        let mut codes: Vec<_> = ALL.iter().map(|reason| reason.code).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), ALL.len());
        for reason in ALL {
            assert!(reason.code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{}", reason.code);
            let text = clause(reason.clause).unwrap_or_else(|| panic!("{}: no clause {}", reason.code, reason.clause));
            assert!(reason.remedy.len() > 15 && reason.remedy.ends_with('.'), "{}", reason.code);
            if let Some(name) = reason.parameter {
                assert!(
                    text.contains(&format!("`{name}`")),
                    "{}: clause {} does not name {name}",
                    reason.code,
                    reason.clause
                );
                let known = PARAMETERS.iter().any(|parameter| parameter.name == name);
                assert!(known || ["enumservices", "provider_held_allowed"].contains(&name), "{name}");
            }
        }
    }
}
