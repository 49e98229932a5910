//! `LedgerService`.

use redress_api::page::Page;
use redress_api::{ApiError, FieldViolation, Valid, validated};
use redress_proto::refunds::v1 as pb;
use redress_proto::refunds::v1::ledger_service_server::LedgerService;
use tonic::{Request, Response, Status};

use super::caller;
use super::convert::{filter, ledger};
use super::status::refuse;
use crate::app::{self, Refunds};
use crate::store::Slice;

const LIST_LEDGER_ENTRIES: &str = "redress.refunds.v1.LedgerService/ListLedgerEntries";
const LIST_AUDIT_RECORDS: &str = "redress.refunds.v1.LedgerService/ListAuditRecords";

/// `LedgerService` over the use cases.
#[derive(Clone)]
pub struct LedgerGrpc {
    app: Refunds,
}

impl LedgerGrpc {
    /// Serves `app`.
    pub const fn new(app: Refunds) -> Self {
        Self { app }
    }
}

#[tonic::async_trait]
impl LedgerService for LedgerGrpc {
    async fn list_ledger_entries(
        &self,
        request: Request<pb::ListLedgerEntriesRequest>,
    ) -> Result<Response<pb::ListLedgerEntriesResponse>, Status> {
        let Valid { caller, message, .. } = validated(request)?;
        let (size, token) = (message.page_size, message.page_token.as_str());
        let arguments = [message.filter.as_str()];
        let page = Page::read(&caller.tenant, LIST_LEDGER_ENTRIES, &arguments, size, token)?;
        let refund = filter::ledger_entries(&message.filter)?;
        let slice = slice(&page)?;
        let listed = app::list_ledger_entries(&self.app, &caller.tenant, refund.as_ref(), slice)
            .await
            .map_err(refuse)?;
        let last = listed.rows.last().filter(|_| listed.more);
        Ok(Response::new(pb::ListLedgerEntriesResponse {
            next_page_token: last.map(|row| token_after(&page, row.position)).unwrap_or_default(),
            chain_position: listed.head.position,
            chain_hash: listed.head.hash.as_bytes().to_vec(),
            entries: listed.rows.iter().map(ledger::entry).collect(),
        }))
    }

    async fn list_audit_records(
        &self,
        request: Request<pb::ListAuditRecordsRequest>,
    ) -> Result<Response<pb::ListAuditRecordsResponse>, Status> {
        let Valid { caller, message, .. } = validated(request)?;
        let (size, token) = (message.page_size, message.page_token.as_str());
        let arguments = [message.filter.as_str()];
        let page = Page::read(&caller.tenant, LIST_AUDIT_RECORDS, &arguments, size, token)?;
        let filter = filter::audit_records(&message.filter)?;
        let listed = app::list_audit_records(&self.app, &caller.tenant, &filter, slice(&page)?)
            .await
            .map_err(refuse)?;
        let last = listed.rows.last().filter(|_| listed.more);
        Ok(Response::new(pb::ListAuditRecordsResponse {
            next_page_token: last.map(|row| token_after(&page, row.position)).unwrap_or_default(),
            chain_position: listed.head.position,
            chain_hash: listed.head.hash.as_bytes().to_vec(),
            audit_records: listed.rows.iter().map(ledger::audit_record).collect(),
        }))
    }

    async fn list_account_balances(
        &self,
        request: Request<pb::ListAccountBalancesRequest>,
    ) -> Result<Response<pb::ListAccountBalancesResponse>, Status> {
        let tenant = &caller(request.extensions())?.tenant;
        let balances = app::list_account_balances(&self.app, tenant).await.map_err(refuse)?;
        Ok(Response::new(ledger::balances(&balances)))
    }
}

/// The part of a chain that a page shows.
fn slice(page: &Page) -> Result<Slice, ApiError> {
    let after = page.after_key().map_or(Ok(0), str::parse).map_err(|_| {
        let violation =
            FieldViolation::new("page_token", "names no position; start with an empty one");
        ApiError::InvalidArgument { reason: "INVALID_PAGE_TOKEN", violations: vec![violation] }
    })?;
    Ok(Slice { after, limit: page.size.into() })
}

fn token_after(page: &Page, position: i64) -> String {
    page.token_after(&[&position.to_string()])
}
