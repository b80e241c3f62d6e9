//! `godra data`: documents read and written by whoever runs the server, straight in the database. What is written is taken from the
//! store of a server that holds it, which lets it go first; so servers may run meanwhile.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::time::{Duration, Instant};

use clap::{Arg, ArgMatches, Command, value_parser};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::account::records::StoreFault;
use crate::account::service::unix_ms;
use crate::account::store::Stores;
use crate::account::token::is_user_id;
use crate::config;
use crate::document::doors::{Shown, ShownEntry};
use crate::document::ledger::{Amounts, LedgerEntry, are_recent_keys};
use crate::document::store::{DocumentStore, ListQuery, connect};
use crate::document::{Address, Document, Entry, HomeId, MAX_VALUE_BYTES, MAX_VERSION, Save, check_value};
use crate::wire::without_mark;

/// Documents read or written at once.
const PAGE: usize = 50;
/// How long a server has to let documents go. A home that has died has them for ten seconds.
const PATIENCE: Duration = Duration::from_secs(15);
/// How often it is asked.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// The subcommand and its own subcommands.
pub(super) fn command() -> Command {
    let address = || Arg::new("ADDRESS").required(true).help("Collection and key, as in profile/7");
    let owner = |help| Arg::new("owner").long("owner").value_name("USER").help(help);
    let get = Command::new("get").about("Show a document").arg(address());
    let list = Command::new("list")
        .about("Show the documents of a collection, a line of JSON for each")
        .arg(Arg::new("COLLECTION").required(true))
        .arg(Arg::new("prefix").long("prefix").value_name("TEXT").help("What keys begin with"))
        .arg(owner("Whose documents"));
    let export = Command::new("export")
        .about("Write all documents to standard output, a line of JSON for each")
        .arg(Arg::new("COLLECTION").help("Only those of this collection"));
    let import = Command::new("import")
        .about("Take in what export has written; what is there in the same or a later version, or was erased, is left as it is")
        .arg(Arg::new("FILE").required(true).help("The file; - for standard input"));
    let put = Command::new("put")
        .about("Write a document; its value is read from standard input, as JSON")
        .arg(address())
        .arg(owner("Who is to own it [default: no change]"))
        .arg(
            Arg::new("schema")
                .long("schema")
                .value_name("N")
                .value_parser(value_parser!(u32).range(1..))
                .help("Which form the value has, as in v2 of DATA [default: no change]"),
        )
        .arg(
            Arg::new("version")
                .long("version")
                .value_name("N")
                .value_parser(value_parser!(u64))
                .help("Only if it has this version; 0 if there is none"),
        );
    [get, list, export, import, put].into_iter().fold(
        Command::new("data")
            .about("Read and write documents")
            .subcommand_required(true)
            .disable_help_subcommand(true),
        |data, subcommand| data.subcommand(config::with_database_flags(subcommand)),
    )
}

/// Does it; returns what there is to say besides what was asked for. The error is one line.
pub(super) fn run(arguments: &ArgMatches) -> Result<String, String> {
    let (what, arguments) = arguments.subcommand().ok_or("data needs a subcommand; see godra data --help")?;
    let database = config::database(arguments).map_err(|error| error.to_string())?;
    let stores = Stores::open(&database).map_err(|error| error.to_string())?;
    let mut task = Task { store: connect(&stores).map_err(told)?, home: HomeId::random(), arguments };
    let done = match what {
        "get" => task.get(),
        "list" => task.list(),
        "export" => task.export(),
        "import" => task.import(),
        _ => task.put(),
    };
    if matches!(what, "import" | "put") {
        // What was taken is free at once; else it would be in ten seconds.
        let retired = task.store.retire(&task.home).map_err(told);
        return done.and_then(|text| retired.map(|()| text));
    }
    done
}

/// One command on an open database.
struct Task<'a> {
    store: Box<dyn DocumentStore>,
    home: HomeId,
    arguments: &'a ArgMatches,
}

