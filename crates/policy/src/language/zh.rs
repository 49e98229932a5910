//! Explanations in simplified Chinese.
//!
//! Invariant: numbers are exact; nothing is rounded to be readable. Punctuation is full-width. A
//! space stands between Chinese and Latin words, as in the mails, and none beside plain numbers.

use redress_core::clock::Timestamp;

use super::{Words, unless_instant};
use crate::model::Notice;
use crate::step::{KnownFacts, Step};
use crate::vocabulary::{FixedFeePer, LineKind, OverrideCode, RoundingMode};

/// `step` as one sentence.
pub(super) fn sentence(step: &Step, words: &Words<'_>) -> String {
    match step {
        Step::OverrideTooLate { rule, code, until, time_zone } => format!(
            "{}适用于{}的情形，但最迟须于{}提出，现已逾期。",
            named(rule, words),
            happened(*code),
            local(*until, time_zone)
        ),
        Step::OverrideApplies { rule, code, evidence } => format!(
            "因{}，{}优先于通常规则适用{}。",
            happened(*code),
            named(rule, words),
            shown(evidence, words)
        ),
        Step::NoOverride { code } => {
            format!("对于{}的情形，没有适用于本项的特别规则，因此适用通常规则。", happened(*code))
        }
        Step::NoticeMissed { .. } | Step::NoticeMet { .. } | Step::NoticeUncertain { .. } => {
            notice_sentence(step, words)
        }
        Step::ConditionMet { rule, condition, facts } => format!(
            "{}适用于本次情形：{}{}。",
            named(rule, words),
            words.condition(rule, condition),
            here(facts, words)
        ),
        Step::ConditionNotMet { rule, condition, facts } => format!(
            "{}适用于其他情形：{}{}。",
            named(rule, words),
            words.condition(rule, condition),
            here(facts, words)
        ),
        Step::FeeKept { kind } => {
            let what = if *kind == LineKind::Tax { "税费" } else { "费用" };
            format!("买方自愿退订时，此项{what}不予退还。")
        }
        Step::NotRegulated => {
            "根据这些规则，买方自愿退订不予退款；这些规则只涉及应由卖方负责的情形。".to_owned()
        }
        Step::TooLate { time_zone, start } => {
            format!("所有规则规定的期限均已届满，开始时间为{}。", local(*start, time_zone))
        }
        Step::NothingHolds => "没有其他规则的条件得到满足，因此不予退款。".to_owned(),
        _ => amount_sentence(step, words),
    }
}

fn notice_sentence(step: &Step, words: &Words<'_>) -> String {
    match step {
        Step::NoticeMissed { rule, notice: asked, until, time_zone } => format!(
            "{}已不再适用：该规则要求{}{}。",
            named(rule, words),
            notice(*asked, |at| local(at, time_zone)),
            unless_instant(*asked, until_words(*until, time_zone, "，期限已于", "届满"))
        ),
        Step::NoticeMet { rule, notice: asked, until, time_zone } => format!(
            "{}适用：该规则要求{}{}。",
            named(rule, words),
            notice(*asked, |at| local(at, time_zone)),
            unless_instant(*asked, until_words(*until, time_zone, "，即不晚于", ""))
        ),
        Step::NoticeUncertain { rule, notice: asked } => format!(
            "{}视为适用：该规则要求{}，而工作日日历涵盖的日期不足，尚无法确定。",
            named(rule, words),
            notice(*asked, |at| local(at, "UTC"))
        ),
        _ => String::new(),
    }
}

fn amount_sentence(step: &Step, words: &Words<'_>) -> String {
    match step {
        Step::Share { gross, basis_points, kept } => {
            format!("从价款 {gross} 中{}{}。", goes(*kept), percent((*basis_points).into()))
        }
        Step::ShareOf { base, fact, basis_points, kept } => {
            format!("从 {base}（{fact}）中{}{}。", goes(*kept), percent((*basis_points).into()))
        }
        Step::RestByDays { done, of } => {
            format!("其余部分再按天数比例扣收，即{of}天中的{done}天。")
        }
        Step::CostKept { cost, fact } => format!("另扣收费用 {cost}（{fact}）。"),
        Step::FixedFee { fee, per, units } => match per {
            FixedFeePer::Unit => format!("按{units}份计，共扣收固定退票费 {fee}。"),
            FixedFeePer::Line => format!("扣收固定退票费 {fee}。"),
        },
        Step::Rounded { to, step, mode } => {
            let way = rounding(*mode);
            if step.minor_units == 1 {
                return format!("退票费{way}，得 {to}。");
            }
            format!("退票费按 {step} 的整数倍{way}，得 {to}。")
        }
        Step::Minimum { fee } => format!("退票费最低为 {fee}。"),
        Step::Maximum { fee } => format!("退票费最高为 {fee}。"),
        Step::Capped { gross } => format!("退票费不得超过价款 {gross}。"),
        Step::Result { gross, fee, refund } => {
            format!("价款 {gross} 中，卖方扣留 {fee}，退还买方 {refund}。")
        }
        _ => compensation_sentence(step, words),
    }
}

