//! The erasure log: who it names, or why it is none, in one line.

use super::parse;
use crate::account::token::is_user_id;

pub(crate) fn check(data: &[u8]) {
    match parse(data) {
        Ok(erasures) => {
            assert_eq!(erasures.len(), data.iter().filter(|byte| **byte == b'\n').count());
            assert!(erasures.iter().all(|erasure| is_user_id(&erasure.user_id)));
            let lines = erasures.iter().map(|erasure| format!("{} {}\n", erasure.at_ms, erasure.user_id));
            assert_eq!(parse(lines.collect::<String>().as_bytes()), Ok(erasures));
        }
        Err(problem) => {
            assert!(!problem.chars().any(char::is_control), "{problem:?}");
            assert!(problem.len() < 4096, "a line of any length is told shortened");
        }
    }
}
