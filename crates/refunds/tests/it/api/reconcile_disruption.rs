//! `DisruptionService.ReconcileDisruption`.

use redress_proto::refunds::v1 as pb;
use redress_store::Database;
use tonic::Status;

use super::support::{Api, euros, mixed, open_stocked, told, unpaid};

redress_testkit::conformance! {
    open = open_with_draft;
    all_four_agree_on_what_was_paid,
    what_was_changed_behind_the_service_is_reported,
    a_draft_came_to_nothing,
    a_missing_disruption_and_another_tenants_look_the_same,
}

/// A cancelled derby with three orders, opened.
async fn open_with_draft(url: String) -> Api {
    let api = open_stocked(url).await;
    api.import(vec![mixed("A2"), unpaid("A3")]).await;
    api.draft().await;
    api
}

async fn reconcile(
    api: &Api,
    tenant: &'static str,
    name: &str,
) -> Result<pb::DisruptionReconciliation, Status> {
    let request = pb::ReconcileDisruptionRequest { name: name.to_owned() };
    api.disruptions(tenant).reconcile_disruption(request).await.map(tonic::Response::into_inner)
}

async fn paid(api: &Api) -> String {
    let name = api.start_draft(3).await;
    api.start_items().await;
    api.pay_all().await;
    name
}

async fn all_four_agree_on_what_was_paid(api: Api) {
    let name = paid(&api).await;
    let found = reconcile(&api, "arena", &name).await.unwrap();
    let items = |state: pb::disruption_item::State, requested, issued| pb::ReconciledItems {
        state: state.into(),
        orders: 1,
        requested: euros(requested),
        issued: euros(issued),
    };
    let expected = pb::CurrencyReconciliation {
        currency_code: "EUR".to_owned(),
        is_balanced: true,
        requested: euros(2 * 5390),
        issued: euros(5390 + 5000),
        items: vec![
            items(pb::disruption_item::State::Attention, 5390, 5000),
            items(pb::disruption_item::State::NothingDue, 0, 0),
            items(pb::disruption_item::State::Succeeded, 5390, 5390),
        ],
        refunds: 2,
        refunds_issued: euros(5390 + 5000),
        providers: vec![pb::ReconciledProvider {
            provider: "stripe".to_owned(),
            attempts: 2,
            amount: euros(5390 + 5000),
            provider_refunds: 2,
        }],
        open: euros(390),
        ledger_reserved: euros(2 * 5390),
        ledger_posted: vec![pb::ReconciledAccount {
            account: "provider:stripe".to_owned(),
            amount: euros(5390 + 5000),
        }],
        ledger_voided: euros(0),
        orders_that_differ: 0,
    };
    assert_eq!(found.currencies, [expected]);
    assert!(found.is_balanced);
    assert_eq!((found.state(), found.name), (pb::disruption::State::Running, name));
}

async fn what_was_changed_behind_the_service_is_reported(api: Api) {
    let name = paid(&api).await;
    let slip = "UPDATE refunds SET issued = issued - 1 WHERE state = 'SUCCEEDED'";
    match &api.database {
        Database::Sqlite(sqlite) => {
            let mut tx = sqlite.begin().await.unwrap();
            sqlx::query(slip).execute(&mut *tx).await.unwrap();
            sqlite.commit(tx).await.unwrap();
        }
        Database::Postgres(postgres) => {
            sqlx::query(slip).execute(&postgres.pool).await.unwrap();
        }
    }
    let found = reconcile(&api, "arena", &name).await.unwrap();
    let [euro] = found.currencies.as_slice() else { panic!("{found:?}") };
    assert_eq!((found.is_balanced, euro.is_balanced, euro.orders_that_differ), (false, false, 1));
    assert_eq!(euro.refunds_issued, euros(5390 + 5000 - 1));
    assert_eq!(euro.issued, euros(5390 + 5000));
}

async fn a_draft_came_to_nothing(api: Api) {
    let draft = api.disruption().await;
    let found = reconcile(&api, "arena", &draft.name).await.unwrap();
    assert_eq!((found.state(), found.is_balanced), (pb::disruption::State::Draft, true));
    assert_eq!(found.currencies, []);
}

async fn a_missing_disruption_and_another_tenants_look_the_same(api: Api) {
    let name = api.disruption().await.name;
    let missing = async |tenant, name: &str| {
        told(&reconcile(&api, tenant, name).await.unwrap_err()).replace(name, "disruptions/D")
    };
    let theirs = missing("other", &name).await;
    snapshot!(theirs, @r"
    NotFound RESOURCE_NOT_FOUND: disruptions/D not found
    name = disruptions/D
    ");
    assert_eq!(theirs, missing("arena", "disruptions/none").await);
}
