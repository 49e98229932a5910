//! What can be proven wrong about a condition without evaluating it.
//!
//! Invariant: it reports only what is wrong whatever the facts are; where a type cannot be told,
//! nothing is reported.

use cel::common::ast::{CallExpr, Expr, LiteralValue, operators};

use super::parse::Node;
use crate::facts::{BUILTINS, FactKind};

/// The type of an expression, where it can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    Bool,
    /// Numbers, instants and lengths of time, which may be subtracted and compared.
    Number,
    Text,
    List,
    Unknown,
}

impl Type {
    const fn in_words(self) -> &'static str {
        match self {
            Self::Bool => "a bool",
            Self::Number => "a number",
            Self::Text => "a text",
            Self::List => "a list",
            Self::Unknown => "something",
        }
    }
}

/// Unknown facts, and operators on what they cannot take.
pub(super) fn problems(
    root: &Node,
    kind_of: &dyn Fn(&str) -> Option<FactKind>,
    values_of: &dyn Fn(&str) -> Vec<String>,
) -> Vec<String> {
    let mut reader = Reader { kind_of, values_of, problems: Vec::new() };
    reader.node(root);
    reader.problems
}

struct Reader<'a> {
    kind_of: &'a dyn Fn(&str) -> Option<FactKind>,
    /// The values of a switch; none for everything else.
    values_of: &'a dyn Fn(&str) -> Vec<String>,
    problems: Vec<String>,
}

