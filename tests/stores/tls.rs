//! TLS to PostgreSQL, with certificates made for the test.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::common::postgres::Postgres;
use crate::postgres::open;

/// A server that has a certificate of an authority of its own, and refuses connections without TLS.
struct Server {
    postgres: Postgres,
    authority: PathBuf,
    folder: TempDir,
}

fn start() -> Server {
    let folder = tempfile::tempdir().unwrap();
    let authority = make_authority(folder.path(), "authority");
    // It listens on 127.0.0.1 alone: the name in the certificate is what `localhost` leads to.
    make_certificate(folder.path(), "authority", "localhost");
    let postgres = Postgres::start();
    for file in ["server.crt", "server.key"] {
        let placed = postgres.data().join(file);
        fs::copy(folder.path().join(file), &placed).unwrap();
        postgres.give(&placed);
    }
    postgres.sql("postgres", "ALTER SYSTEM SET ssl = on");
    let access = "local all all trust\nhostssl all ada all scram-sha-256\nhost all postgres all trust\n";
    fs::write(postgres.data().join("pg_hba.conf"), access).unwrap();
    postgres.sql("postgres", "CREATE USER ada SUPERUSER PASSWORD 'a secret'");
    postgres.restart();
    assert_eq!(postgres.sql("postgres", "SHOW ssl"), "on");
    Server { postgres, authority, folder }
}

impl Server {
    fn dsn(&self, host: &str, rest: &str) -> String {
        let port = self.postgres.port();
        format!("postgres://ada:a%20secret@{host}:{port}/postgres?{rest}")
    }

    fn verified(&self, host: &str, authority: &Path) -> String {
        self.dsn(host, &format!("sslmode=verify-full&sslrootcert={}", authority.display()))
    }
}

fn openssl(folder: &Path, arguments: &str) {
    let output = Command::new("openssl").current_dir(folder).args(arguments.split(' ')).output().unwrap();
    assert!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

fn make_authority(folder: &Path, name: &str) -> PathBuf {
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    openssl(folder, &format!("req -x509 {key} -keyout {name}.key -out {name}.crt -days 2 -subj /CN={name}"));
    folder.join(format!("{name}.crt"))
}

fn make_certificate(folder: &Path, authority: &str, host: &str) {
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    openssl(folder, &format!("req {key} -keyout server.key -out server.csr -subj /CN=server"));
    fs::write(folder.join("names"), format!("subjectAltName=DNS:{host}\n")).unwrap();
    openssl(
        folder,
        &format!(
            "x509 -req -in server.csr -CA {authority}.crt -CAkey {authority}.key -CAcreateserial -days 2 \
             -extfile names -out server.crt"
        ),
    );
}

#[test]
fn connections_are_encrypted_as_asked() {
    let server = start();
    for mode in ["sslmode=require", "sslmode=prefer", "sslmode=require&channel_binding=require", ""] {
        let dsn = server.dsn("127.0.0.1", mode);
        let stores = open(&dsn).unwrap_or_else(|error| panic!("{mode}: {error}"));
        let _store = stores.connect().unwrap();
        let encrypted = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
             WHERE application_name = 'godra'";
        assert_eq!(server.postgres.sql("postgres", encrypted), "t", "{mode}");
    }
    let refusal = open(&server.dsn("127.0.0.1", "sslmode=disable")).unwrap_err();
    assert!(refusal.contains("no encryption") && !refusal.contains("secret"), "{refusal}");
}

#[test]
fn a_certificate_is_verified_when_an_authority_is_given() {
    let server = start();
    open(&server.verified("localhost", &server.authority)).unwrap();
    let check = |dsn: String, expected: &str| {
        let refusal = open(&dsn).unwrap_err();
        assert!(refusal.contains(expected) && !refusal.contains("secret"), "{refusal}");
        assert_eq!(refusal.lines().count(), 1);
    };
    let stranger = make_authority(server.folder.path(), "stranger");
    check(server.verified("localhost", &stranger), "invalid peer certificate");
    check(server.verified("127.0.0.1", &server.authority), "not valid for name");
    check(server.verified("localhost", Path::new("/nowhere.crt")), "sslrootcert=/nowhere.crt");
}

#[test]
fn tls_options_stand_behind_a_quoted_password() {
    let server = start();
    let spaced = server.folder.path().join("a folder");
    fs::create_dir(&spaced).unwrap();
    fs::copy(&server.authority, spaced.join("ca.pem")).unwrap();
    let authority = spaced.join("ca.pem");
    let pairs = |host: &str, password: &str| {
        let (port, authority) = (server.postgres.port(), authority.display());
        format!(
            "host={host} port={port} user=ada password={password} dbname = postgres sslmode=verify-full sslrootcert='{authority}'"
        )
    };
    for password in ["'a secret'", r"a\ secret", r"'a \secret'"] {
        open(&pairs("localhost", password)).unwrap_or_else(|error| panic!("{password}: {error}"));
        // That they hold is seen by what they refuse.
        let refusal = open(&pairs("127.0.0.1", password)).unwrap_err();
        assert!(refusal.contains("not valid for name"), "{password}: {refusal}");
    }
}

#[test]
fn a_server_without_tls_is_refused_or_not() {
    let postgres = Postgres::start();
    let refusal = open(&format!("{} sslmode=require", postgres.dsn("postgres"))).unwrap_err();
    assert!(refusal.contains("does not support TLS"), "{refusal}");
    open(&format!("{} sslmode=prefer", postgres.dsn("postgres"))).unwrap();
}
