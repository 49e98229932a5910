//! The `redress` command.

use std::process::ExitCode;

use clap::Parser as _;
use mimalloc::MiMalloc;
use redress::cli::Cli;
use redress::{commands, output};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match commands::run(cli.command) {
        Ok(code) => code,
        Err(error) => {
            output::error(&error);
            ExitCode::FAILURE
        }
    }
}