impl Task<'_> {
    fn get(&mut self) -> Result<String, String> {
        let address = self.address()?;
        let found = self.store.read(std::slice::from_ref(&address)).map_err(told)?;
        let found = found.into_iter().find(|document| document.value.is_some());
        let document = found.ok_or_else(|| format!("there is no document {address}"))?;
        show(&mut io::stdout(), &document)?;
        Ok(String::new())
    }

    fn list(&mut self) -> Result<String, String> {
        let mut query = ListQuery {
            collection: self.collection()?.unwrap_or_default(),
            prefix: self.text("prefix").unwrap_or_default().to_owned(),
            owner: self.text("owner").map(str::to_owned),
            limit: PAGE,
            ..ListQuery::default()
        };
        let mut out = BufWriter::new(io::stdout());
        loop {
            let page = self.store.list(&query).map_err(told)?;
            for document in &page.documents {
                show(&mut out, document)?;
            }
            match page.next {
                Some(next) => query.after = next,
                None => return out.flush().map(|()| String::new()).map_err(cannot_write),
            }
        }
    }

    fn export(&mut self) -> Result<String, String> {
        if let Some(collection) = self.collection()? {
            self.list()?;
            return self.export_entries(Some(&collection));
        }
        let mut out = BufWriter::new(io::stdout());
        let mut after: Option<Address> = None;
        loop {
            let documents = self.store.scan(after.as_ref(), PAGE).map_err(told)?;
            for document in documents.iter().filter(|document| document.value.is_some()) {
                show(&mut out, document)?;
            }
            match documents.into_iter().last() {
                Some(last) => after = Some(last.address),
                None => break out.flush().map_err(cannot_write)?,
            }
        }
        self.export_entries(None)
    }

    /// Entries of ledgers come behind all documents, as their accounts must be there before them.
    fn export_entries(&mut self, collection: Option<&str>) -> Result<String, String> {
        let mut out = BufWriter::new(io::stdout());
        // No key is in front of this one.
        let first = |collection: &str| Address::new(collection, " ").map_err(|error| error.to_string());
        let mut after = collection.map(first).transpose()?.map(|address| (address, 0));
        loop {
            let position = after.as_ref().map(|(address, version)| (address, *version));
            let entries = self.store.scan_entries(position, PAGE).map_err(told)?;
            let is_meant = |address: &Address| collection.is_none_or(|meant| meant == address.collection());
            for (account, entry) in entries.iter().take_while(|(account, _)| is_meant(account)) {
                let line = serde_json::to_string(&ShownEntry::of(account, entry));
                writeln!(out, "{}", line.map_err(|error| error.to_string())?).map_err(cannot_write)?;
            }
            match entries.into_iter().last().filter(|(account, _)| is_meant(account)) {
                Some((account, entry)) => after = Some((account, entry.version)),
                None => return out.flush().map(|()| String::new()).map_err(cannot_write),
            }
        }
    }

    fn import(&mut self) -> Result<String, String> {
        let name = self.text("FILE").unwrap_or_default().to_owned();
        let input: Box<dyn BufRead> = match name.as_str() {
            "-" => Box::new(io::stdin().lock()),
            name => {
                let file = File::open(name).map_err(|error| format!("cannot read {name}: {error}"))?;
                Box::new(BufReader::new(file))
            }
        };
        let (mut taken, mut left) = (0, 0);
        let mut documents: Vec<Document> = Vec::with_capacity(PAGE);
        let mut entries: Vec<(Address, LedgerEntry)> = Vec::with_capacity(PAGE);
        let mut taken_entries = 0;
        let mut lines = Lines { input, number: 0 };
        loop {
            let next = lines.next().map_err(|error| format!("{name}: {error}"))?;
            let is_next = match &next {
                Some(Line::Document(next)) => {
                    documents.len() < PAGE
                        && documents.iter().all(|document| document.address != next.address)
                }
                Some(Line::Entry(..)) | None => false,
            };
            if !is_next {
                let (new, old) = self.take_in(std::mem::take(&mut documents))?;
                (taken, left) = (taken + new, left + old);
            }
            if next.is_none() || entries.len() == PAGE {
                taken_entries += self.take_in_entries(std::mem::take(&mut entries))?;
            }
            match next {
                Some(Line::Document(next)) => documents.push(next),
                Some(Line::Entry(account, entry)) => entries.push((account, entry)),
                None => break,
            }
        }
        let of_ledgers = match taken_entries {
            0 => String::new(),
            count => format!(", took in {count} entries of ledgers"),
        };
        Ok(format!("took in {taken} documents, left {left} as they are{of_ledgers}\n"))
    }

    /// Adds what accounts lack. How many entries those were.
    fn take_in_entries(&mut self, entries: Vec<(Address, LedgerEntry)>) -> Result<usize, String> {
        let mut accounts: Vec<Address> = entries.iter().map(|(account, _)| account.clone()).collect();
        accounts.sort();
        accounts.dedup();
        if accounts.is_empty() {
            return Ok(0);
        }
        self.hold(&accounts)?;
        let taken = self.store.take_in_entries(&entries).map_err(told)?;
        self.store.let_go(&self.home, &accounts).map_err(told)?;
        Ok(taken)
    }

    /// Writes documents that are newer than what is there. How many those were, and how many were not.
    fn take_in(&mut self, documents: Vec<Document>) -> Result<(usize, usize), String> {
        if documents.is_empty() {
            return Ok((0, 0));
        }
        let count = documents.len();
        let owners: Vec<&str> = documents.iter().filter_map(|document| document.owner.as_deref()).collect();
        let erased = self.store.erased(&owners).map_err(told)?;
        let of_erased = |document: &Document| {
            document.owner.as_deref().is_some_and(|owner| erased.iter().any(|erased| erased == owner))
        };
        let addresses: Vec<Address> = documents.iter().map(|document| document.address.clone()).collect();
        let present = self.hold(&addresses)?;
        let newer = documents
            .into_iter()
            .zip(&present)
            .filter(|(document, present)| document.version > present.version && !of_erased(document));
        let entries: Vec<Entry> = newer
            .map(|(document, present)| Entry { saves: vec![Save::of(document, present.version)] })
            .collect();
        self.write(&entries)?;
        self.store.let_go(&self.home, &addresses).map_err(told)?;
        Ok((entries.len(), count - entries.len()))
    }

    fn put(&mut self) -> Result<String, String> {
        let address = self.address()?;
        let owner = self.text("owner").map(str::to_owned);
        if owner.as_ref().is_some_and(|owner| !is_user_id(owner)) {
            return Err("--owner must be an account's number or a guest's id".to_owned());
        }
        let mut value = String::new();
        let longest = MAX_VALUE_BYTES as u64 + 1024;
        io::stdin()
            .lock()
            .take(longest)
            .read_to_string(&mut value)
            .map_err(|error| format!("cannot read the value: {error}"))?;
        let value = value_of(without_mark(&value).trim())?;
        let present = self.hold(std::slice::from_ref(&address))?.remove(0);
        let found = if present.value.is_some() { present.version } else { 0 };
        if let Some(&version) = self.arguments.get_one::<u64>("version").filter(|&&version| version != found)
        {
            return Err(format!("{address} has version {found}, not {version}"));
        }
        if present.value.is_some() && present.recent_keys.is_some() {
            return Err(format!("{address} is an account of a ledger: its balances change by entries alone"));
        }
        let base = present.version;
        let mut document = present;
        document.value = Some(value);
        document.version = base + 1;
        document.updated_at_ms = unix_ms();
        document.owner = owner.map(Into::into).or(document.owner);
        document.schema = self.arguments.get_one::<u32>("schema").copied().unwrap_or(document.schema);
        self.write(&[Entry { saves: vec![Save::of(document, base)] }])?;
        Ok(format!("{address} has version {} now\n", base + 1))
    }

    /// Takes documents from whoever holds them.
    fn hold(&mut self, addresses: &[Address]) -> Result<Vec<Document>, String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let found = self.store.fetch(&self.home, addresses).map_err(told)?;
            match found.iter().find(|(_, document)| document.is_none()) {
                None => return Ok(found.into_iter().filter_map(|(_, document)| document).collect()),
                Some((address, _)) if Instant::now() > deadline => {
                    return Err(format!("{address} is in use: its server does not let it go"));
                }
                Some(_) => std::thread::sleep(ASK_AGAIN_AFTER),
            }
        }
    }

    fn write(&mut self, entries: &[Entry]) -> Result<(), String> {
        let lost = self.store.write(&self.home, entries).map_err(told)?;
        match lost.first() {
            None => Ok(()),
            Some(lost) => Err(format!("{} has been taken by a server meanwhile; try again", lost.address)),
        }
    }

    fn address(&self) -> Result<Address, String> {
        Address::parse(self.text("ADDRESS").unwrap_or_default()).map_err(|error| error.to_string())
    }

    fn collection(&self) -> Result<Option<String>, String> {
        match self.text("COLLECTION") {
            None => Ok(None),
            Some(name) if Address::is_collection(name) => Ok(Some(name.to_owned())),
            Some(_) => Err(crate::wire::AddressError::Collection.to_string()),
        }
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.arguments.try_get_one::<String>(name).ok().flatten().map(String::as_str)
    }
}

