//! `godra user`: accounts managed by whoever runs the server, straight in the database. Servers that are running learn of
//! it within seconds. Passwords come from a prompt or from standard input, never from an argument that others can see.

use std::io::{self, BufRead, IsTerminal, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{Arg, ArgAction, ArgMatches, Command};

use super::password_prompt;
use crate::account::erasure_log::ErasureLog;
use crate::account::name::Username;
use crate::account::password::Password;
use crate::account::records::{Account, AccountStore, Ban, NewAccount, Renaming, StoreFault};
use crate::account::reset_code::ResetCode;
use crate::account::store::Stores;
use crate::account::token::is_user_id;
use crate::config;
use crate::wire::ids::Role;
use crate::wire::without_mark;

/// Accounts read at once.
const PAGE: usize = 500;

/// The subcommand and its own subcommands.
pub(super) fn command() -> Command {
    let name = || Arg::new("NAME").required(true).help("Username, or #42 for the account of that number");
    let role = |help| Arg::new("ROLE").value_parser(["player", "manager"]).help(help);
    let create = Command::new("create")
        .about("Make an account; the password is asked for, or read from standard input")
        .arg(Arg::new("NAME").required(true).help("Username, 3 to 32 letters, digits, _ - ."))
        .arg(role("What it may do").long("role").id("role").value_name("ROLE").default_value("player"));
    let create = config::with_name_flags(create);
    let set_role = Command::new("role")
        .about("Change what an account may do")
        .arg(name())
        .arg(role("The new role").required(true));
    let ban = Command::new("ban")
        .about("Keep an account or a guest out")
        .arg(name().help("Username, #42, or a guest's id"))
        .arg(
            Arg::new("for")
                .long("for")
                .value_name("TIME")
                .help("How long, such as 30m, 7d [default: for ever]"),
        )
        .arg(
            Arg::new("reason")
                .long("reason")
                .value_name("TEXT")
                .default_value("")
                .help("Shown to the player"),
        );
    let unban = Command::new("unban")
        .about("Let an account or a guest in again")
        .arg(name().help("Username, #42, or a guest's id"));
    let password = Command::new("password").about("Set another password; ends all sessions").arg(name());
    let reset = config::with_reset_flag(
        Command::new("reset")
            .about("Make a code by which an account's owner sets another password once; send it to them")
            .arg(name()),
    );
    let rename = config::with_name_flags(
        Command::new("rename")
            .about("Give an account another name; sessions go on")
            .arg(name())
            .arg(Arg::new("NEW").required(true).help("The new username, 3 to 32 letters, digits, _ - .")),
    );
    let delete = config::with_erasure_flag(
        Command::new("delete").about("Delete an account for good, with all its sessions").arg(name()).arg(
            Arg::new("yes")
                .long("yes")
                .action(ArgAction::SetTrue)
                .help("Do it, and do not only say what would be done"),
        ),
    );
    let list = Command::new("list").about("Show all accounts");
    [create, set_role, list, ban, unban, password, reset, rename, delete].into_iter().fold(
        Command::new("user").about("Manage accounts").subcommand_required(true).disable_help_subcommand(true),
        |user, subcommand| user.subcommand(config::with_database_flags(subcommand)),
    )
}

/// Does it; returns what there is to say. The error is one line.
pub(super) fn run(arguments: &ArgMatches) -> Result<String, String> {
    let (what, arguments) = arguments.subcommand().ok_or("user needs a subcommand; see godra user --help")?;
    let database = config::database(arguments).map_err(|error| error.to_string())?;
    let confusable_names = config::confusable_names(arguments).map_err(|error| error.to_string())?;
    let mut stores = Stores::open(&database).map_err(|error| error.to_string())?.with(confusable_names);
    if let Some(path) = config::erasure_log(arguments).map_err(|error| error.to_string())? {
        let (log, _) = ErasureLog::open(&path).map_err(|error| error.to_string())?;
        stores = stores.logging_erasures(log);
    }
    let mut task = Task { store: stores.connect().map_err(|fault| fault.to_string())?, arguments };
    match what {
        "create" => task.create(),
        "role" => task.set_role(),
        "ban" => task.ban(),
        "unban" => task.unban(),
        "password" => task.set_password(),
        "reset" => task.reset(),
        "rename" => task.rename(),
        "delete" => task.delete(),
        _ => task.list(),
    }
}

/// One command on an open database.
struct Task<'a> {
    store: Box<dyn AccountStore>,
    arguments: &'a ArgMatches,
}

