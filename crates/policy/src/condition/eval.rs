//! Evaluation in the strong three-valued logic of Kleene.
//!
//! Invariant: `false && missing` is false and `true || missing` is true, on either side. A missing
//! fact outranks a failure, because with the fact the failure may not matter; a failure outranks
//! yes.

use std::sync::{Arc, LazyLock};

use cel::common::ast::IdedExpr;
use cel::common::types::{CelBool, CelInt, CelString};
use cel::common::value::CowVal;
use cel::context::VariableResolver;
use cel::{Context, Env};

use super::parse::Node;

static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

/// Where leaves find the values of facts.
pub(crate) trait Facts: Send + Sync {
    /// The value of the fact; `None` when nobody told it.
    fn value(&self, name: &str) -> Option<Value<'_>>;

    /// What has to be told for the fact to be known: itself, unless it follows from another one.
    fn missing(&self, name: &str) -> String {
        name.to_owned()
    }
}

/// The value of a fact, as conditions see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// Yes or no.
    Bool(bool),
    /// A number, or the microseconds of an instant.
    Int(i64),
    /// A text.
    Text(&'a str),
}

/// Whether a condition holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It does.
    Yes,
    /// It does not.
    No,
    /// It depends on these facts.
    Missing(Vec<String>),
    /// It cannot be told, whatever is known: the reason.
    Failed(String),
}

struct Resolver<'a>(&'a dyn Facts);

impl VariableResolver for Resolver<'_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        Some(match self.0.value(variable)? {
            Value::Bool(value) => CowVal::owned(CelBool::from(value)),
            Value::Int(value) => CowVal::owned(CelInt::from(value)),
            Value::Text(value) => CowVal::owned(CelString::from(value)),
        })
    }
}

pub(super) fn evaluate(node: &Node, facts: &dyn Facts) -> Outcome {
    match node {
        Node::And(sides) => {
            let left = evaluate(&sides[0], facts);
            if left == Outcome::No { left } else { and(left, evaluate(&sides[1], facts)) }
        }
        Node::Or(sides) => {
            let left = evaluate(&sides[0], facts);
            if left == Outcome::Yes {
                left
            } else {
                not(and(not(left), not(evaluate(&sides[1], facts))))
            }
        }
        Node::Not(inner) => not(evaluate(inner, facts)),
        Node::If(parts) => match evaluate(&parts[0], facts) {
            Outcome::Yes => evaluate(&parts[1], facts),
            Outcome::No => evaluate(&parts[2], facts),
            Outcome::Failed(reason) => Outcome::Failed(reason),
            Outcome::Missing(names) => {
                match (evaluate(&parts[1], facts), evaluate(&parts[2], facts)) {
                    (Outcome::Yes, Outcome::Yes) => Outcome::Yes,
                    (Outcome::No, Outcome::No) => Outcome::No,
                    (then, other) => Outcome::Missing(merge(names, missing(then), missing(other))),
                }
            }
        },
        Node::Leaf { expr, names, plain } => {
            match plain.as_ref().and_then(|plain| plain.evaluate(facts)) {
                Some(true) => Outcome::Yes,
                Some(false) => Outcome::No,
                None => leaf(expr, names, facts),
            }
        }
    }
}

fn not(outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::Yes => Outcome::No,
        Outcome::No => Outcome::Yes,
        other => other,
    }
}

fn and(left: Outcome, right: Outcome) -> Outcome {
    match (left, right) {
        (Outcome::No, _) | (_, Outcome::No) => Outcome::No,
        (Outcome::Missing(left), right) => Outcome::Missing(merge(left, missing(right), vec![])),
        (_, Outcome::Missing(right)) => Outcome::Missing(right),
        (Outcome::Failed(reason), _) | (_, Outcome::Failed(reason)) => Outcome::Failed(reason),
        (Outcome::Yes, Outcome::Yes) => Outcome::Yes,
    }
}

fn missing(outcome: Outcome) -> Vec<String> {
    if let Outcome::Missing(names) = outcome { names } else { Vec::new() }
}

fn merge(mut first: Vec<String>, second: Vec<String>, third: Vec<String>) -> Vec<String> {
    for name in second.into_iter().chain(third) {
        if !first.contains(&name) {
            first.push(name);
        }
    }
    first
}