/// What a line of an export says.
enum Line {
    Document(Document),
    Entry(Address, LedgerEntry),
}

/// Documents and entries of a file, a line for each; empty lines are passed over.
struct Lines {
    input: Box<dyn BufRead>,
    number: usize,
}

impl Lines {
    fn next(&mut self) -> Result<Option<Line>, String> {
        /// Names, numbers and spaces around a value that is as long as it may be.
        const LONGEST_LINE: u64 = 2 * MAX_VALUE_BYTES as u64;
        loop {
            self.number += 1;
            let mut line = String::new();
            let read = (&mut self.input).take(LONGEST_LINE).read_line(&mut line);
            let read = read.map_err(|error| format!("line {}: {error}", self.number))?;
            let line = if self.number == 1 { without_mark(&line) } else { &line };
            match read {
                0 => return Ok(None),
                _ if line.trim().is_empty() => {}
                _ => {
                    return line_of(line).map(Some).map_err(|error| format!("line {}: {error}", self.number));
                }
            }
        }
    }
}

/// A line of an export; entries alone have changes.
fn line_of(line: &str) -> Result<Line, String> {
    #[derive(Deserialize)]
    struct Probe {
        changes: Option<serde::de::IgnoredAny>,
    }
    let probe: Probe = serde_json::from_str(line).map_err(|error| error.to_string())?;
    match probe.changes {
        None => document_of(line).map(Line::Document),
        Some(_) => entry_of(line).map(|(account, entry)| Line::Entry(account, entry)),
    }
}

