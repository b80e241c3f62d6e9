//! The erasure log: who was erased stays erased, also when an older copy of the database takes its place.

use std::fs;
use std::path::PathBuf;

use serde_json::json;

use crate::common::accounts::{PASSWORD, User, account, try_command};
use crate::common::postgres::Postgres;
use crate::common::server::{Folder, Server, run_to_end};

/// A game whose database has two states: `now`, and `old`, which is a copy of it.
struct Scene<'a> {
    files: Folder,
    postgres: Option<&'a Postgres>,
}

impl Scene<'_> {
    fn log(&self) -> PathBuf {
        self.files.path().join("erased.log")
    }

    fn flags(&self, database: &str) -> Vec<String> {
        let of_database = match self.postgres {
            Some(postgres) => vec![
                "--db-type".to_owned(),
                "postgres".to_owned(),
                "--db-dsn".to_owned(),
                postgres.dsn(database),
            ],
            None => {
                vec!["--db-dsn".to_owned(), self.files.path().join(database).to_str().unwrap().to_owned()]
            }
        };
        [of_database, vec!["--erasure-log".to_owned(), self.log().to_str().unwrap().to_owned()]].concat()
    }

    fn start(&self, database: &str) -> Server {
        let flags = self.flags(database);
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        Server::start_in(Folder::new(), &[&flags[..], &["--state-file", "off"]].concat())
    }

    /// No server runs meanwhile.
    fn copy(&self) {
        match self.postgres {
            Some(postgres) => drop(postgres.sql("postgres", "CREATE DATABASE old TEMPLATE now")),
            None => {
                let database = rusqlite::Connection::open(self.files.path().join("now")).unwrap();
                database
                    .execute("VACUUM INTO ?1", [self.files.path().join("old").to_str().unwrap()])
                    .unwrap();
            }
        }
    }

    /// `godra user …`
    fn user(&self, server: &Server, arguments: &[&str]) {
        let flags = self.flags("now");
        let mut flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        if arguments[0] != "delete" {
            flags.truncate(flags.len() - 2);
        }
        let (code, _, stderr) =
            try_command(server.folder(), &[&["user"], arguments, &flags].concat(), PASSWORD);
        assert_eq!(code, Some(0), "{stderr}");
    }
}

fn stop(mut server: Server) {
    server.terminate();
    assert!(server.wait().success());
}

fn what_was_erased_stays_erased(scene: &Scene) {
    let server = scene.start("now");
    scene.user(&server, &["create", "boss", "--role", "manager"]);
    let (ann, carol) = (account(&server, "ann"), account(&server, "carol"));
    let (guest, riser) = (User::guest(&server), User::guest(&server));
    let boss = User::login(&server, "boss", PASSWORD);
    for user in [&ann, &carol, &guest, &riser] {
        let path = format!("/api/data/profile/{0}?owner={0}", user.user_id);
        assert_eq!(boss.send("PUT", &path, &[], b"\"a secret\"").status, 200);
    }
    let [ann, carol, guest, riser, boss] = [ann, carol, guest, riser, boss].map(User::detach);
    stop(server);
    scene.copy();

    let server = scene.start("now");
    let proof = json!({"password": PASSWORD});
    assert_eq!(ann.on(&server).request("DELETE", "/account", &proof).status, 204);
    let refused = carol.on(&server).request("DELETE", "/account", &json!({"password": "not the password"}));
    assert_eq!(refused.status, 403, "{refused:?}");
    assert_eq!(guest.on(&server).request("DELETE", "/account", &json!({})).status, 204);
    let upgrade = json!({"username": "riser", "password": PASSWORD});
    let risen = User::from_login(&server, &riser.on(&server).post("/account/upgrade", &upgrade).json());
    scene.user(&server, &["delete", "riser", "--yes"]);
    let dora = account(&server, "dora");
    assert_eq!(dora.request("DELETE", "/account", &proof).status, 204);
    let [ann_id, guest_id, riser_id] = [&ann, &guest, &riser].map(|user| user.on(&server).user_id);
    let (risen_id, dora_id) = (risen.user_id.clone(), dora.user_id.clone());
    let logged = fs::read_to_string(scene.log()).unwrap();
    let ids: Vec<&str> = logged.lines().map(|line| line.split_once(' ').unwrap().1).collect();
    assert_eq!(ids, [&ann_id, &guest_id, &risen_id, &riser_id, &dora_id], "{logged}");
    drop((risen, dora));
    stop(server);

    let server = scene.start("old");
    for (id, documents) in [(&ann_id, 1), (&guest_id, 1), (&riser_id, 1)] {
        let (user, documents) = (format!("user={id} "), format!("documents={documents}"));
        server.output().wait_for_line(&["erased again, as the database is older", &user, &documents]);
    }
    let login = server.post("/login", &json!({"username": "ann", "password": PASSWORD}));
    assert_eq!(login.status, 401, "{login:?}");
    for gone in [&ann, &guest, &riser] {
        gone.on(&server).wait_until_refused();
        assert_eq!(gone.on(&server).refresh().status, 401);
    }
    let boss_on = boss.on(&server);
    let status_of = |id: &str| boss_on.send("GET", &format!("/api/data/profile/{id}"), &[], b"").status;
    let carol_id = carol.on(&server).user_id;
    assert_eq!([&ann_id, &guest_id, &riser_id, &carol_id].map(|id| status_of(id)), [404, 404, 404, 200]);
    let eve = account(&server, "eve");
    let number = |id: &str| id.parse::<u64>().unwrap();
    assert!(number(&eve.user_id) > number(&dora_id), "{} is {dora_id}'s or older", eve.user_id);
    let eve = eve.detach();
    stop(server);

    let server = scene.start("old");
    assert_eq!(carol.on(&server).who_am_i().status, 200);
    assert_eq!(eve.on(&server).who_am_i().status, 200);
    assert!(!server.output().text().contains("erased again"), "once is enough: {}", server.output());
}

