//! The health check: does what every message needs before its text comes. Signs the probe account in, if there is one, and
//! asks whether it may send as itself; without one it asks the directory for its nodes.

use crate::server::Shared;
use daemon::config::Submission;
use daemon::probe::Account;
use daemon::telemetry::Health;
use model::Address;
use sign_in::Claim;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// A health check with the configured probe account.
pub(crate) fn check(shared: &Arc<Shared>, submission: &Submission) -> Health {
    let account = Account::new(&submission.probe_address, &submission.probe_password_file);
    let shared = Arc::clone(shared);
    Health::new(move || {
        let (shared, account) = (Arc::clone(&shared), account.clone());
        async move {
            match account {
                Some(account) => sign_in(&shared, account).await,
                None => nodes(&shared).await,
            }
        }
    })
}

async fn nodes(shared: &Shared) -> Result<(), String> {
    match shared.directory.nodes().await {
        Ok(nodes) if nodes.is_empty() => Err("no node has registered".to_owned()),
        Ok(_) => Ok(()),
        Err(error) => Err(format!("directory: {error}")),
    }
}

async fn sign_in(shared: &Shared, account: Account) -> Result<(), String> {
    let password = account.password().await?.as_bytes().to_vec();
    let claim = Claim::new(account.address().as_bytes(), password);
    let source = IpAddr::V4(Ipv4Addr::LOCALHOST);
    shared.sign_in.prove(claim, source).await.map_err(|denied| format!("sign-in: {denied:?}"))?;
    let address: Address = account.address().parse().map_err(|_| "probe_address is no address".to_owned())?;
    let may = shared.directory.may_send(&address, &address).await.map_err(|error| format!("directory: {error}"))?;
    if may.allowed { Ok(()) } else { Err("the probe account may not send as itself".to_owned()) }
}
