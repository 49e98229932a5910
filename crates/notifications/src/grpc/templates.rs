//! `TemplateService`.
//!
//! Invariant: the texts are the same for all tenants; only the brand in a preview is the caller's.

use std::sync::Arc;

use redress_api::page::Page;
use redress_api::ports::TenantDirectory;
use redress_api::{ApiError, Valid, validated};
use redress_proto::notifications::v1 as pb;
use redress_proto::notifications::v1::template_service_server::TemplateService;
use tonic::{Request, Response, Status};

use super::{convert, status};
use crate::app::list_templates::list_templates;
use crate::app::preview_template::preview_template;
use crate::domain::template::Template;
use crate::render::Renderer;

const LIST: &str = "redress.notifications.v1.TemplateService.ListTemplates";

/// `TemplateService` over the shipped texts.
#[derive(Clone)]
pub struct TemplateGrpc {
    renderer: Arc<Renderer>,
    tenants: Arc<dyn TenantDirectory>,
}

impl TemplateGrpc {
    /// Serves the texts of `renderer` with the brands in `tenants`.
    pub const fn new(renderer: Arc<Renderer>, tenants: Arc<dyn TenantDirectory>) -> Self {
        Self { renderer, tenants }
    }
}

#[tonic::async_trait]
impl TemplateService for TemplateGrpc {
    async fn list_templates(
        &self,
        request: Request<pb::ListTemplatesRequest>,
    ) -> Result<Response<pb::ListTemplatesResponse>, Status> {
        let Valid { caller, message, .. } = validated(request)?;
        let page = Page::read(&caller.tenant, LIST, &[], message.page_size, &message.page_token)?;
        let limit = usize::try_from(page.fetch_limit()).unwrap_or(usize::MAX);
        let mut templates = list_templates(page.after_key(), limit);
        let next_page_token = page.finish(&mut templates, |row| vec![row.id().to_owned()]);
        let templates = templates.into_iter().map(convert::template).collect();
        Ok(Response::new(pb::ListTemplatesResponse { templates, next_page_token }))
    }

    async fn preview_template(
        &self,
        request: Request<pb::PreviewTemplateRequest>,
    ) -> Result<Response<pb::RenderedMessage>, Status> {
        let Valid { caller, message, .. } = validated(request)?;
        let template = Template::from_resource_name(&message.name)
            .ok_or_else(|| ApiError::not_found(&message.name))?;
        let tenants = self.tenants.as_ref();
        let (locale, text) =
            preview_template(tenants, &self.renderer, &caller.tenant, template, &message.locale)
                .await
                .map_err(status::preview)?;
        Ok(Response::new(pb::RenderedMessage {
            locale: locale.tag().to_owned(),
            subject: text.subject,
            body: text.body,
        }))
    }
}
