//! How deep an expression nests, told by its tokens before anything walks it: parsing, planning and
//! evaluating go down by recursion, on a stack that ends, and a stack that overflows ends the process.

use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

/// The most that is read: 80 operators between two values, or 16 of what is parsed by recursion.
/// Unoptimised, a stack of 2 MiB holds half as many more.
const MOST: usize = 80;
/// What a bracket, a cast or a word such as NOT takes, in operators between two values.
const HEAVY: usize = 5;

/// Why a text may not be parsed as an expression; none where it may.
pub fn refused(sql: &str) -> Option<String> {
    // What is no sequence of tokens is told by the parser, which looks at them first.
    let tokens = Tokenizer::new(&GenericDialect {}, sql).tokenize().ok()?;
    (depth(&tokens) > MOST).then(|| {
        "nests too deep; write many values as IN ('a', 'b'), use fewer brackets, or leave out parts"
            .to_owned()
    })
}

/// What is open within one pair of brackets since the last comma or arm of a CASE: `a + b + c` are
/// two levels, for the first sum is part of the second.
#[derive(Clone, Copy, Default)]
struct Bracket {
    /// By AND and OR, which bind least.
    logic: usize,
    /// By other operators since then.
    operators: usize,
}

impl Bracket {
    fn depth(self) -> usize {
        self.logic + self.operators
    }
}

/// The most that is open at a time, never less than what the parser makes of it.
fn depth(tokens: &[Token]) -> usize {
    let mut outer = Vec::new();
    let mut last = Bracket::default();
    let (mut around, mut most) = (0, 0);
    let (mut before, mut follows_value) = (None, false);
    let mut tokens = tokens
        .iter()
        .filter(|token| !matches!(token, Token::Whitespace(_)))
        .peekable();
    while let Some(token) = tokens.next() {
        // The bracket that follows the name of a function stands for both, and a cast for its type.
        let is_function = matches!(token, Token::Word(_))
            && tokens.peek().is_some_and(|next| **next == Token::LParen);
        let is_type = before == Some(&Token::DoubleColon);
        // Many words of SQL are names as well, such as `date`; a name has an operator after it.
        let is_name = is_also_a_name(token)
            && tokens.peek().is_none_or(|next| {
                !matches!(next, Token::LParen)
                    && !matches!(kind(next), Kind::Value)
                    && !is_also_a_name(next)
            });
        match kind(token) {
            _ if is_function || is_type || is_name => {}
            Kind::Value => {}
            Kind::Opens => {
                around += HEAVY + last.depth();
                outer.push(std::mem::take(&mut last));
            }
            Kind::Closes => {
                // One bracket more than was opened is the parser's to tell.
                if let Some(bracket) = outer.pop() {
                    last = bracket;
                    around -= HEAVY + last.depth();
                }
            }
            Kind::Separates => last = Bracket::default(),
            Kind::Logic => {
                last.logic += 1;
                last.operators = 0;
            }
            Kind::Operator if follows_value => last.operators += 1,
            Kind::Operator | Kind::Heavy => last.operators += HEAVY,
        }
        follows_value = is_type || is_name || matches!(kind(token), Kind::Value | Kind::Closes);
        before = Some(token);
        most = most.max(around + last.depth());
    }
    most
}

/// Whether a word is none that SQL alone uses between or before values.
fn is_also_a_name(token: &Token) -> bool {
    use Keyword as K;
    let Token::Word(word) = token else {
        return false;
    };
    !matches!(
        word.keyword,
        K::AND
            | K::OR
            | K::NOT
            | K::IS
            | K::IN
            | K::LIKE
            | K::ILIKE
            | K::SIMILAR
            | K::RLIKE
            | K::REGEXP
            | K::BETWEEN
            | K::AT
            | K::COLLATE
            | K::INTERVAL
            | K::PRIOR
            | K::BINARY
            | K::CONNECT_BY_ROOT
            | K::DISTINCT
            | K::ALL
            | K::ANY
            | K::SOME
            | K::EXISTS
            | K::CASE
            | K::WHEN
            | K::THEN
            | K::ELSE
            | K::END
    )
}

enum Kind {
    Value,
    Opens,
    Closes,
    Separates,
    Logic,
    Operator,
    Heavy,
}

