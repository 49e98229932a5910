//! `redress rating`: what customers say about an event.

use anyhow::{Context as _, Result};
use redress_proto::feedback::v1::rating_service_client::RatingServiceClient;
use redress_proto::feedback::v1::{GetRatingRequest, Rating};
use serde_json::json;

use super::resource;
use crate::cli::{RatingArgs, ServiceName};
use crate::connect::Connections;
use crate::output;

pub(super) async fn run(args: &RatingArgs) -> Result<()> {
    let connections = Connections::open(&args.caller)?;
    let rating = get(&connections, &resource("events", &args.event)).await?;
    if args.caller.json {
        return output::json(&json!({
            "event": rating.event,
            "count": rating.count,
            "mean": rating.mean,
            "interval_low": rating.interval_low,
            "interval_high": rating.interval_high,
        }));
    }
    output::line(describe(&rating));
    Ok(())
}

/// The rating of `event`, a resource name.
pub(crate) async fn get(connections: &Connections, event: &str) -> Result<Rating> {
    let mut client = RatingServiceClient::new(connections.unary(ServiceName::Feedback)?);
    let request = GetRatingRequest { event: event.to_owned() };
    let rating = client.get_rating(request).await.context("no rating could be read")?;
    Ok(rating.into_inner())
}

/// The rating in a line.
pub(crate) fn describe(rating: &Rating) -> String {
    match (rating.mean, rating.interval_low, rating.interval_high) {
        (Some(mean), Some(low), Some(high)) => {
            format!("{mean:.2} of 5 (n = {}, 95 % interval {low:.2} to {high:.2})", rating.count)
        }
        (Some(mean), ..) => format!("{mean:.2} of 5 (n = {})", rating.count),
        (None, ..) => "no answers yet".to_owned(),
    }
}