impl Task<'_> {
    fn create(&mut self) -> Result<String, String> {
        let name = Username::parse(self.text("NAME")).map_err(|error| error.to_string())?;
        let role = Role::parse(self.text("role")).ok_or("the role must be player or manager")?;
        let taken = format!("the username {:?} is taken", name.shown);
        if self.store.find_by_name(&name.folded, now_s()).map_err(told)?.is_some() {
            return Err(taken);
        }
        if self.store.is_look_alike(&name.shown).map_err(told)? {
            return Err(look_alike(&name));
        }
        let account = NewAccount {
            username: name.shown,
            folded_name: name.folded,
            role,
            password_hash: ask_password()?.hash().map_err(|fault| fault.to_string())?,
            guest_id: None,
        };
        let account = self.store.create(&account, now_s()).map_err(told)?.ok_or(taken)?;
        Ok(format!("made {} #{} {}\n", account.role, account.id, account.username))
    }

    fn set_role(&mut self) -> Result<String, String> {
        let account = self.account()?;
        let role = Role::parse(self.text("ROLE")).ok_or("the role must be player or manager")?;
        self.store.set_role(account.id, role, now_ms()).map_err(told)?;
        Ok(format!("{} is a {role} now\n", account.username))
    }

    fn set_password(&mut self) -> Result<String, String> {
        let account = self.account()?;
        let hash = ask_password()?.hash().map_err(|fault| fault.to_string())?;
        let changed = self
            .store
            .change_password(account.id, &account.password_hash, &hash, None, now_ms())
            .map_err(told)?;
        if !changed {
            return Err("the password has been changed meanwhile; try again".to_owned());
        }
        Ok(format!("{} has another password, and must log in again\n", account.username))
    }

    /// The code alone is the first line, for scripts.
    fn reset(&mut self) -> Result<String, String> {
        let ttl = config::reset_ttl(self.arguments).map_err(|error| error.to_string())?;
        let account = self.account()?;
        let code = ResetCode::new();
        let expires_at_s = now_s().saturating_add(ttl.as_secs());
        if !self.store.put_reset(account.id, &code.hash(account.id), expires_at_s).map_err(told)? {
            return Err(gone(&account));
        }
        let (id, name, minutes) = (account.id, account.username, ttl.as_secs().div_ceil(60));
        Ok(format!("{}\nsets another password for #{id} {name} once, within {minutes} min\n", code.reveal()))
    }

    fn rename(&mut self) -> Result<String, String> {
        let name = Username::parse(self.text("NEW")).map_err(|error| error.to_string())?;
        let account = self.account()?;
        match self.store.rename(account.id, None, &name.shown, &name.folded, now_ms()).map_err(told)? {
            Renaming::Renamed => Ok(format!("#{} {} is {} now\n", account.id, account.username, name.shown)),
            Renaming::Taken if self.store.find_by_name(&name.folded, now_s()).map_err(told)?.is_none() => {
                Err(look_alike(&name))
            }
            Renaming::Taken => Err(format!("the username {:?} is taken", name.shown)),
            Renaming::Changed => Err(gone(&account)),
        }
    }

    fn delete(&mut self) -> Result<String, String> {
        let account = self.account()?;
        let described = format!("#{} {} {}", account.id, account.role, account.username);
        if !self.arguments.get_flag("yes") {
            return Err(format!("this deletes {described} for good; say it again with --yes"));
        }
        match self.store.delete_account(account.id, None, now_ms()).map_err(told)? {
            true => Ok(format!("deleted {described}\n")),
            false => Err(gone(&account)),
        }
    }

    fn ban(&mut self) -> Result<String, String> {
        let user_id = self.user_id()?;
        let duration = self.arguments.get_one::<String>("for").map(|text| config::ban_time(text)).transpose();
        let until_s = duration.map_err(|error| error.to_string())?.map(|duration| {
            (SystemTime::now() + duration).duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
        });
        let reason = self.text("reason").to_owned();
        if reason.chars().count() > 100 || reason.chars().any(char::is_control) {
            return Err("a reason has at most 100 characters, on one line".to_owned());
        }
        self.store.ban(&user_id, &Ban { until_s, reason }, now_ms()).map_err(told)?;
        Ok(format!("{user_id} is banned\n"))
    }

    fn unban(&mut self) -> Result<String, String> {
        let user_id = self.user_id()?;
        match self.store.unban(&user_id, now_ms()).map_err(told)? {
            true => Ok(format!("{user_id} is let in again\n")),
            false => Err(format!("{user_id} is not banned")),
        }
    }

    /// A line for each: number, role, name, and the ban if there is one.
    fn list(&mut self) -> Result<String, String> {
        let (mut text, mut after) = (String::new(), 0);
        loop {
            let accounts = self.store.list(after, PAGE, now_s()).map_err(told)?;
            let Some(last) = accounts.last() else { return Ok(text) };
            after = last.id;
            for account in &accounts {
                let ban = account.ban.as_ref().map_or_else(String::new, describe_ban);
                text += &format!("#{}\t{}\t{}{ban}\n", account.id, account.role, account.username);
            }
        }
    }

    /// Whom NAME means: an account, or a guest by its id.
    fn user_id(&mut self) -> Result<String, String> {
        let name = self.text("NAME");
        if name.starts_with("guest:") && is_user_id(name) {
            return Ok(name.to_owned());
        }
        Ok(self.account()?.id.to_string())
    }

    fn account(&mut self) -> Result<Account, String> {
        let name = self.text("NAME").to_owned();
        let found = match name.strip_prefix('#').map(str::parse) {
            Some(Ok(id)) => self.store.find(id, now_s()),
            Some(Err(_)) => Ok(None),
            None => match Username::lookup(&name) {
                Some(folded) => self.store.find_by_name(&folded, now_s()),
                None => Ok(None),
            },
        };
        found.map_err(told)?.ok_or_else(|| format!("there is no account {name:?}; see godra user list"))
    }

    fn text(&self, name: &str) -> &str {
        self.arguments.get_one::<String>(name).map_or("", String::as_str)
    }
}

