//! The signature of Stripe's webhooks: `Stripe-Signature: t=<Unix seconds>,v1=<hex>[,v1=<hex>]`,
//! each `v1` an HMAC-SHA256 over `<t>.<body>` (docs.stripe.com/webhooks#verify-manually).
//!
//! Invariant: the bytes are checked as they came, before anybody parses them, in a time that does
//! not depend on where a signature is wrong.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use redress_core::clock::Timestamp;

use crate::provider::WebhookError;

/// How far a timestamp may lie from now, in seconds; what Stripe's own libraries use.
pub(super) const TOLERANCE_S: i64 = 300;

const MISSING: WebhookError = WebhookError::BadSignature(
    "header Stripe-Signature is missing: expected t=<Unix seconds>,v1=<hex>",
);
const MALFORMED: WebhookError = WebhookError::BadSignature(
    "header Stripe-Signature is malformed: expected t=<Unix seconds>,v1=<hex>",
);
const MISMATCH: WebhookError = WebhookError::BadSignature(
    "no v1 signature fits this body: check that the endpoint's signing secret is ours",
);
const OUT_OF_TIME: WebhookError = WebhookError::OutOfTime { tolerance_s: TOLERANCE_S };

/// Checks that `body` was signed with one of `keys` about now. While a secret is replaced, Stripe
/// signs with both for up to a day, and so do we accept both.
pub(super) fn verify(
    keys: &[hmac::Key],
    header: Option<&str>,
    body: &[u8],
    now: Timestamp,
) -> Result<(), WebhookError> {
    let fields = || {
        let pairs = header.unwrap_or_default().split(',');
        pairs.filter_map(|pair| pair.trim().split_once('='))
    };
    if header.is_none() {
        return Err(MISSING);
    }
    let mut times = fields().filter(|(name, _)| *name == "t").map(|(_, value)| value);
    let (Some(time), None) = (times.next(), times.next()) else {
        return Err(MALFORMED);
    };
    let signed_at: i64 = time.parse().map_err(|_| MALFORMED)?;
    let claimed = || fields().filter(|(name, _)| *name == "v1").map(|(_, hex)| hex);
    if claimed().next().is_none() {
        return Err(MALFORMED);
    }

    let fits = |key: &hmac::Key| {
        let tag = tag(key, time, body);
        claimed().filter_map(decode).any(|bytes| verify_slices_are_equal(&bytes, &tag).is_ok())
    };
    if !keys.iter().any(fits) {
        return Err(MISMATCH);
    }
    let age = now.0.div_euclid(1_000_000).saturating_sub(signed_at);
    if age.saturating_abs() > TOLERANCE_S { Err(OUT_OF_TIME) } else { Ok(()) }
}

fn tag(key: &hmac::Key, time: &str, body: &[u8]) -> Vec<u8> {
    let mut context = hmac::Context::with_key(key);
    context.update(time.as_bytes());
    context.update(b".");
    context.update(body);
    context.sign().as_ref().to_vec()
}

/// 32 bytes from 64 hexadecimal digits.
fn decode(hex: &str) -> Option<[u8; 32]> {
    let digits = hex.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        *byte = u8::try_from(high * 16 + low).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = br#"{"id":"evt_1"}"#;
    // From `printf '1700000000.{"id":"evt_1"}' | openssl dgst -sha256 -hmac whsec_test`.
    const GOOD: &str = "c89214b5b5da833daed6f0b8c5bb6bd58cea9022bd80ccc78230f3942d632925";
    const SIGNED_AT: i64 = 1_700_000_000;

    fn keys(secrets: &[&str]) -> Vec<hmac::Key> {
        let key = |secret: &&str| hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        secrets.iter().map(key).collect()
    }

    fn check(header: &str, body: &[u8], now_s: i64) -> Result<(), WebhookError> {
        verify(&keys(&["whsec_test"]), Some(header), body, Timestamp(now_s * 1_000_000))
    }

    #[test]
    fn a_good_signature_is_taken_also_among_others() {
        let wrong = "0".repeat(64);
        for header in [
            format!("t={SIGNED_AT},v1={GOOD}"),
            format!("t={SIGNED_AT},v1={wrong},v1={GOOD}"),
            format!("v1={GOOD}, t={SIGNED_AT}, v0={wrong}, future=x"),
            format!("t={SIGNED_AT},v1={}", GOOD.to_uppercase()),
        ] {
            assert_eq!(check(&header, BODY, SIGNED_AT), Ok(()), "{header}");
        }
    }

    #[test]
    fn anything_else_is_refused_with_its_reason() {
        let wrong = "0".repeat(64);
        for (header, body, reason) in [
            (format!("t={SIGNED_AT},v1={wrong}"), BODY, MISMATCH),
            (format!("t={SIGNED_AT},v1={}", &GOOD[1..]), BODY, MISMATCH),
            (format!("t={SIGNED_AT},v1={GOOD}0"), BODY, MISMATCH),
            (format!("t={SIGNED_AT},v1=é{}", &GOOD[2..]), BODY, MISMATCH),
            (format!("t={SIGNED_AT},v1={GOOD}"), br#"{"id":"evt_2"}"#, MISMATCH),
            (format!("t={},v1={GOOD}", SIGNED_AT + 1), BODY, MISMATCH),
            (format!("t={SIGNED_AT},v0={GOOD}"), BODY, MALFORMED),
            (format!("t={SIGNED_AT},t={SIGNED_AT},v1={GOOD}"), BODY, MALFORMED),
            (format!("t=now,v1={GOOD}"), BODY, MALFORMED),
            (format!("v1={GOOD}"), BODY, MALFORMED),
            (String::new(), BODY, MALFORMED),
        ] {
            assert_eq!(check(&header, body, SIGNED_AT), Err(reason), "{header}");
        }
        assert_eq!(verify(&keys(&["whsec_test"]), None, BODY, Timestamp(0)), Err(MISSING));
    }

    #[test]
    fn each_of_several_secrets_is_taken() {
        let header = format!("t={SIGNED_AT},v1={GOOD}");
        let now = Timestamp(SIGNED_AT * 1_000_000);
        for (secrets, expected) in [
            (&["whsec_new", "whsec_test"][..], Ok(())),
            (&["whsec_test", "whsec_new"], Ok(())),
            (&["whsec_new"], Err(MISMATCH)),
            (&[], Err(MISMATCH)),
        ] {
            assert_eq!(verify(&keys(secrets), Some(&header), BODY, now), expected, "{secrets:?}");
        }
    }

    #[test]
    fn the_timestamp_may_lie_five_minutes_off_and_no_more() {
        let header = format!("t={SIGNED_AT},v1={GOOD}");
        for (offset, expected) in [
            (TOLERANCE_S, Ok(())),
            (-TOLERANCE_S, Ok(())),
            (TOLERANCE_S + 1, Err(OUT_OF_TIME)),
            (-TOLERANCE_S - 1, Err(OUT_OF_TIME)),
        ] {
            assert_eq!(check(&header, BODY, SIGNED_AT + offset), expected, "{offset}");
        }
    }
}
