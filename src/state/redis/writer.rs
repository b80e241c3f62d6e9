//! The thread that writes to one address, and looks after its connection: opens it again when it ends, ends it when answers stay
//! away, and keeps what rooms are subscribed.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};

use super::bundle::{Bundle, Bundles};
use super::census::{self, Census, Step};
use super::connection::{MAX_PACKED_BYTES, StoreConnection, TOO_LONG};
use super::documents::{self, DocumentDesk, Request, WaitingMessages};
use super::encode::{Head, write_batch, write_bundle};
use super::endpoint::{Endpoint, Outcome};
use super::in_flight::{InFlight, Sent, SentBatch, Upkeep};
use super::ledger::{Held, Ledger};
use super::mail::{self, Due, Outlook, Seen, Stopped};
use super::order::Order;
use super::outbox::{self, Outbox, Parcel};
use super::program::Programs;
use super::reader::{Finding, Reader};
use super::rights::{Rights, read_lacking};
use super::transport::{Transport, Trouble};
use super::upkeep::{self, Leaving, NodeKeys};
use crate::script::{NO_HOOK, Script, ScriptSet};
use crate::state::call::first_seed;
use crate::state::late::{self, Late, Next};
use crate::state::shares::payer;
use crate::state::{Batch, Delivery, ShardId};
use crate::wire::ErrorCode;
use crate::wire::ids::RoomId;
use godra_engine::SplitMix;

mod messages;

/// How often the writer looks at the time when nothing comes.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);
/// As [`LOOK_INTERVAL`], while batches wait of users who have had more than their share.
const LATE_INTERVAL: Duration = Duration::from_millis(10);
/// The store has much to do while what is under way will take it so long.
const BUSY: Duration = Duration::from_millis(5);
/// Batches that are packed into one write.
const MAX_PACKED: usize = 128;
/// A room without members stays subscribed for so long, as they often come back.
const LINGER: Duration = Duration::from_secs(30);
/// What messages that are due may keep the store for until it is looked what else there is.
const MESSAGES_WORK: Duration = Duration::from_millis(10);
/// How often users are forgotten who have been idle.
const FORGET_INTERVAL: Duration = Duration::from_secs(60);
/// Bounds of the pause between two tries to connect; each is twice the one before, and up to a half shorter by chance.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(1500);
/// How long the end of the process waits for answers, and for the database to have what they say.
const FAREWELL: Duration = Duration::from_secs(2);
const WRITTEN_WITHIN: Duration = Duration::from_millis(1500);

/// What comes in the queue.
#[derive(Debug)]
pub(super) enum WriterCommand {
    Batch(Box<Batch>),
    /// Look at the endpoint.
    Wake,
    /// Messages have come from another store.
    Parcel(Box<Parcel>),
    /// The store of that index has taken messages up to a number, or can take none.
    Arrived(usize, Option<u64>),
    /// The gate of documents asks for something.
    Documents(Request),
}

pub(super) struct Writer {
    endpoint: Arc<Endpoint>,
    queue: Receiver<WriterCommand>,
    /// Leads to it, for those who wake this thread.
    queue_sender: Sender<WriterCommand>,
    programs: Programs,
    on_disconnect: Arc<Script>,
    random: SplitMix,
    /// Since when a room has no members; none while it has.
    watched: HashMap<RoomId, Option<Instant>>,
    /// Batches of users who have had more than their share.
    late: Late<Box<Batch>>,
    /// When to look for messages that are due; none if no script is run by them.
    outlook: Option<Outlook>,
    /// To other stores, by their index.
    outboxes: Vec<(usize, Outbox)>,
    scripts: Arc<ScriptSet>,
    is_full: bool,
    forgot_at: Instant,
    /// Rights that some scripts lack, which the log has been told of.
    lacking: Vec<String>,
    /// Whether a connection has been open before.
    was_up: bool,
    /// Names what the store holds, once that is known.
    identity: Option<Box<str>>,
    /// How often this node has named it.
    names_given: u64,
    /// None where scripts can have no documents.
    documents: Option<DocumentDesk>,
    /// Messages that wait for documents, and members of dead nodes whose leaves do.
    waiting: WaitingMessages,
    leaving: Leaving,
}

impl Writer {
    /// A writer that is ready to run.
    pub(super) fn new(
        endpoint: Arc<Endpoint>,
        queue: Receiver<WriterCommand>,
        queue_sender: Sender<WriterCommand>,
        seed: u64,
    ) -> Self {
        let others = || endpoint.peers.others(endpoint.index);
        let outboxes = others().map(|(index, _)| (index, Outbox::default())).collect();
        let (bounds, lobbies) = (endpoint.history, endpoint.lobbies_per_owner);
        let is_home = endpoint.peers.home_of("") == endpoint.index;
        let documents = DocumentDesk::new(&endpoint, &queue_sender);
        Self {
            documents,
            waiting: WaitingMessages::default(),
            leaving: Leaving::default(),
            programs: Programs::new(
                bounds,
                lobbies,
                endpoint.names.clone(),
                (endpoint.peers.stores(endpoint.index), is_home),
            ),
            endpoint,
            queue,
            queue_sender,
            on_disconnect: NO_HOOK.clone(),
            random: SplitMix(seed),
            watched: HashMap::new(),
            late: Late::default(),
            outlook: None,
            outboxes,
            scripts: Arc::default(),
            is_full: false,
            forgot_at: Instant::now(),
            lacking: Vec::new(),
            was_up: false,
            identity: None,
            names_given: 0,
        }
    }

