//! Makes the users of a `dev` with their domains, many at once: the directory commits what comes together together.

use super::users::User;
use crate::failure::Failure;
use crate::keys;
use directory::DirectoryClient;
use directory::client::Error;
use model::{Address, Domain};
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use vault::Password;
use zeroize::Zeroizing;

/// Users that are under way at once.
const USERS_AT_ONCE_MAX: usize = 128;
/// The label of a user's first password.
const FIRST_LABEL: &str = "dev";

/// Makes those that are not there yet, and gives those that have a new password that one too.
pub async fn make(directory: &DirectoryClient, users: &[User]) -> Result<(), Failure> {
    let domains: BTreeSet<Domain> = users.iter().map(|user| user.address.domain().clone()).collect();
    for domain in domains {
        match directory.add_domain(&domain).await {
            Ok(_) | Err(Error::AlreadyExists(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    // An Argon2id run takes 64 MB and a core: as many as there are cores.
    let cores = Arc::new(Semaphore::new(std::thread::available_parallelism().map_or(1, usize::from)));
    let mut under_way = JoinSet::new();
    for user in users {
        if under_way.len() >= USERS_AT_ONCE_MAX
            && let Some(done) = under_way.join_next().await
        {
            done??;
        }
        under_way.spawn(make_one(
            directory.clone(),
            Arc::clone(&cores),
            user.address.clone(),
            user.password.clone(),
            user.former.clone(),
        ));
    }
    while let Some(done) = under_way.join_next().await {
        done??;
    }
    Ok(())
}

async fn make_one(
    directory: DirectoryClient,
    cores: Arc<Semaphore>,
    address: Address,
    password: Zeroizing<String>,
    former: Option<Zeroizing<String>>,
) -> Result<(), Failure> {
    let known = directory.credentials(&address).await?;
    let _core = cores.acquire().await?;
    match (known, former) {
        (None, _) => {
            let alias = address.clone();
            let make = move || keys::new_alias(&alias, &Password::from(password), FIRST_LABEL);
            let made = tokio::task::spawn_blocking(make).await??;
            directory.add_alias(made.request).await?;
        }
        (Some(known), Some(former)) => {
            let taken = |label: &String| known.credentials.iter().any(|credential| credential.label == *label);
            let label = (2..).map(|n| format!("{FIRST_LABEL}-{n}")).find(|label| !taken(label)).unwrap_or_default();
            let make = move || keys::new_credential(&known, &Password::from(former), &Password::from(password), &label);
            let made = tokio::task::spawn_blocking(make).await??;
            directory.add_credential(&address, made).await?;
        }
        (Some(_), None) => {}
    }
    Ok(())
}