fn compensation_sentence(step: &Step, words: &Words<'_>) -> String {
    match step {
        Step::NoCompensation => "没有规则规定对此种情形给予补偿。".to_owned(),
        Step::CompensationFree { rule } => {
            format!("{}规定，此种情形无须支付补偿金。", named(rule, words))
        }
        Step::CompensationClaimed { rule } => {
            format!("{}规定，另可要求损害赔偿，赔偿金额须举证证明。", named(rule, words))
        }
        Step::CompensationFixed { rule, amount, per, units } => match per {
            FixedFeePer::Unit => {
                let rule = named(rule, words);
                format!("{rule}规定，补偿金为每位旅客 {amount}，共{units}位旅客。")
            }
            FixedFeePer::Line => format!("{}规定，补偿金为 {amount}。", named(rule, words)),
        },
        Step::CompensationShare { rule, gross, basis_points } => format!(
            "{}规定，补偿金为价款 {gross} 的{}。",
            named(rule, words),
            percent(*basis_points)
        ),
        Step::CompensationCost { rule, cost } => {
            format!("{}规定，应赔付所支出的费用 {cost}。", named(rule, words))
        }
        Step::CompensationHalved { amount, facts } => {
            format!("补偿金减半，为 {amount}{}。", here(facts, words))
        }
        Step::CompensationTooSmall { amount, least } => {
            format!("补偿金本应为 {amount}，但低于 {least} 的无须支付，因此不予补偿。")
        }
        Step::CompensationDue { amount } => format!("除退款外，另应支付补偿金 {amount}。"),
        _ => String::new(),
    }
}

/// A rule with where it stands, before Chinese: `规则 two-days（Art. 7）` or `规则 two-days `.
fn named(rule: &str, words: &Words<'_>) -> String {
    match words.title(rule) {
        Some(title) => format!("规则 {rule}（{title}）"),
        None => format!("规则 {rule} "),
    }
}

const fn goes(kept: bool) -> &'static str {
    if kept { "扣收" } else { "退还" }
}

/// What happened, as in `因活动改换地点`.
const fn happened(code: OverrideCode) -> &'static str {
    match code {
        OverrideCode::EventCancelled => "活动或行程取消",
        OverrideCode::EventPostponed => "活动或行程延期",
        OverrideCode::EventMoved => "活动改换地点",
        OverrideCode::Illness => "有人患病",
        OverrideCode::Death => "有人去世",
        OverrideCode::VisaRefused => "签证被拒",
        OverrideCode::ForceMajeure => "发生不可抗力",
        OverrideCode::CarrierFault => "承运人未履行义务",
        OverrideCode::Strike => "发生罢工",
        OverrideCode::JourneyDelayed => "行程延误",
        OverrideCode::BoardingDenied => "持有效客票却被拒绝乘坐",
        OverrideCode::ClassDowngraded => "乘坐的舱位或席别低于所购等级",
        OverrideCode::ScheduleChanged => "行程在开始前变更",
        OverrideCode::BaggageLate => "托运行李迟到或未到",
        OverrideCode::ServiceNotProvided => "已付费的服务未提供",
        OverrideCode::NotAsDescribed => "所售内容与描述不符",
        OverrideCode::PriceRaised => "售出后涨价",
        OverrideCode::GroupTooSmall => "报名人数不足",
        OverrideCode::TripCutShort => "行程提前结束",
        OverrideCode::TicketChanged => "票已改签或更换",
    }
}

/// `；已出示：a、b`, or nothing.
fn shown(evidence: &[String], words: &Words<'_>) -> String {
    if evidence.is_empty() {
        return String::new();
    }
    let documents: Vec<_> = evidence.iter().map(|kind| words.document(kind)).collect();
    format!("；已出示：{}", documents.join("、"))
}

/// `；本次申请中，a 为 1，b 为“是”`, or nothing.
fn here(facts: &KnownFacts, words: &Words<'_>) -> String {
    let told = words.facts(facts, "为", ["“否”", "“是”"]);
    if told.is_empty() {
        return String::new();
    }
    format!("；本次申请中，{}", told.join("；"))
}

/// `2026年12月19日 15:30（Europe/Berlin）`.
fn local(at: Timestamp, zone: &str) -> String {
    super::local(at, zone, |zone, at| {
        let parts = zone.local_parts(at).ok()?;
        let (year, month, day, time) = (parts.year, parts.month, parts.day, parts.time_of_day());
        Some(format!("{year}年{month}月{day}日 {time}（{}）", zone.name()))
    })
}

/// The end of a notice between `lead` and `tail`, or nothing.
fn until_words(until: Option<Timestamp>, zone: &str, lead: &str, tail: &str) -> String {
    until.map_or_else(String::new, |until| format!("{lead}{}{tail}", local(until, zone)))
}

/// `25.5%` from hundredths of a percent.
fn percent(basis_points: u32) -> String {
    super::percent(basis_points, '.', "%")
}

/// What a tier asks for: `至少在开始前2天（48小时）提出申请`.
fn notice(notice: Notice, local: impl Fn(Timestamp) -> String) -> String {
    match notice {
        Notice::Hours(0) => "在开始前提出申请".to_owned(),
        Notice::Hours(hours) if hours % 24 == 0 => {
            format!("至少在开始前{}天（{hours}小时）提出申请", hours / 24)
        }
        Notice::Hours(hours) => format!("至少在开始前{hours}小时提出申请"),
        Notice::CivilDays(0) | Notice::BusinessDays(0) => "最迟在开始当天提出申请".to_owned(),
        Notice::CivilDays(days) => format!("至少在开始日期前{days}天提出申请"),
        Notice::BusinessDays(days) => format!("至少在开始日期前{days}个工作日提出申请"),
        Notice::Until(instant) => format!("最迟于{}提出申请", local(instant)),
    }
}

/// `向下舍入`, `向上舍入`, `就近舍入`.
const fn rounding(mode: RoundingMode) -> &'static str {
    match mode {
        RoundingMode::Down => "向下舍入",
        RoundingMode::Up => "向上舍入",
        RoundingMode::HalfUp => "就近舍入（恰好居中时向上）",
        RoundingMode::HalfEven => "就近舍入（恰好居中时取偶数）",
    }
}

#[cfg(test)]
mod tests;
