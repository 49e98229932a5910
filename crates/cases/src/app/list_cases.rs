//! Lists cases, oldest first.

use redress_api::page::Page;
use redress_api::{ApiError, FieldViolation};
use redress_core::id::{CaseId, TenantId};

use super::CaseError;
use crate::domain::case::{Case, CaseFilter};
use crate::store::CaseStore;

/// One page of cases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CasePage {
    /// The cases, by name.
    pub cases: Vec<Case>,
    /// Asks for the next page; empty on the last one.
    pub next_page_token: String,
    /// How many match in all; only on the first page.
    pub total_size: Option<i64>,
}

/// The page of `tenant`'s cases that `page` asks for.
pub async fn list_cases(
    store: &dyn CaseStore,
    tenant: &TenantId,
    filter: &CaseFilter,
    page: &Page,
) -> Result<CasePage, CaseError> {
    let after = after(page)?;
    let total_size = match after {
        None => Some(store.count(tenant, filter).await?),
        Some(_) => None,
    };
    let mut cases = store.list(tenant, filter, after.as_ref(), page.fetch_limit()).await?;
    let next_page_token = page.finish(&mut cases, |case| vec![case.id.as_str().to_owned()]);
    Ok(CasePage { cases, next_page_token, total_size })
}

/// The last case before the page; a token that was tampered with may name none.
fn after(page: &Page) -> Result<Option<CaseId>, ApiError> {
    page.after_key().map(CaseId::new).transpose().map_err(|_| ApiError::InvalidArgument {
        reason: "INVALID_PAGE_TOKEN",
        violations: vec![FieldViolation::new("page_token", "start with an empty token")],
    })
}
