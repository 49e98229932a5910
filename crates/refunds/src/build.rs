//! From settings and connections to a service that can run.
//!
//! Invariant: everything that can be wrong with the settings is found before a port is bound;
//! nothing is paid before the service runs.

use std::sync::Arc;
use std::time::Duration;

use redress_api::ports::{EventSink, TenantDirectory};
use redress_api::tenants::TenantGrpc;
use redress_core::clock::Clock;
use redress_core::id::Ids;
use redress_proto::common::v1::tenant_service_server::TenantServiceServer;
use redress_proto::refunds::v1::disruption_service_server::DisruptionServiceServer;
use redress_proto::refunds::v1::ledger_service_server::LedgerServiceServer;
use redress_proto::refunds::v1::order_service_server::OrderServiceServer;
use redress_proto::refunds::v1::policy_service_server::PolicyServiceServer;
use redress_proto::refunds::v1::refund_service_server::RefundServiceServer;
use redress_runtime::{MAX_SEND_BYTES, Service, Worker};
use redress_store::pump::EventPump;
use redress_store::relay::RelaySettings;
use redress_store::{Database, Tenants};

use crate::app::{Batches, Connections, PromisedLaws, Refunds};
use crate::config::{ConfigProblems, RefundsConfig, RefundsSettings};
use crate::grpc::{DisruptionGrpc, LedgerGrpc, OrderGrpc, PolicyGrpc, RefundGrpc};
use crate::provider::SharedProvider;
use crate::provider::stripe::{StripeConnector, StripeSetupError};
use crate::store;
use crate::webhook::{WebhookBindError, WebhookDeps, WebhookServer};
use crate::worker::{self, Chainer, WorkSignals, Workshop};

/// What one chunk of orders may weigh.
const MAX_CHUNK_BYTES: usize = 4 * 1024 * 1024;
/// How long an event stays in the log after every subscriber has it.
const EVENT_RETENTION: Duration = Duration::from_hours(24 * 7);

/// What the service needs from outside.
#[derive(Clone)]
pub struct Deps {
    /// Its database, whose schema ([`store::SCHEMA`]) has been checked.
    pub database: Database,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Where ids come from.
    pub ids: Ids,
    /// Who hears of its events: each subscriber's name, under which its place in the log is kept,
    /// and the way to it.
    pub subscribers: Vec<(String, Arc<dyn EventSink>)>,
}

/// Why the service cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Settings that cannot be used, all of them.
    #[error(transparent)]
    Config(#[from] ConfigProblems),
    /// The connector to Stripe cannot be set up.
    #[error(transparent)]
    Stripe(#[from] StripeSetupError),
    /// The port for webhooks cannot be used.
    #[error(transparent)]
    Webhooks(#[from] WebhookBindError),
}

/// Puts the service together: its gRPC interfaces, the workers that pay, the event pump and, where
/// it is configured, the ingress for webhooks, whose port is bound here.
pub async fn build(config: &RefundsConfig, deps: Deps) -> Result<Service, BuildError> {
    let settings = config.resolve()?;
    let providers = connect(&settings)?;
    let Deps { database, clock, ids, subscribers } = deps;
    let signals = WorkSignals::default();
    let store = store::open(database.clone());
    let tenants: Arc<dyn TenantDirectory> =
        Arc::new(Tenants::new(database.clone(), Arc::clone(&clock)));
    let app = Refunds {
        batches: Batches::new(Arc::clone(&store), Arc::clone(&ids)),
        store: Arc::clone(&store),
        tenants,
        connections: Arc::new(Connections::of(&providers)),
        clock: Arc::clone(&clock),
        ids: Arc::clone(&ids),
        signals: signals.clone(),
        quote_validity: settings.quote_validity,
        pay_within: settings.worker.item_terms.pay_within,
    };
    let webhooks = match &settings.webhooks {
        Some(webhooks) => {
            let deps = WebhookDeps {
                providers: providers.clone(),
                foreign: Arc::new(app.clone()),
                store: Arc::clone(&store),
                signals: signals.clone(),
                clock: Arc::clone(&clock),
            };
            Some(WebhookServer::bind(webhooks, deps).await?)
        }
        None => None,
    };
    let chainer = Chainer {
        database: database.clone(),
        store: Arc::clone(&store),
        clock: Arc::clone(&clock),
        holder: ids.next_id(),
        poll: settings.worker.poll,
    };
    let pump = EventPump {
        source: store::SCHEMA.service.to_owned(),
        settings: RelaySettings::new(ids.next_id()),
        database,
        subscribers,
        clock: Arc::clone(&clock),
        retention: EVENT_RETENTION,
    };
    let workshop = Workshop { store, clock, ids, signals, settings: settings.worker };
    let mut service = serve(app)
        .work(Worker::new("refund workers", move |stop| async move {
            worker::run(workshop, &providers, stop).await;
            Ok(())
        }))
        .work(Worker::new("refund chains", move |stop| async move {
            chainer.run(stop).await;
            Ok(())
        }))
        .work(Worker::new("refund events", move |stop| async move {
            pump.run(stop).await;
            Ok(())
        }));
    if let Some(webhooks) = webhooks {
        service = service.work(Worker::new("webhook ingress", move |stop| async move {
            webhooks.run(stop).await;
            Ok(())
        }));
    }
    Ok(service)
}

fn connect(settings: &RefundsSettings) -> Result<Vec<SharedProvider>, StripeSetupError> {
    let mut providers: Vec<SharedProvider> = Vec::new();
    if let Some(stripe) = &settings.stripe {
        providers.push(Arc::new(StripeConnector::new(stripe)?));
    }
    Ok(providers)
}

/// The gRPC interfaces over the use cases.
fn serve(app: Refunds) -> Service {
    let orders = OrderServiceServer::new(OrderGrpc::new(app.clone()))
        .max_decoding_message_size(MAX_CHUNK_BYTES);
    let policies = PolicyServiceServer::new(PolicyGrpc::new(app.clone()));
    let disruptions = DisruptionServiceServer::new(DisruptionGrpc::new(app.clone()));
    let ledger = LedgerServiceServer::new(LedgerGrpc::new(app.clone()));
    let tenants = TenantGrpc::new(Arc::clone(&app.tenants))
        .under(Arc::new(PromisedLaws::new(Arc::clone(&app.store))));
    let tenants = TenantServiceServer::new(tenants);
    let refunds = RefundServiceServer::new(RefundGrpc::new(app));
    Service::new(store::SCHEMA.service)
        .serve(orders.max_encoding_message_size(MAX_SEND_BYTES))
        .serve(policies.max_encoding_message_size(MAX_SEND_BYTES))
        .serve(refunds.max_encoding_message_size(MAX_SEND_BYTES))
        .serve(ledger.max_encoding_message_size(MAX_SEND_BYTES))
        .serve(disruptions.max_encoding_message_size(MAX_SEND_BYTES))
        .serve(tenants.max_encoding_message_size(MAX_SEND_BYTES))
}
