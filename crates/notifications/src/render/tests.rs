//! Every text in every language, as it is read.

use std::collections::HashSet;

use redress_core::clock::Timestamp;
use redress_core::id::{CustomerId, DisruptionId, NotificationId, OrderId, TenantId};
use redress_core::money::Money;

use super::*;

fn tenant() -> Tenant {
    Tenant {
        id: TenantId::new("arena").unwrap(),
        display_name: "City Arena".to_owned(),
        locales: vec!["en".to_owned()],
        time_zone: "Europe/Berlin".to_owned(),
        sender_email: "tickets@arena.example".to_owned(),
        support_url: "https://arena.example/help".to_owned(),
        default_policy: "standard".to_owned(),
        approval_limits: Vec::new(),
        policies: Vec::new(),
        version: 1,
    }
}

fn eur(minor_units: i64) -> Money {
    Money::new("EUR".parse().unwrap(), minor_units).unwrap()
}

fn about(template: Template, cancelled: bool) -> NewNotification {
    NewNotification {
        tenant: tenant().id,
        id: NotificationId::new("n1").unwrap(),
        occasion: String::new(),
        template,
        order: OrderId::new("ZQR3T").unwrap(),
        customer: CustomerId::new("c1").unwrap(),
        disruption: cancelled.then(|| DisruptionId::new("d1").unwrap()),
        refund: None,
        requested: Some(eur(123_450)),
        issued: match template {
            Template::RefundIssued => Some(eur(123_450)),
            Template::RefundDelayed => Some(eur(98_700)),
            Template::EventCancelled | Template::WaitingListClosed => None,
        },
        create_time: Timestamp(0),
    }
}

fn read(locale: Locale, about: &NewNotification, reader: &Reader<'_>) -> String {
    let text = Renderer::new().unwrap().render(locale, about, reader, &tenant()).unwrap();
    format!("{}\n\n{}", text.subject, text.body)
}

/// The forms that a text can take.
fn forms(template: Template) -> Vec<NewNotification> {
    let cancelled = about(template, true);
    let asked_for = about(template, false);
    let untouched = NewNotification { issued: None, ..about(template, true) };
    let unpriced = NewNotification { issued: None, requested: None, ..about(template, false) };
    match template {
        Template::EventCancelled | Template::WaitingListClosed => vec![cancelled],
        Template::RefundIssued => vec![cancelled, asked_for],
        Template::RefundDelayed => vec![cancelled, asked_for, untouched, unpriced],
    }
}

#[test]
fn every_text_reads_well_in_every_language() {
    for locale in Locale::ALL {
        let name = if locale == Locale::Zh { "李雷" } else { "Ada Lovelace" };
        for template in Template::ALL {
            let mut page = String::new();
            for (index, about) in forms(template).iter().enumerate() {
                // Every second form greets somebody whose name is not known.
                let display_name = if index % 2 == 0 { name } else { "" };
                let reader = Reader { display_name, title: "Main stand" };
                page.push_str(&read(locale, about, &reader).replace('\u{a0}', "~"));
                page.push_str("\n=====\n");
            }
            insta::assert_snapshot!(format!("{}_{}", locale.tag(), template.id()), page);
        }
    }
}

#[test]
fn every_template_exists_in_every_language_and_uses_the_same_values() {
    let renderer = Renderer::new().unwrap();
    let values = |locale: Locale, template: Template| -> HashSet<String> {
        let names = &renderer.names[&(locale, template)];
        let parts = [&names.subject, &names.body];
        parts
            .iter()
            .flat_map(|name| renderer.texts.get_template(name).unwrap().undeclared_variables(false))
            .collect()
    };
    assert_eq!(SOURCES.len(), Locale::ALL.len() * Template::ALL.len());
    for template in Template::ALL {
        let english = values(Locale::En, template);
        for needed in ["brand", "order", "support_url"] {
            assert!(english.contains(needed), "{} lacks {needed}", template.id());
        }
        for locale in Locale::ALL {
            assert_eq!(values(locale, template), english, "{} in {}", template.id(), locale.tag());
        }
    }
}

#[test]
fn no_text_leaves_holes_or_double_empty_lines() {
    let reader = Reader { display_name: "Ada", title: "Main stand" };
    for locale in Locale::ALL {
        for template in Template::ALL {
            for about in forms(template) {
                let text = read(locale, &about, &reader);
                for wrong in ["\n\n\n", "{{", "{%", "()", "\u{ff08}\u{ff09}", " \n", "undefined"] {
                    assert!(!text.contains(wrong), "{wrong:?} in {text}");
                }
                assert!(text.ends_with('\n') && !text.ends_with("\n\n"), "{text}");
            }
        }
    }
}

#[test]
fn text_of_others_stays_text() {
    let hostile = Reader {
        display_name: "{{ support_url }}",
        title: "{% if x %}\r\nBcc: victim@mail.example\r\n\r\n<b>bold</b>{{ brand }}",
    };
    let about = about(Template::RefundIssued, true);
    let renderer = Renderer::new().unwrap();
    let text = renderer.render(Locale::En, &about, &hostile, &tenant()).unwrap();
    assert_eq!(text.subject.lines().count(), 1);
    assert!(text.subject.contains("{% if x %} Bcc: victim@mail.example <b>bold</b>{{ brand }}"));
    assert!(text.body.starts_with("Hello {{ support_url }},\n"), "{}", text.body);
    assert!(!text.body.lines().any(|line| line.starts_with("Bcc")), "{}", text.body);
}

#[test]
fn an_order_without_a_title_is_called_by_its_code() {
    let reader = Reader { display_name: "", title: " " };
    let text = read(Locale::En, &about(Template::EventCancelled, true), &reader);
    assert!(text.starts_with("Event cancelled: your order ZQR3T (ZQR3T)\n"), "{text}");
}

#[test]
fn a_missing_value_is_an_error() {
    let renderer = Renderer::new().unwrap();
    let text = renderer.texts.get_template("en/refund-issued/body").unwrap();
    assert!(text.render(Value::from_pairs([("brand", "City Arena")])).is_err());
}