fn leaf(expr: &IdedExpr, names: &[String], facts: &dyn Facts) -> Outcome {
    let unknown = names.iter().filter(|name| facts.value(name).is_none());
    let unknown: Vec<_> = unknown.map(|name| facts.missing(name)).collect();
    if !unknown.is_empty() {
        return Outcome::Missing(unknown);
    }
    let resolver = Resolver(facts);
    let mut context = Context::with_env(Arc::clone(&ENVIRONMENT));
    context.set_variable_resolver(&resolver);
    match cel::Value::resolve(expr, &context) {
        Ok(cel::Value::Bool(true)) => Outcome::Yes,
        Ok(cel::Value::Bool(false)) => Outcome::No,
        Ok(other) => Outcome::Failed(format!("gives a {}, not yes or no", other.type_of())),
        Err(error) => Outcome::Failed(error.to_string().chars().take(200).collect()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::Condition;
    use super::*;

    /// `t` and `f` are known, `u`, `v` and `w` are missing; `n` is 3, `s` is "web".
    struct Table(BTreeMap<&'static str, Value<'static>>);

    impl Facts for Table {
        fn value(&self, name: &str) -> Option<Value<'_>> {
            self.0.get(name).copied()
        }
    }

    fn outcome(source: &str) -> Outcome {
        let known = [
            ("t", Value::Bool(true)),
            ("f", Value::Bool(false)),
            ("n", Value::Int(3)),
            ("s", Value::Text("web")),
            ("max", Value::Int(i64::MAX)),
        ];
        Condition::new(source).evaluate(&Table(BTreeMap::from(known)))
    }

    fn needs(names: &[&str]) -> Outcome {
        Outcome::Missing(names.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn the_truth_tables_are_kleenes() {
        let (yes, no) = (Outcome::Yes, Outcome::No);
        for (source, expected) in [
            ("t && t", yes.clone()),
            ("t && f", no.clone()),
            ("f && t", no.clone()),
            ("f && f", no.clone()),
            ("t && u", needs(&["u"])),
            ("u && t", needs(&["u"])),
            ("f && u", no.clone()),
            ("u && f", no.clone()),
            ("u && v", needs(&["u", "v"])),
            ("u && u", needs(&["u"])),
            ("t || t", yes.clone()),
            ("t || f", yes.clone()),
            ("f || t", yes.clone()),
            ("f || f", no.clone()),
            ("t || u", yes.clone()),
            ("u || t", yes.clone()),
            ("f || u", needs(&["u"])),
            ("u || f", needs(&["u"])),
            ("u || v", needs(&["u", "v"])),
            ("!t", no.clone()),
            ("!f", yes.clone()),
            ("!u", needs(&["u"])),
            ("t ? u : v", needs(&["u"])),
            ("f ? u : v", needs(&["v"])),
            ("t ? f : t", no.clone()),
            ("f ? f : t", yes.clone()),
            ("u ? t : t", yes.clone()),
            ("u ? f : f", no.clone()),
            ("u ? t : f", needs(&["u"])),
            ("u ? f : t", needs(&["u"])),
            ("u ? v : t", needs(&["u", "v"])),
            ("u ? t : w", needs(&["u", "w"])),
            ("u ? v : w", needs(&["u", "v", "w"])),
        ] {
            assert_eq!(outcome(source), expected, "{source}");
        }
    }

    #[test]
    fn leaves_are_plain_cel() {
        for (source, expected) in [
            ("n == 3", Outcome::Yes),
            ("n * 2 - 1 >= 6", Outcome::No),
            ("-n < 0 && n % 2 == 1", Outcome::Yes),
            ("s in ['web', 'app']", Outcome::Yes),
            ("s.startsWith('w') && s.endsWith('b') && s.contains('e')", Outcome::Yes),
            ("size(s) == n", Outcome::Yes),
            ("n > 2 ? s == 'web' : false", Outcome::Yes),
            ("(n > 5 || u) == t", needs(&["u"])),
            ("n + v > u", needs(&["v", "u"])),
            ("duration('1h30m') == 5400000000", Outcome::Yes),
            ("timestamp('1970-01-01T00:00:03Z') == n * 1000000", Outcome::Yes),
        ] {
            assert_eq!(outcome(source), expected, "{source}");
        }
    }

    #[test]
    fn a_failure_matters_only_where_it_decides() {
        for source in ["1 / (n - 3) == 1", "max + 1 > 0", "n % 0 == 1", "s > n", "n", "s"] {
            assert!(matches!(outcome(source), Outcome::Failed(_)), "{source}");
        }
        for source in ["n / 0 == 1 && f", "f && n / 0 == 1"] {
            assert_eq!(outcome(source), Outcome::No, "{source}");
        }
        for source in ["n / 0 == 1 || t", "t || n / 0 == 1"] {
            assert_eq!(outcome(source), Outcome::Yes, "{source}");
        }
        for source in ["n / 0 == 1 && t", "t && n / 0 == 1", "n / 0 == 1 || f", "!(n / 0 == 1)"] {
            assert!(matches!(outcome(source), Outcome::Failed(_)), "{source}");
        }
        for source in ["n / 0 == 1 && u", "u && n / 0 == 1", "n / 0 == 1 || u"] {
            assert_eq!(outcome(source), needs(&["u"]), "{source}");
        }
        assert!(matches!(outcome("n / 0 == 1 ? t : t"), Outcome::Failed(_)));
        assert!(matches!(outcome("n +"), Outcome::Failed(_)));
    }

    #[test]
    fn failures_say_what_went_wrong() {
        let Outcome::Failed(reason) = outcome("n") else { panic!("a number is no condition") };
        assert_eq!(reason, "gives a int, not yes or no");
        let Outcome::Failed(reason) = outcome("n / 0 > 1") else { panic!("cannot be divided") };
        assert!(reason.starts_with("Division by zero"), "{reason}");
    }
}
