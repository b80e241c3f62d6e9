//! Messages to scripts that are not there, or do not take them: each call that sends one fails.

use super::portability::{arguments, sole};
use super::tokens::{TokenKind, tokens};

/// What there is of a name that a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Receiver {
    TakesMessages,
    /// Its header says another role, or none.
    IsForOthers,
    Missing,
}

/// With their lines. Names that a script does not spell in the call are left to the call.
pub(super) fn findings(text: &str, receiver: impl Fn(&str) -> Receiver) -> Vec<(usize, String)> {
    let tokens = tokens(text);
    let mut found = Vec::new();
    for at in 0..tokens.len() {
        let [godra, point, tell, call @ ..] = &tokens[at..] else { break };
        if !godra.is_word("godra") || !point.is_sign(".") || !tell.is_word("tell") {
            continue;
        }
        let Some(arguments) = arguments(call) else { continue };
        let Some(token) = arguments.get(1).and_then(|argument| sole(argument)) else { continue };
        let TokenKind::Text(Some(name)) = token.kind else { continue };
        let message = match receiver(name) {
            Receiver::TakesMessages => continue,
            Receiver::IsForOthers => {
                format!("{name} is not for messages: its header needs the line -- ROLE: server")
            }
            Receiver::Missing => format!("there is no script {name} to take that message"),
        };
        found.push((token.line, message));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[(usize, &str)]) {
        let receiver = |name: &str| match name {
            "wake" => Receiver::TakesMessages,
            "chat" => Receiver::IsForOthers,
            _ => Receiver::Missing,
        };
        let found = findings(text, receiver);
        let found: Vec<(usize, &str)> = found.iter().map(|(line, message)| (*line, &**message)).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn each_message_needs_a_script_that_takes_it() {
        check("godra.tell(godra.room, 'wake', { 'gone', f(1, 2) })", &[]);
        check("\ngodra.tell(\n  nil, 'gone')", &[(3, "there is no script gone to take that message")]);
        check("godra.tell(f(a, b), \"gone\", nil)", &[(1, "there is no script gone to take that message")]);
        check(
            "godra.tell(nil, 'wake') godra.tell(nil, 'chat', {}, { after = 5 })",
            &[(1, "chat is not for messages: its header needs the line -- ROLE: server")],
        );
    }

    #[test]
    fn what_is_not_spelled_is_left_to_the_call() {
        check(
            "godra.tell(nil, name) godra.tell(nil, 'go' .. 'ne') godra.tell() -- godra.tell(nil, 'x')",
            &[],
        );
        check("local tell = godra.tell tell(nil, 'gone') godra.cancel(nil, 'gone')", &[]);
    }
}