    /// Runs until the endpoint is stopping.
    pub(super) fn run(mut self) {
        let mut pause = SHORTEST_PAUSE;
        let mut last_trouble = String::new();
        while !self.is_stopping() {
            let opened_at = Instant::now();
            match self.open() {
                Ok(mut connection) => {
                    // Whoever reads the connection may call at once.
                    self.set_up(true);
                    log::info!(
                        "the store is there address={} resp3={}",
                        self.endpoint.address,
                        connection.transport.has_pushes
                    );
                    last_trouble.clear();
                    let why = self.serve(&mut connection);
                    self.set_up(false);
                    self.close(connection);
                    if !self.is_stopping() {
                        log::warn!(
                            "the connection to the store is lost address={} reason={why:?}",
                            self.endpoint.address
                        );
                        self.endpoint.metrics.redis_reconnects.inc();
                    }
                }
                Err(Trouble(trouble)) => {
                    if trouble != last_trouble {
                        log::warn!(
                            "the store is not available address={} reason={trouble:?}",
                            self.endpoint.address
                        );
                        last_trouble = trouble;
                    }
                }
            }
            if opened_at.elapsed() > LONGEST_PAUSE * 4 {
                pause = SHORTEST_PAUSE;
            }
            self.rest(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        self.refuse_waiting();
        self.endpoint.stop_waiting();
    }

    fn is_stopping(&self) -> bool {
        self.endpoint.is_stopping.load(Ordering::SeqCst)
    }

    fn set_up(&self, is_up: bool) {
        self.endpoint.is_up.store(is_up, Ordering::Release);
        self.endpoint.metrics.redis_up(&self.endpoint.address.to_string(), is_up);
    }

    fn open(&mut self) -> Result<StoreConnection, Trouble> {
        self.take_scripts();
        let rights = self.rights();
        let (transport, lacking) = Transport::open(&self.endpoint.at(), &self.node(), &rights)?;
        // While people play, a script that has been added stops nobody.
        if !lacking.is_empty() && !self.was_up {
            return Err(Trouble(rights.explain(&lacking)));
        }
        self.note_lacking(&rights, lacking);
        let pushes =
            if transport.has_pushes { None } else { Some(Transport::open_for_pushes(&self.endpoint.at())?) };
        let (findings_sender, findings) = unbounded();
        let end = Arc::new(OnceLock::new());
        let order = Arc::new(Order::default());
        let (in_flight, pushes_in_flight) = (Arc::new(InFlight::default()), Arc::new(InFlight::default()));
        let start = |from: &Transport, in_flight: &Arc<InFlight>| {
            let reader = Reader {
                endpoint: self.endpoint.clone(),
                in_flight: in_flight.clone(),
                findings: findings_sender.clone(),
                queue: self.queue_sender.clone(),
                has_pushes: transport.has_pushes,
                order: order.clone(),
                end: end.clone(),
            };
            reader.start(from.stream.reader()?)
        };
        let mut readers = vec![start(&transport, &in_flight)?];
        if let Some(pushes) = &pushes {
            readers.push(start(pushes, &pushes_in_flight)?);
        }
        let opened_at = Instant::now();
        if let Some(outlook) = &mut self.outlook {
            outlook.begin(opened_at);
        }
        if let Some(documents) = &mut self.documents {
            documents.begin();
        }
        self.waiting.begin();
        self.leaving = Leaving::default();
        let (loaded, pack) = (HashSet::new(), Vec::new());
        Ok(StoreConnection {
            transport,
            pushes,
            in_flight,
            pushes_in_flight,
            suspected: None,
            findings,
            end,
            readers,
            loaded,
            pack,
            opened_at,
            kept_up_at: None,
            asked_rights_at: None,
            identified_at: None,
            census: None,
        })
    }

    /// Works with a connection until it ends, and says why it did.
    fn serve(&mut self, connection: &mut StoreConnection) -> String {
        if let Some(documents) = &mut self.documents {
            documents.work(connection);
        }
        if let Err(why) = self.subscribe_all(connection) {
            return why;
        }
        loop {
            if let Some(why) = connection.end.get() {
                return why.clone();
            }
            if connection.is_overdue() {
                return TOO_LONG.to_owned();
            }
            connection.suspect_script(&self.endpoint.at());
            if self.is_stopping() {
                return self.farewell(connection);
            }
            let result = self.round(connection);
            if let Err(error) = result {
                return error;
            }
        }
    }

    /// Waits for something to do, and does it in one write.
    fn round(&mut self, connection: &mut StoreConnection) -> Result<(), String> {
        if connection.in_flight.is_full() {
            connection.in_flight.wait_for_room(LOOK_INTERVAL);
        } else {
            self.serve_late(connection);
            match self.queue.recv_timeout(self.patience(connection)) {
                Ok(message) => self.take(connection, message)?,
                Err(RecvTimeoutError::Timeout) => self.prepare(connection)?,
                Err(RecvTimeoutError::Disconnected) => return Err("the engine is gone".to_owned()),
            }
        }
        self.act_on_findings(connection)?;
        self.keep_up(connection);
        self.count_rooms(connection);
        connection.write()
    }

    /// How long to wait for something to come.
    fn patience(&self, connection: &StoreConnection) -> Duration {
        let patience = if !self.late.is_empty() {
            LATE_INTERVAL
        } else if connection.census.is_some() {
            census::REST
        } else {
            LOOK_INTERVAL
        };
        let soon = self.documents.as_ref().and_then(DocumentDesk::patience);
        let patience = soon.map_or(patience, |soon| patience.min(soon));
        let due_in = self.outlook.as_ref().map(|outlook| outlook.wait(Instant::now()));
        due_in.map_or(patience, |due_in| patience.min(due_in))
    }

    /// What must be known before a batch is packed: wishes came before the batches that need them.
    fn prepare(&mut self, connection: &mut StoreConnection) -> Result<(), String> {
        self.take_scripts();
        self.follow_wishes(connection)
    }

    fn take(&mut self, connection: &mut StoreConnection, first: WriterCommand) -> Result<(), String> {
        let mut next = Some(first);
        for _ in 0..MAX_PACKED {
            let Some(message) = next.take().or_else(|| self.queue.try_recv().ok()) else { break };
            self.prepare(connection)?;
            connection.wait_until_subscribed();
            match message {
                WriterCommand::Batch(batch) => self.receive(connection, batch),
                WriterCommand::Wake => {}
                WriterCommand::Parcel(parcel) => {
                    let receive = outbox::receive(&self.endpoint.names.keys, &parcel);
                    connection.command(&receive, Upkeep::Receive(parcel.source));
                }
                WriterCommand::Arrived(target, number) => self.arrived(connection, target, number),
                WriterCommand::Documents(request) => match &mut self.documents {
                    Some(documents) => documents.ask(connection, request),
                    None => request.refuse(),
                },
            }
            if connection.pack.len() >= MAX_PACKED_BYTES || connection.in_flight.is_full() {
                break;
            }
        }
        Ok(())
    }

    /// Sends what may run now of a batch; the rest of it, or all, waits.
    fn receive(&mut self, connection: &mut StoreConnection, mut batch: Box<Batch>) {
        let now = Instant::now();
        let mut ledger = self.endpoint.ledger();
        if ledger.must_wait(&batch, connection.in_flight.guess() >= BUSY, now) {
            drop(ledger);
            return self.put_off(batch, now);
        }
        let held = ledger.cut(&mut batch, now);
        drop(ledger);
        self.pack(connection, *batch, held, 0);
    }

    fn put_off(&mut self, batch: Box<Batch>, now: Instant) {
        let user_id = batch.calls.iter().find_map(payer).cloned().unwrap_or_default();
        if let Err(batch) = self.late.put(user_id, batch, now) {
            self.endpoint.fail(*batch, Held::new(), ErrorCode::Busy, late::REFUSAL);
        }
        self.count_late();
    }

    fn serve_late(&mut self, connection: &mut StoreConnection) {
        let mut under_way = connection.in_flight.guess();
        while !self.late.is_empty() && !connection.in_flight.is_full() {
            let now = Instant::now();
            let mut ledger = self.endpoint.ledger();
            // Other nodes may want the store at any time.
            let next = self.late.next(now, true, |batch| ledger.must_wait(batch, under_way >= BUSY, now));
            match next {
                Some(Next::Run(mut batch)) => {
                    let held = ledger.cut(&mut batch, now);
                    let guess = ledger.guess_all(&batch.calls);
                    under_way += guess;
                    self.late.ran(guess, now);
                    drop(ledger);
                    self.pack(connection, *batch, held, 0);
                }
                Some(Next::Refuse(batch)) => {
                    drop(ledger);
                    self.endpoint.fail(*batch, Held::new(), ErrorCode::Busy, late::REFUSAL);
                }
                None => break,
            }
            self.count_late();
        }
    }

    fn count_late(&self) {
        self.endpoint.late.store(self.late.len(), Ordering::Relaxed);
    }

    fn take_scripts(&mut self) {
        let slot = &self.endpoint.new_scripts;
        let set = slot.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some(set) = set {
            self.programs.replace(&set);
            self.on_disconnect = set.get("on_disconnect").unwrap_or(&NO_HOOK).clone();
            match mail::are_for_messages(&set) {
                true => drop(self.outlook.get_or_insert_with(|| Outlook::new(Instant::now()))),
                false => self.outlook = None,
            }
            if let Some(documents) = self.documents.as_mut().filter(|_| set.has_documents()) {
                documents.begin_use(set.all().any(|script| script.header.is_durable));
            }
            self.scripts = set;
        }
    }

    fn pack(&mut self, connection: &mut StoreConnection, mut batch: Batch, mut held: Held, tries: u8) {
        documents::hold_late(&mut batch, &mut held);
        if batch.calls.is_empty() && !held.is_empty() {
            return self.endpoint.finish(batch, held, Outcome::of(Vec::new()));
        }
        let program = self.programs.for_scripts(batch.calls.iter().map(|call| &call.script));
        if let Some(documents) = self.documents.as_mut().filter(|_| program.has_documents) {
            documents.hail(connection);
        }
        connection.load(&program);
        let guess = self.endpoint.ledger().guess_all(&batch.calls);
        let head = self.head(batch.calls.len(), guess);
        write_batch(&batch, &program, head, &mut connection.pack);
        let first_seed = head.first_seed;
        let sent = SentBatch { batch, held, guess, first_seed, program, tries };
        connection.in_flight.push(Sent::Batch(Box::new(sent)), Instant::now());
    }

    /// For so many calls that will take so long, as far as one can tell.
    fn head(&mut self, calls: usize, guess: Duration) -> Head<'_> {
        let (fresh_epoch, first_seed) = (self.random.next_u64(), first_seed(&mut self.random));
        Head {
            node: &self.endpoint.node,
            own_keys: &self.endpoint.names.keys,
            fresh_epoch,
            first_seed,
            step: Ledger::step(calls, guess),
            room_ttl_s: self.endpoint.room_ttl_s,
            is_full: self.is_full,
        }
    }

    /// A batch of messages goes with those of other rooms, or alone where it must.
    fn pack_messages(&mut self, connection: &mut StoreConnection, bundles: &mut Bundles, batch: Batch) {
        let program = self.programs.for_scripts(batch.calls.iter().map(|call| &call.script));
        let ledger = self.endpoint.ledger();
        let (guess, are_proven) = (ledger.guess_all(&batch.calls), ledger.are_proven(&batch.calls));
        drop(ledger);
        let is_careful = self.outlook.as_ref().is_none_or(|outlook| outlook.is_careful(batch.room.as_ref()));
        // While the store is full, each call is to find that out by itself.
        if batch.room.is_none() || is_careful || self.is_full || program.has_documents || !are_proven {
            self.pack(connection, batch, Held::new(), 0);
        } else if let Some(full) = bundles.add(program, batch, guess) {
            self.pack_bundle(connection, full);
        }
    }

    fn pack_bundles(&mut self, connection: &mut StoreConnection, bundles: &mut Bundles) {
        for bundle in bundles.take_all() {
            self.pack_bundle(connection, bundle);
        }
    }

    /// Sends several rooms' batches as one call.
    fn pack_bundle(&mut self, connection: &mut StoreConnection, bundle: Bundle) {
        if bundle.batches.len() == 1 {
            for batch in bundle.batches {
                self.pack(connection, batch, Held::new(), 0);
            }
            return;
        }
        connection.load(&bundle.program);
        let calls = bundle.batches.iter().map(|batch| batch.calls.len()).sum();
        let head = self.head(calls, bundle.guess());
        write_bundle(&bundle.batches, &bundle.program, head, &mut connection.pack);
        let mut first_seed = head.first_seed;
        let Bundle { program, batches, guesses } = bundle;
        let sent = batches.into_iter().zip(guesses).map(|(batch, guess)| {
            let calls = batch.calls.len() as u64;
            let program = program.clone();
            let sent = SentBatch { batch, held: Held::new(), guess, first_seed, program, tries: 0 };
            first_seed += calls;
            sent
        });
        connection.in_flight.push(Sent::Bundle(sent.collect()), Instant::now());
    }

    fn act_on_findings(&mut self, connection: &mut StoreConnection) -> Result<(), String> {
        while let Ok(finding) = connection.findings.try_recv() {
            match finding {
                Finding::NoScript(sent) => {
                    log::info!(
                        "the store has lost its scripts and gets them again address={}",
                        self.endpoint.address
                    );
                    connection.loaded.clear();
                    self.pack(connection, sent.batch, sent.held, sent.tries + 1);
                }
                Finding::Upkeep(Upkeep::Lease, answer) if upkeep::is_expelled(&answer) => {
                    log::error!("other nodes have taken this one for dead: all sockets must come back");
                    self.endpoint.deliver_everywhere(|| Delivery::Expelled);
                }
                Finding::Upkeep(Upkeep::FindOrphans, answer) => self.tidy_up(connection, answer),
                Finding::Upkeep(Upkeep::Census, answer) => self.counted(connection, answer),
                Finding::Upkeep(Upkeep::Identify, answer) => {
                    let (name, is_full) = upkeep::read_identity(&answer);
                    self.identified(name);
                    self.is_full = is_full;
                    if !is_full {
                        self.endpoint.has_room();
                    }
                }
                Finding::NoRight => {
                    if connection.asked_rights_at.is_none_or(|at| at.elapsed() >= upkeep::INTERVAL) {
                        connection.asked_rights_at = Some(Instant::now());
                        connection.command(&self.rights().question, Upkeep::Rights);
                    }
                }
                Finding::Upkeep(Upkeep::Rights, answer) => {
                    let (rights, lacking) = (self.rights(), read_lacking(&answer).unwrap_or_default());
                    if rights.is_barred(&lacking) {
                        return Err(rights.explain(&lacking));
                    }
                    self.note_lacking(&rights, lacking);
                }
                Finding::Upkeep(Upkeep::Look, answer) => self.run_messages(connection, answer),
                Finding::Upkeep(Upkeep::Payloads, answer) => self.run_read_messages(connection, answer),
                Finding::Upkeep(Upkeep::Send(target), answer) => self.sent(target, answer),
                Finding::Upkeep(Upkeep::Receive(source), answer) => {
                    let (number, own) = (outbox::read_received(&answer), self.endpoint.index);
                    self.endpoint.peers.send(source, WriterCommand::Arrived(own, number));
                    self.messages_are_due_in(Duration::ZERO);
                }
                Finding::Upkeep(Upkeep::DocumentHome, answer) => {
                    self.documents.iter_mut().for_each(|documents| documents.hailed(&answer));
                }
                Finding::Upkeep(Upkeep::Documents, answer) => {
                    let installed = self.documents.as_mut().map(|documents| documents.answered(&answer));
                    self.documents_are_there(connection, &installed.unwrap_or_default());
                }
                Finding::Upkeep(Upkeep::DocumentOutbox, answer) => {
                    if let Some(documents) = &mut self.documents {
                        documents.stepped(answer);
                    }
                }
                Finding::Upkeep(..) => {}
                Finding::DueIn(wait) => self.messages_are_due_in(wait),
                Finding::Saved => self.documents.iter_mut().for_each(DocumentDesk::expect_more),
                Finding::Stopped(stopped) => self.messages_stopped(connection, stopped),
                Finding::Cold(batch, missing) => self.messages_are_cold(connection, *batch, missing),
            }
        }
        Ok(())
    }

    /// What the user must be allowed to do.
    fn rights(&self) -> Rights {
        Rights::new(&self.endpoint.address, &self.endpoint.names, self.programs.current())
    }

    /// Some scripts cannot run: told once.
    fn note_lacking(&mut self, rights: &Rights, lacking: Vec<String>) {
        if !lacking.is_empty() && lacking != self.lacking {
            let (address, reason) = (&self.endpoint.address, rights.explain(&lacking));
            log::error!("some scripts cannot run in the store address={address} reason={reason:?}");
        }
        self.lacking = lacking;
    }

    /// The store has told what it holds. If that is not what it held, rooms may be lost, and their members find out.
    fn identified(&mut self, name: Option<Box<str>>) {
        let has_lost = self.identity.is_some() && name != self.identity;
        self.identity = name.or_else(|| {
            let given = self.name().into();
            self.names_given += 1;
            Some(given)
        });
        if has_lost {
            log::error!("the store has lost its data address={}", self.endpoint.address);
            for room in self.watched.keys() {
                self.endpoint.deliver_home(room, Delivery::Missed(room.clone()));
            }
        }
    }

    /// As the store knows this node.
    fn node(&self) -> NodeKeys<'_> {
        NodeKeys { own_keys: &self.endpoint.names.keys, node: &self.endpoint.node }
    }