fn entry_of(line: &str) -> Result<(Address, LedgerEntry), String> {
    #[derive(Deserialize)]
    struct EntryLine {
        collection: String,
        key: String,
        version: u64,
        entry_key: Option<Box<str>>,
        changes: Amounts,
        balances: Amounts,
        reason: Box<str>,
        at: u64,
    }
    let line: EntryLine = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let account = Address::new(&line.collection, &line.key).map_err(|error| error.to_string())?;
    let EntryLine { version, entry_key: key, changes, balances, reason, .. } = line;
    let entry = LedgerEntry { version, key, changes, balances, reason, at_ms: line.at.min(MAX_VERSION) };
    match entry.is_fit() && entry.version <= MAX_VERSION {
        true => Ok((account, entry)),
        false => Err("this is no entry of a ledger as an export writes it".to_owned()),
    }
}

fn document_of(line: &str) -> Result<Document, String> {
    #[derive(Deserialize)]
    struct Line<'a> {
        collection: String,
        key: String,
        version: u64,
        owner: Option<String>,
        schema: u32,
        updated_at: u64,
        #[serde(borrow)]
        value: &'a RawValue,
        #[serde(borrow)]
        recent_keys: Option<&'a RawValue>,
    }
    let line: Line = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let address = Address::new(&line.collection, &line.key).map_err(|error| error.to_string())?;
    if !(1..=MAX_VERSION).contains(&line.version) {
        return Err(format!("version must be a whole number from 1 to {MAX_VERSION}"));
    }
    if line.schema == 0 {
        return Err("schema must be a whole number from 1".to_owned());
    }
    if line.owner.as_ref().is_some_and(|owner| owner.is_empty() || owner.contains(char::is_control)) {
        return Err("owner must be a user's id or null".to_owned());
    }
    let recent_keys = line.recent_keys.map(RawValue::get);
    if !recent_keys.is_none_or(are_recent_keys) {
        return Err("recent_keys must be what an export writes".to_owned());
    }
    Ok(Document {
        address,
        version: line.version,
        owner: line.owner.map(Into::into),
        schema: line.schema,
        value: Some(value_of(line.value.get())?),
        updated_at_ms: line.updated_at.min(MAX_VERSION),
        recent_keys: recent_keys.map(Into::into),
    })
}

fn value_of(json: &str) -> Result<Box<str>, String> {
    check_value(json).map_err(|error| error.to_string())?;
    let parsed: Result<serde_json::Value, _> = serde_json::from_str(json);
    parsed.map(|_| json.into()).map_err(|error| format!("the value must be JSON: {error}"))
}

fn show(out: &mut impl Write, document: &Document) -> Result<(), String> {
    let line = serde_json::to_string(&Shown::of(document)).map_err(|error| error.to_string())?;
    writeln!(out, "{line}").map_err(cannot_write)
}

fn cannot_write(error: io::Error) -> String {
    format!("cannot write to standard output: {error}")
}

fn told(fault: StoreFault) -> String {
    fault.words().to_owned()
}
