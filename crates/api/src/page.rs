//! Pages of a List method, as in AIP-158.
//!
//! Invariant: a page token opens only for the tenant, the method and the arguments it was made
//! for; everything else, garbage included, is INVALID_ARGUMENT and names `page_token`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use prost::Message;
use redress_core::id::TenantId;

use crate::error::ApiError;
use crate::problem::FieldViolation;

/// Entries on a page when the caller names no size.
pub const DEFAULT_PAGE_SIZE: u32 = 50;

/// The largest page; larger sizes are served as this one.
pub const MAX_PAGE_SIZE: u32 = 1000;

const FORMAT_VERSION: u32 = 1;

/// What a token holds. Field numbers and meaning are a stored format: callers keep tokens across
/// upgrades.
#[derive(Clone, PartialEq, Eq, Message)]
struct PageToken {
    #[prost(uint32, tag = "1")]
    format_version: u32,
    /// First 16 bytes of the SHA-256 over tenant, method and arguments.
    #[prost(bytes = "vec", tag = "2")]
    arguments_hash: Vec<u8>,
    #[prost(string, repeated, tag = "3")]
    last_key: Vec<String>,
}

/// One page that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// How many entries to return at most: 1 to [`MAX_PAGE_SIZE`]. Read one more to learn whether
    /// another page follows.
    pub size: u32,
    /// Sort key of the last entry before this page; `None` on the first page.
    pub after: Option<Vec<String>>,
    arguments_hash: Vec<u8>,
}

impl Page {
    /// Reads the page fields of a List request.
    ///
    /// `method` is the RPC's full name and `arguments` are all other fields of the request that
    /// shape its result, such as parent and filter, always in the same order.
    pub fn read(
        tenant: &TenantId,
        method: &str,
        arguments: &[&str],
        page_size: i32,
        page_token: &str,
    ) -> Result<Self, ApiError> {
        let Ok(asked) = u32::try_from(page_size) else {
            return Err(ApiError::invalid(
                "page_size",
                "must not be negative; 0 means the default",
            ));
        };
        let size = if asked == 0 { DEFAULT_PAGE_SIZE } else { asked.min(MAX_PAGE_SIZE) };
        let arguments_hash = hash_arguments(tenant, method, arguments);
        let after = match page_token {
            "" => None,
            token => Some(open(token, &arguments_hash)?),
        };
        Ok(Self { size, after, arguments_hash })
    }

    /// How many rows to read: one more than the page holds, to learn whether another follows.
    pub const fn fetch_limit(&self) -> i64 {
        self.size as i64 + 1
    }

    /// The single key of the last entry before this page, for lists sorted by one column.
    pub fn after_key(&self) -> Option<&str> {
        self.after.as_ref().and_then(|keys| keys.first()).map(String::as_str)
    }

    /// The token of the page behind the entry whose sort key is `last_key`.
    pub fn token_after(&self, last_key: &[&str]) -> String {
        let token = PageToken {
            format_version: FORMAT_VERSION,
            arguments_hash: self.arguments_hash.clone(),
            last_key: last_key.iter().map(|key| (*key).to_owned()).collect(),
        };
        URL_SAFE_NO_PAD.encode(token.encode_to_vec())
    }

    /// Cuts rows that were read with [`Page::fetch_limit`] down to the page and returns the token
    /// of the next page, empty when there is none. `key` gives a row's sort key.
    pub fn finish<T>(&self, rows: &mut Vec<T>, key: impl Fn(&T) -> Vec<String>) -> String {
        let size = self.size as usize;
        if rows.len() <= size {
            return String::new();
        }
        rows.truncate(size);
        rows.last().map_or_else(String::new, |last| {
            let key = key(last);
            self.token_after(&key.iter().map(String::as_str).collect::<Vec<_>>())
        })
    }
}

fn hash_arguments(tenant: &TenantId, method: &str, arguments: &[&str]) -> Vec<u8> {
    let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    for part in [tenant.as_str(), method].iter().chain(arguments) {
        // Lengths keep ("ab", "c") and ("a", "bc") apart.
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part.as_bytes());
    }
    context.finish().as_ref()[..16].to_vec()
}

