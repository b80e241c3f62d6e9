//! A disk that fails to sync, by way of the kernel: a filter on the calling thread's system calls.

use std::io;

use godra::account::records::StoreFault;
use godra::account::store::{Dsn, Stores};

use crate::suite::NOW_MS;

#[test]
fn a_failed_sync_is_unavailable_and_leaves_no_half_rows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("game.db");
    let stores = Stores::open(&Dsn::Sqlite(path.clone())).unwrap();
    let mut store = stores.connect().unwrap();
    store.kick("guest:before", "", NOW_MS).unwrap();
    // The filter stays on its thread until that ends; the connection goes back to this one.
    let (mut store, faults) = std::thread::spawn(move || {
        fail_syncs();
        let faults: Vec<_> = (0..3).map(|_| store.kick("guest:lost", "", NOW_MS).unwrap_err()).collect();
        (store, faults)
    })
    .join()
    .unwrap();
    assert!(faults.iter().all(|fault| matches!(fault, StoreFault::Unavailable(_))), "{faults:?}");
    store.kick("guest:after", "", NOW_MS).unwrap();
    drop(store);
    let notices = stores.connect().unwrap().notices(0, 10).unwrap();
    let seen: Vec<_> = notices.iter().map(|notice| (notice.id, notice.user_id.as_str())).collect();
    assert_eq!(seen, [(1, "guest:before"), (2, "guest:after")]);
    let connection = rusqlite::Connection::open(path).unwrap();
    let verdict: String = connection.pragma_query_value(None, "integrity_check", |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok");
}

/// From now on `fsync` and `fdatasync` of this thread fail with `EIO`.
pub fn fail_syncs() {
    const LOAD_NUMBER: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    let line = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let mut lines = [
        line(LOAD_NUMBER, 0, 0, 0),
        line(IF_EQUAL, 1, 0, libc::SYS_fsync as u32),
        line(IF_EQUAL, 0, 1, libc::SYS_fdatasync as u32),
        line(RETURN, 0, 0, libc::SECCOMP_RET_ERRNO | libc::EIO as u32),
        line(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: lines.len() as u16, filter: lines.as_mut_ptr() };
    // SAFETY: the kernel copies the program, which lives until after the call; both calls change this thread alone.
    let is_set = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            && libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &program) == 0
    };
    assert!(is_set, "the kernel takes no filter: {}", io::Error::last_os_error());
}
