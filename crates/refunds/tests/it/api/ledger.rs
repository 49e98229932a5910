//! `RefundService.CheckLedger` and `LedgerService`.

use redress_api::time;
use redress_core::chain::{Hash, Head, LedgerFields, Walk};
use redress_proto::refunds::v1 as pb;
use redress_store::Database;

use super::support::{Api, open_stocked, told};

redress_testkit::conformance! {
    open = open_stocked;
    books_without_a_posting_are_sound,
    what_is_reserved_is_owed_and_what_is_paid_is_not,
    a_check_names_the_first_movement_that_was_changed,
    accounts_count_what_waits_for_its_place,
    a_listed_movement_is_all_that_its_hash_covers,
    movements_are_listed_page_by_page,
    filters_and_tokens_that_mean_nothing_are_refused,
    the_audit_log_is_listed_with_its_head,
}

async fn check(api: &Api, tenant: &'static str) -> pb::LedgerReport {
    api.refunds(tenant).check_ledger(pb::CheckLedgerRequest {}).await.unwrap().into_inner()
}

fn sums(debits: i64, payable: i64, paid: i64) -> pb::LedgerBalance {
    let currency_code = "EUR".to_owned();
    pb::LedgerBalance { currency_code, debits, credits: debits, payable, paid }
}

fn account(name: &str, debits: i64, credits: i64) -> pb::AccountBalance {
    pb::AccountBalance {
        account: name.to_owned(),
        currency_code: "EUR".to_owned(),
        debits,
        credits,
        unchained_debits: 0,
        unchained_credits: 0,
    }
}

async fn list(api: &Api, filter: &str, size: i32, token: &str) -> pb::ListLedgerEntriesResponse {
    let request = pb::ListLedgerEntriesRequest {
        page_size: size,
        page_token: token.to_owned(),
        filter: filter.to_owned(),
    };
    api.ledger("arena").list_ledger_entries(request).await.unwrap().into_inner()
}

/// Reserves and pays a refund; returns its name.
async fn pay(api: &Api, lines: &[&str]) -> String {
    let quote = api.quote(lines).await;
    let refund = api.accept(&quote).await;
    api.pay_all().await;
    refund.name
}

async fn books_without_a_posting_are_sound(api: Api) {
    let report = check(&api, "arena").await;
    assert!(report.balanced);
    assert!(report.balances.iter().all(|balance| balance.debits == 0));
    assert_eq!((report.chain_position, report.chain_hash), (0, vec![0; 32]));
    let listed = list(&api, "", 0, "").await;
    assert_eq!((listed.entries.len(), listed.chain_position), (0, 0));
}

async fn what_is_reserved_is_owed_and_what_is_paid_is_not(api: Api) {
    let quote = api.quote(&[]).await;
    api.accept(&quote).await;
    let report = check(&api, "arena").await;
    assert_eq!((report.balances, report.differences), (vec![sums(4500, 4500, 0)], vec![]));
    assert_eq!((report.balanced, report.unchained, report.chain_position), (true, 1, 0));
    api.pay_all().await;
    api.chain().await;
    let report = check(&api, "arena").await;
    assert_eq!((report.balances, report.differences), (vec![sums(9000, 0, 4500)], vec![]));
    assert_eq!((report.balanced, report.unchained, report.chain_position), (true, 0, 2));
    let accounts = [
        account("provider:stripe", 0, 4500),
        account("refunds_payable", 4500, 4500),
        account("sales_returns", 4500, 0),
    ];
    assert_eq!(report.accounts, accounts);
    assert_eq!(report.chain_hash, list(&api, "", 0, "").await.entries[1].hash);
    let theirs = check(&api, "other").await;
    assert!(theirs.balanced);
    assert_eq!((theirs.balances, theirs.accounts), (vec![], vec![]));
    assert_eq!(theirs.chain_position, 0);
}

/// As somebody with the database's password can do it: the guards come off first.
async fn a_check_names_the_first_movement_that_was_changed(api: Api) {
    pay(&api, &["t1"]).await;
    pay(&api, &["t2"]).await;
    api.chain().await;
    assert!(check(&api, "arena").await.balanced);
    let change = "UPDATE postings SET refund_id = 'another' WHERE kind = 'POST'";
    match &api.database {
        Database::Sqlite(sqlite) => {
            for sql in ["DROP TRIGGER postings_are_never_changed", change] {
                sqlx::query(sql).execute(&sqlite.write).await.unwrap();
            }
        }
        Database::Postgres(postgres) => {
            for sql in ["ALTER TABLE postings DISABLE TRIGGER USER", change] {
                sqlx::query(sql).execute(&postgres.pool).await.unwrap();
            }
        }
    }
    let report = check(&api, "arena").await;
    assert!(!report.balanced);
    let [difference] = report.differences.as_slice() else { panic!("{report:?}") };
    assert!(difference.starts_with("ledger chain: position 2 does not fit"), "{difference}");
}

