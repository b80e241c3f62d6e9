//! Documents in place of the server's: a hash of the store, with the server's rules for what a call may work on and whose it is.

use std::sync::Arc;

use godra::script::Script;
use godra::state::documents::{CallDocuments, resolve};
use godra::state::{Call, CallError};
use godra::wire::ids::RoomId;
use serde_json::{Value, json};

use super::embedded::identity;
use super::{Caller, Failure, Game, Outcome};

/// In front of a script's first line, which sees it as part of `godra`.
pub const LIBRARY: &str = "\
    local function declared_document(name) \
    for _, known in ipairs(cjson.decode(redis.call('GET', 'test:declared'))) do if known.name == name then return known end end \
    error('this call has no document ' .. tostring(name)) end \
    local function kept_document(name) local text = redis.call('HGET', 'test:documents', name) \
    return text and cjson.decode(text) or { version = 0 } end \
    local function write_document(name, value, options) options = options or {} \
    local declared, kept = declared_document(name), kept_document(name) \
    local seen, owner = kept.value and kept.version or 0, nil \
    if options.version and options.version ~= seen then godra.error('conflict', name .. ' has version ' .. seen) end \
    if not kept.value then owner = options.new_owner or options.owner or declared.user else \
    assert(options.owner or not kept.owner or kept.owner == ARGV[1], name .. ' is owned by ' .. tostring(kept.owner)) \
    assert(not options.owner or options.owner == kept.owner, name .. ' is not owned by ' .. tostring(options.owner)) \
    owner = options.new_owner or kept.owner end \
    local after = { value = value and cjson.encode(value), version = kept.version + 1, owner = owner } \
    redis.call('HSET', 'test:documents', name, cjson.encode(after)) return after.version, kept.value ~= nil end \
    local function load_document(name) declared_document(name) local kept = kept_document(name) \
    if not kept.value then return nil, 0 end return cjson.decode(kept.value), kept.version end \
    local function save_document(name, value, options) assert(value ~= nil) return (write_document(name, value, options)) end \
    local function delete_document(name, options) return select(2, write_document(name, nil, options)) end ";

impl Game {
    /// Runs a script, with the documents that the call may work on.
    pub fn run(&mut self, script: &Arc<Script>, room: &str, caller: &Caller, args: &[String]) -> Outcome {
        if script.has_documents() {
            match self.declared(script, room, caller, args) {
                Ok(declared) => drop(self.store.command(&["SET", "test:declared", &declared.to_string()])),
                Err(error) => {
                    let (code, message) = (error.code.to_string(), error.message.into());
                    let result = Err(Failure { code, message, details: Value::Null });
                    return Outcome { result, events: Vec::new() };
                }
            }
        }
        self.store.run(script, Some(room), caller, args)
    }

    fn declared(
        &self,
        script: &Arc<Script>,
        room: &str,
        caller: &Caller,
        args: &[String],
    ) -> Result<Value, CallError> {
        let arguments = args.iter().map(|arg| arg.as_bytes().into()).collect();
        let call = Call::rpc(script.clone(), identity(caller), Vec::new(), arguments);
        match resolve(&call, RoomId::parse(room).as_ref()) {
            CallDocuments::Declared(declared) => Ok(declared
                .iter()
                .map(|one| json!({ "name": one.address.as_str(), "user": one.user.as_deref() }))
                .collect()),
            CallDocuments::Refused(error) => Err(error),
            CallDocuments::Later => unreachable!("only a gate says so"),
        }
    }

    /// A document's value and owner, behind the scripts' back.
    pub fn document(&mut self, name: &str) -> Option<(Value, Option<String>)> {
        let kept = self.store.command(&["HGET", "test:documents", name]);
        let kept: Value = serde_json::from_str(kept.as_str()?).expect("JSON");
        let value = serde_json::from_str(kept["value"].as_str()?).expect("JSON");
        Some((value, kept["owner"].as_str().map(str::to_owned)))
    }

    /// Calls and expects JSON text without events.
    pub fn json(&mut self, script: &str, user: &str, argument: &Value) -> Value {
        let text = self.ok(script, "any", user, &[&argument.to_string()]);
        serde_json::from_str(text.as_str().expect("JSON text")).expect("valid JSON")
    }

    /// Calls and expects an error with that code.
    pub fn refuses(&mut self, script: &str, user: &str, argument: &Value, code: &str) -> Failure {
        self.fails(script, "any", user, &[&argument.to_string()], code)
    }
}
