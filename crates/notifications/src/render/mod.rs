//! The shipped texts, and how one becomes a message.
//!
//! Invariant: a value that is missing is an error, never an empty hole or a variable's name; text
//! that others wrote goes in as one clean line and is never read as a template.

use std::collections::HashMap;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior, Value};
use redress_core::tenant::Tenant;
use serde::Serialize;

use crate::domain::amount::format_amount;
use crate::domain::locale::Locale;
use crate::domain::notification::NewNotification;
use crate::domain::plain_text::{greeting_name, plain_line};
use crate::domain::template::Template;

macro_rules! sources {
    ($($locale:ident $tag:literal: $($template:ident $id:literal),*;)*) => {
        &[$($((
            Locale::$locale,
            Template::$template,
            include_str!(concat!("../../templates/", $tag, "/", $id, ".txt")),
        )),*),*]
    };
}

/// Every text that ships. A file: `Subject: ` and one line, an empty line, the body.
const SOURCES: &[(Locale, Template, &str)] = sources! {
    De "de": EventCancelled "event-cancelled", RefundDelayed "refund-delayed",
        RefundIssued "refund-issued", WaitingListClosed "waiting-list-closed";
    En "en": EventCancelled "event-cancelled", RefundDelayed "refund-delayed",
        RefundIssued "refund-issued", WaitingListClosed "waiting-list-closed";
    Ru "ru": EventCancelled "event-cancelled", RefundDelayed "refund-delayed",
        RefundIssued "refund-issued", WaitingListClosed "waiting-list-closed";
    Zh "zh": EventCancelled "event-cancelled", RefundDelayed "refund-delayed",
        RefundIssued "refund-issued", WaitingListClosed "waiting-list-closed";
};

/// What the message says of its reader and the order; comes with the contact and is never stored.
#[derive(Clone, Default)]
pub struct Reader<'a> {
    /// How the buyer calls themselves; may be empty.
    pub display_name: &'a str,
    /// Title of the order's first line; may be empty.
    pub title: &'a str,
}

/// A message ready to send.
#[derive(Clone, PartialEq, Eq)]
pub struct Rendered {
    /// Subject: one line.
    pub subject: String,
    /// Plain text, lines ended by `\n`.
    pub body: String,
}

/// A text could not be read or rendered; a defect of this build.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// A file does not have the form that it must have.
    #[error("template {template} in {locale} does not start with a subject and an empty line")]
    Form {
        /// Id of the template.
        template: &'static str,
        /// Tag of the language.
        locale: &'static str,
    },
    /// The template engine refuses.
    #[error("the template engine refused a text")]
    Engine(#[from] minijinja::Error),
}

/// The values a text may use; all texts of one template use the same ones.
#[derive(Serialize)]
struct Variables<'a> {
    brand: String,
    name: String,
    title: String,
    order: &'a str,
    cancelled: bool,
    issued: String,
    requested: String,
    support_url: &'a str,
}

/// All shipped texts, read once.
#[derive(Debug)]
pub struct Renderer {
    texts: Environment<'static>,
    names: HashMap<(Locale, Template), TextNames>,
}

#[derive(Debug)]
struct TextNames {
    subject: String,
    body: String,
}

impl Renderer {
    /// Reads the shipped texts.
    pub fn new() -> Result<Self, RenderError> {
        let mut texts = Environment::empty();
        texts.set_undefined_behavior(UndefinedBehavior::Strict);
        let mut syntax = SyntaxConfig::builder();
        syntax.trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true);
        texts.set_syntax(syntax.build()?);
        let mut names = HashMap::with_capacity(SOURCES.len());
        for &(locale, template, source) in SOURCES {
            let (subject, body) = source
                .strip_prefix("Subject: ")
                .and_then(|rest| rest.split_once("\n\n"))
                .ok_or(RenderError::Form { template: template.id(), locale: locale.tag() })?;
            let name = |part: &str| format!("{}/{}/{part}", locale.tag(), template.id());
            let text = TextNames { subject: name("subject"), body: name("body") };
            texts.add_template_owned(text.subject.clone(), subject)?;
            texts.add_template_owned(text.body.clone(), body)?;
            names.insert((locale, template), text);
        }
        Ok(Self { texts, names })
    }

    /// Writes the message that `about` calls for, in `locale` and in the tenant's name.
    pub fn render(
        &self,
        locale: Locale,
        about: &NewNotification,
        reader: &Reader<'_>,
        tenant: &Tenant,
    ) -> Result<Rendered, RenderError> {
        let amount = |money| match money {
            Some(money) => format_amount(money, locale),
            None => String::new(),
        };
        let title = plain_line(reader.title);
        let order = about.order.as_str();
        let variables = Variables {
            brand: plain_line(&tenant.display_name),
            name: greeting_name(reader.display_name),
            // A shop may know no title; the order's own code always says what it is about.
            title: if title.is_empty() { order.to_owned() } else { title },
            order,
            cancelled: about.disruption.is_some(),
            issued: amount(about.issued),
            requested: amount(about.requested),
            support_url: &tenant.support_url,
        };
        let variables = Value::from(Serde(variables));
        let template = about.template;
        let missing = RenderError::Form { template: template.id(), locale: locale.tag() };
        let text = self.names.get(&(locale, template)).ok_or(missing)?;
        let subject = self.texts.get_template(&text.subject)?.render(&variables)?;
        let body = self.texts.get_template(&text.body)?.render(&variables)?;
        Ok(Rendered { subject: plain_subject(&subject), body })
    }
}

/// The subject as one line. Its parts are clean already; this keeps it so whatever a text does.
fn plain_subject(subject: &str) -> String {
    subject.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