async fn accounts_count_what_waits_for_its_place(api: Api) {
    let quote = api.quote(&["t1"]).await;
    api.accept(&quote).await;
    api.chain().await;
    let quote = api.quote(&["t2"]).await;
    api.accept(&quote).await;
    let request = pb::ListAccountBalancesRequest {};
    let told = api.ledger("arena").list_account_balances(request).await.unwrap().into_inner();
    let owed =
        pb::AccountBalance { unchained_credits: 1800, ..account("refunds_payable", 0, 4500) };
    let returns =
        pb::AccountBalance { unchained_debits: 1800, ..account("sales_returns", 4500, 0) };
    assert_eq!(told.accounts, [owed, returns]);
    assert_eq!((told.chain_position, told.unchained), (1, 1));
    let theirs = api.ledger("other").list_account_balances(request).await.unwrap().into_inner();
    assert_eq!((theirs.accounts, theirs.chain_hash), (vec![], vec![0; 32]));
}

/// Anybody can recompute the chain from the answers alone.
async fn a_listed_movement_is_all_that_its_hash_covers(api: Api) {
    let refund = pay(&api, &["t1"]).await;
    pay(&api, &["t2"]).await;
    api.chain().await;
    let listed = list(&api, "", 0, "").await;
    let mut walk = Walk::default();
    for entry in &listed.entries {
        let created = time::required(entry.create_time.as_ref(), "create_time").unwrap();
        let fields = LedgerFields {
            tenant: "arena",
            position: entry.position,
            kind: &entry.kind,
            attempt: &entry.attempt_id,
            phase: entry.phase,
            refund: entry.refund.strip_prefix("refunds/").unwrap(),
            debit: &entry.debit,
            credit: &entry.credit,
            currency: &entry.currency_code,
            amount: entry.amount,
            created: created.0,
        };
        let hash = Hash::try_from(&*entry.hash).unwrap();
        walk.step(entry.position, &fields.canonical(), hash).unwrap();
    }
    let hash = Hash::try_from(&*listed.chain_hash).unwrap();
    assert_eq!(walk.head(), Head { position: 4, hash });
    assert_eq!(listed.chain_position, 4);
    let told: Vec<_> = listed.entries.iter().map(|e| (&*e.kind, e.phase, e.amount)).collect();
    assert_eq!(
        told,
        [("RESERVE", 1, 2700), ("POST", 2, 2700), ("RESERVE", 1, 1800), ("POST", 2, 1800)]
    );
    let of_one = list(&api, &format!("refund = \"{refund}\""), 0, "").await;
    assert_eq!(of_one.entries, listed.entries[..2]);
    let theirs = pb::ListLedgerEntriesRequest::default();
    let theirs = api.ledger("other").list_ledger_entries(theirs).await.unwrap().into_inner();
    assert_eq!(theirs.entries, []);
}

async fn movements_are_listed_page_by_page(api: Api) {
    pay(&api, &["t1"]).await;
    pay(&api, &["t2"]).await;
    api.chain().await;
    let (mut token, mut positions) = (String::new(), Vec::new());
    loop {
        let page = list(&api, "", 3, &token).await;
        positions.push(page.entries.iter().map(|entry| entry.position).collect::<Vec<_>>());
        if page.next_page_token.is_empty() {
            break;
        }
        token = page.next_page_token;
    }
    assert_eq!(positions, [vec![1, 2, 3], vec![4]]);
}

async fn filters_and_tokens_that_mean_nothing_are_refused(api: Api) {
    let ask = async |filter: &str, page_token: &str| {
        let request = pb::ListLedgerEntriesRequest {
            filter: filter.to_owned(),
            page_token: page_token.to_owned(),
            page_size: 0,
        };
        told(&api.ledger("arena").list_ledger_entries(request).await.unwrap_err())
    };
    snapshot!(ask("refund = orders/A1", "").await, @r"
    InvalidArgument INVALID_FILTER: filter: refund: expected a name like refunds/example
    filter: refund: expected a name like refunds/example
    ");
    snapshot!(ask("", "x").await, @r"
    InvalidArgument INVALID_PAGE_TOKEN: page_token: not a token that this method returned; start with an empty one
    page_token: not a token that this method returned; start with an empty one
    ");
}

async fn the_audit_log_is_listed_with_its_head(api: Api) {
    let request = pb::ListAuditRecordsRequest {
        filter: "resource = \"refunds/none\" AND actor = agent-1".to_owned(),
        ..Default::default()
    };
    let listed = api.ledger("arena").list_audit_records(request).await.unwrap().into_inner();
    let empty = pb::ListAuditRecordsResponse { chain_hash: vec![0; 32], ..Default::default() };
    assert_eq!(listed, empty);
    let request =
        pb::ListAuditRecordsRequest { filter: "reason = x".to_owned(), ..Default::default() };
    let refused = api.ledger("arena").list_audit_records(request).await.unwrap_err();
    assert!(told(&refused).contains("unknown field"), "{}", told(&refused));
}
