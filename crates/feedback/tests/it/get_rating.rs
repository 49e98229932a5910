//! `RatingService.GetRating`.

use redress_proto::feedback::v1::{GetRatingRequest, Rating, RecordResponseRequest};

use crate::support::{Api, open_api, paid, told};

redress_testkit::conformance! {
    open = open_api;
    without_answers_there_is_no_mean,
    one_answer_has_a_mean_and_no_interval,
    several_answers_have_an_interval,
    another_tenants_answers_do_not_count,
    a_malformed_event_is_refused,
}

/// The customers of `scores` are asked about the derby and answer so.
async fn answer(api: &Api, scores: &[i32]) {
    let customers: Vec<String> = (1..=scores.len()).map(|n| format!("c{n}")).collect();
    api.settle(customers.iter().map(|customer| paid(customer)).collect()).await;
    for (nth, score) in (1..).zip(scores) {
        let request = RecordResponseRequest {
            invitation: format!("invitations/{nth:08}"),
            score: *score,
            comment: String::new(),
            request_id: format!("9b2ac7f6-0c53-4f4e-9a35-{nth:012}"),
        };
        api.surveys("arena").record_response(request).await.unwrap();
    }
}

async fn rate(api: &Api, tenant: &'static str) -> Rating {
    let request = GetRatingRequest { event: "events/derby".to_owned() };
    api.ratings(tenant).get_rating(request).await.unwrap().into_inner()
}

fn unanswered() -> Rating {
    Rating { event: "events/derby".to_owned(), ..Default::default() }
}

async fn without_answers_there_is_no_mean(api: Api) {
    assert_eq!(rate(&api, "arena").await, unanswered());
}

async fn one_answer_has_a_mean_and_no_interval(api: Api) {
    answer(&api, &[4]).await;
    let expected = Rating { count: 1, mean: Some(4.0), ..unanswered() };
    assert_eq!(rate(&api, "arena").await, expected);
}

async fn several_answers_have_an_interval(api: Api) {
    // Mean 3, variance 4/3, standard error sqrt(4/3) / 2, t(3) = 3.1824.
    answer(&api, &[2, 4, 2, 4]).await;
    let rating = rate(&api, "arena").await;
    assert_eq!((rating.count, rating.mean), (4, Some(3.0)));
    let half = 3.1824 * (4.0_f64 / 3.0).sqrt() / 2.0;
    let close = |end: Option<f64>, expected: f64| end.is_some_and(|e| (e - expected).abs() < 1e-9);
    assert!(close(rating.interval_low, 3.0 - half), "{rating:?}");
    assert!(close(rating.interval_high, 3.0 + half), "{rating:?}");
}

async fn another_tenants_answers_do_not_count(api: Api) {
    answer(&api, &[5, 5]).await;
    assert_eq!(rate(&api, "other").await, unanswered());
}

async fn a_malformed_event_is_refused(api: Api) {
    let request = GetRatingRequest { event: "derby".to_owned() };
    let refused = api.ratings("arena").get_rating(request).await.unwrap_err();
    assert_eq!(
        told(&refused),
        "InvalidArgument INVALID_FIELD: event: does not match regex pattern \
         `^events/[A-Za-z0-9._~-]{1,64}$`\n\
         event: does not match regex pattern `^events/[A-Za-z0-9._~-]{1,64}$`"
    );
}
