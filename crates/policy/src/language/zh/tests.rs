//! Every step in Chinese, word by word.

use crate::language::tests::{all_read, every_step, in_own_words, sparse_steps};
use crate::texts::Language;

use super::*;

#[test]
fn every_step_is_a_sentence() {
    all_read(
        Language::Zh,
        &every_step(),
        &[
            "规则 two-days 适用于有人患病的情形，但最迟须于2026年12月17日 15:30（Europe/Berlin）提\
             出，现已逾期。",
            "因有人去世，规则 two-days 优先于通常规则适用；已出示：DEATH_CERTIFICATE、KINSHIP。",
            "对于发生罢工的情形，没有适用于本项的特别规则，因此适用通常规则。",
            "规则 two-days 已不再适用：该规则要求至少在开始前2天（48小时）提出申请，期限已\
             于2026年12月17日 15:30（Europe/Berlin）届满。",
            "规则 two-days 适用：该规则要求至少在开始日期前5天提出申请，即不晚于2026年12月17日 \
             15:30（Europe/Berlin）。",
            "规则 two-days 视为适用：该规则要求至少在开始日期前3个工作日提出申请，而工作日日历涵盖\
             的日期不足，尚无法确定。",
            "规则 two-days 适用于本次情形：ill && !late；本次申请中，销售渠道为\"web\"；\
             days为3；ill为“是”；late为“否”。",
            "规则 two-days 适用于其他情形：ill && !late。",
            "买方自愿退订时，此项税费不予退还。",
            "根据这些规则，买方自愿退订不予退款；这些规则只涉及应由卖方负责的情形。",
            "所有规则规定的期限均已届满，开始时间为2026年12月17日 15:30（Europe/Berlin）。",
            "没有其他规则的条件得到满足，因此不予退款。",
            "从价款 EUR 107.81 中扣收25.5%。",
            "从 EUR 80.00（unused_part）中退还30%。",
            "其余部分再按天数比例扣收，即10天中的3天。",
            "另扣收费用 EUR 12.00（visa_cost）。",
            "按2份计，共扣收固定退票费 EUR 5.00。",
            "退票费按 EUR 0.50 的整数倍就近舍入（恰好居中时向上），得 EUR 27.50。",
            "退票费最低为 EUR 2.00。",
            "退票费最高为 EUR 30.00。",
            "退票费不得超过价款 EUR 1.50。",
            "价款 EUR 1.00 中，卖方扣留 EUR 0.25，退还买方 EUR 0.75。",
            "没有规则规定对此种情形给予补偿。",
            "规则 two-days 规定，此种情形无须支付补偿金。",
            "规则 two-days 规定，另可要求损害赔偿，赔偿金额须举证证明。",
            "规则 two-days 规定，补偿金为每位旅客 EUR 250.00，共2位旅客。",
            "规则 two-days 规定，补偿金为价款 EUR 107.81 的25%。",
            "规则 two-days 规定，应赔付所支出的费用 EUR 30.00。",
            "补偿金减半，为 EUR 125.00。",
            "补偿金本应为 EUR 3.00，但低于 EUR 4.00 的无须支付，因此不予补偿。",
            "除退款外，另应支付补偿金 EUR 125.00。",
        ],
    );
}

#[test]
fn what_a_step_leaves_out_is_not_told() {
    all_read(
        Language::Zh,
        &sparse_steps(),
        &[
            "规则 two-days 已不再适用：该规则要求最迟于2026年12月17日 15:30（Europe/Berlin）提出申\
             请。",
            "规则 two-days 适用：该规则要求至少在开始日期前1天提出申请，即不晚\
             于2026-12-17T14:30:00Z。",
            "规则 two-days 适用：该规则要求至少在开始日期前1个工作日提出申请。",
            "因有人去世，规则 two-days 优先于通常规则适用。",
            "买方自愿退订时，此项费用不予退还。",
            "从价款 EUR 107.81 中退还1%。",
            "扣收固定退票费 EUR 2.50。",
            "退票费向下舍入，得 EUR 53.90。",
            "规则 two-days 规定，补偿金为 EUR 250.00。",
        ],
    );
}

#[test]
fn a_policys_own_words_are_told() {
    in_own_words(
        Language::Zh,
        [
            "规则 bereavement（Terms, § 3）适用于本次情形：旅客去世；本次申请中，数量为1。",
            "因有人去世，规则 bereavement（Terms, § 3）优先于通常规则适用；已出示：死亡证明。",
            "规则 bereavement（Terms, § 3）规定，此种情形无须支付补偿金。",
        ],
    );
}

#[test]
fn figures_are_chinese() {
    assert_eq!(percent(2550), "25.5%");
    assert_eq!(percent(2505), "25.05%");
}

#[test]
fn instants_are_told_as_in_china() {
    let told = |at: &str| local(redress_calendar::parse_instant(at).unwrap(), "Asia/Shanghai");
    assert_eq!(told("2026-12-31T16:05:00Z"), "2027年1月1日 00:05（Asia/Shanghai）");
    assert_eq!(told("2026-12-19T07:30:09Z"), "2026年12月19日 15:30:09（Asia/Shanghai）");
}

#[test]
fn notices_are_told_in_the_unit_that_people_use() {
    for (asked, text) in [
        (Notice::Hours(0), "在开始前提出申请"),
        (Notice::Hours(1), "至少在开始前1小时提出申请"),
        (Notice::Hours(24), "至少在开始前1天（24小时）提出申请"),
        (Notice::Hours(36), "至少在开始前36小时提出申请"),
        (Notice::CivilDays(0), "最迟在开始当天提出申请"),
        (Notice::CivilDays(10), "至少在开始日期前10天提出申请"),
        (Notice::BusinessDays(0), "最迟在开始当天提出申请"),
        (Notice::BusinessDays(1), "至少在开始日期前1个工作日提出申请"),
        (Notice::Until(Timestamp(0)), "最迟于届时提出申请"),
    ] {
        assert_eq!(notice(asked, |_| "届时".to_owned()), text);
    }
}

#[test]
fn every_way_of_rounding_is_told() {
    let told = RoundingMode::ALL.iter().map(|mode| rounding(*mode));
    let all =
        ["向下舍入", "向上舍入", "就近舍入（恰好居中时向上）", "就近舍入（恰好居中时取偶数）"];
    assert!(told.eq(all));
}

#[test]
fn punctuation_is_full_width() {
    // But for a condition, which is quoted as it stands, and the time of day.
    let half = [',', ';', '?', '(', ')'];
    for step in every_step() {
        let text = step.text(Language::Zh, None);
        assert!(!text.contains(half), "{text}");
    }
}
