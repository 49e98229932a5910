//! Health and reflection, the same on every server.
//!
//! Invariant: health knows every interface that is served, by its full name and as a whole;
//! reflection lists exactly those and itself.

use redress_proto::FILE_DESCRIPTOR_SET;
use tonic::server::NamedService;
use tonic::service::RoutesBuilder;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};
use tonic_reflection::pb;
use tonic_reflection::server::Builder;

/// Turns the health of a server.
pub(super) struct Health {
    reporter: HealthReporter,
    interfaces: Vec<&'static str>,
}

impl Health {
    /// Every interface, and the server as a whole, is about to go.
    pub(super) async fn not_serving(&self) {
        self.report(ServingStatus::NotServing).await;
    }

    async fn report(&self, status: ServingStatus) {
        self.reporter.set_service_status("", status).await;
        for interface in &self.interfaces {
            self.reporter.set_service_status(interface, status).await;
        }
    }
}

/// Adds `grpc.health.v1.Health`, with everything SERVING.
pub(super) async fn add_health(
    mut routes: RoutesBuilder,
    interfaces: &[&'static str],
) -> (RoutesBuilder, Health) {
    let reporter = HealthReporter::new();
    let health = Health { reporter: reporter.clone(), interfaces: interfaces.to_vec() };
    health.report(ServingStatus::Serving).await;
    routes.add_service(HealthServer::new(HealthService::from_health_reporter(reporter)));
    (routes, health)
}

/// The two versions of reflection that clients speak.
const REFLECTION_NAMES: [&str; 2] =
    ["grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"];

/// Adds reflection in both versions.
pub(super) fn add_reflection(
    routes: &mut RoutesBuilder,
    interfaces: &[&'static str],
) -> Result<(), tonic_reflection::server::Error> {
    let builder = || {
        let base = Builder::configure()
            .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            // Each version lists both, and tools ask for the file of whatever is listed.
            .register_encoded_file_descriptor_set(pb::v1::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(pb::v1alpha::FILE_DESCRIPTOR_SET)
            .with_service_name(<HealthServer<HealthService> as NamedService>::NAME);
        let names = REFLECTION_NAMES.iter().chain(interfaces);
        names.fold(base, |builder, name| builder.with_service_name(*name))
    };
    routes.add_service(builder().build_v1()?);
    routes.add_service(builder().build_v1alpha()?);
    Ok(())
}
