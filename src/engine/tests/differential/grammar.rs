//! Templates of calls: words, `{slots}`, `(choices|between|sequences)`, and `+` for one to three of what precedes.

/// One element of a template.
#[derive(Debug)]
pub enum Node {
    Word(&'static str),
    Slot(&'static str),
    Choice(Vec<Vec<Node>>),
    Repeat(Box<Node>),
}

/// Parses a template; a mistake in one is a mistake in this test.
pub fn parse(template: &'static str) -> Vec<Node> {
    let mut parser = Parser { rest: template };
    let sequence = parser.sequence();
    assert!(parser.rest.is_empty(), "{template:?} is wrong at {:?}", parser.rest);
    sequence
}

struct Parser {
    rest: &'static str,
}

impl Parser {
    fn sequence(&mut self) -> Vec<Node> {
        let mut nodes = Vec::new();
        loop {
            self.rest = self.rest.trim_start();
            let node = match self.rest.chars().next() {
                None | Some(')' | '|') => return nodes,
                Some('(') => self.choice(),
                Some('{') => {
                    let (slot, rest) = self.rest[1..].split_once('}').expect("a closing brace");
                    self.rest = rest;
                    Node::Slot(slot)
                }
                Some(_) => {
                    let end = self.rest.find([' ', ')', '|', '(', '{']).unwrap_or(self.rest.len());
                    let (word, rest) = self.rest.split_at(end);
                    self.rest = rest;
                    Node::Word(word)
                }
            };
            match self.rest.strip_prefix('+') {
                Some(rest) => {
                    self.rest = rest;
                    nodes.push(Node::Repeat(Box::new(node)));
                }
                None => nodes.push(node),
            }
        }
    }

    fn choice(&mut self) -> Node {
        let mut branches = Vec::new();
        loop {
            self.rest = &self.rest[1..];
            branches.push(self.sequence());
            match self.rest.chars().next() {
                Some('|') => (),
                Some(')') => break,
                other => panic!("a choice goes on with {other:?}"),
            }
        }
        self.rest = &self.rest[1..];
        Node::Choice(branches)
    }
}
