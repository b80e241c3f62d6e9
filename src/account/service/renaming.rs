//! Another name for an account.

use std::net::IpAddr;

use super::failure::{Outcome, bad_request, changed, reserved, taken};
use super::notices::unix_ms;
use super::worker::{AccountWorker, answer};
use crate::account::name::Username;
use crate::account::records::Renaming;
use crate::metrics::AccountEvent;
use crate::session::account::{AccountAnswer, OwnerProof};
use crate::wire::ids::Identity;

impl AccountWorker {
    /// Sessions and sockets go on; who joins a room from now on has the new name there, whatever its token says.
    pub(super) fn rename(
        &mut self,
        caller: &Identity,
        username: &str,
        proof: Option<OwnerProof>,
        address: IpAddr,
    ) -> Outcome<AccountAnswer> {
        let name = Username::parse(username).map_err(|error| bad_request(&error))?;
        let proof =
            proof.ok_or_else(|| bad_request(&r#"expected {"password": PASSWORD} or a proof besides"#))?;
        let account = self.owned(caller, proof, address)?;
        if account.username != name.shown {
            // An operator has given it the name, in whatever case.
            let is_own = Username::lookup(&account.username).is_some_and(|own| own == name.folded);
            if !is_own && self.shared.reserved_names.contains(&name) {
                return Err(reserved());
            }
            let hash = Some(&*account.password_hash);
            let renaming =
                self.ask(|store| store.rename(account.id, hash, &name.shown, &name.folded, unix_ms()))?;
            match renaming {
                Renaming::Renamed => {}
                Renaming::Taken => {
                    // Or it looks like what is.
                    self.is_free(&name)?;
                    return Err(taken());
                }
                Renaming::Changed => return Err(changed()),
            }
            log::info!("renamed account user={}", account.id);
            self.shared.metrics.events.at(AccountEvent::Renamed).inc();
            self.poke();
        }
        Ok(answer(
            200,
            &serde_json::json!({
                "user_id": account.id.to_string(),
                "username": name.shown,
                "role": account.role.as_str(),
            }),
        ))
    }
}
