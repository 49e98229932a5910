//! Leaves of the common shapes, evaluated without the interpreter: a yes-or-no fact, a comparison of
//! numbers or instants, a text among others.
//!
//! Invariant: an answer is the interpreter's answer. Where that is not plain to see (an overflow, a
//! value of another type), there is none here, and the interpreter decides.

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, operators};

use super::eval::{Facts, Value};

/// A leaf that needs no interpreter.
#[derive(Debug)]
pub(super) enum Plain {
    Fact(String),
    Compare { left: Number, by: Comparison, right: Number },
    OneOf { fact: String, texts: Vec<String>, wanted: bool },
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug)]
pub(super) enum Number {
    Literal(i64),
    Fact(String),
    Sum(Box<[Number; 2]>),
    Difference(Box<[Number; 2]>),
    Product(Box<[Number; 2]>),
}

impl Plain {
    /// Reads the shape of a leaf; `None` for all others.
    pub(super) fn of(expr: &IdedExpr) -> Option<Self> {
        match &expr.expr {
            Expr::Ident(name) => Some(Self::Fact(name.clone())),
            Expr::Call(call) => Self::of_call(call),
            _ => None,
        }
    }

    fn of_call(call: &CallExpr) -> Option<Self> {
        let [left, right] = call.args.as_slice() else { return None };
        if call.target.is_some() {
            return None;
        }
        let by = match call.func_name.as_str() {
            operators::EQUALS => Comparison::Equal,
            operators::NOT_EQUALS => Comparison::NotEqual,
            operators::LESS => Comparison::Less,
            operators::LESS_EQUALS => Comparison::LessOrEqual,
            operators::GREATER => Comparison::Greater,
            operators::GREATER_EQUALS => Comparison::GreaterOrEqual,
            operators::IN => {
                let Expr::List(list) = &right.expr else { return None };
                let texts: Option<Vec<_>> = list.elements.iter().map(text).collect();
                return Some(Self::OneOf { fact: fact(left)?, texts: texts?, wanted: true });
            }
            _ => return None,
        };
        match (by, text(right)) {
            (Comparison::Equal | Comparison::NotEqual, Some(text)) => {
                let wanted = matches!(by, Comparison::Equal);
                Some(Self::OneOf { fact: fact(left)?, texts: vec![text], wanted })
            }
            _ => Some(Self::Compare { left: Number::of(left)?, by, right: Number::of(right)? }),
        }
    }

    /// Yes, no, or nothing that can be told here.
    pub(super) fn evaluate(&self, facts: &dyn Facts) -> Option<bool> {
        match self {
            Self::Fact(name) => match facts.value(name)? {
                Value::Bool(value) => Some(value),
                Value::Int(_) | Value::Text(_) => None,
            },
            Self::Compare { left, by, right } => {
                let (left, right) = (left.value(facts)?, right.value(facts)?);
                Some(match by {
                    Comparison::Equal => left == right,
                    Comparison::NotEqual => left != right,
                    Comparison::Less => left < right,
                    Comparison::LessOrEqual => left <= right,
                    Comparison::Greater => left > right,
                    Comparison::GreaterOrEqual => left >= right,
                })
            }
            Self::OneOf { fact, texts, wanted } => match facts.value(fact)? {
                Value::Text(value) => Some(texts.iter().any(|text| text == value) == *wanted),
                Value::Bool(_) | Value::Int(_) => None,
            },
        }
    }
}

fn fact(expr: &IdedExpr) -> Option<String> {
    if let Expr::Ident(name) = &expr.expr { Some(name.clone()) } else { None }
}

fn text(expr: &IdedExpr) -> Option<String> {
    match &expr.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner().to_owned()),
        _ => None,
    }
}

impl Number {
    fn of(expr: &IdedExpr) -> Option<Self> {
        match &expr.expr {
            Expr::Literal(LiteralValue::Int(value)) => Some(Self::Literal(*value.inner())),
            Expr::Ident(name) => Some(Self::Fact(name.clone())),
            Expr::Call(call) if call.target.is_none() => match call.args.as_slice() {
                [left, right] => {
                    let sides = Box::new([Self::of(left)?, Self::of(right)?]);
                    match call.func_name.as_str() {
                        operators::ADD => Some(Self::Sum(sides)),
                        operators::SUBSTRACT => Some(Self::Difference(sides)),
                        operators::MULTIPLY => Some(Self::Product(sides)),
                        _ => None,
                    }
                }
                [only] if call.func_name == operators::NEGATE => {
                    let sides = [Self::Literal(0), Self::of(only)?];
                    Some(Self::Difference(Box::new(sides)))
                }
                _ => None,
            },
            _ => None,
        }
    }

    fn value(&self, facts: &dyn Facts) -> Option<i64> {
        match self {
            Self::Literal(value) => Some(*value),
            Self::Fact(name) => match facts.value(name)? {
                Value::Int(value) => Some(value),
                Value::Bool(_) | Value::Text(_) => None,
            },
            Self::Sum(sides) => sides[0].value(facts)?.checked_add(sides[1].value(facts)?),
            Self::Difference(sides) => sides[0].value(facts)?.checked_sub(sides[1].value(facts)?),
            Self::Product(sides) => sides[0].value(facts)?.checked_mul(sides[1].value(facts)?),
        }
    }
}
