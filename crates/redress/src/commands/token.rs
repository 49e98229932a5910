//! `redress token`: a credential of the local key, or of a key of one's own.

use std::time::Duration;

use anyhow::{Context as _, Result};
use redress_core::caller::Role;
use redress_runtime::config::DEV_ISSUER;
use redress_runtime::token::SigningKey;
use secrecy::ExposeSecret as _;

use crate::cli::TokenArgs;
use crate::connect::{signed_token, tenant_id};
use crate::home::Home;
use crate::output;

pub(super) fn run(args: &TokenArgs) -> Result<()> {
    let tenant = tenant_id(&args.tenant)?;
    let (key, issuer) = match (&args.key, &args.issuer) {
        (Some(file), Some(issuer)) => {
            let key = SigningKey::read(file).context("cannot sign with --key")?;
            (key, issuer.as_str())
        }
        _ => (Home::open(&args.data)?.dev_key()?, DEV_ISSUER),
    };
    if issuer == DEV_ISSUER && args.roles.contains(&Role::Service) {
        output::note(
            "services refuse the role service from the local key: sign with --key and --issuer, \
             as docs/clients.md shows",
        );
    }
    let lifetime = Duration::from_secs(args.lifetime.into());
    let token = signed_token(&key, issuer, &tenant, &args.roles, &args.subject, lifetime)?;
    output::line(token.expose_secret());
    Ok(())
}
