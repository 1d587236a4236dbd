//! How much longer than the values of a row an expression can make a text. A few nested
//! replacements would otherwise make more of one value than any memory holds.

use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Expr, Operator};

/// The most that is allowed.
const MOST: u64 = 256;

/// Why an expression may not occur; none where it may.
pub fn refused(expr: &Expr) -> Option<String> {
    match growth(expr) {
        Ok(times) if times <= MOST => None,
        Ok(_) => Some(format!(
            "could make a text over {MOST} times longer; nest fewer replacements, or shorter ones"
        )),
        Err(function) => Some(format!(
            "{function} needs a replacement that is a plain text, such as '-'"
        )),
    }
}

/// How many times longer the result can be than the longest value; fails with the name of a function
/// of which that is not known.
fn growth(expr: &Expr) -> Result<u64, String> {
    let inner = |of: &[Expr]| -> Result<Vec<u64>, String> { of.iter().map(growth).collect() };
    match expr {
        Expr::ScalarFunction(call) => {
            let arguments = inner(&call.args)?;
            let longest = arguments.iter().copied().max().unwrap_or(1);
            let text = |at: usize| call.args.get(at).and_then(characters);
            match call.name() {
                "concat" => Ok(sum(&arguments)),
                // An empty pattern is found before every character and at the end.
                name @ "replace" => {
                    let to = text(2).ok_or_else(|| name.to_owned())?;
                    let times = match text(1) {
                        Some(from @ 1..) => to.div_ceil(from).max(1),
                        _ => to + 1,
                    };
                    Ok(longest.saturating_mul(times))
                }
                // So is a pattern that matches nothing; every reference can stand for all of a match.
                name @ "regexp_replace" => {
                    let to = text(2).ok_or_else(|| name.to_owned())?;
                    Ok(longest.saturating_mul(to + 1))
                }
                _ => Ok(longest),
            }
        }
        Expr::BinaryExpr(binary) if binary.op == Operator::StringConcat => {
            Ok(growth(&binary.left)?.saturating_add(growth(&binary.right)?))
        }
        other => {
            let (mut longest, mut unknown) = (1, None);
            let walked = other.apply_children(|child| {
                match growth(child) {
                    Ok(times) => longest = longest.max(times),
                    Err(function) => unknown = Some(function),
                }
                Ok(TreeNodeRecursion::Continue)
            });
            match (unknown, walked) {
                (Some(function), _) => Err(function),
                // The walk itself never fails.
                (None, _) => Ok(longest),
            }
        }
    }
}

fn sum(parts: &[u64]) -> u64 {
    parts.iter().fold(0, |sum, part| sum.saturating_add(*part))
}

/// The length of a plain text.
fn characters(expr: &Expr) -> Option<u64> {
    match expr {
        Expr::Literal(
            ScalarValue::Utf8(text) | ScalarValue::LargeUtf8(text) | ScalarValue::Utf8View(text),
            _,
        ) => Some(text.as_ref().map_or(0, |text| text.chars().count() as u64)),
        _ => None,
    }
}
