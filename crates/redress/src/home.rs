//! The folder of a local installation: keys, settings, databases and mail.
//!
//! Invariant: a file that exists is never overwritten: what an operator changed stays changed. Keys
//! can be read by their owner only.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use redress_core::caller::Role;
use redress_runtime::config::DEV_ISSUER;
use redress_runtime::token::SigningKey;

use crate::cli::ServiceName;

/// Where a new folder's services listen.
#[derive(Debug, Clone, Copy)]
pub enum Ports {
    /// Four ports in a row from this one.
    From(u16),
    /// Whichever the system gives when each service starts; for services in one process.
    AtStart,
}

/// What a new folder is set up with.
#[derive(Debug, Clone)]
pub struct Layout {
    /// Where the services listen.
    pub ports: Ports,
    /// The payment provider's base URL.
    pub stripe_base_url: String,
    /// Further lines for the `[service]` section of refunds.
    pub refunds_extra: String,
    /// Database URLs by service, instead of SQLite files in the folder.
    pub databases: Vec<(ServiceName, String)>,
}

/// The folder.
#[derive(Debug, Clone)]
pub struct Home {
    dir: PathBuf,
}

impl Home {
    /// The folder at `dir`, set up by `layout` as far as something is missing. Returns whether it
    /// was new.
    pub fn open_or_create(dir: &Path, layout: &Layout) -> Result<(Self, bool)> {
        let home = Self::at(dir)?;
        let is_new = !home.settings_file(ServiceName::Refunds).exists();
        home.create_keys()?;
        home.create_settings(layout)?;
        Ok((home, is_new))
    }

    /// The folder at `dir`, which has to be set up already.
    pub fn open(dir: &Path) -> Result<Self> {
        anyhow::ensure!(
            dir.join("refunds.toml").exists(),
            "{} is not a folder of `redress up`: start it first, or name its folder with --data",
            dir.display()
        );
        Self::at(dir)
    }

    fn at(dir: &Path) -> Result<Self> {
        let create = || fs::create_dir_all(dir.join("keys")).and_then(|()| dir.canonicalize());
        let dir = create().with_context(|| format!("cannot use the folder {}", dir.display()))?;
        Ok(Self { dir })
    }

    /// The folder itself.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The settings file of a service.
    pub fn settings_file(&self, service: ServiceName) -> PathBuf {
        self.dir.join(format!("{}.toml", service.as_str()))
    }

    /// Where mail lands when no mail server is set.
    pub fn mailbox(&self) -> PathBuf {
        self.dir.join("mailbox")
    }

    /// The local key that `redress token` signs with.
    pub fn dev_key(&self) -> Result<SigningKey> {
        SigningKey::read(&self.key_file("dev")).context("cannot read the local key")
    }

    fn key_file(&self, name: &str) -> PathBuf {
        self.dir.join("keys").join(format!("{name}.pem"))
    }

    fn create_keys(&self) -> Result<()> {
        let services = ServiceName::ALL.map(ServiceName::as_str);
        for name in services.into_iter().chain(["dev"]) {
            let file = self.key_file(name);
            if !file.exists() {
                let create = || SigningKey::generate()?.write_new(&file);
                create().with_context(|| format!("cannot create the key {}", file.display()))?;
            }
        }
        Ok(())
    }

    fn create_settings(&self, layout: &Layout) -> Result<()> {
        let ports = choose_ports(layout.ports);
        for service in ServiceName::ALL {
            let file = self.settings_file(service);
            if !file.exists() {
                let text = self.settings_text(service, layout, &ports)?;
                fs::write(&file, text)
                    .with_context(|| format!("cannot write {}", file.display()))?;
            }
        }
        Ok(())
    }

    fn settings_text(
        &self,
        service: ServiceName,
        layout: &Layout,
        ports: &[(ServiceName, u16); 4],
    ) -> Result<String> {
        let name = service.as_str();
        let port = port_of(service, ports);
        let chosen = layout.databases.iter().find(|(chosen, _)| *chosen == service);
        let file = self.dir.join(format!("{name}.db"));
        let database =
            chosen.map_or_else(|| format!("sqlite:{}", file.display()), |(_, url)| url.clone());
        let mut text = format!(
            "# Settings of the {name} service. Written once by `redress up`; yours to change.\n\
             # `redress serve` lets the environment override every key: REDRESS__SERVER__LISTEN etc.\n\
             profile = \"development\"\n\n\
             [server]\nlisten = \"127.0.0.1:{port}\"\n\n\
             [database]\nurl = {}\n\n\
             [identity]\nissuer = \"redress-{name}\"\nkey_file = {}\n\n[peers]\n",
            toml_text(&database),
            toml_text(&self.key_file(name).display().to_string()),
        );
        for peer in ServiceName::ALL.into_iter().filter(|peer| *peer != service) {
            let _infallible =
                writeln!(text, "{} = \"http://127.0.0.1:{}\"", peer.as_str(), port_of(peer, ports));
        }
        text.push_str(&self.issuers_text(service)?);
        text.push_str(&self.service_section(service, layout));
        Ok(text)
    }

    /// Whose tokens a service accepts: the local key's for people and platforms, and those of the
    /// other services.
    fn issuers_text(&self, service: ServiceName) -> Result<String> {
        let people: Vec<String> = Role::ALL
            .into_iter()
            .filter(|role| *role != Role::Service)
            .map(|role| format!("\"{role}\""))
            .collect();
        let mut text = self.issuer_text(DEV_ISSUER, "dev", &people.join(", "))?;
        for peer in ServiceName::ALL.into_iter().filter(|peer| *peer != service) {
            let issuer = format!("redress-{}", peer.as_str());
            text.push_str(&self.issuer_text(&issuer, peer.as_str(), "\"service\"")?);
        }
        Ok(text)
    }

    fn issuer_text(&self, issuer: &str, key: &str, roles: &str) -> Result<String> {
        let public = SigningKey::read(&self.key_file(key))?.public_pem()?;
        Ok(format!(
            "\n[[auth.issuers]]\nissuer = \"{issuer}\"\nroles = [{roles}]\ntenants = [\"*\"]\n\
             public_key = \"\"\"\n{public}\"\"\"\n"
        ))
    }

    fn service_section(&self, service: ServiceName, layout: &Layout) -> String {
        match service {
            ServiceName::Refunds => format!(
                "\n[service.providers.stripe]\nbase_url = {}\n{}",
                toml_text(&layout.stripe_base_url),
                layout.refunds_extra
            ),
            ServiceName::Notifications => format!(
                "\n[service.mail]\nmailbox_dir = {}\n",
                toml_text(&self.mailbox().display().to_string())
            ),
            ServiceName::Cases | ServiceName::Feedback => String::new(),
        }
    }
}

fn port_of(service: ServiceName, ports: &[(ServiceName, u16); 4]) -> u16 {
    ports.iter().find(|(name, _)| *name == service).map_or(0, |(_, port)| *port)
}

fn toml_text(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn choose_ports(ports: Ports) -> [(ServiceName, u16); 4] {
    let mut chosen = ServiceName::ALL.map(|service| (service, 0));
    if let Ports::From(first) = ports {
        for ((_, port), number) in chosen.iter_mut().zip(first..) {
            *port = number;
        }
    }
    chosen
}
