//! The laws and widespread terms that come with Redress: one policy file each, compiled in.
//!
//! Invariant: each is sound and keeps its examples, whatever its status. A pack that is not active
//! is not the law of today: it is a draft of one to come, or has no force.

use std::sync::OnceLock;

use crate::check::{Report, report};
use crate::model::Policy;

/// A policy file that comes with Redress.
#[derive(Debug)]
pub struct Pack {
    /// Its id, which is the policy's id too.
    pub id: &'static str,
    /// The file.
    pub source: &'static str,
    read: OnceLock<Report>,
}

macro_rules! packs {
    ($($id:literal,)*) => {
        const IDS: &[&str] = &[$($id,)*];
        static PACKS: [Pack; IDS.len()] = [$(
            Pack {
                id: $id,
                source: include_str!(concat!("../packs/", $id, ".toml")),
                read: OnceLock::new(),
            },
        )*];
    };
}

// By id.
packs! {
    "cn-air-2021",
    "cn-perf-festival-2023",
    "cn-perf-hefei-2024",
    "cn-perf-presale-2023",
    "cn-rail-12306-change",
    "cn-rail-12306",
    "cn-rail-cross-border",
    "cn-tour-breach",
    "cn-tour-domestic",
    "cn-tour-outbound",
    "eu-air-261-2027",
    "eu-air-261",
    "eu-ptd-2015-2302",
    "eu-rail-2021-782",
    "eu-sea-1177",
    "in-bookmyshow",
    "ru-air",
    "ru-culture-52.1",
    "ru-rail",
    "ru-sport",
    "ru-tours",
    "uk-air-261",
    "uk-delay-repay",
    "uk-ptr-2018-634",
    "uk-star",
    "us-air-24-hour",
    "us-air-260",
    "us-air-ancillary",
    "us-air-bags",
    "us-ca-22507",
    "us-ny-23.08",
    "us-ny-25.07",
    "us-ticket-act",
}

impl Pack {
    /// All of them, by id.
    pub fn all() -> &'static [Self] {
        &PACKS
    }

    /// The one with this id.
    pub fn find(id: &str) -> Option<&'static Self> {
        PACKS.iter().find(|pack| pack.id == id)
    }

    /// What a check finds; read once.
    pub fn report(&self) -> &Report {
        self.read.get_or_init(|| report(self.source))
    }

    /// The policy; `None` for a file that cannot be read, of which there is none.
    pub fn policy(&self) -> Option<&Policy> {
        self.report().policy.as_ref()
    }
}

#[cfg(test)]
mod minimum;
#[cfg(test)]
mod tests;