fn describe_ban(ban: &Ban) -> String {
    let until = ban.until_s.map_or_else(String::new, |until_s| {
        let left_s = until_s.saturating_sub(now_s());
        format!(" for another {} h {} min", left_s / 3600, left_s / 60 % 60)
    });
    format!("\tbanned{until} {}", ban.reason).trim_end().to_owned()
}

/// Asks twice at a terminal; elsewhere the first line of standard input is the password.
fn ask_password() -> Result<Password, String> {
    let typed = if io::stdin().is_terminal() {
        let first = password_prompt::ask("Password: ").map_err(|error| error.to_string())?;
        let second = password_prompt::ask("Once more: ").map_err(|error| error.to_string())?;
        if first != second {
            return Err("the two passwords differ".to_owned());
        }
        first
    } else {
        let mut line = String::new();
        io::stdin()
            .lock()
            .read_line(&mut line)
            .map_err(|error| format!("cannot read the password: {error}"))?;
        // Shells of Windows begin what they pipe with a mark.
        without_mark(&line).trim_end_matches(['\r', '\n']).to_owned()
    };
    Password::parse(&typed).map_err(|error| error.to_string())
}

/// Shows what a command has to say; a reader that has gone away wants no more.
pub(super) fn show(text: &str) {
    let _ = io::stdout().write_all(text.as_bytes());
}

fn look_alike(name: &Username) -> String {
    let name = &name.shown;
    format!(
        "the username {name:?} looks like one that is taken; --confusable-names allow makes it all the same"
    )
}

fn gone(account: &Account) -> String {
    format!("#{} {} has been deleted meanwhile", account.id, account.username)
}

fn told(fault: StoreFault) -> String {
    fault.to_string()
}

fn now_ms() -> u64 {
    let unix: Duration = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(unix.as_millis()).unwrap_or(u64::MAX)
}

fn now_s() -> u64 {
    now_ms() / 1000
}
