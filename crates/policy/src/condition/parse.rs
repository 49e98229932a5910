//! From text to a tree whose inner nodes are logic and whose leaves are plain CEL.
//!
//! Invariant: every name in a leaf is a fact, every function one of [`FUNCTIONS`], and
//! `timestamp("...")` and `duration("...")` are numbers by now: microseconds.

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, operators};
use cel::parser::PrattParser;

use super::MAX_CONDITION_LEN;
use super::plain::Plain;
use crate::facts::parse_duration;

/// How deep a condition may nest.
const MAX_DEPTH: usize = 40;
/// How many operands and operators a condition may have.
const MAX_NODES: usize = 400;

/// The functions and operators that leaves may use, besides those of logic.
const FUNCTIONS: [&str; 22] = [
    operators::ADD,
    operators::SUBSTRACT,
    operators::MULTIPLY,
    operators::DIVIDE,
    operators::MODULO,
    operators::NEGATE,
    operators::EQUALS,
    operators::NOT_EQUALS,
    operators::LESS,
    operators::LESS_EQUALS,
    operators::GREATER,
    operators::GREATER_EQUALS,
    operators::IN,
    operators::LOGICAL_AND,
    operators::LOGICAL_OR,
    operators::LOGICAL_NOT,
    operators::CONDITIONAL,
    "contains",
    "startsWith",
    "endsWith",
    "size",
    "int",
];

/// A condition that can be evaluated.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) root: Node,
    pub(super) names: Vec<String>,
}

/// Logic, or a leaf.
#[derive(Debug)]
pub(super) enum Node {
    And(Box<[Node; 2]>),
    Or(Box<[Node; 2]>),
    Not(Box<Node>),
    /// Condition, then, else.
    If(Box<[Node; 3]>),
    Leaf {
        expr: IdedExpr,
        /// The facts that the leaf names.
        names: Vec<String>,
        /// The leaf again, when it has one of the common shapes.
        plain: Option<Plain>,
    },
}

pub(super) fn parse(source: &str) -> Result<Parsed, String> {
    let length = source.chars().count();
    if length > MAX_CONDITION_LEN {
        return Err(format!("has {length} characters; at most {MAX_CONDITION_LEN} are allowed"));
    }
    if source.trim().is_empty() {
        return Err("is empty; leave it out where there is no condition".to_owned());
    }
    let parser = PrattParser::new()
        .max_recursion_depth(32)
        .max_expression_node_count(MAX_NODES)
        .error_recovery_limit(1)
        .error_reporting_limit(1);
    let expr = parser.parse(source).map_err(|errors| {
        let first = errors.errors.first().map(|error| one_line(&error.msg));
        format!("is not CEL: {}", first.unwrap_or_else(|| "it cannot be read".to_owned()))
    })?;
    let mut names = Vec::new();
    let root = node(expr, 0)?;
    collect(&root, &mut names);
    Ok(Parsed { root, names })
}

/// The parser's message without line breaks, and short.
fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(200).collect()
}

fn collect(node: &Node, into: &mut Vec<String>) {
    match node {
        Node::And(sides) | Node::Or(sides) => sides.iter().for_each(|side| collect(side, into)),
        Node::Not(inner) => collect(inner, into),
        Node::If(parts) => parts.iter().for_each(|part| collect(part, into)),
        Node::Leaf { names, .. } => {
            for name in names {
                if !into.contains(name) {
                    into.push(name.clone());
                }
            }
        }
    }
}

/// Gathers the numbers and texts that a condition names.
pub(super) fn constants(node: &Node, found: &mut (Vec<i64>, Vec<String>)) {
    match node {
        Node::And(sides) | Node::Or(sides) => sides.iter().for_each(|side| constants(side, found)),
        Node::Not(inner) => constants(inner, found),
        Node::If(parts) => parts.iter().for_each(|part| constants(part, found)),
        Node::Leaf { expr, .. } => literals(expr, found),
    }
}

fn literals(expr: &IdedExpr, found: &mut (Vec<i64>, Vec<String>)) {
    match &expr.expr {
        Expr::Literal(LiteralValue::Int(value)) => found.0.push(*value.inner()),
        Expr::Literal(LiteralValue::String(text)) => found.1.push(text.inner().to_owned()),
        Expr::List(list) => list.elements.iter().for_each(|element| literals(element, found)),
        Expr::Call(call) => {
            let operands = call.target.as_deref().into_iter().chain(&call.args);
            operands.for_each(|operand| literals(operand, found));
        }
        _ => {}
    }
}

fn too_deep() -> String {
    format!("nests deeper than {MAX_DEPTH}; split it into several rules")
}

fn node(expr: IdedExpr, depth: usize) -> Result<Node, String> {
    if depth > MAX_DEPTH {
        return Err(too_deep());
    }
    let IdedExpr { id, expr } = expr;
    let Expr::Call(mut call) = expr else { return leaf(IdedExpr { id, expr }, depth) };
    let mut args = std::mem::take(&mut call.args).into_iter();
    let next = |args: &mut std::vec::IntoIter<IdedExpr>| {
        let arg = args.next().ok_or_else(|| "misses an operand".to_owned())?;
        node(arg, depth + 1)
    };
    match call.func_name.as_str() {
        operators::LOGICAL_AND => Ok(Node::And(Box::new([next(&mut args)?, next(&mut args)?]))),
        operators::LOGICAL_OR => Ok(Node::Or(Box::new([next(&mut args)?, next(&mut args)?]))),
        operators::LOGICAL_NOT => Ok(Node::Not(Box::new(next(&mut args)?))),
        operators::CONDITIONAL => {
            Ok(Node::If(Box::new([next(&mut args)?, next(&mut args)?, next(&mut args)?])))
        }
        _ => leaf(
            IdedExpr { id, expr: Expr::Call(CallExpr { args: args.collect(), ..call }) },
            depth,
        ),
    }
}