    /// The name that the store gets if it has none.
    fn name(&self) -> String {
        format!("{}-{}", self.endpoint.node, self.names_given)
    }

    /// Takes members of dead nodes out of their rooms.
    fn tidy_up(&mut self, connection: &mut StoreConnection, answer: redis::Value) {
        let orphans = upkeep::read_orphans(answer);
        let are_many = orphans.len() >= upkeep::ORPHANS_AT_ONCE;
        let orphans = match self.on_disconnect.has_documents() {
            true => self.leaving.begin(orphans, Instant::now()),
            false => orphans,
        };
        if let Some(first) = orphans.first() {
            log::warn!(
                "a node is gone; its members leave their rooms node={} members={}",
                first.node,
                orphans.len()
            );
        }
        let may_be_more = are_many && !orphans.is_empty();
        for orphan in orphans {
            let origin = self.endpoint.outlet().deliver.home(&orphan.room);
            let mut leave = orphan.leave(&self.on_disconnect, origin);
            documents::settle(&mut leave);
            self.pack(connection, leave, Held::new(), 0);
            self.endpoint.metrics.redis_orphans.inc();
        }
        if may_be_more {
            connection.command(&upkeep::find_orphans(&self.endpoint.names.keys), Upkeep::FindOrphans);
        }
    }

