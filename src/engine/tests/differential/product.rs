//! The store servers that tests run: which there are, and where their programs are.
#![allow(dead_code, reason = "each test uses a part of it")]

use std::path::{Path, PathBuf};

/// A server of which the tests know how it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Product {
    /// What the embedded store is compared with: it answers alike, everywhere.
    Valkey9,
    Redis8,
    Redis7,
}

impl Product {
    /// The one that `GODRA_TEST_STORE` names: `redis` (7.0), which is taken without it, `redis8` (8.2) or `valkey` (9.1).
    pub fn chosen() -> Self {
        match std::env::var("GODRA_TEST_STORE").as_deref() {
            Ok("valkey") => Self::Valkey9,
            Ok("redis8") => Self::Redis8,
            Ok("redis") | Err(_) => Self::Redis7,
            Ok(other) => panic!("GODRA_TEST_STORE is redis, redis8 or valkey, not {other:?}"),
        }
    }

    /// The server's name and the version that is tested.
    pub fn name(self) -> &'static str {
        match self {
            Self::Valkey9 => "Valkey 9.1",
            Self::Redis8 => "Redis 8.2",
            Self::Redis7 => "Redis 7.0",
        }
    }

    /// The line of `INFO server` that a server of this version has; it begins like this.
    pub fn version_line(self) -> &'static str {
        match self {
            Self::Valkey9 => "valkey_version:9.1.",
            Self::Redis8 => "redis_version:8.2.",
            Self::Redis7 => "redis_version:7.0.",
        }
    }

    /// The program: what the variable names, else what `tests/redis/install` has installed, or the system's.
    pub fn program(self) -> PathBuf {
        let (variable, installed) = match self {
            Self::Valkey9 => ("GODRA_VALKEY_9", "valkey-9.1/valkey-server"),
            Self::Redis8 => ("GODRA_REDIS_8", "redis-8.2/redis-server"),
            Self::Redis7 => ("GODRA_REDIS_7", "redis-7.0/redis-server"),
        };
        if let Some(program) = std::env::var_os(variable) {
            return program.into();
        }
        let program = repository().join("target/tools").join(installed);
        if program.exists() {
            return program;
        }
        assert!(
            self == Self::Redis7,
            "this test needs {} at {}: run tests/redis/install, or name its server in {variable}",
            self.name(),
            program.display()
        );
        "redis-server".into()
    }
}

/// The folder with the workspace's `Cargo.lock`.
fn repository() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package
        .ancestors()
        .find(|folder| folder.join("Cargo.lock").exists())
        .expect("a workspace around this package")
}
