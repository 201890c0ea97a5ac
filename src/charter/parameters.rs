//! The charter's numbers in one table: name with unit, clause, default, bounds.

/// One number of the charter.
#[derive(Clone, Copy)]
pub struct Parameter {
    /// Its name in `policy.toml`; the unit is its end (`_s`, `_min`, `_h`, `_d`, `_months`, `_bytes_max`, `_percent`, …).
    pub name: &'static str,
    /// The clause of the charter, such as `"5.2"`.
    pub article: &'static str,
    /// The value when the file leaves it out.
    pub default: u64,
    /// The smallest value that the law's code can honour.
    pub min: u64,
    /// The largest.
    pub max: u64,
    /// Reads its value.
    pub get: fn(&Parameters) -> u64,
    /// Writes its value.
    pub(super) set: fn(&mut Parameters, u64),
}

macro_rules! parameters {
    ($($(#[$doc:meta])* $article:literal $name:ident = $default:literal in $min:literal ..= $max:literal;)*) => {
        /// The charter's numbers. A field's unit is the end of its name.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Parameters { $($(#[$doc])* pub $name: u64,)* }

        impl Default for Parameters {
            fn default() -> Self {
                Self { $($name: $default,)* }
            }
        }

        /// Every field of [`Parameters`] with its clause and bounds, in the order of the charter.
        pub const PARAMETERS: &[Parameter] = &[$(Parameter {
            name: stringify!($name),
            article: $article,
            default: $default,
            min: $min,
            max: $max,
            get: |parameters| parameters.$name,
            set: |parameters, value| parameters.$name = value,
        },)*];
    };
}

parameters! {
    /// How old the validation behind the newest token may be, in hours.
    "3.2" token_age_max_h = 24 in 1..=72;
    /// How old the validation behind any further token may be, in days.
    "3.2" token_second_age_max_d = 14 in 1..=30;
    /// How long a nonce of `prepare` is good, in minutes.
    "3.2" nonce_ttl_min = 15 in 1..=120;
    /// By how much the clock of a validation entity may be ahead, in seconds.
    "3.2" clock_skew_max_s = 60 in 0..=600;
    /// The least distance of two validations that count as two methods, in hours.
    "3.4" two_method_gap_h = 24 in 1..=168;
    /// For how long a number that changed hands needs two methods, in days.
    "3.4" recycle_lookback_d = 90 in 0..=365;

    /// The most addresses (NAPTR records) of a number.
    "4.1" naptr_records_max = 5 in 1..=5;
    /// The largest NAPTR answer without DNSSEC, in octets.
    "4.1" naptr_answer_bytes_max = 512 in 256..=1232;
    /// The fewest bits of an RSA modulus inside OpenPGP and S/MIME; what is verified ends at 8192.
    "4.2" rsa_bits_min = 3072 in 3072..=8192;
    /// The largest record R, in octets; the format ends at 16 384.
    "4.5" number_bytes_max = 16384 in 1024..=16384;
    /// The largest RRset (sum of its RDATA), in octets.
    "4.5" rrset_bytes_max = 4096 in 512..=4096;
    /// The most keys under one purpose label.
    "4.5" devices_max = 8 in 1..=8;
    /// How long a revoked key stays listed, in days.
    "4.6" revoked_keep_d = 30 in 7..=90;

    /// How long before its end a registration can be renewed without losing days, in days.
    "5.2" renew_window_d = 14 in 1..=60;
    /// How long a lapsed registration can still be renewed, in days.
    "5.3" lapse_grace_d = 30 in 1..=90;
    /// How long a released number rests, in days.
    "5.4" quarantine_d = 30 in 1..=365;
    /// The notice of a release by the provider, in days.
    "5.5" provider_release_notice_d = 7 in 1..=60;

    /// The least strength of a transfer code, in bits.
    "6.2" transfer_code_bits_min = 128 in 128..=256;
    /// How long a transfer code is good, in days.
    "6.2" transfer_code_life_d = 14 in 1..=60;
    /// The visible wait of a change by code, in days.
    "6.2" transfer_code_delay_d = 5 in 1..=30;
    /// How long the holder may object to a claim, in days.
    "6.3" objection_d = 7 in 3..=30;
    /// The distance of the two validations after an objection, in days.
    "6.3" second_round_d = 7 in 1..=30;
    /// When a contest ends at the latest, in days.
    "6.3" contest_stop_d = 14 in 7..=60;
    /// The wait of a claim to a provider-held number, in days.
    "6.3" held_claim_d = 5 in 1..=30;
    /// The wait of a recovery, in days.
    "6.4" recovery_cooldown_d = 7 in 3..=60;
    /// The wait of a recovery with the recovery key, in hours.
    "6.4" recovery_fast_h = 24 in 1..=168;
    /// The wait of a recovery of a locked number, in days.
    "6.4" recovery_locked_d = 30 in 7..=90;
    /// The pause after a change by code or claim, in days.
    "6.5" claim_pause_d = 30 in 0..=90;
    /// When a request that nobody completes is void, in days.
    "6.7" request_void_d = 30 in 30..=90;
    /// When a claim that was objected to and that nobody decides is void, in days.
    "6.7" objected_void_d = 60 in 60..=180;
    /// The most wrong transfer codes of a provider in a day.
    "6.8" wrong_codes_per_day_max = 20 in 1..=1000;
    /// How long the bulk door of a provider that serves nobody any more stays open, in days.
    "6.9" bulk_door_d = 90 in 30..=365;

    /// How long an accreditation lasts, in months.
    "7.1" accreditation_months = 12 in 1..=60;
    /// The most registrations that a provider makes in a day.
    "7.4" creates_per_day_max = 2_000_000 in 1..=1_000_000_000;
    /// The most preparations that a provider makes in a day.
    "7.4" prepares_per_day_max = 10_000_000 in 1..=10_000_000_000;
    /// The most numbers of one provider.
    "7.4" numbers_max = 100_000_000 in 1..=1_000_000_000;
    /// The share of validations drawn for audit each month, in thousandths.
    "7.5" audit_sample_permille = 10 in 1..=1000;
    /// The fewest validations drawn.
    "7.5" audit_sample_min = 20 in 1..=10_000;
    /// The most validations drawn.
    "7.5" audit_sample_max = 500 in 1..=100_000;
    /// When evidence is due, in days.
    "7.5" audit_evidence_due_d = 7 in 1..=60;
    /// How long evidence is kept, in months.
    "7.5" audit_retention_months = 18 in 1..=60;
    /// The error rate that leads to a warning, in percent.
    "7.5" audit_warn_percent = 1 in 1..=100;
    /// The error rate that leads to a restriction, in percent.
    "7.5" audit_restrict_percent = 3 in 1..=100;
    /// The error rate that leads to a suspension, in percent.
    "7.5" audit_suspend_percent = 5 in 1..=100;
    /// The least length of a probation, in days.
    "7.6" probation_d = 90 in 0..=365;
    /// The most numbers of a provider on probation.
    "7.6" probation_numbers_max = 500 in 1..=1_000_000;
    /// How long a warned provider has to mend things, in days.
    "7.7" warning_cure_d = 21 in 1..=90;
    /// How long after an emergency that nobody confirmed one person alone does not stop the provider again, in days.
    "7.8" emergency_pause_d = 30 in 1..=365;
    /// When an emergency suspension ends that nobody confirmed, in hours.
    "7.8" emergency_review_h = 72 in 1..=168;
    /// How long a provider may appeal, in days.
    "7.9" appeal_d = 14 in 7..=90;
    /// The least notice of a provider that gives up, in days.
    "7.10" winding_down_d = 90 in 30..=365;
    /// When numbers are validated anew at the latest whose validation rests on a lost key, in days.
    "7.11" revalidation_d = 14 in 1..=90;

    /// The fewest cases behind a published counter.
    "8.1" counter_k_min = 20 in 1..=1000;
    /// How long a closed complaint keeps its text and contact, in days.
    "8.3" complaint_keep_d = 90 in 1..=730;

    /// The TTL of a number's records, in seconds.
    "9.1" ttl_positive_s = 300 in 1..=86_400;
    /// The TTL of a denial, in seconds; a number zone's SOA MINIMUM equals it.
    "9.1" ttl_negative_s = 60 in 1..=3_600;

    /// The notice of a change of the charter, in days.
    "10.1" charter_notice_d = 60 in 0..=365;
    /// The distance of full escrow deposits, in days.
    "10.2" escrow_full_d = 7 in 1..=31;
    /// The distance of differential escrow deposits, in days.
    "10.2" escrow_diff_d = 1 in 1..=7;
    /// The distance of rehearsed restores, in months.
    "10.2" escrow_drill_months = 3 in 1..=12;

    /// How long an act waits for its approval, in hours.
    "11.2" act_life_h = 72 in 1..=720;
    /// The longest suspension of a number by the operator, in days.
    "11.4" order_max_d = 90 in 1..=365;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_lies_within_its_bounds() {
        let defaults = Parameters::default();
        for parameter in PARAMETERS {
            assert!((parameter.min..=parameter.max).contains(&parameter.default), "{}", parameter.name);
            assert_eq!((parameter.get)(&defaults), parameter.default, "{}", parameter.name);
        }
    }
}
