//! What the headers of all scripts say together of each collection of documents.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use super::document_pattern::{DocumentPattern, Form, Readers};
use super::{Header, Script, ScriptSet};

/// One meaning a collection, whichever script works on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Collection {
    /// Which form the values have that scripts save now, from 1.
    pub schema: u32,
    /// Which players may read its documents.
    pub readers: Readers,
    /// Whether its documents are accounts of a ledger.
    pub is_ledger: bool,
}

impl Default for Collection {
    fn default() -> Self {
        Self { schema: 1, readers: Readers::default(), is_ledger: false }
    }
}

/// Of scripts that do not contradict each other.
pub(super) fn of_scripts(scripts: &HashMap<Box<str>, Arc<Script>>) -> HashMap<Box<str>, Collection> {
    let mut collections: HashMap<Box<str>, Collection> = HashMap::new();
    for document in scripts.values().flat_map(|script| &script.header.documents) {
        let collection = collections.entry(document.collection().into()).or_default();
        match document.form {
            Some(Form::Version(schema)) => collection.schema = schema.get(),
            Some(Form::Ledger) => collection.is_ledger = true,
            None => {}
        }
        collection.readers = document.readers.unwrap_or(collection.readers);
    }
    collections
}

/// The forms above the first that a header says by itself.
pub(super) fn forms_of(header: &Header) -> BTreeMap<Box<str>, u32> {
    let said =
        header.documents.iter().filter_map(|document| Some((document.collection(), document.schema()?)));
    said.filter(|(_, form)| form.get() > 1)
        .map(|(collection, form)| (collection.into(), form.get()))
        .collect()
}

/// Tells scripts which forms the others say of the collections that they work on, but for those of `kept`: an earlier version
/// that serves on knows the forms of its time, and its libraries are of that time, too.
pub(super) fn tell_forms(scripts: &mut HashMap<Box<str>, Arc<Script>>, kept: &BTreeSet<Box<str>>) {
    let collections = of_scripts(scripts);
    let told = scripts.values_mut().filter(|script| script.has_documents() && !kept.contains(&script.name));
    for script in told {
        let names = script.header.documents.iter().map(DocumentPattern::collection);
        let form = |name: &str| Some((name.into(), collections.get(name)?.schema));
        let forms = names.filter_map(form).filter(|(_, form)| *form > 1).collect();
        if let Some(other) = script.in_forms(forms) {
            *script = Arc::new(other);
        }
    }
}

/// A script that says something else of a collection than another.
#[derive(Debug)]
pub(super) struct Contradiction {
    pub script: Box<str>,
    pub path: PathBuf,
    pub message: String,
}

/// The scripts that contradict others which were there before them: first come those of the set before, then the names in order.
pub(super) fn contradictions(
    scripts: &HashMap<Box<str>, Arc<Script>>,
    before: &ScriptSet,
) -> Vec<Contradiction> {
    let mut with_documents: Vec<&Arc<Script>> =
        scripts.values().filter(|script| script.has_documents()).collect();
    let is_new = |script: &Script| {
        !before.get(&script.name).is_some_and(|known| known.header.documents == script.header.documents)
    };
    with_documents.sort_by_key(|script| (is_new(script), script.name.clone()));
    let mut agreed: Vec<(&Script, &DocumentPattern)> = Vec::new();
    let mut found = Vec::new();
    for script in with_documents {
        let documents = &script.header.documents;
        let contradicted = documents.iter().find_map(|document| {
            let other = agreed.iter().find(|(_, other)| other.contradicts(document))?;
            Some((document, *other))
        });
        match contradicted {
            Some((document, (other, said))) => found.push(Contradiction {
                script: script.name.clone(),
                path: script.path.clone(),
                message: format!(
                    "DATA says {} of {document}, and {}.lua {} of {said}: one collection has one form and one rule of who may read it",
                    words(document),
                    other.name,
                    words(said)
                ),
            }),
            None => agreed.extend(documents.iter().map(|document| (&**script, document))),
        }
    }
    found
}

/// What a header says of a document's collection.
fn words(document: &DocumentPattern) -> String {
    let form = document.form.map(Form::name);
    let readers = document.readers.map(|readers| readers.name().to_owned());
    let words: Vec<String> = form.into_iter().chain(readers).collect();
    if words.is_empty() { "nothing".to_owned() } else { words.join(" ") }
}
