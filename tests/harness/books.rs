//! What the four services say about a cancellation, in one value that can be compared.

use std::collections::BTreeMap;
use std::time::Duration;

use redress::cli::ServiceName;
use redress::connect::Connections;
use redress_proto::cases::v1::ListCasesRequest;
use redress_proto::cases::v1::case_service_client::CaseServiceClient;
use redress_proto::common::v1::Money;
use redress_proto::feedback::v1::ListInvitationsRequest;
use redress_proto::feedback::v1::survey_service_client::SurveyServiceClient;
use redress_proto::notifications::v1::ListNotificationsRequest;
use redress_proto::notifications::v1::notification_service_client::NotificationServiceClient;
use redress_proto::refunds::v1::{DisruptionCounts, disruption};
use tonic::Status;

use super::{calls, eventually};

/// Minor units by ISO 4217 code, without zeros.
pub(crate) type ByCurrency = BTreeMap<String, i64>;

/// A cancellation as all four services know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Books {
    pub(crate) orders_in_scope: i64,
    pub(crate) succeeded: i64,
    pub(crate) attention: i64,
    pub(crate) nothing_due: i64,
    pub(crate) refunded: ByCurrency,
    pub(crate) messages: i64,
    pub(crate) messages_failed: i64,
    pub(crate) cases: i64,
    pub(crate) invitations: i64,
    pub(crate) not_invited: i64,
    pub(crate) ledger_balanced: bool,
}

impl Books {
    /// Reads them as they stand now.
    pub(crate) async fn read(connections: &Connections, name: &str) -> Result<Self, String> {
        let disruption =
            calls::disruption(connections, name).await.map_err(|status| tell(&status))?;
        let counts = disruption.counts.unwrap_or_default();
        if disruption.state() != disruption::State::Completed {
            return Err(format!("{:?} with {counts:?}", disruption.state()));
        }
        let of = |condition: &str| format!("disruption = \"{name}\"{condition}");
        let sent = of(" AND state = \"SENT\"");
        let failed = of(" AND state = \"FAILED\"");
        let invited = of(" AND state = \"INVITED\"");
        let suppressed = of(" AND state = \"SUPPRESSED\"");
        let books = Self {
            orders_in_scope: counts.orders_in_scope,
            succeeded: counts.succeeded,
            attention: counts.attention,
            nothing_due: counts.nothing_due,
            refunded: by_currency(&disruption.issued),
            messages: count_messages(connections, sent).await.map_err(|status| tell(&status))?,
            messages_failed: count_messages(connections, failed)
                .await
                .map_err(|status| tell(&status))?,
            cases: count_cases(connections, of("")).await.map_err(|status| tell(&status))?,
            invitations: count_invitations(connections, invited)
                .await
                .map_err(|status| tell(&status))?,
            not_invited: count_invitations(connections, suppressed)
                .await
                .map_err(|status| tell(&status))?,
            ledger_balanced: calls::ledger(connections)
                .await
                .map_err(|status| tell(&status))?
                .balanced,
        };
        let told = books.messages + books.messages_failed;
        let decided = books.invitations + books.not_invited;
        let scope = books.orders_in_scope;
        if told < scope || decided < scope || books.cases < books.attention {
            return Err(format!("{books:?}"));
        }
        Ok(books)
    }

    /// Waits until nothing is left to do, and checks what holds for every cancellation: each order
    /// has one outcome, one message and one decision to ask, and one case where a person is needed.
    pub(crate) async fn at_rest(connections: &Connections, name: &str, limit: Duration) -> Self {
        let books =
            eventually("the cancellation", limit, async || Self::read(connections, name).await);
        let books = books.await;
        let outcomes = books.succeeded + books.attention + books.nothing_due;
        assert_eq!(outcomes, books.orders_in_scope, "{books:?}");
        assert_eq!(books.messages, books.orders_in_scope, "{books:?}");
        assert_eq!(books.messages_failed, 0, "{books:?}");
        assert_eq!(books.cases, books.attention, "{books:?}");
        assert_eq!(books.invitations + books.not_invited, books.orders_in_scope, "{books:?}");
        assert!(books.ledger_balanced, "{books:?}");
        books
    }
}

fn tell(status: &Status) -> String {
    format!("{:?}: {}", status.code(), status.message())
}

fn by_currency(amounts: &[Money]) -> ByCurrency {
    let amounts = amounts.iter().filter(|amount| amount.minor_units != 0);
    amounts.map(|amount| (amount.currency_code.clone(), amount.minor_units)).collect()
}

/// Orders in hundredths that have come to rest.
pub(crate) fn percent_settled(counts: &DisruptionCounts) -> i64 {
    let settled = counts.succeeded + counts.attention + counts.nothing_due;
    100 * settled / counts.orders_in_scope.max(1)
}

/// Waits until at least `percent` of the orders have come to rest; fails when all have, because
/// then it is too late for whatever was to happen in the middle.
pub(crate) async fn in_the_middle(connections: &Connections, name: &str, percent: i64) {
    let what = format!("{percent} % of the orders");
    let seen = eventually(&what, Duration::from_mins(1), async || {
        let disruption =
            calls::disruption(connections, name).await.map_err(|status| tell(&status))?;
        let seen = percent_settled(&disruption.counts.unwrap_or_default());
        if seen >= percent { Ok(seen) } else { Err(format!("{seen} %")) }
    });
    assert!(seen.await < 100, "the cancellation was over before {percent} % were seen");
}

async fn count_messages(connections: &Connections, filter: String) -> Result<i64, Status> {
    let channel = connections.unary(ServiceName::Notifications).unwrap();
    let request = ListNotificationsRequest { page_size: 1, filter, ..Default::default() };
    let page = NotificationServiceClient::new(channel).list_notifications(request).await?;
    Ok(page.into_inner().total_size)
}

async fn count_cases(connections: &Connections, filter: String) -> Result<i64, Status> {
    let channel = connections.unary(ServiceName::Cases).unwrap();
    let request = ListCasesRequest { page_size: 1, filter, ..Default::default() };
    let page = CaseServiceClient::new(channel).list_cases(request).await?;
    Ok(page.into_inner().total_size)
}

async fn count_invitations(connections: &Connections, filter: String) -> Result<i64, Status> {
    let channel = connections.unary(ServiceName::Feedback).unwrap();
    let request = ListInvitationsRequest { page_size: 1, filter, ..Default::default() };
    let page = SurveyServiceClient::new(channel).list_invitations(request).await?;
    Ok(page.into_inner().total_size)
}
