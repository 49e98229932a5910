//! `SurveyService`.

use std::sync::Arc;

use prost::Message as _;
use redress_api::page::Page;
use redress_api::request_id::RequestKey;
use redress_api::{ApiError, Valid, validated};
use redress_core::clock::Clock;
use redress_core::id::{Ids, ResponseId};
use redress_proto::feedback::v1 as pb;
use redress_proto::feedback::v1::survey_service_server::SurveyService;
use tonic::{Request, Response, Status};

use super::convert;
use super::status::refuse;
use crate::app;
use crate::domain::survey::Survey;
use crate::store::FeedbackStore;

const LIST_SURVEYS: &str = "redress.feedback.v1.SurveyService/ListSurveys";
const LIST_INVITATIONS: &str = "redress.feedback.v1.SurveyService/ListInvitations";
const RECORD_RESPONSE: &str = "redress.feedback.v1.SurveyService/RecordResponse";

/// `SurveyService` over a store.
#[derive(Debug, Clone)]
pub struct SurveyGrpc {
    store: Arc<dyn FeedbackStore>,
    clock: Arc<dyn Clock>,
    ids: Ids,
}

impl SurveyGrpc {
    /// Serves the invitations of `store`; `clock` says when an answer is recorded and `ids` name
    /// it.
    pub const fn new(store: Arc<dyn FeedbackStore>, clock: Arc<dyn Clock>, ids: Ids) -> Self {
        Self { store, clock, ids }
    }
}

#[tonic::async_trait]
impl SurveyService for SurveyGrpc {
    async fn list_surveys(
        &self,
        request: Request<pb::ListSurveysRequest>,
    ) -> Result<Response<pb::ListSurveysResponse>, Status> {
        let Valid { caller, message, .. } = validated(request)?;
        let (size, token) = (message.page_size, message.page_token.as_str());
        let page = Page::read(&caller.tenant, LIST_SURVEYS, &[], size, token)?;
        let mut surveys = Survey::built_in();
        surveys.retain(|survey| page.after_key().is_none_or(|after| survey.id.as_str() > after));
        let next_page_token = page.finish(&mut surveys, |s| vec![s.id.as_str().to_owned()]);
        let surveys = surveys.iter().map(convert::survey).collect();
        Ok(Response::new(pb::ListSurveysResponse { surveys, next_page_token }))
    }

    async fn get_invitation(
        &self,
        request: Request<pb::GetInvitationRequest>,
    ) -> Result<Response<pb::Invitation>, Status> {
        let Valid { caller, message, .. } = validated(request)?;
        let id = convert::invitation_id(&message.name, "name")?;
        let invitation =
            app::get_invitation(&*self.store, &caller.tenant, &id).await.map_err(refuse)?;
        Ok(Response::new(convert::invitation(&invitation)))
    }

    async fn list_invitations(
        &self,
        request: Request<pb::ListInvitationsRequest>,
    ) -> Result<Response<pb::ListInvitationsResponse>, Status> {
        let Valid { caller, message, .. } = validated(request)?;
        let (size, token) = (message.page_size, message.page_token.as_str());
        let page = Page::read(&caller.tenant, LIST_INVITATIONS, &[&message.filter], size, token)?;
        let filter = convert::filter(&message.filter)?;
        let listed = app::list_invitations(&*self.store, &caller.tenant, &filter, &page)
            .await
            .map_err(refuse)?;
        Ok(Response::new(pb::ListInvitationsResponse {
            invitations: listed.invitations.iter().map(convert::invitation).collect(),
            next_page_token: listed.next_page_token,
            total_size: listed.total_size.unwrap_or_default(),
        }))
    }

    async fn record_response(
        &self,
        request: Request<pb::RecordResponseRequest>,
    ) -> Result<Response<pb::Response>, Status> {
        let Valid { caller, mut message, .. } = validated(request)?;
        let request_id = std::mem::take(&mut message.request_id);
        let request = RequestKey::new(&caller.tenant, RECORD_RESPONSE, &request_id, &message);
        let ask = app::RecordResponse {
            invitation: convert::invitation_id(&message.invitation, "invitation")?,
            answer: convert::answer(message.score, message.comment)?,
            response: ResponseId::fresh(&*self.ids),
            request: &request,
            encode: convert::encoded_response,
        };
        let outcome =
            app::record_response(&*self.store, ask, self.clock.now()).await.map_err(refuse)?;
        let response = match outcome {
            app::Outcome::Done(response) => convert::response(&response),
            app::Outcome::Replayed(answer) => pb::Response::decode(answer.as_slice())
                .map_err(|error| ApiError::Internal(Box::new(error)))?,
        };
        Ok(Response::new(response))
    }
}