fn open(token: &str, arguments_hash: &[u8]) -> Result<Vec<String>, ApiError> {
    let refuse = |description: &str| ApiError::InvalidArgument {
        reason: "INVALID_PAGE_TOKEN",
        violations: vec![FieldViolation::new("page_token", description)],
    };
    let unreadable = || refuse("not a token that this method returned; start with an empty one");
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| unreadable())?;
    let token = PageToken::decode(bytes.as_slice()).map_err(|_| unreadable())?;
    // A key with a control character is none that a method returned, and PostgreSQL takes no NUL.
    let is_key = |key: &String| !key.chars().any(char::is_control);
    let is_ours = token.format_version == FORMAT_VERSION && !token.last_key.is_empty();
    if !is_ours || !token.last_key.iter().all(is_key) {
        return Err(unreadable());
    }
    if token.arguments_hash != arguments_hash {
        return Err(refuse(
            "belongs to a list with other arguments; keep them, or start with an empty token",
        ));
    }
    Ok(token.last_key)
}

#[cfg(test)]
mod tests {
    use super::*;

    const METHOD: &str = "redress.refunds.v1.OrderService/ListOrders";

    /// What version 1 of the format looks like on the wire. Callers keep tokens across upgrades:
    /// this never changes, a new format gets a new version beside it.
    const GOLDEN: &str = "CAESELcUx2XdhoZdOpfGOFODiIMaBVpRUjNU";

    fn tenant(id: &str) -> TenantId {
        TenantId::new(id).unwrap()
    }

    fn read(token: &str) -> Result<Page, ApiError> {
        Page::read(&tenant("arena"), METHOD, &["event = derby"], 0, token)
    }

    fn refused_field(result: Result<Page, ApiError>) -> String {
        match result.unwrap_err() {
            ApiError::InvalidArgument { violations, .. } => violations[0].field.clone(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn tokens_of_version_1_stay_readable_and_unchanged() {
        assert_eq!(read("").unwrap().token_after(&["ZQR3T"]), GOLDEN);
        assert_eq!(read(GOLDEN).unwrap().after_key(), Some("ZQR3T"));
    }

    #[test]
    fn a_made_up_key_with_a_control_character_is_refused() {
        let token = read("").unwrap().token_after(&["A\0"]);
        assert_eq!(refused_field(read(&token)), "page_token");
    }

    #[test]
    fn sizes_are_defaulted_capped_and_never_negative() {
        let size =
            |asked| Page::read(&tenant("arena"), METHOD, &[], asked, "").map(|page| page.size);
        assert_eq!(size(0).unwrap(), 50);
        assert_eq!(size(7).unwrap(), 7);
        assert_eq!(size(5000).unwrap(), 1000);
        assert_eq!(refused_field(Page::read(&tenant("arena"), METHOD, &[], -1, "")), "page_size");
    }

    #[test]
    fn a_token_opens_only_where_it_was_made() {
        let token = read("").unwrap().token_after(&["ZQR3T", "2"]);
        assert_eq!(read(&token).unwrap().after, Some(vec!["ZQR3T".to_owned(), "2".to_owned()]));
        let arguments = ["event = derby"];
        for (id, method, arguments) in [
            ("other", METHOD, &arguments[..]),
            ("arena", "redress.refunds.v1.RefundService/ListRefunds", &arguments[..]),
            ("arena", METHOD, &[]),
            ("arena", METHOD, &["event = ", "derby"]),
        ] {
            let page = Page::read(&tenant(id), method, arguments, 0, &token);
            assert_eq!(refused_field(page), "page_token");
        }
    }

    #[test]
    fn garbage_is_refused_by_name() {
        let cut = &GOLDEN[..GOLDEN.len() - 4];
        for token in ["x", "====", "AAAA", "ä", "CAI", cut, &format!("{GOLDEN}A")] {
            assert_eq!(refused_field(read(token)), "page_token", "{token}");
        }
    }

    #[test]
    fn the_last_page_has_no_token() {
        let page = Page::read(&tenant("arena"), METHOD, &[], 2, "").unwrap();
        let key = |row: &u32| vec![row.to_string()];
        let mut rows = vec![1, 2];
        assert_eq!(page.finish(&mut rows, key), "");
        let mut rows = vec![1, 2, 3];
        let token = page.finish(&mut rows, key);
        assert_eq!(rows, [1, 2]);
        let next = Page::read(&tenant("arena"), METHOD, &[], 2, &token).unwrap();
        assert_eq!(next.after_key(), Some("2"));
    }
}