fn kind(token: &Token) -> Kind {
    use Keyword as K;
    match token {
        Token::Word(word) => match word.keyword {
            K::NoKeyword | K::NULL | K::TRUE | K::FALSE => Kind::Value,
            K::CASE => Kind::Opens,
            K::END => Kind::Closes,
            K::WHEN | K::THEN | K::ELSE => Kind::Separates,
            K::AND | K::OR => Kind::Logic,
            _ => Kind::Heavy,
        },
        Token::LParen | Token::LBracket | Token::LBrace => Kind::Opens,
        Token::RParen | Token::RBracket | Token::RBrace => Kind::Closes,
        Token::Comma => Kind::Separates,
        Token::DoubleColon => Kind::Heavy,
        Token::Number(..)
        | Token::SingleQuotedString(_)
        | Token::DoubleQuotedString(_)
        | Token::Period
        | Token::EOF => Kind::Value,
        _ => Kind::Operator,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn levels(sql: &str) -> usize {
        depth(&Tokenizer::new(&GenericDialect {}, sql).tokenize().unwrap())
    }

    #[test]
    fn what_stands_beside_each_other_is_no_deeper() {
        assert_eq!(levels("a"), 0);
        assert_eq!(levels("a + b + c"), 2);
        assert_eq!(levels("a = 1 or b = 2 or c = 3"), 3);
        assert_eq!(levels("upper(a, b, c + 1) || d"), HEAVY + 1);
        assert_eq!(levels("x in ('a', 'b', 'c', 'd')"), HEAVY);
        assert_eq!(levels("1 + ((a))"), 2 * HEAVY + 1);
        assert_eq!(levels("- - a"), 2 * HEAVY);
        assert_eq!(levels("a::bigint + 1"), HEAVY + 1);
        assert_eq!(levels("date - c + name = value"), 3);
        assert_eq!(levels("not - not - a"), 4 * HEAVY);
        assert_eq!(levels("date is not null and status in ('a')"), 2 * HEAVY);
        assert_eq!(levels(")) a + 1"), 1);
        let arms = "when a = 1 then 'x' ".repeat(50);
        assert_eq!(levels(&format!("case {arms} else b end")), HEAVY + 1);
    }

    #[test]
    fn the_deepest_that_is_read_is_planned_and_evaluated() {
        let chain = |start: &str, next: &str, times| start.to_owned() + &next.repeat(times);
        let nested =
            |open: &str, close: &str, times| open.repeat(times) + "'1'" + &close.repeat(times);
        let heavy = MOST / HEAVY;
        let deepest = [
            chain("'a'", " || 'b'", MOST),
            chain("1", " + 1", MOST),
            chain("true", " or true", MOST),
            chain("1", "::bigint", heavy),
            nested("not ", "", heavy),
            nested("- ", "", heavy),
            chain("true", " is not null", heavy / 2),
            chain("true", " is distinct from false", heavy / 3),
            nested("upper(", ")", heavy),
            nested("(", ")", heavy),
            nested("concat('x', ", ")", heavy),
            nested("replace(", ", 'a', 'b')", heavy),
            nested("coalesce(null, ", ")", heavy),
            nested("case when true then ", " end", heavy),
            nested("case 1 when ", " then 2 end", heavy),
        ];
        for sql in deepest {
            assert!(levels(&sql) + HEAVY > MOST - HEAVY, "{sql}");
            assert_eq!(refused(&sql), None, "{sql}");
            let deeper = sql.clone() + &" || 'c'".repeat(MOST + 1);
            assert!(refused(&deeper).is_some(), "{sql}");
            // The usual stack of a thread, whatever that of this test is.
            let thread = std::thread::Builder::new().stack_size(2 << 20);
            std::thread::scope(|scope| {
                let work = || evaluated(&sql);
                let done = thread.spawn_scoped(scope, work).unwrap().join();
                assert!(done.is_ok(), "{sql}");
            });
        }
    }

    /// Plans an expression and takes its value for one row, where its types fit.
    fn evaluated(sql: &str) {
        use super::super::{Lookup, evaluate, plan, session};
        use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray};
        let session = session(1);
        let column: ArrayRef = std::sync::Arc::new(StringArray::from(vec!["1"]));
        let batch = RecordBatch::try_from_iter([("a", column)]).unwrap();
        let columns = |_: &str| Lookup::Type(batch.column(0).data_type().clone());
        for sql in [sql.to_owned(), sql.replace("'1'", "a")] {
            if let Ok((expr, schema)) = plan(&session, &sql, &columns) {
                let _ = evaluate(&session, expr, &schema, &batch);
            }
        }
    }
}
