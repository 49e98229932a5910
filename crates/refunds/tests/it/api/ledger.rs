//! `RefundService.CheckLedger`.

use redress_proto::refunds::v1 as pb;

use super::support::{Api, open_stocked};

redress_testkit::conformance! {
    open = open_stocked;
    books_without_a_posting_are_sound,
    what_is_reserved_is_owed_and_what_is_paid_is_not,
}

async fn check(api: &Api, tenant: &'static str) -> pb::LedgerReport {
    api.refunds(tenant).check_ledger(pb::CheckLedgerRequest {}).await.unwrap().into_inner()
}

fn sound(debits: i64, payable: i64, paid: i64) -> pb::LedgerReport {
    let balance = pb::LedgerBalance {
        currency_code: "EUR".to_owned(),
        debits,
        credits: debits,
        payable,
        paid,
    };
    pb::LedgerReport { balances: vec![balance], differences: Vec::new(), balanced: true }
}

async fn books_without_a_posting_are_sound(api: Api) {
    let report = check(&api, "arena").await;
    assert!(report.balanced);
    assert!(report.balances.iter().all(|balance| balance.debits == 0));
}

async fn what_is_reserved_is_owed_and_what_is_paid_is_not(api: Api) {
    let quote = api.quote(&[]).await;
    api.accept(&quote).await;
    assert_eq!(check(&api, "arena").await, sound(4500, 4500, 0));
    api.pay_all().await;
    assert_eq!(check(&api, "arena").await, sound(9000, 0, 4500));
    let theirs = check(&api, "other").await;
    assert!(theirs.balanced);
    assert_eq!(theirs.balances, []);
}
