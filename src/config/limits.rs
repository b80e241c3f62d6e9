//! Every bound that is not a flag, with its default.

use std::time::Duration;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// Bounds of the server's parts. Tests lower them; the binary runs with the defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuiltInLimits {
    /// What a connection may take before and between requests.
    pub http: HttpLimits,
    /// What a WebSocket may take, and how long its peer may be silent.
    pub websocket: WebSocketLimits,
    /// What waits to be sent to one connection.
    pub outbox: OutboxLimits,
    /// How much may wait between two threads.
    pub queues: QueueLimits,
    /// When a room spreads, and what of it may wait.
    pub rooms: RoomLimits,
    /// How many inputs may wait for their answers.
    pub inputs: InputLimits,
    /// Calls to the accounts.
    pub accounts: AccountLimits,
    /// The end of the process.
    pub drain: DrainLimits,
}

/// Bounds of calls to the accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountLimits {
    /// Calls that wait for a worker; above it 503 `busy`.
    pub max_queue: usize,
    /// How long a call may wait for a worker; after it 503 `busy`.
    pub longest_wait: Duration,
}

/// Bounds of HTTP requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpLimits {
    /// Request line and header fields together; above it 431.
    pub max_head_bytes: usize,
    /// Header fields; above it 431.
    pub max_headers: usize,
    /// A request's body after decoding; above it 413.
    pub max_body_bytes: usize,
    /// From a request's first byte, or the connection's start, to the end of its head; after it 408 and a close.
    pub head_timeout: Duration,
    /// From the end of the head to the end of the body; after it 408 and a close. So long may a WebSocket's message take, too; after it
    /// a close with 4002.
    pub body_timeout: Duration,
    /// Pipelined requests that are taken from one read; the rest waits until their answers are sent.
    pub max_pipelined: usize,
    /// Silence between two requests; after it a close.
    pub keep_alive_timeout: Duration,
    /// Wait for the peer to close its half once ours is shut; after it the socket is closed.
    pub linger: Duration,
}

/// Bounds of WebSocket connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebSocketLimits {
    /// Silence after which a ping is sent.
    pub ping_after: Duration,
    /// Wait for the pong; after it close 4004 `no_pong`.
    pub pong_wait: Duration,
    /// Wait for the peer's close frame after ours; after it the socket is closed.
    pub close_wait: Duration,
    /// A message on `/echo` (`--debug-echo`); above it close 1009.
    pub max_echo_message_bytes: usize,
    /// Malformed messages in excess of good ones; above it close 4504 `too_many_errors`.
    pub max_errors: u16,
    /// Inputs refused with `busy` within `busy_window`; above it close 4003 `rate_limited`.
    pub max_busy: u16,
    /// Over what time they are counted.
    pub busy_window: Duration,
}

/// Bounds of what waits to be sent to one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxLimits {
    /// Above it, queued room events are replaced by one snapshot.
    pub soft_bytes: usize,
    /// Above it, close 4002 `slow_consumer`.
    pub hard_bytes: usize,
    /// Time without a byte taken by the peer while something waits; after it close 4002 `slow_consumer`.
    pub stall_timeout: Duration,
}

/// Bounds of the queues between threads, in entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueLimits {
    /// Batches that wait for the state engine; above it `busy`.
    pub engine_batches: usize,
    /// Calls in one batch; the rest follows when it is back.
    pub batch_calls: usize,
    /// Bytes of the arguments in one batch, but for a single call; the rest follows when it is back.
    pub batch_bytes: usize,
    /// Deliveries that wait for a shard; above it the engine waits.
    pub mailbox: usize,
    /// How many messages of one shard wait for another whose mailbox is full; above it they are lost, and the log says so.
    pub backlog: usize,
    /// Bytes read from one connection before the next has its turn.
    pub read_budget_bytes: usize,
    /// Frames of a WebSocket handled before the next connection has its turn.
    pub read_budget_frames: usize,
    /// Connections accepted before the open ones have their turn.
    pub accept_budget: usize,
}

/// Bounds of one room's size and of its work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomLimits {
    /// Members above which a room spreads over all shards.
    pub spread_above_members: usize,
    /// Bytes of one room's inputs that wait; above it `busy` to whoever has some waiting already.
    pub max_waiting_bytes: usize,
    /// How long a batch of a room's inputs should keep the engine, judged by the last ones; the rest follows.
    pub batch_time: Duration,
}

/// Bounds of players' inputs that wait for their answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputLimits {
    /// Of one connection; above it `busy`.
    pub max_waiting: usize,
    /// Bytes of one connection's, but for a single input; above it `busy`.
    pub max_waiting_bytes: usize,
    /// Bytes of all connections' together; above it `busy`, but for a small input of a connection that has none waiting.
    pub max_waiting_bytes_in_all: usize,
}

/// Bounds of the end of the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DrainLimits {
    /// The longest time over which closes are spread, so that not all players come back at once.
    pub close_spread: Duration,
    /// When connections are waited for no longer.
    pub deadline: Duration,
    /// When the process exits, whatever is still to be done. Supervisors kill what takes longer.
    pub total: Duration,
}

impl Default for BuiltInLimits {
    fn default() -> Self {
        Self {
            http: HttpLimits {
                max_head_bytes: 16 * KIB,
                max_headers: 100,
                max_body_bytes: 256 * KIB,
                head_timeout: Duration::from_secs(10),
                body_timeout: Duration::from_secs(30),
                keep_alive_timeout: Duration::from_secs(75),
                max_pipelined: 16,
                linger: Duration::from_secs(2),
            },
            websocket: WebSocketLimits {
                ping_after: Duration::from_secs(25),
                pong_wait: Duration::from_secs(10),
                close_wait: Duration::from_secs(5),
                max_echo_message_bytes: 32 * MIB,
                max_errors: 100,
                max_busy: 2048,
                busy_window: Duration::from_secs(10),
            },
            outbox: OutboxLimits {
                soft_bytes: 256 * KIB,
                hard_bytes: MIB,
                stall_timeout: Duration::from_secs(30),
            },
            queues: QueueLimits {
                engine_batches: 4096,
                batch_calls: 1024,
                batch_bytes: MIB,
                mailbox: 4 * KIB,
                backlog: 64 * KIB,
                read_budget_bytes: 256 * KIB,
                read_budget_frames: 256,
                accept_budget: 64,
            },
            rooms: RoomLimits {
                spread_above_members: 512,
                max_waiting_bytes: 16 * MIB,
                batch_time: Duration::from_millis(20),
            },
            inputs: InputLimits {
                max_waiting: 256,
                max_waiting_bytes: MIB,
                max_waiting_bytes_in_all: 64 * MIB,
            },
            accounts: AccountLimits { max_queue: 1024, longest_wait: Duration::from_secs(8) },
            drain: DrainLimits {
                close_spread: Duration::from_secs(3),
                deadline: Duration::from_secs(25),
                total: Duration::from_secs(30),
            },
        }
    }
}