    /// Runs what is due of messages, as far as that does not keep the store for long: the rest stays where it is.
    fn run_messages(&mut self, connection: &mut StoreConnection, answer: redis::Value) {
        let Some(seen) = Seen::read(answer) else {
            log::error!("what the store tells of messages makes no sense address={}", self.endpoint.address);
            return;
        };
        self.endpoint.note_pending(seen.pending);
        let (mut work, mut wait) = (Duration::ZERO, seen.wait);
        let mut abroad = HashMap::<usize, Vec<(Option<RoomId>, Vec<Due>)>>::new();
        let (half, mut has_looked) = (seen.half(), false);
        let mut bundles = Bundles::default();
        let (mut held, mut unread) = (Vec::new(), Vec::new());
        for (number, (room, due)) in seen.rooms.iter().enumerate() {
            if half == Some(number) {
                self.pack_bundles(connection, &mut bundles);
                let Some(outlook) = &mut self.outlook else { return };
                connection.command(&outlook.look(&self.endpoint.names.keys), Upkeep::Look);
                has_looked = true;
            }
            let home = self.endpoint.peers.home_of(room.as_ref().map_or("", RoomId::as_str));
            if home != self.endpoint.index {
                abroad.entry(home).or_default().push((room.clone(), due.clone()));
                continue;
            }
            if let Some(left) = self.waiting.wait_of(room.as_ref(), Instant::now()) {
                held.push((room.clone(), left));
                continue;
            }
            if self.waiting.is_reading(room.as_ref()) {
                continue;
            }
            let must_stop = work >= MESSAGES_WORK || connection.in_flight.is_full() || self.is_stopping();
            let Some(outlook) = &mut self.outlook else { return };
            if must_stop {
                wait = Some(Duration::ZERO);
                outlook.put_back(room.clone(), due);
                continue;
            }
            let calls = seen.calls(room.as_ref(), due, &self.scripts, outlook);
            if calls.is_empty() {
                continue;
            }
            work += self.endpoint.ledger().guess_all(&calls);
            let mut batch =
                Batch { may_give_back: true, ..Batch::new(room.clone(), calls, self.origin(room.as_ref())) };
            if documents::need_payloads(&batch) {
                unread.push(batch);
                continue;
            }
            documents::settle(&mut batch);
            self.pack_messages(connection, &mut bundles, batch);
        }
        self.pack_bundles(connection, &mut bundles);
        self.read_messages(connection, unread);
        self.hold_rooms(connection, &held);
        // A room that is held since may not have been seen.
        wait = wait.into_iter().chain(self.waiting.wait(Instant::now())).min();
        for (target, rooms) in abroad {
            self.send(connection, target, 0, &rooms);
        }
        if let Some(outlook) = &mut self.outlook
            && !has_looked
        {
            outlook.looked(wait, work, Instant::now());
        }
    }

