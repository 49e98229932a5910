//! An order that was paid by gift card and by card, when only the card can be refunded by itself.

use std::fs;
use std::path::Path;
use std::time::Duration;

use redress::cli::ServiceName;
use redress_core::caller::Role;
use redress_proto::cases::v1::case_service_client::CaseServiceClient;
use redress_proto::cases::v1::{Case, ListCasesRequest, case};
use redress_proto::refunds::v1::refund_service_client::RefundServiceClient;
use redress_proto::refunds::v1::{GetRefundRequest, refund, refund_attempt};
use redress_sandbox::SandboxConfig;
use redress_testkit::Backend;

use crate::harness::books::{Books, ByCurrency};
use crate::harness::orders::{euros, paid_by_two};
use crate::harness::stage::Stage;
use crate::harness::{ARENA, calls};

const EVENT: &str = "events/gala";
const ORDER: &str = "orders/G1";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_card_is_refunded_and_a_person_gets_the_gift_card() {
    let Some(mut stage) = Stage::set(Backend::Sqlite, SandboxConfig::default()).await else {
        return;
    };
    let platform = stage.connect(ARENA, &[Role::Platform]);
    let order = paid_by_two(ORDER, EVENT, "ada", 2_000, 4_150);
    stage.provider.seed(std::slice::from_ref(&order)).await;
    calls::apply_tenant(&platform, "Arena Tickets").await;
    calls::import(&platform, &[order]).await;
    let disruption = calls::cancel(&platform, EVENT).await;

    let books = Books::at_rest(&platform, &disruption, Duration::from_secs(30)).await;
    let paid = ByCurrency::from([("EUR".to_owned(), 4_150)]);
    assert_eq!((books.attention, &books.refunded), (1, &paid));
    stage.provider.assert_agrees(&books).await;

    let cases = CaseServiceClient::new(platform.unary(ServiceName::Cases).unwrap())
        .list_cases(ListCasesRequest::default())
        .await
        .unwrap()
        .into_inner()
        .cases;
    let [case] = cases.as_slice() else { panic!("{cases:?}") };
    let expected = Case {
        state: case::State::Open.into(),
        reason_code: "NO_CONNECTOR".to_owned(),
        order: ORDER.to_owned(),
        customer: "customers/ada".to_owned(),
        disruption,
        outstanding: Some(euros(2_000)),
        ..case.clone()
    };
    assert_eq!(*case, expected);
    assert!(!case.next_action.is_empty(), "{case:?}");

    let request = GetRefundRequest { name: case.refund.clone() };
    let channel = platform.unary(ServiceName::Refunds).unwrap();
    let refund = RefundServiceClient::new(channel).get_refund(request).await.unwrap().into_inner();
    assert_eq!(refund.state(), refund::State::Attention);
    assert_eq!(refund.reason_code, "NO_CONNECTOR");
    let attempt = |provider: &str| {
        let found = refund.attempts.iter().find(|attempt| attempt.provider == provider).unwrap();
        (found.state(), found.amount.clone())
    };
    assert_eq!(refund.attempts.len(), 2);
    assert_eq!(attempt("stripe"), (refund_attempt::State::Succeeded, Some(euros(4_150))));
    assert_eq!(attempt("giftcard"), (refund_attempt::State::Manual, Some(euros(2_000))));

    let mail = only_mail(&stage.home.mailbox());
    assert!(mail.contains("To: ada@mail.example"), "{mail}");
    // A no-break space stands between code and number.
    assert!(mail.contains("EUR=C2=A041.50 of EUR=C2=A061.50"), "{mail}");
    stage.strike().await;
}

/// The one message in the mailbox, with the soft line breaks of quoted-printable text removed.
fn only_mail(mailbox: &Path) -> String {
    let files: Vec<_> = fs::read_dir(mailbox).unwrap().map(|entry| entry.unwrap().path()).collect();
    let [file] = files.as_slice() else { panic!("{files:?}") };
    fs::read_to_string(file).unwrap().replace("=\r\n", "")
}
