//! The `redress` command.

use std::process::ExitCode;

use clap::Parser as _;
use redress::cli::Cli;
use redress::{commands, output};

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