    fn messages_are_due_in(&mut self, wait: Duration) {
        if let Some(outlook) = &mut self.outlook {
            outlook.is_due_in(wait, Instant::now());
        }
    }

    /// Puts messages of these rooms into the outbox to another store.
    fn send(
        &mut self,
        connection: &mut StoreConnection,
        target: usize,
        arrived: u64,
        rooms: &[(Option<RoomId>, Vec<Due>)],
    ) {
        let (own_keys, address) = (&self.endpoint.names.keys, self.endpoint.peers.address(target));
        connection.command(&outbox::send(own_keys, address, arrived, rooms), Upkeep::Send(target));
    }

    fn outbox(&mut self, target: usize) -> Option<&mut Outbox> {
        self.outboxes.iter_mut().find(|(index, _)| *index == target).map(|(_, outbox)| outbox)
    }

    /// What is next in an outbox is known.
    fn sent(&mut self, target: usize, answer: redis::Value) {
        let Some((moved, parcel)) = outbox::read_sent(answer, self.endpoint.index) else {
            log::error!(
                "what the store tells of its outbox makes no sense address={}",
                self.endpoint.address
            );
            return;
        };
        if moved > 0 {
            self.messages_are_due_in(Duration::ZERO);
        }
        if let Some(parcel) = parcel
            && self.outbox(target).is_some_and(|outbox| outbox.sends(Instant::now()))
        {
            self.endpoint.peers.send(target, WriterCommand::Parcel(Box::new(parcel)));
        }
    }

