use super::*;

const POLICY: &str = r#"id = "standard"
display_name = "Standard"
status = "draft"
effective = 2026-01-01T00:00:00Z
pay_within_days = 14
[citation]
title = "Terms of sale"
[[facts]]
name = "ill"
type = "bool"
question = "Is someone ill?"
[[tiers]]
rule = "ill"
notice_hours = 0
condition = "ill"
fee_basis_points = 0
[[tiers]]
rule = "rest"
notice_hours = 48
fee_basis_points = 5000
"#;

fn ask(file: &Path, facts: &[&str]) -> AskArgs {
    AskArgs {
        file: file.to_owned(),
        price: "100.01".to_owned(),
        currency: "EUR".parse().unwrap(),
        start: redress_calendar::parse_instant("2026-12-19T14:30:00Z").unwrap(),
        zone: "Europe/Berlin".to_owned(),
        at: Some(redress_calendar::parse_instant("2026-12-10T10:00:00Z").unwrap()),
        purchase: None,
        kind: redress_policy::LineKind::Ticket,
        units: 1,
        channel: "web".to_owned(),
        event: String::new(),
        place: String::new(),
        part: false,
        buyer_refunds: None,
        facts: facts.iter().map(|fact| (*fact).to_owned()).collect(),
        override_code: None,
        evidence: Vec::new(),
        language: Language::En,
        choices: Vec::new(),
        json: true,
    }
}

fn file() -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), POLICY).unwrap();
    file
}

#[test]
fn a_check_tells_packs_and_problems() {
    let broken = POLICY.replace("5000", "50000");
    let (sound, wrong) = (Path::new("a.toml"), Path::new("b.toml"));
    let told = check_json(&[(sound, report(POLICY)), (wrong, report(&broken))]);
    let pack = json!({
        "id": "standard", "citation": "Terms of sale", "status": "draft",
        "examples": 0, "examples_passed": 0,
    });
    assert_eq!(told["packs"], json!([pack, pack]));
    let reason = "must be at most 10000";
    let path = "tiers[1].fee_basis_points";
    let problem = json!({ "file": "b.toml", "line": 20, "path": path, "reason": reason });
    assert_eq!(told["problems"], json!([problem]));
    let line = problem_line(wrong, &report(&broken).problems[0]);
    assert_eq!(line, "b.toml:20: tiers[1].fee_basis_points must be at most 10000");
}

#[test]
fn an_answer_is_told_with_its_rule_its_path_and_its_amounts() {
    let file = file();
    let args = ask(file.path(), &["ill=false"]);
    let question = Question::read(&args).unwrap();
    let decision = question.decide(question.at);
    let told = decision_json(&question, &decision);
    assert_eq!(told["rule"], "rest");
    assert_eq!(
        (&told["fee_minor_units"], &told["refund_minor_units"]),
        (&json!(5000), &json!(5001))
    );
    let first = &told["path"][0];
    assert_eq!(first["type"], "CONDITION_NOT_MET");
    assert!(first["text"].as_str().unwrap().ends_with("Is someone ill? no."), "{first}");
    assert_eq!(cells(&question, &decision), ["rest", "EUR 50.00", "EUR 50.01"]);
    assert_eq!(question.remarks(), ["The policy's status is draft."]);
}

#[test]
fn what_is_missing_is_asked_for_with_the_option_that_tells_it() {
    let file = file();
    let args = ask(file.path(), &[]);
    let question = Question::read(&args).unwrap();
    let Decision::NeedsFacts(facts) = question.decide(question.at) else {
        panic!("nobody told whether someone is ill")
    };
    assert_eq!(needed(&facts[0], Language::En), "  Is someone ill? (--fact ill=<bool>)");
    assert_eq!(explain(&args).unwrap(), ExitCode::FAILURE);
    assert_eq!(what_if(&args).unwrap(), ExitCode::SUCCESS);
}

#[test]
fn options_that_do_not_fit_are_refused_by_name() {
    let file = file();
    for (facts, reason) in [
        (["ill"], "--fact: expected name=value"),
        (["sick=true"], "--fact: the policy has no fact \"sick\"; it has ill"),
        (["ill=yes"], "--fact: ill is true or false"),
    ] {
        let error = Question::read(&ask(file.path(), &facts)).err().unwrap();
        assert_eq!(error.to_string(), reason);
    }
    let nowhere = AskArgs { zone: "Berlin".to_owned(), ..ask(file.path(), &[]) };
    assert_eq!(Question::read(&nowhere).err().unwrap().to_string(), "--zone");
    let below = AskArgs { price: "-1".to_owned(), ..ask(file.path(), &[]) };
    let error = Question::read(&below).err().unwrap();
    assert!(error.to_string().contains("not below zero"), "{error}");
}

#[test]
fn without_files_the_laws_that_come_with_redress_are_checked() {
    let args = CheckArgs { files: Vec::new(), json: true };
    assert_eq!(check(&args).unwrap(), ExitCode::SUCCESS);
    let args = CheckArgs { files: vec!["eu-air-261".into(), "mars-air".into()], json: true };
    assert_eq!(check(&args).unwrap_err().to_string(), "cannot read mars-air");
}

#[test]
fn a_law_is_asked_by_its_id_and_answers_in_the_language_asked_for() {
    let args = AskArgs {
        currency: "RUB".parse().unwrap(),
        language: Language::Zh,
        ..ask(Path::new("ru-culture-52.1"), &[])
    };
    let question = Question::read(&args).unwrap();
    let decision = question.decide(question.at);
    let told = decision_json(&question, &decision);
    assert!(told["path"][0]["text"].as_str().unwrap().ends_with('。'), "{told}");
    assert_eq!(explain(&args).unwrap(), ExitCode::SUCCESS);
    let unknown = PacksArgs { id: Some("mars-air".to_owned()), json: false };
    let error = packs(&unknown).unwrap_err().to_string();
    assert!(error.contains("there are cn-air-2021, "), "{error}");
}

#[test]
fn choices_are_written_behind_the_file() {
    let pack = redress_policy::Pack::find("cn-rail-12306").unwrap().source.to_owned();
    let choices = ["free_window_basis=hours".to_owned()];
    let source = chosen(pack.clone(), &choices).unwrap();
    let policy = redress_policy::check::check(&source).unwrap();
    assert_eq!(policy.switches[0].value, "hours");
    assert_eq!(chosen(pack.clone(), &[]).unwrap(), pack);
    assert!(chosen(pack, &["hours".to_owned()]).is_err());
    assert!(chosen(source, &choices).is_err(), "choices are made once");
}
