//! Every method of the contracts, found in their descriptor set and called by its name.
//!
//! Invariant: nothing here lists methods; what is in the descriptor set is walked, so that a new
//! method is met by every test that walks.

use std::net::SocketAddr;
use std::time::Duration;

use futures::stream;
use prost::bytes::{Buf as _, BufMut as _};
use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor, Value};
use redress::cli::ServiceName;
use redress_core::caller::Role;
use secrecy::{ExposeSecret as _, SecretString};
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

/// A call that takes longer than this has failed.
const DEADLINE: Duration = Duration::from_secs(10);

/// One method.
#[derive(Debug, Clone)]
pub(crate) struct Method {
    descriptor: MethodDescriptor,
    /// The roles that its access rule lists.
    pub(crate) roles: Vec<Role>,
}

impl Method {
    /// Such as `redress.cases.v1.CaseService/GetCase`.
    pub(crate) fn name(&self) -> String {
        format!("{}/{}", self.descriptor.parent_service().full_name(), self.descriptor.name())
    }

    /// Whether it only reads, by the names that standard methods have.
    pub(crate) fn is_read(&self) -> bool {
        let name = self.descriptor.name();
        ["Get", "List", "BatchGet", "Preview", "Check", "Watch", "Reconcile"]
            .iter()
            .any(|verb| name.starts_with(verb))
    }

    /// Whether it lists a collection page by page.
    pub(crate) fn is_list(&self) -> bool {
        self.descriptor.output().get_field_by_name("next_page_token").is_some()
    }

    /// An answer as text: every field that is set, as `name: value`.
    pub(crate) fn tell(&self, answer: &[u8]) -> String {
        let message = DynamicMessage::decode(self.descriptor.output(), answer).unwrap();
        tell(&Value::Message(message))
    }

    /// A text field of an answer.
    pub(crate) fn text(&self, answer: &[u8], field: &str) -> String {
        let message = DynamicMessage::decode(self.descriptor.output(), answer).unwrap();
        message.get_field_by_name(field).unwrap().as_str().unwrap().to_owned()
    }

    /// The services that serve it. A package that nobody serves fails the test.
    pub(crate) fn hosts(&self) -> Vec<ServiceName> {
        match self.descriptor.parent_service().package_name() {
            "redress.cases.v1" => vec![ServiceName::Cases],
            "redress.feedback.v1" => vec![ServiceName::Feedback],
            "redress.notifications.v1" => vec![ServiceName::Notifications],
            "redress.refunds.v1" => vec![ServiceName::Refunds],
            "redress.common.v1" => ServiceName::ALL.into(),
            "redress.events.v1" => {
                vec![ServiceName::Cases, ServiceName::Notifications, ServiceName::Feedback]
            }
            package => panic!("which service serves {package}? Say so here"),
        }
    }

    /// Calls it with one encoded request; the answer is its first message.
    pub(crate) async fn call(
        &self,
        channel: &Channel,
        token: Option<&SecretString>,
        request: Vec<u8>,
    ) -> Result<Vec<u8>, Status> {
        let mut request = Request::new(stream::iter([request]));
        request.set_timeout(DEADLINE);
        if let Some(token) = token {
            let bearer = format!("Bearer {}", token.expose_secret());
            request.metadata_mut().insert("authorization", bearer.parse().unwrap());
        }
        let path = PathAndQuery::try_from(format!("/{}", self.name())).unwrap();
        let mut client = Grpc::new(channel.clone());
        client.ready().await.unwrap();
        // On the wire a unary call is a stream of one message.
        let mut answers = client.streaming(request, path, Bytes).await?.into_inner();
        let first = answers.message().await?;
        Ok(first.unwrap_or_default())
    }
}

/// All methods of the contracts, by name.
pub(crate) fn methods() -> Vec<Method> {
    let pool = DescriptorPool::decode(redress_proto::FILE_DESCRIPTOR_SET).unwrap();
    let access = pool.get_extension_by_name("redress.common.v1.access").unwrap();
    let ours = pool.services().filter(|service| service.package_name().starts_with("redress."));
    let mut methods = Vec::new();
    for descriptor in ours.flat_map(|service| service.methods().collect::<Vec<_>>()) {
        let options = descriptor.options();
        let listed = options.get_extension(&access);
        let roles = listed.as_message().unwrap().get_field_by_name("roles").unwrap();
        let role = |value: &Value| {
            let number = value.as_enum_number().unwrap();
            redress_proto::common::v1::Role::try_from(number)
                .unwrap()
                .as_str_name()
                .to_lowercase()
                .parse()
                .unwrap()
        };
        let roles = roles.as_list().unwrap().iter().map(role).collect();
        methods.push(Method { descriptor, roles });
    }
    methods.sort_by_key(Method::name);
    methods
}

fn tell(value: &Value) -> String {
    match value {
        Value::Message(message) => {
            let fields =
                message.fields().map(|(f, value)| format!("{}: {}", f.name(), tell(value)));
            format!("{{ {} }}", fields.collect::<Vec<_>>().join(", "))
        }
        Value::List(values) => {
            format!("[{}]", values.iter().map(tell).collect::<Vec<_>>().join(", "))
        }
        Value::String(text) => format!("{text:?}"),
        Value::I64(number) => number.to_string(),
        other => format!("{other:?}"),
    }
}

/// A connection to `address` that adds nothing to calls.
pub(crate) async fn connect(address: SocketAddr) -> Channel {
    Endpoint::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap()
}

/// Messages as the bytes they are.
#[derive(Debug, Clone, Copy)]
struct Bytes;

impl Codec for Bytes {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, target: &mut EncodeBuf<'_>) -> Result<(), Status> {
        target.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, source: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        let mut item = vec![0; source.remaining()];
        source.copy_to_slice(&mut item);
        Ok(Some(item))
    }
}
