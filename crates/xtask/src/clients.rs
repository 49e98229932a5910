//! Clients in other languages, generated from the contracts and run against the services.
//!
//! Invariant: their tools are pinned in the repository and live below the target folder; nothing is
//! installed into the machine, and no script of a package runs while it is installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::gate::{self, Outcome, missing};
use crate::shell;
use crate::workspace::Workspace;

/// What the client in Python is made with and runs on.
const PYTHON_PACKAGES: &str = "tests/clients/python/requirements.txt";
/// Loads what they are for.
const PYTHON_PROBE: &str =
    "import google.rpc.status_pb2, grpc, grpc_health.v1.health_pb2, grpc_tools.protoc";
/// The same for TypeScript: a package and its lock.
const TYPESCRIPT_FOLDER: &str = "tests/clients/typescript";
const TYPESCRIPT_FILES: [&str; 2] = ["package.json", "package-lock.json"];
/// The tests that run the clients.
const TESTS: &str = "clients::";

/// Runs the tests of the clients, and no others.
pub(crate) fn run(workspace: &Workspace) -> Result<Outcome> {
    let tools = Tools::of(&workspace.target);
    if !(tools.python_works() && tools.typescript_works()) {
        return Ok(missing("what the clients need", "cargo xtask clients --install"));
    }
    let mut build = gate::cargo(workspace);
    shell::run(build.args(["build", "--locked", "--package", "redress", "--bins"]))?;
    let mut tests = gate::cargo(workspace);
    tests.args(["test", "--locked", "--package", "redress-tests", "--test", "it", "--", TESTS]);
    shell::run(tests.env("REDRESS_REQUIRE_CLIENTS", "1")).map(|()| Outcome::Done)
}

/// Installs the pinned tools below the target folder.
pub(crate) fn install(workspace: &Workspace) -> Result<Outcome> {
    if !shell::succeeds(Command::new("python3").args(["-c", "import ensurepip, venv"])) {
        return Ok(missing("python3 with venv", "apt-get install python3-venv"));
    }
    if !shell::succeeds(Command::new("npm").arg("--version")) {
        return Ok(missing("npm", "apt-get install npm"));
    }
    let tools = Tools::of(&workspace.target);
    tools.install_python(&workspace.root)?;
    tools.install_typescript(&workspace.root)?;
    Ok(Outcome::Done)
}

/// Where the tests look for them, too.
struct Tools {
    python: PathBuf,
    typescript: PathBuf,
}

impl Tools {
    fn of(target: &Path) -> Self {
        let folder = target.join("tools");
        Self { python: folder.join("python"), typescript: folder.join("typescript") }
    }

    fn python(&self) -> Command {
        Command::new(self.python.join("bin/python"))
    }

    fn python_works(&self) -> bool {
        shell::succeeds(self.python().args(["-c", PYTHON_PROBE]))
    }

    fn install_python(&self, root: &Path) -> Result<()> {
        if !shell::succeeds(self.python().args(["-m", "pip", "--version"])) {
            let mut venv = Command::new("python3");
            shell::run(venv.args(["-m", "venv", "--clear"]).arg(&self.python))?;
        }
        let mut pip = self.python();
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
        // The file lists everything, and wheels run no code of theirs.
        pip.args(["--no-deps", "--only-binary", ":all:", "--requirement"]);
        shell::run(pip.arg(root.join(PYTHON_PACKAGES)))?;
        ensure!(self.python_works(), "the packages of {PYTHON_PACKAGES} do not load here");
        Ok(())
    }

    fn typescript_works(&self) -> bool {
        let program =
            |name: &str| Command::new(self.typescript.join("node_modules/.bin").join(name));
        ["buf", "tsc"].into_iter().all(|name| shell::succeeds(program(name).arg("--version")))
    }

    fn install_typescript(&self, root: &Path) -> Result<()> {
        let folder = &self.typescript;
        fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
        for name in TYPESCRIPT_FILES {
            let file = root.join(TYPESCRIPT_FOLDER).join(name);
            fs::copy(&file, folder.join(name))
                .with_context(|| format!("copy {}", file.display()))?;
        }
        let mut npm = Command::new("npm");
        // The package of each platform carries its binaries; no script of a package has to run.
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error"]);
        shell::run(npm.current_dir(folder))?;
        ensure!(self.typescript_works(), "the packages of {TYPESCRIPT_FOLDER} do not start here");
        Ok(())
    }
}