#[test]
fn what_was_erased_stays_erased_on_sqlite() {
    what_was_erased_stays_erased(&Scene { files: Folder::empty(), postgres: None });
}

#[test]
fn what_was_erased_stays_erased_on_postgres() {
    let postgres = Postgres::start();
    postgres.database("now");
    what_was_erased_stays_erased(&Scene { files: Folder::empty(), postgres: Some(&postgres) });
}

#[test]
fn a_log_that_cannot_be_used_is_refused() {
    let folder = Folder::new();
    let log = folder.path().join("erased.log");
    let check = |words: &str| {
        let ended = run_to_end(&folder, &["--port", "0", "--erasure-log", "erased.log"], &[]);
        let said = format!("{}{}", ended.stdout, ended.stderr);
        assert_eq!(ended.code, Some(1), "{said}");
        assert!(said.contains("--erasure-log: ") && said.contains(words), "{said}");
    };
    fs::write(&log, "1700000000000 4\n1700000000001 1").unwrap();
    check("line 2, the last one, is torn");
    fs::write(&log, "1700000000000 4\nerase everything\n").unwrap();
    check("line 2 is \"erase everything\": expected the time");
    fs::remove_file(&log).unwrap();
    fs::create_dir(&log).unwrap();
    check("cannot open the erasure log erased.log");
}

/// An erasure that cannot be written down is none.
#[test]
fn nobody_is_erased_without_a_line() {
    let folder = Folder::new();
    let log = folder.path().join("erased.log");
    let server = Server::start_in(folder, &["--erasure-log", "erased.log"]);
    let (ann, guest) = (account(&server, "ann"), User::guest(&server));
    fs::remove_file(&log).unwrap();
    fs::create_dir(&log).unwrap();
    let proof = json!({"password": PASSWORD});
    let refused = ann.request("DELETE", "/account", &proof);
    assert_eq!((refused.status, refused.error_code().as_str()), (503, "unavailable"), "{refused:?}");
    assert_eq!(guest.request("DELETE", "/account", &json!({})).status, 503);
    server.output().wait_for_line(&["nobody was erased: cannot write the erasure log"]);
    assert_eq!((ann.who_am_i().status, guest.who_am_i().status), (200, 200));
    fs::remove_dir(&log).unwrap();
    fs::write(&log, "").unwrap();
    assert_eq!(ann.request("DELETE", "/account", &proof).status, 204);
    assert_eq!(fs::read_to_string(&log).unwrap().lines().count(), 1);
}