impl Reader<'_> {
    fn report(&mut self, problem: String) {
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    fn node(&mut self, node: &Node) {
        match node {
            Node::And(sides) | Node::Or(sides) => sides.iter().for_each(|side| self.node(side)),
            Node::Not(inner) => self.node(inner),
            Node::If(parts) => parts.iter().for_each(|part| self.node(part)),
            Node::Leaf { expr, .. } => {
                let found = self.expr(&expr.expr);
                if !matches!(found, Type::Bool | Type::Unknown) {
                    self.report(format!("has {} where yes or no is needed", found.in_words()));
                }
            }
        }
    }

    fn expr(&mut self, expr: &Expr) -> Type {
        match expr {
            Expr::Literal(literal) => match literal {
                LiteralValue::Boolean(_) => Type::Bool,
                LiteralValue::Int(_) | LiteralValue::UInt(_) | LiteralValue::Double(_) => {
                    Type::Number
                }
                LiteralValue::String(_) => Type::Text,
                LiteralValue::Bytes(_) | LiteralValue::Null => Type::Unknown,
            },
            Expr::List(list) => {
                for element in &list.elements {
                    self.expr(&element.expr);
                }
                Type::List
            }
            Expr::Ident(name) => self.fact(name),
            Expr::Call(call) => self.call(call),
            _ => Type::Unknown,
        }
    }

    fn fact(&mut self, name: &str) -> Type {
        match (self.kind_of)(name) {
            Some(FactKind::Bool) => Type::Bool,
            Some(FactKind::Int | FactKind::Timestamp | FactKind::Duration) => Type::Number,
            Some(FactKind::String) => Type::Text,
            None => {
                let known: Vec<_> = BUILTINS.iter().map(|fact| fact.name).collect();
                self.report(format!(
                    "names the unknown fact {name}; declare it in [[facts]], or use one of {}",
                    known.join(", ")
                ));
                Type::Unknown
            }
        }
    }

    fn call(&mut self, call: &CallExpr) -> Type {
        let operands = call.target.as_deref().into_iter().chain(&call.args);
        let types: Vec<Type> = operands.map(|operand| self.expr(&operand.expr)).collect();
        let name = call.func_name.as_str();
        let (takes, gives) = match name {
            operators::EQUALS | operators::NOT_EQUALS => {
                self.alike(&types);
                self.choice(call);
                return Type::Bool;
            }
            operators::LESS
            | operators::LESS_EQUALS
            | operators::GREATER
            | operators::GREATER_EQUALS => {
                self.alike(&types);
                return Type::Bool;
            }
            operators::IN => {
                if let Some(found @ (Type::Bool | Type::Number | Type::Text)) = types.get(1) {
                    self.report(format!("looks into {}; `in` needs a list", found.in_words()));
                }
                return Type::Bool;
            }
            operators::CONDITIONAL => {
                return types
                    .get(1)
                    .copied()
                    .filter(|then| types.get(2) == Some(then))
                    .unwrap_or(Type::Unknown);
            }
            operators::LOGICAL_AND | operators::LOGICAL_OR | operators::LOGICAL_NOT => {
                (Type::Bool, Type::Bool)
            }
            "contains" | "startsWith" | "endsWith" => (Type::Text, Type::Bool),
            // Texts and lists can be added too.
            operators::ADD => {
                self.alike(&types);
                return types.first().copied().unwrap_or(Type::Unknown);
            }
            operators::SUBSTRACT
            | operators::MULTIPLY
            | operators::DIVIDE
            | operators::MODULO
            | operators::NEGATE => (Type::Number, Type::Number),
            // What is left is size and int, which take what they take.
            _ => return Type::Number,
        };
        for found in types {
            if found != takes && found != Type::Unknown {
                let (found, takes) = (found.in_words(), takes.in_words());
                self.report(format!("gives {found} to {name}, which takes {takes}"));
            }
        }
        gives
    }

    /// A switch compared with something that it never is.
    fn choice(&mut self, call: &CallExpr) {
        let [left, right] = call.args.as_slice() else { return };
        let (Expr::Ident(name), Expr::Literal(LiteralValue::String(text))) =
            (&left.expr, &right.expr)
        else {
            return;
        };
        let values = (self.values_of)(name);
        if !values.is_empty() && !values.iter().any(|value| value == text.inner()) {
            let (text, values) = (text.inner(), values.join(", "));
            self.report(format!("compares {name} with {text:?}; it is one of {values}"));
        }
    }

    fn alike(&mut self, types: &[Type]) {
        let [left, right] = types else { return };
        if left != right && *left != Type::Unknown && *right != Type::Unknown {
            let (left, right) = (left.in_words(), right.in_words());
            self.report(format!("compares or adds {left} and {right}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Condition;
    use super::*;

    fn problems(source: &str) -> Vec<String> {
        let kind_of = |name: &str| match name {
            "b" => Some(FactKind::Bool),
            "n" => Some(FactKind::Int),
            "s" | "w" => Some(FactKind::String),
            "t" => Some(FactKind::Timestamp),
            _ => None,
        };
        let values_of = |name: &str| match name {
            "w" => vec!["days".to_owned(), "hours".to_owned()],
            _ => Vec::new(),
        };
        Condition::new(source).problems(&kind_of, &values_of)
    }

    #[test]
    fn sound_conditions_pass() {
        for source in [
            "b",
            "!b && n > 2 || s == 'x'",
            "t - timestamp('2026-01-01T00:00:00Z') > duration('3h')",
            "s + 'x' == 'yx' && s in ['a', 'b'] && n in [1, 2]",
            "(b ? 1 : 2) == n",
            "b ? n == 1 : n == 2",
            "size(s) == n && int(s) == n",
            "s.startsWith('a')",
            "(b && n == 1) == b",
            "1.5 * 2.0 > 1.0",
            "w == 'days' || w != 'hours'",
        ] {
            assert_eq!(problems(source), Vec::<String>::new(), "{source}");
        }
    }

    #[test]
    fn what_is_always_wrong_is_told() {
        for (source, part) in [
            ("n", "has a number where yes or no is needed"),
            ("s", "has a text where yes or no is needed"),
            ("[b]", "has a list where yes or no is needed"),
            ("'yes'", "has a text where yes or no is needed"),
            ("b && n + 1", "has a number where yes or no is needed"),
            ("b ? n : n", "has a number where yes or no is needed"),
            ("!t", "has a number where yes or no is needed"),
            ("n == '3'", "compares or adds a number and a text"),
            ("b < n", "compares or adds a bool and a number"),
            ("s + n == s", "compares or adds a text and a number"),
            ("n in s", "looks into a text"),
            ("(n && b) == b", "gives a number to _&&_, which takes a bool"),
            ("n.startsWith('a')", "gives a number to startsWith, which takes a text"),
            ("-s == n", "gives a text to -_, which takes a number"),
            ("w == 'day'", "compares w with \"day\"; it is one of days, hours"),
            ("[c] == [b]", "names the unknown fact c;"),
            ("ill", "names the unknown fact ill; declare it in [[facts]], or use one of kind,"),
        ] {
            let found = problems(source);
            assert_eq!(found.len(), 1, "{source}: {found:?}");
            assert!(found[0].contains(part), "{source}: {found:?}");
        }
        assert_eq!(problems("x && x || y").len(), 2);
        assert_eq!(problems("x &&").len(), 1);
    }
}
