//! SQL expressions of a specification: they see their dataset's columns and a list of pure
//! functions, and nothing else parses.
//!
//! DataFusion plans the expression; then its tree is walked and only kinds of nodes that are listed
//! here pass. What a new version adds is refused until it is listed. Column names are matched
//! exactly as declared; one with other characters than letters, digits and `_` goes in double
//! quotes.

mod depth;
mod growth;

use crds::matching::Bound;
use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{Expr, Volatility};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::sql::sqlparser::ast::{
    Expr as SqlExpr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, ObjectNamePart,
    Value, visit_expressions, visit_expressions_mut,
};
use std::collections::BTreeSet;
use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

/// Functions without side effects whose result depends on their arguments alone.
pub const FUNCTIONS: &[&str] = &[
    "abs",
    "btrim",
    "ceil",
    "character_length",
    "coalesce",
    "concat",
    "date_part",
    "date_trunc",
    "floor",
    "left",
    "lower",
    "lpad",
    "ltrim",
    "nullif",
    "regexp_replace",
    "replace",
    "reverse",
    "right",
    "round",
    "rpad",
    "rtrim",
    "split_part",
    "starts_with",
    "strpos",
    "substr",
    "to_char",
    "translate",
    "trunc",
    "upper",
];
/// The longest text that `lpad` and `rpad` may make, so that no row is blown up.
const LONGEST_PAD: i64 = 1024;

/// A session for planning and running expressions and joins.
pub fn session(threads: usize) -> SessionContext {
    let mut config = SessionConfig::new()
        .with_target_partitions(threads)
        .with_batch_size(8192)
        .with_information_schema(false);
    // Columns are matched as they are declared, also when they have upper case.
    config.options_mut().sql_parser.enable_ident_normalization = false;
    SessionContext::new_with_config(config)
}

/// What is known of a column.
#[derive(Clone, Debug, PartialEq)]
pub enum Lookup {
    /// The column exists and has this type.
    Type(DataType),
    /// The column may exist; its type shows with the data.
    Unknown,
    /// There is no such column; these are there.
    Absent(Vec<String>),
}

/// One entry of a block.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    /// An SQL expression that must be equal on both sides.
    Equal(String),
    /// Two values that must be near.
    Near(Near),
    /// Two texts that must share a word.
    Words(Words),
}

/// `words(expression, most)`: both texts have a word in common, a run of letters and digits, that at
/// most so many records of either side have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// The expression that gives the text.
    pub sql: String,
    /// How many records of a side may have the word.
    pub most: u32,
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "words({}, {})", self.sql, self.most)
    }
}

/// `near(column, width)`: both values differ by at most the width.
#[derive(Clone, Debug, PartialEq)]
pub struct Near {
    /// The canonical column of both sides: numbers, or dates, which are counted in days.
    pub column: String,
    /// The largest difference.
    pub width: Bound,
}

impl fmt::Display for Near {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "near({}, {})",
            self.column,
            String::from(self.width.clone())
        )
    }
}

/// Tells a `near` from an SQL expression, which [`plan`] then looks at.
///
/// # Errors
/// What is wrong with a `near`, for the person who wrote it. Text that is no SQL at all is passed
/// on to [`plan`].
pub fn entry(session: &SessionContext, text: &str) -> Result<Entry, String> {
    if let Some(reason) = depth::refused(text) {
        return Err(reason);
    }
    let state = session.state();
    let dialect = state.config().options().sql_parser.dialect;
    let Ok(parsed) = state.sql_to_expr_with_alias(text, &dialect) else {
        return Ok(Entry::Equal(text.to_owned()));
    };
    let is = |function: &Function, own: &str| {
        matches!(function.name.0.as_slice(),
            [ObjectNamePart::Identifier(name)] if name.value.eq_ignore_ascii_case(own))
    };
    match &parsed.expr {
        SqlExpr::Function(function) if is(function, "near") && parsed.alias.is_none() => {
            near(function).map(Entry::Near)
        }
        SqlExpr::Function(function) if is(function, "words") && parsed.alias.is_none() => {
            words(function).map(Entry::Words)
        }
        expr => {
            let nested = visit_expressions(expr, |node| match node {
                SqlExpr::Function(function) if is(function, "near") => {
                    ControlFlow::Break("near(date, 30)")
                }
                SqlExpr::Function(function) if is(function, "words") => {
                    ControlFlow::Break("words(memo, 50)")
                }
                _ => ControlFlow::Continue(()),
            });
            if let ControlFlow::Break(example) = nested {
                let name = example.split('(').next().unwrap_or_default();
                return Err(format!(
                    "{name} stands alone as an entry of a block, as in \"{example}\"; it is no \
                     part of an expression"
                ));
            }
            Ok(Entry::Equal(text.to_owned()))
        }
    }
}