fn leaf(mut expr: IdedExpr, depth: usize) -> Result<Node, String> {
    let mut names = Vec::new();
    plain(&mut expr, &mut names, depth)?;
    let plain = Plain::of(&expr);
    Ok(Node::Leaf { expr, names, plain })
}

/// Checks that an expression is one of those allowed in leaves, gathers the facts that it names,
/// and turns instants and durations into microseconds.
fn plain(expr: &mut IdedExpr, names: &mut Vec<String>, depth: usize) -> Result<(), String> {
    if depth > MAX_DEPTH {
        return Err(too_deep());
    }
    match &mut expr.expr {
        Expr::Literal(_) => {}
        Expr::Ident(name) => {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        Expr::List(list) => {
            for element in &mut list.elements {
                plain(element, names, depth + 1)?;
            }
        }
        Expr::Call(call) => {
            if let Some(micros) = moment(call)? {
                expr.expr = Expr::Literal(LiteralValue::Int(micros.into()));
                return Ok(());
            }
            if !FUNCTIONS.contains(&call.func_name.as_str()) {
                return Err(format!(
                    "uses the unknown function {}; there are contains, startsWith, endsWith, size, \
                     int, timestamp and duration",
                    one_line(&call.func_name)
                ));
            }
            for operand in call.target.as_deref_mut().into_iter().chain(&mut call.args) {
                plain(operand, names, depth + 1)?;
            }
        }
        Expr::Comprehension(_) => {
            return Err("uses all, exists, map or filter; write `x in [...]` instead".to_owned());
        }
        Expr::Select(select) => {
            let field = one_line(&select.field);
            return Err(format!("selects .{field}, but facts have no fields"));
        }
        Expr::Map(_) | Expr::Struct(_) | Expr::Unspecified => {
            return Err("uses a map or a message; facts are plain values".to_owned());
        }
    }
    Ok(())
}

/// The microseconds of `timestamp("2026-12-19T14:30:00Z")` and of `duration("36h")`.
fn moment(call: &CallExpr) -> Result<Option<i64>, String> {
    let (name, form) = match call.func_name.as_str() {
        "timestamp" => ("timestamp", "\"2026-12-19T14:30:00Z\""),
        "duration" => ("duration", "\"36h\" or \"1h30m\""),
        _ => return Ok(None),
    };
    let wrong = || format!("{name} takes one text such as {form}");
    let [IdedExpr { expr: Expr::Literal(LiteralValue::String(text)), .. }] = call.args.as_slice()
    else {
        return Err(wrong());
    };
    let read = if name == "timestamp" {
        redress_calendar::parse_instant(text.inner()).ok().map(|at| at.0)
    } else {
        parse_duration(text.inner())
    };
    read.filter(|_| call.target.is_none()).map(Some).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(source: &str) -> String {
        parse(source).err().unwrap_or_default()
    }

    #[test]
    fn facts_are_gathered_once_each() {
        let parsed = parse("a && (b == 3 || !a) && c in [\"x\", d]").unwrap();
        assert_eq!(parsed.names, ["a", "b", "c", "d"]);
        assert_eq!(parse("x ? y : z + 1 > 2").unwrap().names, ["x", "y", "z"]);
    }

    #[test]
    fn what_is_not_a_plain_condition_is_refused_with_the_reason() {
        for (source, part) in [
            ("", "empty"),
            ("  ", "empty"),
            ("a &&", "not CEL"),
            ("a b", "not CEL"),
            ("'open", "not CEL"),
            ("[1, 2].all(x, x > 0)", "write `x in [...]`"),
            ("facts.ill", "facts have no fields"),
            ("has(a.b)", "facts have no fields"),
            ("{'a': 1}", "a map"),
            ("matches(a, '.*')", "unknown function matches"),
            ("a.repeat(9)", "unknown function repeat"),
            ("a[0] == 1", "unknown function _[_]"),
            ("now > timestamp('soon')", "timestamp takes one text"),
            ("now > timestamp(a)", "timestamp takes one text"),
            ("now - start > duration('2 days')", "duration takes one text"),
            ("now - start > duration('')", "duration takes one text"),
            ("now > a.timestamp('2026-12-19T14:30:00Z')", "timestamp takes one text"),
        ] {
            assert!(reason(source).contains(part), "{source}: {}", reason(source));
        }
    }

    #[test]
    fn hostile_texts_are_refused_before_they_cost_anything() {
        for source in [
            "a".repeat(2_001),
            "!(".repeat(600) + "a" + &")".repeat(600),
            "[".repeat(900) + &"]".repeat(900),
            vec!["1"; 900].join("+") + " > 0",
            vec!["1"; 60].join("+") + " > 0",
            "a ? b : ".repeat(200) + "c",
            "size(".repeat(300) + &")".repeat(300),
        ] {
            let reason = reason(&source);
            assert!((1..300).contains(&reason.len()), "{reason}");
        }
        let brackets = "(".repeat(900) + "a" + &")".repeat(900);
        assert_eq!(parse(&brackets).unwrap().names, ["a"], "mere brackets add no depth");
        assert!(parse(&vec!["a"; 600].join("||")).is_ok(), "long chains are balanced");
        let longest = format!("a == \"{}\"", "é".repeat(MAX_CONDITION_LEN - 7));
        assert!(parse(&longest).is_ok(), "length counts characters, not bytes");
        assert!(parse(&format!("{longest} ")).is_err());
    }
}
