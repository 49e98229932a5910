//! `SurveyService.ListSurveys`.

use redress_proto::feedback::v1::{ListSurveysRequest, ListSurveysResponse, Survey};

use crate::support::{Api, open_api, told};

redress_testkit::conformance! {
    open = open_api;
    the_built_in_survey_says_whom_it_asks,
    a_negative_page_size_is_refused,
}

async fn the_built_in_survey_says_whom_it_asks(api: Api) {
    let request = ListSurveysRequest { page_size: 1, ..Default::default() };
    let listed = api.surveys("arena").list_surveys(request).await.unwrap().into_inner();
    let expected = ListSurveysResponse {
        surveys: vec![Survey {
            name: "surveys/refund-experience".to_owned(),
            display_name: "How satisfied are you with your refund? CSAT, 1 to 5".to_owned(),
            invited_outcomes: vec!["SUCCEEDED".to_owned()],
            quiet_days: 30,
        }],
        next_page_token: String::new(),
    };
    assert_eq!(listed, expected);
}

async fn a_negative_page_size_is_refused(api: Api) {
    let request = ListSurveysRequest { page_size: -1, ..Default::default() };
    let refused = api.surveys("arena").list_surveys(request).await.unwrap_err();
    assert_eq!(
        told(&refused),
        "InvalidArgument INVALID_FIELD: page_size: value must be greater than or equal to 0\n\
         page_size: value must be greater than or equal to 0"
    );
}
