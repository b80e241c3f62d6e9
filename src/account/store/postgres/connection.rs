//! A connection that is never waited for too long.
//!
//! The driver waits for an answer for ever, and a server can stop answering without closing anything. So each connection
//! lives on a thread of its own, and whoever asks waits at the channel until a deadline. A connection that has not answered
//! by then is left to itself: its thread ends when the server answers after all or the kernel gives the connection up,
//! and the server rolls back what was open.

use std::collections::HashMap;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use postgres::types::ToSql;
use postgres::{Client, Statement};

use super::dsn::PostgresDsn;
use super::fault::Fault;
use crate::account::store::sql::{Row, Value};

/// A connection that is not waited for any more closes its transaction within this time, so that its locks are in nobody's
/// way. The server's own clock watches over both.
const SESSION: &str = "SET statement_timeout = 4500; SET idle_in_transaction_session_timeout = 10000; \
     SET client_min_messages = 'warning'; SET synchronous_commit = 'on'";

/// What a connection is asked to do.
enum Request {
    /// Statements without values or rows.
    Batch(&'static str),
    /// One statement, prepared when it comes up for the first time.
    Run(&'static str, Vec<Value>),
}

type Answer = Result<Vec<Row>, Fault>;

/// A connection and the thread that it lives on.
pub(super) struct ConnectionThread {
    requests: Sender<Request>,
    answers: Receiver<Answer>,
    thread: JoinHandle<()>,
}

impl ConnectionThread {
    /// Connects. A try that takes too long gives the thread that is still at it.
    pub(super) fn open(
        dsn: &Arc<PostgresDsn>,
        deadline: Instant,
    ) -> Result<Self, (Fault, Option<JoinHandle<()>>)> {
        let (request_sender, requests) = bounded(1);
        let (answer_sender, answers) = bounded(1);
        let dsn = dsn.clone();
        // The driver panics where there is no descriptor for its own event loop. All that this thread has is the connection: its end,
        // however it comes, is that of the connection, and no reason to end the process.
        let thread = thread::Builder::new()
            .name("postgres".to_owned())
            .spawn(move || serve(&dsn, &requests, &answer_sender))
            .map_err(|error| (Fault::Unavailable(format!("no thread for a connection: {error}")), None))?;
        let connection = Self { requests: request_sender, answers, thread };
        match connection.wait(deadline) {
            Ok(_) => Ok(connection),
            Err(fault) => Err((fault, Some(connection.thread))),
        }
    }

    pub(super) fn batch(&self, statements: &'static str, deadline: Instant) -> Result<(), Fault> {
        self.ask(Request::Batch(statements), deadline).map(drop)
    }

    pub(super) fn run(&self, statement: &'static str, values: &[Value], deadline: Instant) -> Answer {
        self.ask(Request::Run(statement, values.to_vec()), deadline)
    }

    /// Gives the connection up; the thread may still wait for an answer.
    pub(super) fn leave(self) -> JoinHandle<()> {
        self.thread
    }

    fn ask(&self, request: Request, deadline: Instant) -> Answer {
        self.requests.send(request).map_err(|_| lost())?;
        self.wait(deadline)
    }

    fn wait(&self, deadline: Instant) -> Answer {
        match self.answers.recv_deadline(deadline) {
            Ok(answer) => answer,
            Err(RecvTimeoutError::Timeout) => Err(Fault::Silent("PostgreSQL does not answer".to_owned())),
            Err(RecvTimeoutError::Disconnected) => Err(lost()),
        }
    }
}

fn lost() -> Fault {
    Fault::Lost("the connection to PostgreSQL is gone".to_owned())
}

/// A connection's thread: until nobody asks any more, or nobody waits for the answer.
fn serve(dsn: &PostgresDsn, requests: &Receiver<Request>, answers: &Sender<Answer>) {
    let mut session = match DatabaseSession::open(dsn) {
        Ok(session) => session,
        Err(fault) => {
            // Whoever asked may have left.
            let _ = answers.send(Err(fault));
            return;
        }
    };
    if answers.send(Ok(Vec::new())).is_err() {
        return;
    }
    for request in requests {
        let answer = match request {
            Request::Batch(statements) => session.client.batch_execute(statements).map(|()| Vec::new()),
            Request::Run(statement, values) => session.run(statement, &values),
        };
        if answers.send(answer.map_err(Fault::from)).is_err() {
            return;
        }
    }
}

/// A client and what the server has prepared for it.
struct DatabaseSession {
    client: Client,
    prepared: HashMap<&'static str, Statement>,
}

impl DatabaseSession {
    fn open(dsn: &PostgresDsn) -> Result<Self, Fault> {
        let mut client = dsn.connect()?;
        client.batch_execute(SESSION)?;
        Ok(Self { client, prepared: HashMap::new() })
    }

    fn run(&mut self, text: &'static str, values: &[Value]) -> Result<Vec<Row>, postgres::Error> {
        let statement = match self.prepared.get(text) {
            Some(statement) => statement.clone(),
            None => {
                let statement = self.client.prepare(text)?;
                self.prepared.insert(text, statement.clone());
                statement
            }
        };
        let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| value as _).collect();
        self.client.query(&statement, &values)?.into_iter().map(owned).collect()
    }
}

fn owned(row: postgres::Row) -> Result<Row, postgres::Error> {
    let values = (0..row.len()).map(|column| row.try_get(column));
    Ok(Row::new(values.collect::<Result<_, _>>()?))
}

/// How long a call may take, all its statements and a new connection included.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
