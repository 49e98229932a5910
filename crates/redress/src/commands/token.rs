//! `redress token`: a credential of the local key.

use std::time::Duration;

use anyhow::Result;
use secrecy::ExposeSecret as _;

use crate::cli::TokenArgs;
use crate::connect::{local_token, tenant_id};
use crate::home::Home;
use crate::output;

pub(super) fn run(args: &TokenArgs) -> Result<()> {
    let home = Home::open(&args.data)?;
    let tenant = tenant_id(&args.tenant)?;
    let lifetime = Duration::from_secs(args.lifetime.into());
    let token = local_token(&home, &tenant, &args.roles, &args.subject, lifetime)?;
    output::line(token.expose_secret());
    Ok(())
}