/// The arguments of a function that has two.
fn two_arguments(function: &Function) -> Option<[&SqlExpr; 2]> {
    let arguments = match &function.args {
        FunctionArguments::List(list)
            if list.clauses.is_empty()
                && list.duplicate_treatment.is_none()
                && function.over.is_none()
                && function.filter.is_none() =>
        {
            list.args.as_slice()
        }
        _ => &[],
    };
    match arguments {
        [
            FunctionArg::Unnamed(FunctionArgExpr::Expr(first)),
            FunctionArg::Unnamed(FunctionArgExpr::Expr(second)),
        ] => Some([first, second]),
        _ => None,
    }
}

fn plain_number(expr: &SqlExpr) -> Option<&str> {
    match expr {
        SqlExpr::Value(value) => match &value.value {
            Value::Number(number, _) => Some(number),
            _ => None,
        },
        _ => None,
    }
}

fn words(function: &Function) -> Result<Words, String> {
    let Some([text, most]) = two_arguments(function) else {
        return Err(
            "words takes an expression and how many records of a side may have the word, as in \
             words(memo, 50)"
                .into(),
        );
    };
    let number = plain_number(most).and_then(|number| number.parse().ok());
    let most = number.filter(|most| *most > 0).ok_or_else(|| {
        format!(
            "words takes second how many records of a side may have the word, a whole number from \
             1, such as 50, not `{most}`"
        )
    })?;
    Ok(Words {
        sql: text.to_string(),
        most,
    })
}

fn near(function: &Function) -> Result<Near, String> {
    let Some([column, width]) = two_arguments(function) else {
        return Err("near takes a column and a width, as in near(amount, 2.00)".into());
    };
    let SqlExpr::Identifier(column) = column else {
        return Err(format!(
            "near takes a column first, not `{column}`; make a column of it, or write \
             near(amount, 2.00)"
        ));
    };
    let width = plain_number(width)
        .and_then(|number| Bound::try_from(number.to_owned()).ok())
        .ok_or_else(|| {
            format!(
                "near takes a width second, a plain number that is not negative, such as 2.00 or \
                 30 (days), not `{width}`"
            )
        })?;
    Ok(Near {
        column: column.value.clone(),
        width,
    })
}

/// Plans one expression over one side's columns.
///
/// # Errors
/// What is wrong, for the person who wrote the expression.
pub fn plan(
    session: &SessionContext,
    sql: &str,
    columns: &dyn Fn(&str) -> Lookup,
) -> Result<(Expr, DFSchema), String> {
    if let Some(reason) = depth::refused(sql) {
        return Err(reason);
    }
    let state = session.state();
    let dialect = state.config().options().sql_parser.dialect;
    let mut parsed = state
        .sql_to_expr_with_alias(sql, &dialect)
        .map_err(|error| format!("this is no SQL expression: {}", brief(&error)))?;
    if parsed.alias.is_some() {
        return Err("an expression has no alias; leave out AS".into());
    }
    let mut names = BTreeSet::new();
    let _: ControlFlow<()> = visit_expressions(&parsed.expr, |node| {
        if let SqlExpr::Identifier(name) = node {
            names.insert(name.value.clone());
        }
        ControlFlow::Continue(())
    });
    // Names of columns keep their case; names of functions have none.
    let _: ControlFlow<()> = visit_expressions_mut(&mut parsed.expr, |node| {
        if let SqlExpr::Function(function) = node
            && let [ObjectNamePart::Identifier(name)] = function.name.0.as_mut_slice()
        {
            name.value = name.value.to_ascii_lowercase();
        }
        ControlFlow::Continue(())
    });
    let mut fields = Vec::new();
    let mut certain = true;
    for name in names {
        match columns(&name) {
            Lookup::Type(data_type) => fields.push(Field::new(name, data_type, true)),
            Lookup::Unknown => {
                certain = false;
                fields.push(Field::new(name, DataType::Utf8, true));
            }
            Lookup::Absent(present) => {
                return Err(format!(
                    "there is no column `{name}`; there are {}",
                    crate::source::quoted(&present)
                ));
            }
        }
    }
    let schema = DFSchema::try_from(Schema::new(fields)).map_err(|error| brief(&error))?;
    let expr = state
        .create_logical_expr_from_sql_expr(parsed, &schema)
        .map_err(|error| brief(&error))?;
    allowed(&expr)?;
    if certain {
        physical(session, expr.clone(), &schema).map_err(|error| brief(&error))?;
    }
    Ok((expr, schema))
}