    /// Another store has taken messages: they leave the outbox, and the next may go.
    fn arrived(&mut self, connection: &mut StoreConnection, target: usize, number: Option<u64>) {
        let Some(number) = number else { return };
        if let Some(outbox) = self.outbox(target) {
            outbox.arrived();
        }
        self.send(connection, target, number, &[]);
    }

    /// Sends what nodes that are gone have left in outboxes, and what did not arrive.
    fn look_at_outboxes(&mut self, connection: &mut StoreConnection) {
        let now = Instant::now();
        let is_time = |(target, outbox): &mut (usize, Outbox)| outbox.looks(now).then_some(*target);
        let targets: Vec<usize> = self.outboxes.iter_mut().filter_map(is_time).collect();
        for target in targets {
            self.send(connection, target, 0, &[]);
        }
    }

    /// One of them ran for too long: they run one by one, until it is alone, and then it is dropped.
    fn messages_stopped(&mut self, connection: &mut StoreConnection, stopped: Stopped) {
        let origin = self.origin(stopped.room.as_ref());
        match (stopped.drop(origin), &mut self.outlook) {
            (Some(batch), _) => self.pack(connection, batch, Held::new(), 0),
            (None, Some(outlook)) => outlook.take_care(stopped.room, Instant::now()),
            (None, None) => {}
        }
    }

