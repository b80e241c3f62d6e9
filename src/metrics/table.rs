//! The metrics, each declared once: its field, its type, its name (behind `godra_`, and before the unit), and its help text,
//! which is its documentation, too.
//!
//! To add one, add a line: to [`Metrics`] what the process has once, to [`ShardMetrics`] what every event loop counts for itself.
//! `seconds` in place of `plain` gives the name its unit. A new label is a closed set in `labels.rs`.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Metric, Registry, Unit};

use super::labels::{
    AccountEvent, AccountOutcome, CloseCode, ConnectionKind, HandshakeOutcome, InputOutcome, MessageOutcome,
    RefusalReason, Request,
};
use super::parts::{Histogram, Row, SecondsCounter, Summed};
use super::{AddressLabels, ScriptInfoLabels, ScriptLabels, ShardLabels};

/// Declares metrics that the process has once, and what else is beside them.
macro_rules! process_metrics {
    (
        $(#[$meta:meta])*
        $struct_visibility:vis $name:ident { $($visibility:vis $field:ident: $type:ty = $register:ident $metric:literal $help:literal;)+ }
        $(and { $($other_visibility:vis $other:ident: $other_type:ty),+ })?
    ) => {
        $(#[$meta])*
        #[derive(Debug)]
        $struct_visibility struct $name {
            $(#[doc = $help] $visibility $field: $type,)+
            $($(#[allow(missing_docs, reason = "its type says what it is")] $other_visibility $other: $other_type,)+)?
        }

        impl $name {
            pub(super) fn declare(
                registry: &mut Registry,
                $($($other: impl FnOnce(&mut Registry) -> $other_type,)+)?
            ) -> Self {
                Self {
                    $($field: $register(registry, $metric, $help, <$type>::default()),)+
                    $($($other: $other(registry),)+)?
                }
            }
        }
    };
}

/// Declares metrics of which each event loop has a part.
macro_rules! shard_metrics {
    ($($field:ident: $type:ty = $register:ident $metric:literal $help:literal;)+) => {
        /// What one shard counts. Where a round does a thing many times, add once at the round's end.
        #[derive(Clone, Debug)]
        pub struct ShardMetrics {
            $(#[doc = $help] pub $field: $type,)+
            pub(super) loop_duration: Histogram,
            pub(super) busy: SecondsCounter,
        }

        /// What the shards' parts add up to.
        #[derive(Debug)]
        pub(super) struct ShardTotals {
            $($field: Summed<$type>,)+
            by_shard: ByShard,
        }

        impl ShardTotals {
            pub(super) fn register(registry: &mut Registry) -> Self {
                Self {
                    $($field: $register(registry, $metric, $help, Summed::new(<$type>::default)),)+
                    by_shard: ByShard::declare(registry),
                }
            }

            /// Counts as one more shard would.
            pub(super) fn refusals(&self) -> Row<RefusalReason, Counter> {
                self.refusals.part()
            }

            /// The handles of one shard.
            pub(super) fn shard(&self, index: usize) -> ShardMetrics {
                let labels = ShardLabels { shard: index };
                ShardMetrics {
                    $($field: self.$field.part(),)+
                    loop_duration: self.by_shard.loop_duration.get_or_create_owned(&labels),
                    busy: self.by_shard.busy.get_or_create_owned(&labels),
                }
            }
        }
    };
}

process_metrics! {
    /// All metrics of the process. Shared by reference between its threads.
    pub Metrics {
        pub engine_queue_depth: Gauge = plain "engine_queue_depth" "Batches waiting for the state engine";
        pub certificate_ends: Gauge = plain "tls_certificate_not_after_timestamp_seconds" "When the TLS certificate ends, in seconds since 1970; 0 without TLS";
        pub script_problems: Gauge = plain "script_problems" "Script files whose newest text is not served because it does not compile";
        pub(super) script_generation: Gauge = plain "script_generation" "Times that the set of scripts was loaded";
        pub(super) script_info: Family<ScriptInfoLabels, Gauge> = plain "script_info" "The served version of each script";
        pub(super) script_runs: Family<ScriptLabels, Counter> = plain "script_runs" "Script calls that ran";
        pub(super) script_errors: Family<ScriptLabels, Counter> = plain "script_errors" "Script calls that failed";
        pub(super) script_timeouts: Family<ScriptLabels, Counter> = plain "script_timeouts" "Script calls that ran over their time budget";
        pub(super) script_duration: Family<ScriptLabels, Histogram> = seconds "script_duration" "How long script calls took";
        pub messages: Row<MessageOutcome, Counter> = summed "messages" "Messages of scripts to rooms that have run, by how they ended";
        pub messages_pending: Gauge = plain "messages_pending" "Messages of scripts that have not run yet, as last counted";
        pub messages_bytes: Gauge = plain "messages_bytes" "What they take in the embedded store, in bytes, about; 0 with Redis";
        pub store_bytes: Gauge = plain "store_bytes" "What the embedded store takes in memory, in bytes; 0 with Redis, which tells itself";
        pub store_max_bytes: Gauge = plain "store_max_bytes" "What the embedded store may take, in bytes: see --store-memory";
        pub documents_hot: Gauge = plain "documents_hot" "Documents that the store holds";
        pub document_outbox: Gauge = plain "document_outbox" "Calls whose saved documents are not in the database yet";
        pub document_outbox_bytes: Gauge = plain "document_outbox_bytes" "What these have saved, in bytes";
        pub store_full: Counter = plain "store_full" "Calls that were refused because their store, embedded or Redis, was full";
        pub redis_reconnects: Counter = plain "redis_reconnects" "Connections to stores that were lost";
        pub redis_lost_calls: Counter = plain "redis_lost_calls" "Calls whose answer was lost with a connection to a store";
        pub redis_foreign_messages: Counter = plain "redis_foreign_messages" "Messages on rooms' channels that are not the server's";
        pub redis_orphans: Counter = plain "redis_orphans" "Members of dead nodes that this one took out of their rooms";
        pub redis_call_time: Histogram = seconds "redis_call" "From sending a batch of calls to a store until its answer";
        pub(super) redis_up: Family<AddressLabels, Gauge> = plain "redis_up" "Whether a store can be worked with";
        pub state_file_writes: Counter = plain "state_file_writes" "Times that changes were written to the state file";
        pub state_file_errors: Counter = plain "state_file_errors" "Times that changes could not be written to the state file, and were kept to be tried again";
        pub state_file_write_time: Histogram = seconds "state_file_write" "How long writing changes to the state file took";
    }
    and { pub accounts: AccountMetrics, pub documents: DocumentMetrics, pub(super) shards: ShardTotals, pub(super) registry: Registry }
}

process_metrics! {
    /// What account workers count.
    #[derive(Clone)]
    pub AccountMetrics {
        pub calls: Row<AccountOutcome, Counter> = summed "account_calls" "Logins and other calls to the accounts, by how they ended";
        pub events: Row<AccountEvent, Counter> = summed "account_events" "Accounts that were deleted or renamed, or got another password by a code";
        pub queue_depth: Gauge = plain "account_queue_depth" "Calls to the accounts that wait for a worker";
        pub hash_time: Histogram = seconds "password_hash" "How long hashing or checking a password took";
    }
}

process_metrics! {
    /// What the database of documents counts.
    #[derive(Clone)]
    pub DocumentMetrics {
        pub fetches: Counter = plain "document_fetches" "Questions to the database for documents, each for all that are wanted at the time";
        pub fetched: Counter = plain "documents_fetched" "Documents that were fetched from the database";
        pub fetch_time: Histogram = seconds "document_fetch" "How long the database took to fetch documents, without waits for other stores to let them go";
        pub transactions: Counter = plain "document_transactions" "Transactions that have written documents";
        pub saved: Counter = plain "document_saves" "Saves and deletes of documents that were written to the database";
        pub lost: Counter = plain "document_saves_lost" "Saves of documents that were refused for good, as another store had the document by then";
        pub write_time: Histogram = seconds "document_write" "How long transactions that write documents took";
        pub away: Gauge = plain "document_database_away" "1 while the database does not answer, and calls that need documents from it are refused at once";
    }
}

shard_metrics! {
    connections: Row<ConnectionKind, Gauge> = plain "connections" "Open connections";
    connections_accepted: Counter = plain "connections_accepted" "Connections that were accepted";
    accept_errors: Counter = plain "accept_errors" "Times that no connection could be accepted, as files or memory had run out";
    tls_handshakes: Row<HandshakeOutcome, Counter> = plain "tls_handshakes" "TLS handshakes, by how they ended";
    rooms: Gauge = plain "rooms" "Rooms with members";
    members: Gauge = plain "members" "Members of rooms";
    guests: Gauge = plain "guests" "Guests of whom something is kept that will have to be cleaned up";
    guests_expired: Counter = plain "guests_expired" "Guests that this process has cleaned up after, as they had no socket and made no call";
    inputs: Row<InputOutcome, Counter> = plain "inputs" "Inputs of players, by how they ended";
    calls_given_back: Counter = plain "calls_given_back" "Calls of rooms that the store had no time for at once, and that wait on";
    ticks: Counter = plain "ticks" "Runs of scripts that have an interval, in rooms with members";
    ticks_left_out: Counter = plain "ticks_left_out" "Runs of such scripts that were left out because the one before came late";
    events: Counter = plain "events" "Room events, each counted once however many members get it";
    frames_out: Counter = plain "frames_out" "WebSocket frames queued for sending";
    bytes_out: Counter = plain "bytes_out" "Bytes written to sockets";
    buffered_bytes: Gauge = plain "buffered_bytes" "Bytes of unfinished requests and messages and of what waits to be sent, as last counted";
    bytes_in: Counter = plain "bytes_in" "Bytes read from sockets";
    compressed_frames: Counter = plain "compressed_frames" "WebSocket frames that were compressed, each counted once however many members get it";
    compression_bytes_before: Counter = plain "compression_bytes_before" "Bytes of compressed frames before they were";
    compression_bytes_after: Counter = plain "compression_bytes_after" "Bytes of compressed frames once they were";
    requests: Row<Request, Counter> = plain "http_requests" "Answered HTTP requests";
    closes: Row<CloseCode, Counter> = plain "websocket_closes" "WebSocket closes, by code";
    refusals: Row<RefusalReason, Counter> = plain "refusals" "Connections and requests that were turned away";
    snapshots_replaced: Counter = plain "outbox_snapshots" "Times that a slow member's queued events were dropped, to come again or give way to a snapshot";
    slow_consumers: Counter = plain "slow_consumers" "Connections closed because they read too slowly";
    input_to_patch: Histogram = seconds "input_to_patch" "From an input's arrival to its events being handed to the sockets";
}

process_metrics! {
    /// What each shard has under a label of its own.
    pub(super) ByShard {
        loop_duration: Family<ShardLabels, Histogram> = seconds "shard_loop" "Rounds of a shard's event loop, without the wait for work";
        busy: Family<ShardLabels, SecondsCounter> = seconds "shard_busy" "Time that a shard spent on work";
    }
}

fn plain<M: Metric + Clone>(registry: &mut Registry, name: &str, help: &str, metric: M) -> M {
    registry.register(name, help, metric.clone());
    metric
}

fn seconds<M: Metric + Clone>(registry: &mut Registry, name: &str, help: &str, metric: M) -> M {
    registry.register_with_unit(name, help, Unit::Seconds, metric.clone());
    metric
}

/// A row is registered as the sum of its one part.
fn summed<L: super::Labels>(
    registry: &mut Registry,
    name: &str,
    help: &str,
    _: Row<L, Counter>,
) -> Row<L, Counter> {
    let sum = Summed::new(Row::default);
    let part = sum.part();
    registry.register(name, help, sum);
    part
}
