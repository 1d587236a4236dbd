//! How deep an expression nests, told by its tokens before anything walks it: parsing, planning and
//! evaluating go down by recursion, on a stack that ends, and a stack that overflows ends the process.

use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

/// The most levels that are read. Unoptimised, a stack of 2 MiB holds a hundred.
const MOST: usize = 80;

/// Why a text may not be parsed as an expression; none where it may.
pub fn refused(sql: &str) -> Option<String> {
    // What is no sequence of tokens is told by the parser, which looks at them first.
    let tokens = Tokenizer::new(&GenericDialect {}, sql).tokenize().ok()?;
    let levels = depth(&tokens);
    (levels > MOST).then(|| {
        format!(
            "nests {levels} levels deep, and at most {MOST} are read; write many values as IN ('a', \
             'b'), or leave out parts"
        )
    })
}

/// The levels within one pair of brackets, since the last comma or arm of a CASE: `a + b + c` are
/// two of them, for the first sum is part of the second.
#[derive(Clone, Copy, Default)]
struct Bracket {
    /// By AND and OR, which bind least.
    logic: usize,
    /// By other operators since then.
    operators: usize,
}

/// The most levels that are open at a time, never fewer than the parser makes.
fn depth(tokens: &[Token]) -> usize {
    let mut open = vec![Bracket::default()];
    let mut outer = 0;
    let mut most = 0;
    for token in tokens {
        let Some(last) = open.last_mut() else {
            break;
        };
        match kind(token) {
            Kind::Value => continue,
            Kind::Opens => {
                outer += 1 + last.logic + last.operators;
                open.push(Bracket::default());
            }
            Kind::Closes => {
                // One bracket more than was opened is the parser's to tell.
                if open.len() > 1 {
                    open.pop();
                    let before = open.last().copied().unwrap_or_default();
                    outer = outer.saturating_sub(1 + before.logic + before.operators);
                }
            }
            Kind::Separates => *last = Bracket::default(),
            Kind::Logic => {
                last.logic += 1;
                last.operators = 0;
            }
            Kind::Operator => last.operators += 1,
        }
        let last = open.last().copied().unwrap_or_default();
        most = most.max(outer + last.logic + last.operators);
    }
    most
}

enum Kind {
    Value,
    Opens,
    Closes,
    Separates,
    Logic,
    Operator,
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
            _ => Kind::Operator,
        },
        Token::LParen | Token::LBracket | Token::LBrace => Kind::Opens,
        Token::RParen | Token::RBracket | Token::RBrace => Kind::Closes,
        Token::Comma => Kind::Separates,
        Token::Number(..)
        | Token::SingleQuotedString(_)
        | Token::DoubleQuotedString(_)
        | Token::Period
        | Token::Whitespace(_)
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
        assert_eq!(levels("f(a, b, c + 1)"), 2);
        assert_eq!(levels("x in ('a', 'b', 'c', 'd')"), 2);
        assert_eq!(levels("((a)) || b"), 2);
        assert_eq!(levels("1 + ((a))"), 3);
        let arms = "when a = 1 then 'x' ".repeat(50);
        assert_eq!(levels(&format!("case {arms} else b end")), 2);
    }

    #[test]
    fn the_deepest_that_is_read_is_planned_and_evaluated() {
        let chain = |start: &str, next: &str, times| start.to_owned() + &next.repeat(times);
        let nested =
            |open: &str, close: &str, times| open.repeat(times) + "'a'" + &close.repeat(times);
        let deepest = [
            chain("'a'", " || 'b'", MOST),
            chain("1", " + 1", MOST),
            chain("true", " or true", MOST),
            chain("1", "::bigint", MOST / 2),
            chain("true", " is not null", MOST / 3),
            chain("true", " is distinct from false", MOST / 3),
            nested("upper(", ")", 45),
            nested("concat('x', ", ")", 45),
            nested("case when true then ", " end", 20),
        ];
        let session = super::super::session(1);
        let columns = |_: &str| super::super::Lookup::Unknown;
        for sql in deepest {
            let within = std::thread::Builder::new().stack_size(2 << 20);
            let planned = std::thread::scope(|scope| {
                let work = || super::super::plan(&session, &sql, &columns).map(drop);
                within.spawn_scoped(scope, work).unwrap().join().unwrap()
            });
            assert_eq!(planned, Ok(()), "{sql}");
            assert!(refused(&format!("{sql}{}", " || 'c'".repeat(MOST + 1))).is_some());
        }
    }
}