    /// The shard that gets to know how a batch of this thread's own ended.
    fn origin(&self, room: Option<&RoomId>) -> ShardId {
        room.map_or(0, |room| self.endpoint.outlet().deliver.home(room))
    }

    fn keep_up(&mut self, connection: &mut StoreConnection) {
        if let Some(outlook) = &mut self.outlook
            && outlook.looks(Instant::now())
        {
            connection.command(&outlook.look(&self.endpoint.names.keys), Upkeep::Look);
        }
        if self.outlook.is_some() {
            self.look_at_outboxes(connection);
        }
        if let Some(documents) = &mut self.documents {
            documents.work(connection);
        }
        if connection.identified_at.is_none_or(|at| at.elapsed() >= upkeep::IDENTIFY_INTERVAL) {
            connection.identified_at = Some(Instant::now());
            connection.command(&upkeep::identify(&self.endpoint.names.keys, &self.name()), Upkeep::Identify);
        }
        if connection.kept_up_at.is_some_and(|at| at.elapsed() < upkeep::INTERVAL) {
            return;
        }
        connection.kept_up_at = Some(Instant::now());
        connection.command(&upkeep::renew_lease(&self.node()), Upkeep::Lease);
        if connection.opened_at.elapsed() >= upkeep::GRACE {
            connection.command(&upkeep::find_orphans(&self.endpoint.names.keys), Upkeep::FindOrphans);
        }
        connection.ping_pushes();
        self.unwatch_idle(connection);
        if self.forgot_at.elapsed() >= FORGET_INTERVAL {
            self.forgot_at = Instant::now();
            self.endpoint.ledger().forget_idle(self.forgot_at);
        }
    }

    /// Takes the survey that managers wait for a step further.
    fn count_rooms(&self, connection: &mut StoreConnection) {
        let Endpoint { surveys, index, names, .. } = &*self.endpoint;
        if !surveys.is_wanted(*index) {
            // The answer to a step that is under way must find what asked for it.
            connection.census.take_if(|census| !census.is_asked());
            return;
        }
        let census = connection.census.get_or_insert_with(Census::new);
        if let Some(command) = census.next(&names.keys, Instant::now()) {
            connection.command(&command, Upkeep::Census);
        }
    }

    fn counted(&self, connection: &mut StoreConnection, answer: redis::Value) {
        let Some(census) = connection.census.take() else { return };
        let Endpoint { surveys, index, address, .. } = &*self.endpoint;
        match census.read(answer, Instant::now()) {
            Step::More(census) => connection.census = Some(census),
            Step::Done(counting) => surveys.put(*index, counting),
            Step::Refused(why) => {
                log::warn!("the rooms cannot be counted address={address} reason={why:?}");
                surveys.refuse(format!(
                    "the store at {address} does not tell what its keys take: {why} (the server's user needs +scan and +memory|usage)"
                ));
            }
        }
    }

    fn follow_wishes(&mut self, connection: &mut StoreConnection) -> Result<(), String> {
        let now = Instant::now();
        for (room, is_wanted) in self.endpoint.take_wishes() {
            if !is_wanted {
                self.watched.entry(room).and_modify(|idle_since| *idle_since = Some(now));
            } else if self.watched.insert(room.clone(), None).is_none() {
                connection.subscription("SUBSCRIBE", &self.endpoint.names.channel(&room))?;
                if let Some(documents) = &self.documents {
                    documents.ask_rooms(connection, Some(&room));
                }
            }
        }
        Ok(())
    }

    fn unwatch_idle(&mut self, connection: &mut StoreConnection) {
        let is_over =
            |idle_since: &Option<Instant>| idle_since.is_some_and(|since| since.elapsed() >= LINGER);
        let over: Vec<RoomId> =
            self.watched.iter().filter(|(_, since)| is_over(since)).map(|(room, _)| room.clone()).collect();
        for room in over {
            self.watched.remove(&room);
            // If it fails, so does the next write.
            let _ = connection.subscription("UNSUBSCRIBE", &self.endpoint.names.channel(&room));
        }
    }