/// The expression as it runs. Some functions, such as `coalesce`, run in their simplified form alone.
fn physical(
    session: &SessionContext,
    expr: Expr,
    schema: &DFSchema,
) -> Result<Arc<dyn PhysicalExpr>, DataFusionError> {
    let context = SimplifyContext::builder()
        .with_schema(Arc::new(schema.clone()))
        .build();
    let simplifier = ExprSimplifier::new(context);
    let expr = simplifier.simplify(simplifier.coerce(expr, schema)?)?;
    session.create_physical_expr(expr, schema)
}

/// The expression's value for each row of `batch`, which has the columns that it was planned over.
///
/// # Errors
/// When a value cannot be computed, such as a division by zero.
pub fn evaluate(
    session: &SessionContext,
    expr: Expr,
    schema: &DFSchema,
    batch: &RecordBatch,
) -> Result<ArrayRef, DataFusionError> {
    let indices = schema
        .fields()
        .iter()
        .map(|field| batch.schema_ref().index_of(field.name()))
        .collect::<Result<Vec<_>, _>>()?;
    let physical = physical(session, expr, schema)?;
    let batch = batch.project(&indices)?;
    physical.evaluate(&batch)?.into_array(batch.num_rows())
}

fn brief(error: &DataFusionError) -> String {
    let text = error.strip_backtrace();
    text.lines().next().unwrap_or_default().to_owned()
}

fn allowed(expr: &Expr) -> Result<(), String> {
    let mut refusal = None;
    let walked = expr.apply(|node| {
        refusal = refused(node);
        Ok(if refusal.is_some() {
            TreeNodeRecursion::Stop
        } else {
            TreeNodeRecursion::Continue
        })
    });
    match (refusal.or_else(|| growth::refused(expr)), walked) {
        (Some(reason), _) => Err(reason),
        (None, Err(error)) => Err(brief(&error)),
        (None, Ok(_)) => Ok(()),
    }
}

/// Why a node may not occur; none where it may.
fn refused(node: &Expr) -> Option<String> {
    match node {
        Expr::Column(_)
        | Expr::Literal(..)
        | Expr::BinaryExpr(_)
        | Expr::Like(_)
        | Expr::Not(_)
        | Expr::IsNotNull(_)
        | Expr::IsNull(_)
        | Expr::IsTrue(_)
        | Expr::IsFalse(_)
        | Expr::IsUnknown(_)
        | Expr::IsNotTrue(_)
        | Expr::IsNotFalse(_)
        | Expr::IsNotUnknown(_)
        | Expr::Negative(_)
        | Expr::Between(_)
        | Expr::Case(_)
        | Expr::Cast(_)
        | Expr::TryCast(_)
        | Expr::InList(_) => None,
        Expr::ScalarFunction(call) => {
            let name = call.name();
            if !FUNCTIONS.contains(&name)
                || call.func.signature().volatility != Volatility::Immutable
            {
                return Some(format!(
                    "the function {name} is not allowed here; the functions are {}",
                    FUNCTIONS.join(", ")
                ));
            }
            let pads = matches!(name, "lpad" | "rpad");
            (pads && !call.args.get(1).is_some_and(is_short)).then(|| {
                format!("{name} needs a length that is a plain number of at most {LONGEST_PAD}")
            })
        }
        Expr::Exists(_)
        | Expr::InSubquery(_)
        | Expr::ScalarSubquery(_)
        | Expr::SetComparison(_) => {
            Some("a subquery is not allowed here; use the columns of the dataset".into())
        }
        Expr::AggregateFunction(_) | Expr::WindowFunction(_) | Expr::GroupingSet(_) => {
            Some("an aggregate is not allowed here; an expression sees one row".into())
        }
        _ => {
            Some("only columns, literals, operators, CASE, casts and functions are allowed".into())
        }
    }
}

fn is_short(length: &Expr) -> bool {
    matches!(
        length,
        Expr::Literal(ScalarValue::Int64(Some(0..=LONGEST_PAD)), _)
    )
}
