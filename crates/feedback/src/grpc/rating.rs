//! `RatingService`.

use std::sync::Arc;

use redress_api::{Valid, validated};
use redress_proto::feedback::v1 as pb;
use redress_proto::feedback::v1::rating_service_server::RatingService;
use tonic::{Request, Response, Status};

use super::convert;
use super::status::refuse;
use crate::app;
use crate::store::FeedbackStore;

/// `RatingService` over a store.
#[derive(Debug, Clone)]
pub struct RatingGrpc {
    store: Arc<dyn FeedbackStore>,
}

impl RatingGrpc {
    /// Rates by the answers in `store`.
    pub const fn new(store: Arc<dyn FeedbackStore>) -> Self {
        Self { store }
    }
}

#[tonic::async_trait]
impl RatingService for RatingGrpc {
    async fn get_rating(
        &self,
        request: Request<pb::GetRatingRequest>,
    ) -> Result<Response<pb::Rating>, Status> {
        let Valid { caller, message, .. } = validated(request)?;
        let event = convert::event_id(&message.event)?;
        let rating = app::get_rating(&*self.store, &caller.tenant, &event).await.map_err(refuse)?;
        Ok(Response::new(convert::rating(&event, &rating)))
    }
}