    /// Subscribes every room again. Whatever was published meanwhile is missing, so their members get a snapshot.
    fn subscribe_all(&mut self, connection: &mut StoreConnection) -> Result<(), String> {
        for (room, is_wanted) in self.endpoint.take_wishes() {
            let idle_since = if is_wanted { None } else { Some(Instant::now()) };
            self.watched.insert(room, idle_since);
        }
        for room in self.watched.keys() {
            connection.subscription("SUBSCRIBE", &self.endpoint.names.channel(room))?;
        }
        if let Some(documents) = self.documents.as_ref().filter(|_| !self.watched.is_empty()) {
            documents.ask_rooms(connection, None);
        }
        connection.write()?;
        connection.wait_until_subscribed();
        if self.was_up {
            for room in self.watched.keys() {
                self.endpoint.deliver_home(room, Delivery::Missed(room.clone()));
            }
        }
        self.was_up = true;
        Ok(())
    }

    /// Runs what is in the queue, and waits for the answers.
    fn farewell(&mut self, connection: &mut StoreConnection) -> String {
        while self.endpoint.submitting.load(Ordering::SeqCst) > 0 {
            std::thread::yield_now();
        }
        let began = Instant::now();
        let end = began + FAREWELL;
        let (mut has_given_up, mut has_packed) = (false, true);
        while Instant::now() < end && connection.end.get().is_none() {
            while !connection.in_flight.is_full()
                && let Some(batch) = self.next_waiting()
            {
                self.pack(connection, *batch, Held::new(), 0);
                has_packed = true;
            }
            if std::mem::take(&mut has_packed)
                && let Some(documents) = &mut self.documents
            {
                documents.expect_more();
            }
            // The end is near anyway.
            let _ = self.act_on_findings(connection);
            if let Some(documents) = self.documents.as_mut().filter(|_| !has_given_up) {
                documents.work(connection);
            }
            let is_all_written = self.documents.as_ref().is_none_or(DocumentDesk::is_idle);
            let is_known = !self.endpoint.is_waiting() || began.elapsed() >= WRITTEN_WITHIN;
            let is_done = self.queue.is_empty()
                && self.late.is_empty()
                && connection.in_flight.len() == 0
                && is_all_written
                && is_known;
            if is_done && !std::mem::replace(&mut has_given_up, true) {
                if let Some(documents) = &mut self.documents {
                    documents.give_up_lease(connection);
                }
                let give_up = upkeep::give_up_lease(&self.node(), self.endpoint.rejoin_grace);
                connection.command(&give_up, Upkeep::Note);
            }
            if connection.write().is_err() || (has_given_up && connection.in_flight.len() == 0) {
                break;
            }
            connection.in_flight.wait_until_empty(Duration::from_millis(10));
        }
        "the server stops".to_owned()
    }

    fn next_waiting(&mut self) -> Option<Box<Batch>> {
        while let Ok(message) = self.queue.try_recv() {
            if let WriterCommand::Batch(batch) = message {
                return Some(batch);
            }
        }
        self.late.pop()
    }

    /// Ends a connection: nothing more is delivered from it, and then what it owes is failed.
    fn close(&mut self, connection: StoreConnection) {
        for transport in std::iter::once(&connection.transport).chain(&connection.pushes) {
            transport.stream.shut_down();
        }
        for reader in connection.readers {
            if reader.join().is_err() {
                log::error!("a thread that reads from the store has panicked");
            }
        }
        for sent in connection.in_flight.take_all() {
            match sent {
                Sent::Batch(sent) => self.endpoint.fail_lost(*sent),
                Sent::Bundle(all) => all.into_iter().for_each(|sent| self.endpoint.fail_lost(sent)),
                Sent::Load(_) | Sent::Subscription | Sent::Upkeep(_) => {}
            }
        }
        for finding in connection.findings.try_iter() {
            if let Finding::NoScript(sent) = finding {
                self.endpoint.fail_unsent(sent.batch, sent.held);
            }
        }
        if let Some(documents) = &mut self.documents {
            documents.end();
        }
        while let Some(batch) = self.late.pop() {
            self.endpoint.fail_unsent(*batch, Held::new());
        }
        self.count_late();
    }

    /// Waits until the next try, and refuses what comes meanwhile.
    fn rest(&mut self, pause: Duration) {
        let pause = pause - pause.mul_f64((self.random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64 / 2.0);
        let end = Instant::now() + pause;
        while !self.is_stopping() {
            self.take_scripts();
            match self.queue.recv_deadline(end) {
                Ok(WriterCommand::Batch(batch)) => self.endpoint.fail_unsent(*batch, Held::new()),
                Ok(WriterCommand::Documents(request)) => request.refuse(),
                // Messages stay in their outbox.
                Ok(WriterCommand::Wake | WriterCommand::Parcel(_) | WriterCommand::Arrived(..)) => {}
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn refuse_waiting(&mut self) {
        while self.endpoint.submitting.load(Ordering::SeqCst) > 0 {
            std::thread::yield_now();
        }
        while let Ok(message) = self.queue.try_recv() {
            if let WriterCommand::Batch(batch) = message {
                self.endpoint.fail_unsent(*batch, Held::new());
            }
        }
    }
}
