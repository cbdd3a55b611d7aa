//! From tokens to a tree: a Pratt parser.

use super::{
    super::{
        number::Number,
        template::{self, Part},
    },
    function::Function,
    token::{Token, tokens},
};

/// Most levels of parentheses and operators within each other.
const DEPTH: usize = 64;

/// An expression.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Expr {
    Number(Number),
    Text(Box<str>),
    /// A string with variables between its quotes.
    Quoted(Box<[Part]>),
    /// A variable as an operand.
    Reference(Part),
    Negate(Box<Self>),
    Call(Function, Box<[Self]>),
    Binary(&'static str, Box<(Self, Self)>),
    Choose(Box<(Self, Self, Self)>),
}

struct Parser<'a> {
    tokens: std::iter::Peekable<std::vec::IntoIter<Token<'a>>>,
    references: bool,
    depth: usize,
}

impl Expr {
    /// The expression that expanded text spells.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        Self::read(text, false)
    }

    /// The expression that unexpanded text spells, where each variable in it is an operand of
    /// its own or stands between quotes; else none.
    pub(crate) fn template(text: &str) -> Option<Self> {
        if text.contains(['\\', '{', '}']) {
            return None;
        }
        Self::read(text, true).ok()
    }

    fn read(text: &str, references: bool) -> Result<Self, String> {
        let tokens = tokens(text, references)?;
        let mut parser = Parser {
            tokens: tokens.into_iter().peekable(),
            references,
            depth: 0,
        };
        let expr = parser.choice()?;
        match parser.tokens.next() {
            None => Ok(expr),
            Some(_) => Err("an operator is missing".to_owned()),
        }
    }
}

fn power(sign: &str) -> Option<(u8, bool)> {
    Some(match sign {
        "||" => (1, false),
        "&&" => (2, false),
        "==" | "!=" | "<" | ">" | "<=" | ">=" | "<<" | ">>" => (3, false),
        "&" | "|" => (4, false),
        "+" | "-" => (5, false),
        "*" | "/" | "%" | "@" => (6, false),
        "^" => (7, true),
        "<~" | "~>" => (8, false),
        _ => return None,
    })
}

impl Parser<'_> {
    fn choice(&mut self) -> Result<Expr, String> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err("too deeply nested".to_owned());
        }
        let condition = self.binary(0)?;
        let expr = if self.take("?") {
            let yes = self.choice()?;
            self.expect(":")?;
            let no = self.choice()?;
            Expr::Choose(Box::new((condition, yes, no)))
        } else {
            condition
        };
        self.depth -= 1;
        Ok(expr)
    }

    fn binary(&mut self, least: u8) -> Result<Expr, String> {
        let mut left = self.unary()?;
        loop {
            let Some(Token::Sign(sign)) = self.tokens.peek() else {
                return Ok(left);
            };
            let sign = *sign;
            let Some((power, from_right)) = power(sign).filter(|(power, _)| *power > least) else {
                return Ok(left);
            };
            self.tokens.next();
            self.depth += 1;
            if self.depth > DEPTH {
                return Err("too deeply nested".to_owned());
            }
            let right = self.binary(if from_right { power - 1 } else { power })?;
            self.depth -= 1;
            left = Expr::Binary(sign, Box::new((left, right)));
        }
    }

    fn unary(&mut self) -> Result<Expr, String> {
        let mut signs = 0_usize;
        let mut negative = false;
        while let Some(Token::Sign(sign @ ("-" | "+"))) = self.tokens.peek() {
            if *sign == "-" {
                negative = !negative;
                signs += 1;
            }
            self.tokens.next();
        }
        let operand = self.operand()?;
        if signs > 0 && matches!(operand, Expr::Text(_) | Expr::Quoted(_)) {
            return Err("a sign before a string".to_owned());
        }
        Ok(if negative {
            Expr::Negate(Box::new(operand))
        } else {
            operand
        })
    }

    fn operand(&mut self) -> Result<Expr, String> {
        match self.tokens.next() {
            Some(Token::Number(number)) => Ok(Expr::Number(number)),
            Some(Token::Reference(part)) => Ok(Expr::Reference(part)),
            Some(Token::Sign("(")) => {
                let inner = self.choice()?;
                self.expect(")")?;
                Ok(inner)
            },
            Some(Token::Text(text)) => self.text(text),
            Some(Token::Sign(sign)) => Err(format!("an operand is missing before `{sign}`")),
            None => Err("an operand is missing".to_owned()),
        }
    }

    fn text(&mut self, text: &str) -> Result<Expr, String> {
        if let Some(function) = Function::named(text) {
            return self.call(function);
        }
        if self.references && text.contains('$') {
            let parts = template::parts(text).ok_or("not a plain variable")?;
            return Ok(Expr::Quoted(parts));
        }
        Ok(Expr::Text(text.into()))
    }

    /// A function and its arguments: one may stand without parentheses, but then has no sign.
    fn call(&mut self, function: Function) -> Result<Expr, String> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err("too deeply nested".to_owned());
        }
        let arguments = if function.arity() == 2 {
            self.expect("(")?;
            let first = self.choice()?;
            self.expect(",")?;
            let second = self.choice()?;
            self.expect(")")?;
            vec![first, second]
        } else {
            vec![self.operand()?]
        };
        self.depth -= 1;
        Ok(Expr::Call(function, arguments.into()))
    }

    fn take(&mut self, sign: &str) -> bool {
        let is = |token: &Token<'_>| matches!(token, Token::Sign(s) if *s == sign);
        self.tokens.next_if(is).is_some()
    }

    fn expect(&mut self, sign: &str) -> Result<(), String> {
        if self.take(sign) {
            Ok(())
        } else {
            Err(format!("`{sign}` is missing"))
        }
    }
}
