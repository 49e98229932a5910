//! `TemplateService`

use redress_proto::notifications::v1 as pb;
use tonic::Code;

use crate::support::{World, ask, open_world, refusal, tenant_id};

redress_testkit::conformance! {
    open = open_world;
    templates_are_listed_by_name_in_all_their_languages,
    a_preview_bears_the_tenants_brand,
    a_preview_follows_the_fallback_chain,
    an_unknown_template_is_not_found,
    a_tenant_without_settings_has_no_preview,
    a_malformed_locale_is_refused,
}

fn preview(template: &str, locale: &str) -> pb::PreviewTemplateRequest {
    let name = format!("templates/{template}");
    pb::PreviewTemplateRequest { name, locale: locale.to_owned() }
}

async fn templates_are_listed_by_name_in_all_their_languages(world: World) {
    let mut names = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = pb::ListTemplatesRequest { page_size: 2, page_token };
        let request = ask(&tenant_id("arena"), request);
        let answer = world.templates().list_templates(request).await.unwrap().into_inner();
        for template in answer.templates {
            assert_eq!(template.locales, ["de", "en", "ru", "zh"]);
            assert!(!template.purpose.is_empty());
            names.push(template.name);
        }
        page_token = answer.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(
        names,
        [
            "templates/event-cancelled",
            "templates/refund-delayed",
            "templates/refund-issued",
            "templates/waiting-list-closed",
        ]
    );
}

async fn a_preview_bears_the_tenants_brand(world: World) {
    let request = ask(&tenant_id("arena"), preview("refund-issued", "en"));
    let shown = world.templates().preview_template(request).await.unwrap().into_inner();
    assert_eq!(shown.locale, "en");
    assert_eq!(shown.subject, "Event cancelled: your refund for order A1B2C (Main stand, row 7)");
    for part in
        ["Hello Ada Lovelace,", "EUR\u{a0}1,234.50", "https://arena.example/help", "City arena"]
    {
        assert!(shown.body.contains(part), "{part} in {}", shown.body);
    }
}

async fn a_preview_follows_the_fallback_chain(world: World) {
    for (wanted, found) in [("zh-Hans-SG", "zh"), ("ru-RU", "ru"), ("fr", "de")] {
        let request = ask(&tenant_id("arena"), preview("refund-delayed", wanted));
        let shown = world.templates().preview_template(request).await.unwrap().into_inner();
        assert_eq!(shown.locale, found, "{wanted}");
    }
}

async fn an_unknown_template_is_not_found(world: World) {
    let request = ask(&tenant_id("arena"), preview("none", "en"));
    let (code, reason, message) = refusal(world.templates().preview_template(request).await);
    assert_eq!((code, reason.as_str()), (Code::NotFound, "RESOURCE_NOT_FOUND"));
    assert_eq!(message, "templates/none not found");
}

async fn a_tenant_without_settings_has_no_preview(world: World) {
    let request = ask(&tenant_id("newcomer"), preview("refund-issued", "en"));
    let (code, reason, message) = refusal(world.templates().preview_template(request).await);
    assert_eq!((code, reason.as_str()), (Code::FailedPrecondition, "TENANT_NOT_APPLIED"));
    assert!(message.contains("ApplyTenant"), "{message}");
}

async fn a_malformed_locale_is_refused(world: World) {
    for locale in ["", "e", "en_US", "en-"] {
        let request = ask(&tenant_id("arena"), preview("refund-issued", locale));
        let (code, _, _) = refusal(world.templates().preview_template(request).await);
        assert_eq!(code, Code::InvalidArgument, "{locale:?}");
    }
}
