//! The limit of open files, which is also the limit of connections.

/// Raises the soft limit to the hard limit, and returns what holds now; `None` where it cannot be known.
pub(super) fn raise_limit() -> Option<u64> {
    let mut limit = read()?;
    let wanted = libc::rlimit { rlim_cur: limit.rlim_max, ..limit };
    if limit.rlim_cur < limit.rlim_max {
        // SAFETY: `wanted` is a valid `rlimit` that lives through the call; the kernel only reads it.
        let result = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const wanted) };
        if result == 0 {
            limit = wanted;
        }
    }
    Some(limit.rlim_cur)
}

fn read() -> Option<libc::rlimit> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid `rlimit` that lives through the call; the kernel only writes to it.
    let result = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) };
    (result == 0).then_some(limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_becomes_the_hard_limit() {
        let raised = raise_limit().unwrap();
        let limit = read().unwrap();
        assert_eq!((raised, limit.rlim_cur), (limit.rlim_max, limit.rlim_max));
    }
}
