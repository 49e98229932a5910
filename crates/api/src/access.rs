//! Who may call which method, read from the contracts.
//!
//! Invariant: default deny. A method is callable only by the roles that its
//! `(redress.common.v1.access)` option lists; one without the option by nobody.

use std::collections::HashMap;

use prost_reflect::{DescriptorPool, ExtensionDescriptor, MethodDescriptor, Value};
use redress_core::caller::{Caller, Role};
use redress_proto::common::v1 as pb;

const ACCESS_OPTION: &str = "redress.common.v1.access";

/// The descriptor set does not hold what the contracts promise; a defect of the build.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The embedded descriptor set cannot be read.
    #[error("the embedded descriptor set cannot be decoded")]
    Undecodable(#[from] prost_reflect::DescriptorError),
    /// The access option is not in the set.
    #[error("the embedded descriptor set does not define {ACCESS_OPTION}")]
    OptionMissing,
}

/// The rule of one method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MethodRule {
    /// Who may call it; empty means nobody.
    pub roles: Vec<Role>,
    /// Whether the request is one message rather than a stream.
    pub unary_request: bool,
    /// Whether the request carries a list of messages, and so may be larger than a command.
    pub batch_request: bool,
}

/// The rules of all methods of the `redress` packages.
#[derive(Debug, Clone)]
pub struct AccessTable {
    rules: HashMap<String, MethodRule>,
}

impl AccessTable {
    /// Reads the rules from the embedded descriptor set.
    pub fn from_descriptors() -> Result<Self, AccessError> {
        let pool = DescriptorPool::decode(redress_proto::FILE_DESCRIPTOR_SET)?;
        let option = pool.get_extension_by_name(ACCESS_OPTION).ok_or(AccessError::OptionMissing)?;
        let services =
            pool.services().filter(|service| service.package_name().starts_with("redress."));
        let mut rules = HashMap::new();
        for service in services {
            for method in service.methods() {
                let path = format!("/{}/{}", service.full_name(), method.name());
                let rule = MethodRule {
                    roles: roles_of(&method, &option),
                    unary_request: !method.is_client_streaming(),
                    batch_request: carries_list(&method),
                };
                rules.insert(path, rule);
            }
        }
        Ok(Self { rules })
    }

    /// The rule of the method at `path`, such as `/redress.refunds.v1.RefundService/GetRefund`.
    pub fn rule(&self, path: &str) -> Option<&MethodRule> {
        self.rules.get(path)
    }

    /// Whether `caller` may call the method at `path`.
    pub fn allows(&self, path: &str, caller: &Caller) -> bool {
        self.rule(path).is_some_and(|rule| caller.has_any(&rule.roles))
    }

    /// All methods with their rules, in no order.
    pub fn methods(&self) -> impl Iterator<Item = (&str, &MethodRule)> {
        self.rules.iter().map(|(path, rule)| (path.as_str(), rule))
    }
}

fn carries_list(method: &MethodDescriptor) -> bool {
    method.input().fields().any(|field| field.is_list() && field.kind().as_message().is_some())
}

fn roles_of(method: &MethodDescriptor, option: &ExtensionDescriptor) -> Vec<Role> {
    let options = method.options();
    let rule = options.get_extension(option);
    let Some(roles) = rule.as_message().and_then(|rule| rule.get_field_by_name("roles")) else {
        return Vec::new();
    };
    let numbers = roles.as_list().unwrap_or_default().iter().filter_map(Value::as_enum_number);
    numbers.filter_map(|number| pb::Role::try_from(number).ok().and_then(role)).collect()
}

/// The wire form of a role.
pub(crate) const fn role_to_proto(role: Role) -> pb::Role {
    match role {
        Role::Platform => pb::Role::Platform,
        Role::Agent => pb::Role::Agent,
        Role::Supervisor => pb::Role::Supervisor,
        Role::Finance => pb::Role::Finance,
        Role::Auditor => pb::Role::Auditor,
        Role::Customer => pb::Role::Customer,
        Role::Service => pb::Role::Service,
    }
}

/// Reads a role; `None` for no role.
pub(crate) const fn role(role: pb::Role) -> Option<Role> {
    Some(match role {
        pb::Role::Unspecified => return None,
        pb::Role::Platform => Role::Platform,
        pb::Role::Agent => Role::Agent,
        pb::Role::Supervisor => Role::Supervisor,
        pb::Role::Finance => Role::Finance,
        pb::Role::Auditor => Role::Auditor,
        pb::Role::Customer => Role::Customer,
        pb::Role::Service => Role::Service,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_of_the_contracts_has_a_rule() {
        let table = AccessTable::from_descriptors().unwrap();
        let open: Vec<&str> = table
            .methods()
            .filter(|(_, rule)| rule.roles.is_empty())
            .map(|(path, _)| path)
            .collect();
        assert_eq!(open, Vec::<&str>::new(), "methods that nobody can call");
        assert!(table.methods().count() >= 25, "the table misses services");
    }

    #[test]
    fn rules_are_those_of_the_contracts() {
        let table = AccessTable::from_descriptors().unwrap();
        let deliver = table.rule("/redress.events.v1.EventSinkService/Deliver").unwrap();
        assert_eq!(deliver.roles, [Role::Service]);
        assert!(deliver.unary_request && deliver.batch_request);
        let apply = table.rule("/redress.common.v1.TenantService/ApplyTenant").unwrap();
        assert_eq!(apply.roles, [Role::Platform]);
        assert!(!apply.batch_request);
    }

    #[test]
    fn what_is_not_listed_is_denied() {
        let table = AccessTable::from_descriptors().unwrap();
        let caller = Caller {
            tenant: redress_core::id::TenantId::new("arena").unwrap(),
            subject: "root".to_owned(),
            issuer: "test".to_owned(),
            roles: vec![Role::Customer],
        };
        assert!(!table.allows("/redress.events.v1.EventSinkService/Deliver", &caller));
        assert!(!table.allows("/redress.common.v1.TenantService/DropTenant", &caller));
        assert!(!table.allows("", &caller));
    }
}
